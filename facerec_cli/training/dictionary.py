"""What a recipe says of a dictionary of visual words, which is fitted to the photos before a network learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
CELLS = 4
"""A descriptor is of so many by so many cells."""
SIZES = (112, 79, 56)
"""Of the chip that is described, in pixels: scales a factor √2 apart."""


@dataclass(frozen=True)
class Dictionary:
    """A dictionary for Fisher vectors of dense SIFT; see ``descriptors``.

    Attributes:
        cell: pixels a side of a descriptor's cells, a multiple of ``step``; four of them fit in the smallest scale.
        step: pixels from a descriptor to the next.
        words: how many.
        size: of its embedding.
        region: of the chip, left, top, right and bottom in pixels, as far from its left side as from its right one.
    """

    cell: Count
    step: Count
    words: Count = 256
    size: Count = 128
    region: tuple[int, int, int, int] = (0, 0, 112, 112)
