"""What turns chips into embeddings, whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.metric import Metric
from facerec_cli.parallel import OrderedMap, ordered_map

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


def mirror_image(chip: Chip) -> Chip:
    """A chip, uint8 [112, 112, 3] RGB, as a mirror shows it."""
    return np.ascontiguousarray(chip[:, ::-1])


class Mirrored(Encoder):
    """An encoder whose embedding of a face is the mean of the face's and of its mirror image's."""

    def __init__(self, encoder: Encoder, metric: Metric) -> None:
        """Take an encoder, and the metric that scales its embeddings."""
        self.size = encoder.size
        self._encoder, self._metric = encoder, metric

    def encode(self, chips: Sequence[Chip]) -> Embeddings:
        mirrored = self._encoder.encode([mirror_image(chip) for chip in chips])
        return self._metric.scaled(self._encoder.encode(chips) + mirrored)


def enrolling(encoder: Encoder, metric: Metric) -> Encoder:
    """What embeds the chips that are enrolled: once, so that a second look at each costs little.

    A mirrored face is the same one, and the mean of both is nearer to the person than either; where a metric cannot add
    embeddings up, it is the encoder itself.
    """
    return Mirrored(encoder, metric) if metric.adds_views else encoder


def enrolled_views(metric: Metric) -> str:
    """What ``enrolling`` looks at, in words that tell its embeddings from others."""
    return "face and mirror image" if metric.adds_views else "face"


def encode_all(
    encoder: Encoder,
    chips: Iterable[Chip],
    count: int,
    progress: Callable[[int, int], None] | None = None,
    spread: OrderedMap = ordered_map,
) -> Embeddings:
    """Embed many chips on all cores.

    Args:
        encoder: which.
        chips: each uint8 [112, 112, 3] RGB, read as they are needed.
        count: how many they are.
        progress: told how many are done, of how many.
        spread: where the work is done.

    Returns:
        float32 [count, d].
    """

    def encode(chip: Chip) -> Embedding:
        embedding: Embedding = encoder.encode([chip])[0]
        return embedding

    embeddings = np.empty((count, encoder.size), np.float32)
    for row, embedded in enumerate(spread(encode, chips)):
        embeddings[row] = embedded
        if progress:
            progress(row + 1, count)
    return embeddings
