"""How embeddings are compared: the ``metric`` of a model."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

L1_FILE = "metric.npy"
"""Where a bundle keeps the weights of a ``LearnedL1``."""
_BLOCK = 8_000_000
"""Most differences of coordinates held at once: 32 MB."""


class Metric(Protocol):
    """A distance between embeddings, smaller is more alike."""

    @property
    def name(self) -> str:
        """What model.json calls it; two metrics of one name give the same distances."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """What a bundle keeps of it besides the name, by file name."""

    def scaled(self, embeddings: Vectors) -> Vectors:
        """Embeddings, float [n, d], as they are compared and stored."""

    def pairs(self, one: Vectors, other: Vectors) -> npt.NDArray[np.float32]:
        """The distance of each row of float32 [n, d] to the same row of another; float32 [n], at least 0."""

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        """The distance of each of float32 [n, d] to each of float32 [m, d]; float32 [n, m], at least 0 or NaN."""


@dataclass(frozen=True)
class Cosine(Metric):
    """1 - the cosine of the angle; embeddings are scaled to unit length."""

    name = "cosine"
    files = {}  # noqa: RUF012 - a constant of the protocol

    def scaled(self, embeddings: Vectors) -> Vectors:
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return np.asarray(embeddings / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def pairs(self, one: Vectors, other: Vectors) -> npt.NDArray[np.float32]:
        return np.asarray(np.maximum(1 - np.einsum("nd,nd->n", one, other), 0), np.float32)

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        distances: npt.NDArray[np.float32] = probes @ templates.T
        # In place: a search among a million people is bound by memory.
        np.subtract(1, distances, out=distances)
        return np.maximum(distances, 0, out=distances)


@dataclass(frozen=True, eq=False)
class LearnedL1(Metric):
    """-log of the probability that two faces show one person, by a learned head on the L1 distance.

    The probability is sigmoid(weight · |a - b| + bias) (Koch, Zemel and Salakhutdinov, "Siamese Neural Networks for
    One-shot Image Recognition", 2015): the rule "probability at least 0.5" is "distance at most log 2". Embeddings are
    compared as they are.

    Attributes:
        weight: float32 [d].
        bias: of the logit.
    """

    weight: Vectors
    bias: float

    @classmethod
    def from_bytes(cls, stored: bytes, size: int) -> LearnedL1:
        """Read back what ``files`` gave, for embeddings of so many numbers.

        Raises:
            ValueError: it is something else.
        """
        numbers = np.load(io.BytesIO(stored), allow_pickle=False)
        if numbers.shape != (size + 1,) or numbers.dtype != np.float32 or not np.isfinite(numbers).all():
            raise ValueError(f"it does not hold {size + 1} float32 numbers")
        return cls(numbers[:-1], float(numbers[-1]))

    @property
    def name(self) -> str:
        return f"l1:{hashlib.sha256(self.files[L1_FILE]).hexdigest()}"

    @property
    def files(self) -> Mapping[str, bytes]:
        stored = io.BytesIO()
        np.save(stored, np.append(self.weight, np.float32(self.bias)), allow_pickle=False)
        return {L1_FILE: stored.getvalue()}

    def scaled(self, embeddings: Vectors) -> Vectors:
        return np.asarray(embeddings, np.float32)

    def pairs(self, one: Vectors, other: Vectors) -> npt.NDArray[np.float32]:
        step = max(1, _BLOCK // len(self.weight))
        distances = np.empty(len(one), np.float32)
        for start in range(0, len(one), step):
            block = slice(start, start + step)
            distances[block] = self._distance(np.abs(one[block] - other[block]))
        return distances

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        step = max(1, _BLOCK // len(self.weight))
        distances = np.empty((len(probes), len(templates)), np.float32)
        for start in range(0, len(templates), step):
            block = slice(start, start + step)
            for row, probe in enumerate(probes):
                distances[row, block] = self._distance(np.abs(templates[block] - probe))
        return distances

    def _distance(self, difference: Vectors) -> npt.NDArray[np.float32]:
        logits = difference @ self.weight + np.float32(self.bias)
        # softplus(-logit), without numpy's warning about people who have no embedding yet
        return np.asarray(np.maximum(-logits, 0) + np.log1p(np.exp(-np.abs(logits))), np.float32)


@dataclass(frozen=True)
class Space:
    """The embeddings that can be compared with each other: one model's.

    Attributes:
        digest: the model's.
        metric: how they are compared.
    """

    digest: str
    metric: Metric
