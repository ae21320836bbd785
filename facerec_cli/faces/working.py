"""The size at which a photo is looked at first."""

from __future__ import annotations

import numpy as np

from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2

LEAST_SIZE = 640
"""Pixels. A photo with a longer side up to twice this is looked at so."""
MOST_SIZE = 2048
"""Pixels: a larger photo takes as long."""


def working_size(image: Image, bound: int | None) -> int:
    """The longer side at which to look for faces, pixels.

    Half the photo's own, so that finding its faces takes about as long as decoding it: 0.11 s and 0.13 s of 12
    megapixels; a face of 40 pixels has 20 then, of which YuNet still has an idea.

    Args:
        image: uint8 [height, width, 3], RGB.
        bound: what was asked for; None where nothing.
    """
    return bound or int(np.clip(max(image.shape[:2]) // 2, LEAST_SIZE, MOST_SIZE))


def reduced(image: Image, size: int) -> Image:
    """An image with its longer side reduced to a size, pixels, by averaging; as it is where it has no more."""
    while max(image.shape[:2]) >= 2 * size and min(image.shape[:2]) > 1:
        # Halving whole pairs takes a tenth of the time that other ratios take.
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = _area(image[: 2 * height, : 2 * width], width, height)
    height, width = image.shape[:2]
    scale = size / max(height, width)
    return _area(image, max(1, round(width * scale)), max(1, round(height * scale))) if scale < 1 else image


def _area(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
