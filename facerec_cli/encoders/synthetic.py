"""Chips that show nobody: drawn heads, on which devices are compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE

_COUNT = 6
Plane = npt.NDArray[np.float64]


def synthetic_chips() -> npt.NDArray[np.uint8]:
    """A few drawn heads of different colours, features and light; uint8 [6, 112, 112, 3], RGB, always the same."""
    generator = np.random.default_rng(0)
    return np.stack([_head(generator) for _ in range(_COUNT)])


def _head(generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:CHIP_SIZE, :CHIP_SIZE].astype(np.float64)

    def spot(centre: tuple[float, float], width: float, height: float) -> Plane:
        """1 in an ellipse, 0 outside, with a soft edge."""
        distance = np.hypot((x - centre[0]) / width, (y - centre[1]) / height)
        return np.asarray(1 / (1 + np.exp(np.minimum(8 * (distance - 1), 50))), np.float64)

    right_eye, left_eye, nose, *mouth = ((float(across), float(down)) for across, down in TEMPLATE)
    image = np.zeros((CHIP_SIZE, CHIP_SIZE, 3)) + generator.uniform(20, 220, 3)
    skin, hair, lips = generator.uniform((110, 70, 50), (250, 200, 180)), generator.uniform(10, 120, 3), (150, 60, 60)
    width, wide = generator.uniform(36, 46), generator.uniform(0.8, 1.3)
    parts: list[tuple[Plane, npt.ArrayLike]] = [
        (spot((56, 50), width + 10, generator.uniform(50, 60)), hair),
        (spot((56, 66), width, 50), skin),
        (spot(nose, 7, 14), skin * 0.85),
        (spot(((mouth[0][0] + mouth[1][0]) / 2, mouth[0][1]), 15 * wide, 4), lips),
    ]
    for eye in (right_eye, left_eye):
        parts.append((spot((eye[0], eye[1] - 10), 10, 2.5), hair))
        parts.append((spot(eye, 7, 4), (235, 235, 235)))
        parts.append((spot(eye, 3.5, 3.5), generator.uniform(20, 120, 3)))
    for shape, colour in parts:
        image += shape[..., None] * (np.asarray(colour) - image)
    light = 1 + generator.uniform(-0.4, 0.4) * (x - 56) / 56
    image = image * light[..., None] + generator.normal(0, 4, image.shape)
    return np.asarray(np.clip(image, 0, 255), np.uint8)
