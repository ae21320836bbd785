"""What turns chips into embeddings, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from facerec_cli.parallel import ordered_map

if TYPE_CHECKING:
    from facerec_cli.faces.alignment import Chip

Embedding = npt.NDArray[np.float32]
"""float32 [d], scaled as the model's metric wants it: for the cosine to unit length."""
Embeddings = npt.NDArray[np.float32]
"""float32 [n, d], each row an ``Embedding``."""


class Encoder(Protocol):
    """Chips to embeddings; may be shared by threads."""

    size: int
    """d, the length of an embedding."""

    def encode(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips, each uint8 [112, 112, 3] RGB; returns float32 [n, d]."""


def encode_all(
    encoder: Encoder, chips: Iterable[Chip], count: int, progress: Callable[[int, int], None] | None = None
) -> Embeddings:
    """Embed many chips on all cores.

    Args:
        encoder: which.
        chips: each uint8 [112, 112, 3] RGB, read as they are needed.
        count: how many they are.
        progress: told how many are done, of how many.

    Returns:
        float32 [count, d].
    """
    embeddings = np.empty((count, encoder.size), np.float32)
    for row, embedded in enumerate(ordered_map(lambda chip: encoder.encode([chip])[0], chips)):
        embeddings[row] = embedded
        if progress:
            progress(row + 1, count)
    return embeddings
