"""Probabilistic linear discriminant analysis: which of a vector's numbers tell people apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FLOOR = 1e-6
"""Least variance within people, as a share of the mean one."""
_TINY = 1e-12
"""And at least: copies of one photo do not vary."""

Matrix = npt.NDArray[np.float64]


def plda(vectors: npt.NDArray[np.floating], people: npt.NDArray[np.integer], size: int) -> tuple[Matrix, Matrix]:
    """The projection after which the cosine of two vectors follows how much likelier one person is than two.

    Ioffe, "Probabilistic Linear Discriminant Analysis", ECCV 2006, in closed form. A person's vectors are normal about
    one of their own, and these are normal too. Where the variance within people is 1 and that between them ψ, the
    likelihood ratio of two vectors has the inner product weighted by ψ / (1 + 2ψ), and terms of each vector alone.

    Args:
        vectors: float [n, d].
        people: int [n], who each is of; somebody has two.
        size: of what is projected to; numbers beyond ``d`` are zero.

    Returns:
        Kernel, float [d, size], and offset, float [size]: ``vectors @ kernel + offset``.
    """
    _, person, counts = np.unique(people, return_inverse=True, return_counts=True)
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    means = np.zeros((len(counts), centred.shape[1]))
    np.add.at(means, person, centred)
    means /= counts[:, None]
    # By the square root of their photos, so that few people do not decide how people vary.
    weights = np.sqrt(counts) * (counts > 1)
    each = (weights / np.maximum(counts - 1, 1))[person]
    rest = centred - means[person]
    within = (rest * each[:, None]).T @ rest / weights.sum()
    between = np.cov(means.T, ddof=0) - within * np.mean(1 / counts)
    variances, axes = np.linalg.eigh(within)
    whitening = axes / np.sqrt(np.maximum(variances, max(_FLOOR * variances.mean(), _TINY)))
    ratios, turns = np.linalg.eigh(whitening.T @ between @ whitening)
    ratios, turns = np.maximum(ratios[::-1], 0)[:size], turns[:, ::-1][:, :size]
    kernel = np.zeros((len(mean), size))
    kernel[:, : len(ratios)] = whitening @ turns * np.sqrt(ratios / (1 + 2 * ratios))
    return kernel, -mean @ kernel
