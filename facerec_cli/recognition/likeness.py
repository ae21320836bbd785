"""Whether faces that nobody named are one person's, by the model's calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.encoder import Embedding
from facerec_cli.encoders.metric import templates
from facerec_cli.recognition.threshold import enrolled_rule

_TAKEN_FOR_ONE = 1e-3
"""How many of all people would be taken for whoever they follow in a track."""


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
        """Which of several people this is: the nearest, if it fits, and less than 1 % of others were taken for one."""
        if not means:
            return None
        distances = self.metric.matrix(embedding[None], np.stack(means))[0]
        number = int(np.where(np.isfinite(distances), distances, np.inf).argmin())
        rule = enrolled_rule(self._bundle, {1: len(means)})
        return number if distances[number] <= min(rule.threshold.distance, self._farthest) else None

    def mean(self, embeddings: Sequence[Embedding]) -> Embedding:
        """The template of a person's embeddings, at least one."""
        (mean,) = templates(np.stack(embeddings), np.zeros(len(embeddings), np.int64), 1, self.metric)
        return np.asarray(mean, np.float32)
