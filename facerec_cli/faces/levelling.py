"""A closer look at a face: cut level, at one size, from the full-resolution photo, and detected there again.

YuNet knows upright faces. It finds others too, with lower scores, and gives them landmarks that are too upright: those
of a face upside down are the wrong way round, and of a face's tilt they show less than half. Its score tells: it is the
higher the more upright a face is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import cut, similarity
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.network import Network, Rows

WINDOW = 128
"""Side of the window that a face is looked at in, pixels."""
FACE = 64
"""Longer side of the face's box in the window, pixels."""
OFF_CENTRE = 32
"""How far from the window's middle the face may be found, pixels: a neighbour is another face."""
OTHER_SIZE = 2.2
"""How many times larger, or smaller, the face may turn out to be: beyond, it is another one."""
GAIN = 2.0
"""A face's tilt over that of the landmarks that YuNet gives it."""
LEVEL = 2.0
"""Degrees of tilt, of the landmarks, that are as good as none."""
LOOKS = 4
"""Most looks that level a face."""


@dataclass(frozen=True, eq=False)
class Look:
    """A face as it was seen.

    Attributes:
        landmarks: float64 [5, 2], pixels of the photo.
        centre: float64 [2], of its box, pixels of the photo.
        extent: float64 [2], width and height of the face's box when the face is level, pixels of the photo.
        angle: by which the photo was turned clockwise to see it, degrees.
        score: detection confidence in [0, 1].
    """

    landmarks: npt.NDArray[np.float64]
    centre: npt.NDArray[np.float64]
    extent: npt.NDArray[np.float64]
    angle: float
    score: float

    @property
    def tilt(self) -> float:
        """By how much more it would have to be turned to be level, as its landmarks have it, degrees."""
        transform = similarity(self.landmarks)
        whole = np.degrees(np.arctan2(transform[1, 0], transform[0, 0]))
        return float((whole - self.angle + 180) % 360 - 180)

    @property
    def upright_angle(self) -> float:
        """By which the photo is probably to be turned clockwise to see the face upright, degrees."""
        return self.angle + GAIN * self.tilt

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width, height of the upright box round the ellipse in the level one, pixels of the photo."""
        angle = np.radians(self.angle)
        turned = np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        width, height = np.hypot(*(turned * self.extent).T)
        return float(self.centre[0] - width / 2), float(self.centre[1] - height / 2), float(width), float(height)


def looks_of(rows: Rows, inverse: npt.NDArray[np.float64], angle: float) -> list[Look]:
    """Candidates, seen in a picture of the photo, in the photo's pixels.

    Args:
        rows: the candidates.
        inverse: float64 [2, 3], the similarity from the picture's pixels to the photo's.
        angle: by which that picture is turned clockwise, degrees.
    """
    matrix, offset = inverse[:, :2], inverse[:, 2]
    scale = np.hypot(*matrix[:, 0])
    return [
        Look(
            landmarks=row[4:14].reshape(5, 2) @ matrix.T + offset,
            centre=matrix @ (row[:2] + row[2:4] / 2) + offset,
            extent=row[2:4] * scale,
            angle=angle,
            score=float(row[14]),
        )
        for row in rows.astype(np.float64)
    ]


def look_closer(network: Network, image: Image, face: Look, angles: Sequence[float]) -> list[Look]:
    """Look at a face again, several ways at once.

    Args:
        network: the detector's.
        image: uint8 [height, width, 3], RGB, the photo.
        face: which.
        angles: by which to turn the photo clockwise, degrees.

    Returns:
        What is seen by each angle by which anything is seen, best first.
    """
    columns = math.ceil(math.sqrt(len(angles)))
    sheet = np.zeros((-(-len(angles) // columns) * WINDOW, columns * WINDOW, 3), np.uint8)
    places = [divmod(number, columns) for number in range(len(angles))]
    transforms = [_to_window(face, angle) for angle in angles]
    for (row, column), transform in zip(places, transforms, strict=True):
        window = cut(image, transform, WINDOW)
        sheet[row * WINDOW : (row + 1) * WINDOW, column * WINDOW : (column + 1) * WINDOW] = window
    rows = network.candidates(sheet)
    larger = rows[:, 2:4].max(axis=1) / FACE
    rows = rows[(larger < OTHER_SIZE) & (larger > 1 / OTHER_SIZE)]
    seen = []
    for angle, (row, column), transform in zip(angles, places, transforms, strict=True):
        corner = np.array([column, row]) * WINDOW
        beside = np.hypot(*(rows[:, :2] + rows[:, 2:4] / 2 - corner - WINDOW / 2).T)
        own = rows[beside < OFF_CENTRE]
        if len(own):
            matrix = np.linalg.inv(transform[:, :2])
            back = np.column_stack([matrix, -matrix @ (transform[:, 2] + corner)])
            seen += looks_of(own[[own[:, 14].argmax()]], back, angle)
    return sorted(seen, key=lambda look: -look.score)


def _to_window(face: Look, angle: float) -> npt.NDArray[np.float64]:
    """The similarity, float64 [2, 3], from the photo's pixels to the window's."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = FACE / max(face.extent.max(), 1.0) * np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([matrix, (WINDOW - 1) / 2 - matrix @ face.centre])


def levelled(network: Network, image: Image, face: Look) -> Look:
    """The best look at a face as its tilt is made smaller and smaller."""
    for _ in range(LOOKS):
        if abs(face.tilt) <= LEVEL:
            break
        again = look_closer(network, image, face, [face.upright_angle])
        if not again or again[0].score < face.score:
            break
        face = again[0]
    return face
