"""Distances between embeddings, with gradients that are finite everywhere, also between equal embeddings."""

from __future__ import annotations

from typing import Any, TypeAlias

from keras import ops

Tensor: TypeAlias = Any
"""A tensor of whichever backend Keras runs on; Keras has no types of its own to name it."""

TINY = 1e-12
"""Squared lengths below this count as zero: the square root has no finite gradient there."""


def safe_sqrt(squares: Tensor) -> Tensor:
    """The square root, and 0 with gradient 0 where the argument is below ``TINY``."""
    positive = squares > TINY
    # The inner where keeps the infinite gradient from arising: 0 * inf would be NaN.
    return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1)), 0)


def unit_length(embeddings: Tensor) -> Tensor:
    """Scale rows to length one; float [n, d] to float [n, d].

    Unlike ``keras.ops.normalize``, it has a finite gradient at the zero vector.
    """
    squares = ops.sum(ops.square(embeddings), axis=-1, keepdims=True)
    return embeddings * ops.rsqrt(ops.maximum(squares, TINY))


def absolute_difference(one: Tensor, other: Tensor) -> Tensor:
    """The L1 distance before its sum, |a - b|: float [..., d] twice, which broadcast, to float [..., d]."""
    return ops.abs(one - other)


def euclidean(one: Tensor, other: Tensor) -> Tensor:
    """The Euclidean distance of each row to the same row of another; float [n, d] twice to float [n]."""
    return safe_sqrt(ops.sum(ops.square(one - other), axis=-1))


def squared_euclidean_matrix(one: Tensor, other: Tensor) -> Tensor:
    """The squared Euclidean distance of each of float [n, d] to each of float [m, d]; float [n, m].

    By |a|² + |b|² - 2ab, which takes n·m numbers of memory where the differences themselves would take n·m·d.
    """
    squares = ops.sum(ops.square(one), axis=-1)[:, None] + ops.sum(ops.square(other), axis=-1)[None, :]
    return ops.maximum(squares - 2 * ops.matmul(one, ops.transpose(other)), 0)


def euclidean_matrix(one: Tensor, other: Tensor) -> Tensor:
    """The Euclidean distance of each of float [n, d] to each of float [m, d]; float [n, m]."""
    return safe_sqrt(squared_euclidean_matrix(one, other))
