"""Average linkage of many faces, exactly and without a matrix of all pairs.

The mean similarity of two groups' faces is the product of the groups' means, so a group is held as its mean. Two groups
that are each other's nearest can be joined at any time: no join brings anybody nearer (the linkage is reducible;
Murtagh, "A survey of recent advances in hierarchical clustering algorithms", Computer Journal 1983). So all such pairs
are joined at once, round by round, and whoever has nobody near enough any more is done with for good.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.parallel import ordered_map

_BLOCK = 8_000_000
"""Similarities that a thread holds at once: 32 MB."""

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def average_linkage(vectors: Vectors, least: float, begun: Labels | None = None) -> Labels:
    """Join faces into groups as long as two groups are alike enough on average.

    Args:
        vectors: float32 [n, d], of unit length.
        least: the mean similarity (inner product) of two groups' faces from which on they are joined.
        begun: int64 [n], the group, from 0, of each face that is in one already: such groups take faces in, and are
            never joined with each other; -1 of a face in none.

    Returns:
        int64 [n], a label a face, from 0 in the order of the labels' first faces.
    """
    label = _joined_already(vectors, begun)
    counts = np.bincount(label).astype(np.float32)
    sums = np.zeros((len(counts), vectors.shape[1]), np.float64)
    np.add.at(sums, label, vectors)
    means: Vectors = np.asarray(sums / counts[:, None], np.float32)
    is_fixed = np.zeros(len(counts), np.bool_)
    if begun is not None:
        is_fixed[label[begun >= 0]] = True
    parent = np.arange(len(counts))
    nearest, similarity = np.full(len(counts), -1), np.full(len(counts), -np.inf, np.float32)
    alive, changed = np.arange(len(counts)), np.arange(len(counts))
    while len(alive) > 1 and len(changed):
        nearest[changed], similarity[changed] = _nearest(means, is_fixed, changed, alive)
        alive = alive[similarity[alive] >= least]
        if not len(alive):
            break
        pairs = _mutual(alive, nearest, similarity)
        one, other = pairs.T
        share = (counts[other] / (counts[one] + counts[other]))[:, None]
        means[one] += share * (means[other] - means[one])
        counts[one] += counts[other]
        is_fixed[one] |= is_fixed[other]
        parent[other] = one
        gone = np.zeros(len(counts), np.bool_)
        gone[other] = True
        alive = alive[~gone[alive]]
        gone[one] = True
        changed = alive[gone[alive] | gone[nearest[alive]] | ~np.isin(nearest[alive], alive)]
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return in_order(parent[label])


def in_order(labels: Labels) -> Labels:
    """The same groups, numbered from 0 in the order of their first members."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _joined_already(vectors: Vectors, begun: Labels | None) -> Labels:
    """What is one group before anything is compared: those that are begun, and what is the very same."""
    _, same = np.unique(vectors, axis=0, return_inverse=True)
    same = same.reshape(-1)
    if begun is not None:
        same = np.where(begun >= 0, begun, same + begun.max() + 1)
    return in_order(same)


def _nearest(
    means: Vectors, is_fixed: npt.NDArray[np.bool_], rows: Labels, alive: Labels
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """The nearest of those alive to each row, and how similar it is, block by block."""
    others, fixed = means[alive], is_fixed[alive]
    own = np.searchsorted(alive, rows)
    step = max(1, _BLOCK // len(alive))

    def look(start: int) -> tuple[Labels, npt.NDArray[np.float32]]:
        block = slice(start, start + step)
        found = means[rows[block]] @ others.T
        found[np.arange(len(found)), own[block]] = -np.inf
        if fixed.any():
            found[np.ix_(is_fixed[rows[block]], fixed)] = -np.inf
        best = found.argmax(axis=1)
        return alive[best], found[np.arange(len(found)), best]

    nearest, similarity = zip(*ordered_map(look, range(0, len(rows), step)), strict=True)
    return np.concatenate(nearest), np.concatenate(similarity)


def _mutual(alive: Labels, nearest: Labels, similarity: npt.NDArray[np.float32]) -> Labels:
    """Pairs of those who are each other's nearest, int64 [pairs, 2], the elder first; with ties perhaps the best."""
    there = alive[nearest[nearest[alive]] == alive]
    one = there[there < nearest[there]]
    if not len(one):
        best = alive[similarity[alive].argmax()]
        return np.sort(np.array([[best, nearest[best]]]), axis=1)
    return np.stack([one, nearest[one]], axis=1)
