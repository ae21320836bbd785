"""How far a face's points stand out of its chip, and what a chip looks like with the head turned a little."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.alignment import CHIP_SIZE, TEMPLATE
from facerec_cli.faces.opencv import cv2

Field = npt.NDArray[np.float32]

_HEAD = (56.0, 66.0, 46.0, 62.0, 40.0)
"""An ellipsoid's centre, x and y, and its half axes, x, y and depth, in a chip's pixels."""
_NOSE = (9.0, 13.0, 13.0)
"""A bump's standard deviations, x and y, and its height, in pixels."""


def turned(movement: npt.NDArray[np.float64], yaw: float, pitch: float) -> tuple[Field, Field]:
    """Where a chip that is moved, its head turned besides, shows what: the maps that ``cv2.remap`` takes.

    What stands out of the plane of eyes, nose and mouth moves by the tangent of the angle; alignment has already put
    that plane where it was. What was hidden and would be seen is stretched skin: small angles alone look right.

    Args:
        movement: float64 [2, 3], from a chip's pixels to the moved chip's.
        yaw: degrees to the side.
        pitch: degrees up or down.

    Returns:
        x and y in the chip, float32 [112, 112] each, for each pixel of the moved one.
    """
    depth = cv2.warpAffine(relief(), movement, (CHIP_SIZE, CHIP_SIZE), borderMode=cv2.BORDER_REPLICATE)
    back = cv2.invertAffineTransform(movement)
    y, x = np.mgrid[:CHIP_SIZE, :CHIP_SIZE]
    maps = [row[0] * x + row[1] * y + row[2] for row in back]
    across, along = math.tan(math.radians(yaw)), math.tan(math.radians(pitch))
    return (maps[0] + across * depth).astype(np.float32), (maps[1] + along * depth).astype(np.float32)


@cache
def relief() -> Field:
    """How far each pixel of a chip stands out, in pixels: float32 [112, 112], on average 0 at the five landmarks."""
    y, x = np.mgrid[:CHIP_SIZE, :CHIP_SIZE].astype(np.float64)
    middle, centre, width, height, deep = _HEAD
    depth = deep * np.sqrt(np.maximum(0.0, 1 - ((x - middle) / width) ** 2 - ((y - centre) / height) ** 2))
    broad, long, tall = _NOSE
    nose = TEMPLATE[2]
    depth += tall * np.exp(-(((x - nose[0]) / broad) ** 2 + ((y - nose[1]) / long) ** 2) / 2)
    landmarks = TEMPLATE.round().astype(int)
    depth -= depth[landmarks[:, 1], landmarks[:, 0]].mean()
    # Without this the head's outline would tear.
    return np.asarray(cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 4.0), np.float32)
