"""Whether faces that nobody named are one person's, by the model's calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import templates
from facerec_cli.recognition.threshold import enrolled_rule

_TAKEN_FOR_ONE = 1e-3
"""How many of all people would be taken for whoever they follow in a track."""


def nearest(bundle: Bundle, embedding: Embedding, means: Embeddings, photo_counts: Mapping[int, int]) -> int | None:
    """Which of several people who are not enrolled this is: the nearest, where less than 1 % of others were taken so.

    Args:
        bundle: the model.
        embedding: of a face, or a template.
        means: float32 [people, d], at least one.
        photo_counts: how many of them have k photos, by k.

    Raises:
        UncalibratedModelError: the model does not say who is near.
    """
    rule = enrolled_rule(bundle, photo_counts)
    distances = rule.comparison.metric.matrix(embedding[None], means)[0]
    number = int(np.where(np.isfinite(distances), distances, np.inf).argmin())
    return number if rule.threshold.is_match(float(distances[number])) else None


class Likeness:
    """Compares people who are not enrolled with each other, as they are."""

    def __init__(self, bundle: Bundle) -> None:
        """Compare by a model.

        Raises:
            UncalibratedModelError: it does not say who is near.
        """
        self._bundle = bundle
        self.metric = bundle.comparison().metric
        self.stranger_threshold = enrolled_rule(bundle, {1: 1}).threshold.distance
        assert bundle.calibration is not None  # or there were no rule
        self._farthest = bundle.calibration.photos.threshold(_TAKEN_FOR_ONE)

    def fits(self, embedding: Embedding, mean: Embedding) -> bool:
        """Whether an embedding may be of whoever the mean is of, as two photos of one person are alike."""
        return float(self.metric.pairs(embedding[None], mean[None])[0]) <= self._farthest

    def nearest(self, embedding: Embedding, means: Sequence[Embedding]) -> int | None:
        """Which of several people this is, as ``nearest`` has it, if it fits."""
        if not means:
            return None
        number = nearest(self._bundle, embedding, np.stack(means), {1: len(means)})
        return number if number is not None and self.fits(embedding, means[number]) else None

    def mean(self, embeddings: Sequence[Embedding]) -> Embedding:
        """The template of a person's embeddings, at least one."""
        (mean,) = templates(np.stack(embeddings), np.zeros(len(embeddings), np.int64), 1, self.metric)
        return np.asarray(mean, np.float32)
