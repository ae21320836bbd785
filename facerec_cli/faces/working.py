"""The size at which a photo is looked at first."""

from __future__ import annotations

import numpy as np

from facerec_cli.faces.alignment import halved
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2

LEAST_SIZE = 640
"""Pixels. A photo with a longer side up to twice this is looked at so."""
MOST_SIZE = 2048
"""Pixels: a larger photo takes as long."""


def working_size(image: Image, bound: int | None) -> int:
    """The longer side at which to look for faces, pixels.

    Half the photo's own: a face of 40 pixels has 20 then, of which YuNet still has an idea. Finding the faces of 12
    megapixels takes about 0.17 s so, and decoding them 0.09 to 0.15 s, by how hard they were compressed.

    Args:
        image: uint8 [height, width, 3], RGB.
        bound: what was asked for; None where nothing.
    """
    return bound or int(np.clip(max(image.shape[:2]) // 2, LEAST_SIZE, MOST_SIZE))


def reduced(image: Image, size: int) -> Image:
    """An image with its longer side reduced to a size, pixels, by averaging; as it is where it has no more."""
    while max(image.shape[:2]) >= 2 * size:
        image = halved(image)
    height, width = image.shape[:2]
    scale = size / max(height, width)
    if scale >= 1:
        return image
    exact = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, exact, interpolation=cv2.INTER_AREA), np.uint8)
