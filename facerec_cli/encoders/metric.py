"""How embeddings are compared: the ``metric`` of a model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Metric(Protocol):
    """A distance between embeddings, smaller is more alike."""

    def pairs(self, one: Vectors, other: Vectors) -> npt.NDArray[np.float32]:
        """The distance of each row of float32 [n, d] to the same row of another; float32 [n]."""

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        """The distance of each of float32 [n, d] to each of float32 [m, d]; float32 [n, m]."""


class Cosine(Metric):
    """1 - the cosine of the angle; rows are of unit length."""

    def pairs(self, one: Vectors, other: Vectors) -> npt.NDArray[np.float32]:
        return np.asarray(1 - np.einsum("nd,nd->n", one, other), np.float32)

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        return np.asarray(1 - probes @ templates.T, np.float32)


METRICS: dict[str, Metric] = {"cosine": Cosine()}
"""By the name that a model.json gives."""
