"""Scenes whose truth is known: people of the sample photos who move over a background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from facerec_cli.faces.images import pixels
from facerec_cli.faces.video import Frame

Pixels: TypeAlias = npt.NDArray[np.uint8]
Way: TypeAlias = Callable[[float], tuple[float, float] | None]
"""Where the middle of a person is at a moment of the scene, in seconds: x and y, pixels; None: they are not there."""
SIZE = (640, 360)
RATE = 10.0


def cutout(photo: Path, height: int) -> Pixels:
    """A person, scaled so that the photo has a height in pixels."""
    image = pixels(photo)
    width = round(image.shape[1] * height / image.shape[0])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def background(seed: int = 0, size: tuple[int, int] = SIZE) -> Pixels:
    """A wall of soft colours."""
    coarse = np.random.default_rng(seed).integers(60, 190, (5, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def scene(
    people: Sequence[tuple[Pixels, Way]], seconds: float, wall: Pixels | None = None, rate: float = RATE
) -> Iterator[Pixels]:
    """Pictures of people who move, the last in front."""
    wall = background() if wall is None else wall
    for number in range(round(seconds * rate)):
        picture = wall.copy()
        for person, way in people:
            if (at := way(number / rate)) is not None:
                _paste(picture, person, *at)
        yield picture


def frames(pictures: Iterable[Pixels], rate: float = RATE, since: datetime | None = None) -> Iterator[Frame]:
    """Pictures as a source gives them."""
    for number, picture in enumerate(pictures):
        position = number / rate
        time = None if since is None else datetime.fromtimestamp(since.timestamp() + position, timezone.utc)
        yield Frame(picture, number, position, time)


def still(x: float, y: float, begin: float = 0.0, end: float = float("inf")) -> Way:
    """Somebody who stays in a place for a while."""
    return lambda moment: (x, y) if begin <= moment < end else None


def walk(start: tuple[float, float], end: tuple[float, float], seconds: float, begin: float = 0.0) -> Way:
    """Somebody who goes from one place to another, and then is no longer there."""

    def at(moment: float) -> tuple[float, float] | None:
        share = (moment - begin) / seconds
        if not 0 <= share <= 1:
            return None
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return at


def _paste(picture: Pixels, person: Pixels, x: float, y: float) -> None:
    """Paste a person with the middle at a place, as far as that is in the picture; between pixels, too."""
    height, width = person.shape[:2]
    matrix = np.array([[1, 0, x - width / 2], [0, 1, y - height / 2]])
    size = picture.shape[1::-1]
    pasted = cv2.warpAffine(person, matrix, size)
    there = cv2.warpAffine(np.ones((height, width), np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    picture[there > 0] = pasted[there > 0]
