"""Areas of a picture as metadata have them, and how they lie once it is turned upright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

SIDEWAYS = frozenset({5, 6, 7, 8})
"""Orientations (EXIF 2.32, tag 274) with which width and height change places."""
_UNDONE = {6: 8, 8: 6}
"""The orientations that undo these; every other one undoes itself."""
_SAME_SHAPE = 0.01
"""How far the proportions of two sizes may be apart, of which one is the other rounded."""


class Area(NamedTuple):
    """A rectangle by its centre and size, in widths and heights of the picture; a point has no size."""

    x: float
    y: float
    width: float = 0.0
    height: float = 0.0

    @property
    def size(self) -> float:
        """Width x height."""
        return self.width * self.height

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is in the area, or on its edge."""
        return abs(x - self.x) <= self.width / 2 and abs(y - self.y) <= self.height / 2

    def overlap(self, other: Area) -> float:
        """Intersection over union, from 0 to 1; of a point whether the other one holds it."""
        if not self.size or not other.size:
            return float(self.holds(other.x, other.y) or other.holds(self.x, self.y))
        across = _shared(self.x, self.width, other.x, other.width)
        down = _shared(self.y, self.height, other.y, other.height)
        return across * down / (self.size + other.size - across * down)

    def turned(self, orientation: int) -> Area:
        """The area once the picture as it is stored is turned upright by an orientation, 1 to 8."""
        x, y = self.x, self.y
        at = {
            **{1: (x, y), 2: (1 - x, y), 3: (1 - x, 1 - y), 4: (x, 1 - y)},
            **{5: (y, x), 6: (1 - y, x), 7: (1 - y, 1 - x), 8: (y, 1 - x)},
        }[orientation]
        return Area(*at, *((self.height, self.width) if orientation in SIDEWAYS else (self.width, self.height)))

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The top-left corner's x and y, width and height, in pixels of a picture of that size."""
        left, top = self.x - self.width / 2, self.y - self.height / 2
        return left * width, top * height, self.width * width, self.height * height


def area_of(box: tuple[float, float, float, float], width: int, height: int) -> Area:
    """The area of a box in pixels (x, y, width, height) of a picture of that size, as far as it is in the picture."""
    left, top = max(0.0, box[0] / width), max(0.0, box[1] / height)
    right, bottom = min(1.0, (box[0] + box[2]) / width), min(1.0, (box[1] + box[3]) / height)
    return Area((left + right) / 2, (top + bottom) / 2, max(0.0, right - left), max(0.0, bottom - top))


@dataclass(frozen=True)
class Canvas:
    """How a photo is stored: width and height in pixels, and the orientation that turns it upright."""

    width: int
    height: int
    orientation: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return (self.height, self.width) if self.orientation in SIDEWAYS else (self.width, self.height)

    def upright(self, stored: Area) -> Area:
        """An area of the stored picture as one of the upright."""
        return stored.turned(self.orientation)

    def stored(self, upright: Area) -> Area:
        """An area of the upright picture as one of the stored."""
        return upright.turned(_UNDONE.get(self.orientation, self.orientation))

    def is_upright_size(self, width: float, height: float) -> bool | None:
        """Whether a size is that of the upright picture, as some programs count; None for neither that nor the stored.

        The picture may have been scaled since. Where both fit, it is the stored one.
        """
        sizes = ((False, (self.width, self.height)), (True, self.upright_size))
        for is_upright, size in sizes:
            if size == (width, height):
                return is_upright
        for is_upright, size in sizes:
            if abs(math.log(width * size[1]) - math.log(height * size[0])) <= _SAME_SHAPE:
                return is_upright
        return None


def _shared(middle: float, length: float, other: float, other_length: float) -> float:
    """How much two stretches of a line have in common."""
    begin = max(middle - length / 2, other - other_length / 2)
    return max(0.0, min(middle + length / 2, other + other_length / 2) - begin)
