"""Losses: embeddings float [n, d] and people int [n] to one number.

The pair losses read consecutive rows as pairs: (0, 1), (2, 3), …; a pair is genuine where its two people are equal;
``triplets`` reads them in threes. The others compare every row with every other. A row that lacks what a loss compares
it with adds nothing, and a batch of only such rows has the loss 0: shapes never depend on the batch's people, so that
every backend can compile them.
"""

from __future__ import annotations

from keras import ops

from facerec_cli.training.distances import Tensor, euclidean, euclidean_matrix, squared_euclidean_matrix, unit_length

FAR = 1e9
"""Stands in for infinity where masked numbers are left out: 0 * inf would be NaN in a gradient."""


def pairs(embeddings: Tensor, people: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Consecutive rows as pairs.

    Returns:
        The first rows and the second rows, float [n / 2, d] each, and same, 1 where a pair is genuine and 0 where
        not, float [n / 2].
    """
    same = ops.cast(people[0::2] == people[1::2], embeddings.dtype)
    return embeddings[0::2], embeddings[1::2], same


def contrastive(embeddings: Tensor, people: Tensor, margin: float = 1.0) -> Tensor:
    """Hadsell, Chopra and LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.

    Half the mean over pairs of D² where genuine and max(0, margin - D)² where not, D the Euclidean distance.
    """
    one, other, same = pairs(embeddings, people)
    distance = euclidean(one, other)
    lacking = ops.maximum(margin - distance, 0)
    return ops.mean(same * ops.square(distance) + (1 - same) * ops.square(lacking)) / 2


def triplet_batch_all(embeddings: Tensor, people: Tensor, margin: float = 0.2) -> Tensor:
    """Hermans, Beyer and Leibe, "In Defense of the Triplet Loss", arXiv 1703.07737: batch all.

    The mean of margin + D(anchor, positive) - D(anchor, negative) over the batch's triplets that violate the margin.
    """
    distances = euclidean_matrix(embeddings, embeddings)
    positive, negative = _relations(embeddings, people)
    violations = ops.maximum(margin + distances[:, :, None] - distances[:, None, :], 0)
    violations = violations * positive[:, :, None] * negative[:, None, :]
    return _mean(violations, ops.cast(violations > 0, embeddings.dtype))


def triplet_batch_hard(embeddings: Tensor, people: Tensor, margin: float = 0.2) -> Tensor:
    """Hermans, Beyer and Leibe, "In Defense of the Triplet Loss", arXiv 1703.07737: batch hard.

    The mean over anchors of max(0, margin + D to the farthest positive - D to the nearest negative).
    """
    distances = euclidean_matrix(embeddings, embeddings)
    positive, negative = _relations(embeddings, people)
    farthest = ops.max(distances * positive, axis=1)
    nearest = ops.min(ops.where(negative > 0, distances, FAR), axis=1)
    valid = ops.max(positive, axis=1) * ops.max(negative, axis=1)
    return _mean(ops.maximum(margin + farthest - nearest, 0), valid)


def triplets(embeddings: Tensor, people: Tensor, margin: float = 0.2) -> Tensor:
    """Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, equation 2, on triplets that are given.

    The mean of max(0, margin + D²(anchor, positive) - D²(anchor, negative)), anchor, positive and negative being rows
    0, 1 and 2; 3, 4 and 5 …; ``people`` is not looked at.
    """
    anchor, positive, negative = embeddings[0::3], embeddings[1::3], embeddings[2::3]
    to_positive = ops.sum(ops.square(anchor - positive), axis=-1)
    to_negative = ops.sum(ops.square(anchor - negative), axis=-1)
    return ops.mean(ops.maximum(margin + to_positive - to_negative, 0))


def triplet_semi_hard(embeddings: Tensor, people: Tensor, margin: float = 0.2) -> Tensor:
    """Schroff, Kalenichenko and Philbin, "FaceNet", CVPR 2015, on squared distances.

    The mean over genuine pairs of max(0, margin + D²(anchor, positive) - D²(anchor, negative)), the negative being the
    nearest of those farther than the positive. Where none is farther, which the paper leaves open, the farthest
    negative stands in: the least hard of the hard ones.
    """
    squares = squared_euclidean_matrix(embeddings, embeddings)
    positive, negative = _relations(embeddings, people)
    farther = (squares[:, None, :] > squares[:, :, None]) & (negative[:, None, :] > 0)
    nearest_farther = ops.min(ops.where(farther, squares[:, None, :], FAR), axis=2)
    farthest = ops.max(squares * negative, axis=1)[:, None]
    chosen = ops.where(ops.any(farther, axis=2), nearest_farther, farthest)
    valid = positive * ops.max(negative, axis=1)[:, None]
    return _mean(ops.maximum(margin + squares - chosen, 0), valid)


def supervised_contrastive(embeddings: Tensor, people: Tensor, temperature: float = 0.1, parts: int = 1) -> Tensor:
    """Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (L_out).

    The mean over anchors of the mean over their positives of the cross-entropy of picking that positive, by cosine
    over temperature, among all other rows. Embeddings are of unit length.

    Args:
        embeddings: float [n, d].
        people: int [n].
        temperature: of the softmax.
        parts: equal parts of an embedding that learn each for itself, as if alone; the loss is their sum.

    Raises:
        ValueError: d is not a multiple of the parts.
    """
    if parts < 1 or embeddings.shape[-1] % parts:
        raise ValueError(f"an embedding of {embeddings.shape[-1]} numbers is not {parts} equal parts")
    size = embeddings.shape[-1] // parts
    positive, negative = _relations(embeddings, people)
    positives = ops.sum(positive, axis=1)
    total = 0.0
    for start in range(0, parts * size, size):
        part = unit_length(embeddings[:, start : start + size])
        logits = ops.matmul(part, ops.transpose(part)) / temperature
        others = ops.where(positive + negative > 0, logits, -FAR)
        log_probability = logits - ops.logsumexp(others, axis=1, keepdims=True)
        by_anchor = -ops.sum(positive * log_probability, axis=1) / ops.maximum(positives, 1)
        total = total + _mean(by_anchor, ops.minimum(positives, 1))
    return total


def binary_cross_entropy(logits: Tensor, same: Tensor) -> Tensor:
    """The mean of -log sigmoid(logit) where same is 1 and -log(1 - sigmoid(logit)) where 0; float [n] each."""
    return ops.mean(ops.softplus(logits) - same * logits)


def all_pairs_cross_entropy(logits: Tensor, people: Tensor) -> Tensor:
    """Binary cross-entropy of all pairs of a batch, genuine and impostor pairs with half of the weight each.

    Args:
        logits: float [n, n], of each row and every other showing one person.
        people: int [n].
    """
    genuine, impostor = _relations(logits, people)
    return (_mean(ops.softplus(-logits), genuine) + _mean(ops.softplus(logits), impostor)) / 2


def mean_absolute_error(probability: Tensor, same: Tensor) -> Tensor:
    """The mean of |probability - same|; float [n] each."""
    return ops.mean(ops.abs(probability - same))


def _relations(floats: Tensor, people: Tensor) -> tuple[Tensor, Tensor]:
    """Which rows are positives and which negatives of each row: 1 or 0, [n, n] each, of the type of the floats."""
    same = ops.cast(people[:, None] == people[None, :], floats.dtype)
    return same - ops.eye(ops.shape(people)[0], dtype=floats.dtype), 1 - same


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of the values whose weight is 1 and not 0; 0 where there are none."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1)
