"""How good a network is on unseen people."""

from __future__ import annotations

import math

import keras
import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.errors import DivergedError
from facerec_cli.evaluation.verification import accuracy_at, area_under, best_threshold, roc
from facerec_cli.training.data import Unseen


def predicted(encoder: keras.Model, chips: npt.NDArray[np.uint8], metric: Metric) -> Embeddings:
    """A Keras network's embeddings of chips, uint8 [n, 112, 112, 3] RGB, with n at least 1: float32 [n, d].

    ``predict`` ends as slowly as ``fit`` does, see ``loop.Loop``.
    """
    embeddings = np.concatenate([encoder.predict_on_batch(chips[row : row + 128]) for row in range(0, len(chips), 128)])
    return metric.scaled(embeddings)


def measure(embeddings: Embeddings, metric: Metric, unseen: Unseen) -> tuple[float, float, float, float]:
    """Accuracy, its standard error, the threshold it is reached at, and AUC, of embeddings of who is unseen.

    Raises:
        DivergedError: an embedding is not a number.
    """
    if not np.isfinite(embeddings).all():
        raise not_numbers()
    same = unseen.pairs.same
    distances = unseen.pairs.distances(embeddings, metric)
    weights = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
    threshold = best_threshold(distances, same, weights)
    accuracy = accuracy_at(distances, same, threshold, weights)
    error = math.sqrt(accuracy * (1 - accuracy) / (2 * min(same.sum(), (~same).sum())))
    return accuracy, error, threshold, area_under(roc(distances, same))


def not_numbers() -> DivergedError:
    """What to raise at a loss, or an embedding, that is no number."""
    return DivergedError(
        "The training has come to numbers that are none (NaN)",
        "lower the recipe's learning rate, or try another seed",
    )
