"""How embeddings are compared: the ``metric`` of a model, and the templates that it compares with."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

L1_FILE = "metric.npy"
"""Where a bundle keeps the weights of a ``LearnedL1``."""
_BLOCK = 8_000_000
"""Most differences of coordinates held at once: 32 MB."""
_NO_LENGTH = np.float32(1e-12)
"""The square of a length that is none."""


ReadFile = Callable[[str, str], bytes]
"""A bundle's file by its name and SHA-256, verified."""


@dataclass(frozen=True, eq=False)
class Centre:
    """Where embeddings are seen from: what the people compared with share, but for whoever it is.

    Attributes:
        total: float32 [d], the sum of all templates, by their share.
        share: of each template in it.
    """

    total: Vectors
    share: float


class Metric(Protocol):
    """A distance between embeddings, smaller is more alike."""

    kind: ClassVar[str]
    """Its name as people read it, and a key of ``METRICS``."""
    pattern: ClassVar[str]
    """The regular expression that a name of this kind matches."""
    server_order: ClassVar[Literal["inner product"] | None]
    """How a server that holds embeddings can order them by this distance: by their inner product with the probe, the
    greatest first. None: it cannot, and searches need the embeddings brought here."""
    adds_views: ClassVar[bool]
    """Whether the embeddings of several views of a face may be added up to one of all of them."""
    has_centre: ClassVar[bool]
    """Whether it can look at embeddings from a centre."""

    @property
    def name(self) -> str:
        """What model.json calls it; two metrics of one name give the same distances."""

    @classmethod
    def read(cls, name: str, size: int, read_file: ReadFile) -> Metric:
        """The metric of a name, for embeddings of so many numbers.

        Raises:
            ValueError: its file holds something else.
        """

    @property
    def files(self) -> Mapping[str, bytes]:
        """What a bundle keeps of it besides the name, by file name."""

    def centred(self, centre: Centre | None) -> Metric:
        """The metric seen from a centre; this one where it knows none."""

    def scaled(self, embeddings: Vectors) -> Vectors:
        """Embeddings, float [n, d], as they are compared and stored."""

    def pairs(self, one: Vectors, other: Vectors, /) -> npt.NDArray[np.float32]:
        """The distance of each probe, float32 [n, d], to the template of the same row; float32 [n], at least 0."""

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        """The distance of each of float32 [n, d] to each of float32 [m, d]; float32 [n, m], at least 0 or NaN."""


@dataclass(frozen=True, eq=False)
class Cosine(Metric):
    """1 - the cosine of the angle; embeddings are scaled to unit length.

    Attributes:
        centre: what the angle is seen from (see ``cohort``); None: zero.
    """

    kind: ClassVar[str] = "cosine"
    pattern: ClassVar[str] = "cosine"
    server_order: ClassVar[Literal["inner product"] | None] = "inner product"
    adds_views: ClassVar[bool] = True
    has_centre: ClassVar[bool] = True
    name = "cosine"
    files = {}  # noqa: RUF012 - a constant of the protocol
    centre: Centre | None = None

    @classmethod
    def read(cls, name: str, size: int, read_file: ReadFile) -> Cosine:
        return cls()

    def centred(self, centre: Centre | None) -> Cosine:
        return Cosine(centre)

    def scaled(self, embeddings: Vectors) -> Vectors:
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return np.asarray(embeddings / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def pairs(self, probes: Vectors, templates: Vectors, /) -> npt.NDArray[np.float32]:
        products = np.einsum("nd,nd->n", probes, templates)
        if self.centre is not None:
            self._see(products, templates @ self.centre.total, *self._seen(probes, self.centre), self.centre)
        return np.asarray(np.maximum(1 - products, 0), np.float32)

    def matrix(self, probes: Vectors, templates: Vectors) -> npt.NDArray[np.float32]:
        distances: npt.NDArray[np.float32]
        if self.centre is None:
            distances = probes @ templates.T
        else:
            # Templates are read once: a search among a million people is bound by memory, and done in place.
            products = np.vstack([probes, self.centre.total]) @ templates.T
            distances, beside = products[:-1], products[-1]
            own, length = self._seen(probes, self.centre)
            self._see(distances, beside, own[:, None], length[:, None], self.centre)
        np.subtract(1, distances, out=distances)
        return np.maximum(distances, 0, out=distances)

    def _seen(self, probes: Vectors, centre: Centre) -> tuple[Vectors, Vectors]:
        """The product of each probe with the whole centre, and the square of its length as seen from there."""
        own = probes @ centre.total
        return own, 1 - 2 * own + centre.total @ centre.total

    def _see(self, products: Vectors, beside: Vectors, own: Vectors, length: Vectors, centre: Centre) -> None:
        """Turn products of probes and templates of unit length into cosines seen from the centre, in place.

        Without the template t the centre is c - gt, so that the cosine is (x - c + gt)(t - c + gt) over the lengths.

        Args:
            products: xt, of any shape.
            beside: ct.
            own: cx.
            length: (x - c)².
            centre: c and g.
        """
        total, share = centre.total @ centre.total, np.float32(centre.share)
        products -= beside
        lengths = length + share * (2 * products + share)
        lengths *= (1 + share) ** 2 - 2 * (1 + share) * beside + total
        products += share
        products *= 1 + share
        products += total - share * beside
        products -= own
        products /= np.sqrt(np.maximum(lengths, _NO_LENGTH))


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

    kind: ClassVar[str] = "l1"
    pattern: ClassVar[str] = "l1:[0-9a-f]{64}"
    server_order: ClassVar[Literal["inner product"] | None] = None
    adds_views: ClassVar[bool] = False
    has_centre: ClassVar[bool] = False
    weight: Vectors
    bias: float

    @classmethod
    def read(cls, name: str, size: int, read_file: ReadFile) -> LearnedL1:
        stored = read_file(L1_FILE, name.partition(":")[2])
        # NumPy has one way to write them, and its reader takes the memory that a header claims.
        alike = _npy(np.zeros(size + 1, np.float32))
        header = alike[: -4 * (size + 1)]
        numbers = np.frombuffer(stored.removeprefix(header), np.float32) if len(stored) == len(alike) else None
        if not stored.startswith(header) or numbers is None or not np.isfinite(numbers).all():
            raise ValueError(f"{L1_FILE} does not hold {size + 1} float32 numbers")
        return cls(numbers[:-1], float(numbers[-1]))

    @property
    def name(self) -> str:
        return f"l1:{hashlib.sha256(self.files[L1_FILE]).hexdigest()}"

    def centred(self, centre: Centre | None) -> LearnedL1:
        return self

    @property
    def files(self) -> Mapping[str, bytes]:
        return {L1_FILE: _npy(np.append(self.weight, np.float32(self.bias)))}

    def scaled(self, embeddings: Vectors) -> Vectors:
        return np.asarray(embeddings, np.float32)

    def pairs(self, one: Vectors, other: Vectors, /) -> npt.NDArray[np.float32]:
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


def _npy(numbers: Vectors) -> bytes:
    """Numbers as NumPy writes them."""
    stored = io.BytesIO()
    np.save(stored, numbers, allow_pickle=False)
    return stored.getvalue()


METRICS: Mapping[str, type[Metric]] = {metric.kind: metric for metric in (Cosine, LearnedL1)}
"""Every metric that a model can have, by its kind."""


def metric_named(name: str) -> type[Metric]:
    """The kind of metric that a model.json names.

    Raises:
        ValueError: it is none.
    """
    metric = METRICS.get(name.partition(":")[0])
    if metric is None or not re.fullmatch(metric.pattern, name):
        raise ValueError(f"the metric {name!r} is unknown")
    return metric


@dataclass(frozen=True)
class Comparison:
    """What a search compares by: the embeddings of one model, and how they are compared.

    Attributes:
        digest: of the model, and of the views of each face that enrolled embeddings are the mean of; embeddings of two
            digests are never compared.
        metric: how they are compared.
    """

    digest: str
    metric: Metric


def templates(embeddings: Vectors, owner: npt.NDArray[np.int64], people: int, metric: Metric) -> Vectors:
    """The mean of each person's embeddings, scaled as the metric wants it.

    Args:
        embeddings: float32 [faces, d]; rows of NaN are faces not embedded yet and do not count.
        owner: int64 [faces], the person of each row, in [0, people).
        people: how many people.
        metric: the model's.

    Returns:
        float32 [people, d]; NaN for a person without any embedding, or whose embeddings cancel out.
    """
    known = np.isfinite(embeddings).all(axis=1)
    # float64 sums in row order: a rebuild that adds the same rows gives the same bits.
    sums = np.zeros((people, embeddings.shape[1]), np.float64)
    np.add.at(sums, owner[known], embeddings[known].astype(np.float64))
    counts = np.bincount(owner[known], minlength=people)[:, None]
    means = metric.scaled(np.asarray(sums / np.maximum(counts, 1), np.float32))
    return np.where(means.any(axis=1, keepdims=True), means, np.float32(np.nan))
