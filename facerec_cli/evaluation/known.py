"""The people of a gallery that is drawn from a data set, compared with as in one that is enrolled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric, templates


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """A gallery's people as a search compares with them.

    Attributes:
        templates: float32 [people, d].
        metric: the model's, seen from their centre.
        threshold: the largest distance that is a match.
    """

    templates: Embeddings
    metric: Metric
    threshold: float

    def distances(self, probes: Embeddings) -> npt.NDArray[np.float32]:
        """The distance of each of float32 [n, d] to each person, float32 [n, people]."""
        return self.metric.matrix(probes, self.templates)


def known_people(
    enrolled: Embeddings, metric: Metric, calibration: Calibration | None, fpir: float = DEFAULT_FPIR
) -> KnownPeople:
    """The people of a gallery, compared with as ``recognition`` does.

    Args:
        enrolled: float32 [people, k, d], the embeddings of each one's photos.
        metric: the model's.
        calibration: the model's, if it has one; otherwise the threshold is NaN.
        fpir: the share of strangers that may be named.
    """
    people, photos, size = enrolled.shape
    owner = np.repeat(np.arange(people), photos)
    rows = enrolled.reshape(-1, size)
    known = templates(rows, owner, people, metric)
    if calibration is None:
        return KnownPeople(known, metric, float("nan"))
    looked_at = np.unique(np.linspace(0, people - 1, min(people, MOST_PEOPLE)).astype(np.int64))
    each = min(photos, photos_each(len(looked_at)))
    cohort = Cohort(
        people,
        known.sum(axis=0, dtype=np.float64),
        known[looked_at],
        enrolled[looked_at, :each].reshape(-1, size),
        np.repeat(np.arange(len(looked_at)), each),
    )
    centre, threshold, _ = calibration.gallery(cohort, calibration.fmr_for(fpir, {photos: people}))
    return KnownPeople(known, metric.centred(centre), threshold)
