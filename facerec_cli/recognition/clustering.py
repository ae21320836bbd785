"""Which faces of a collection show the same person, when nobody has said who anybody is.

Average linkage, since it loses least on LFW's people (``benchmarks/clustering.py``), up to a distance that the
calibration gives: whoever is alone meets somebody wrong with a probability of ``RATE``, however many there are.

1. Nobody knows how many people there are, so first each face counts as one, compared as they are: a strict threshold.
   That finds nearly as many groups as there are people.
2. These groups are the people of a gallery: what they share is taken away, and how alike they are moves the threshold
   (see ``encoders.cohort``). Each person weighs the same: the mean of all faces would be the very person whom most of
   the photos show. The faces are then joined anew, by a threshold for as many people as there are groups.
3. Faces that are hardly seen are alike because of that, whoever they show. So they come last: each joins a group that
   is near enough for ``POOR_RATE``, and none begins a group, or brings two together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.calibration import fmr_for
from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric, templates
from facerec_cli.errors import UncalibratedModelError, UnsuitableModelError
from facerec_cli.recognition.linkage import Labels, average_linkage, in_order

RATE = 0.05
"""The probability that somebody who is alone is near enough to anybody else. From 0.02 to 0.1 BCubed F on all of LFW's
people is within 0.003 of the best; more joins strangers, less leaves a person in pieces."""

POOR_RATE = 0.005
"""The same of a face that is hardly seen."""


def cluster(
    bundle: Bundle, embeddings: Embeddings, begun: Labels | None = None, poor: npt.NDArray[np.bool_] | None = None
) -> Labels:
    """Group faces by person.

    Args:
        bundle: the model, whose metric is the cosine.
        embeddings: float32 [n, d], of faces that are asked about.
        begun: int64 [n], the group of each face that is in one already, from 0; such groups stay, may take others in,
            and are never joined; -1 of a face in none.
        poor: bool [n], the faces that join others at most.

    Returns:
        int64 [n], a label a face, from 0 in the order of the labels' first faces.

    Raises:
        UncalibratedModelError: the model does not say who is near.
        UnsuitableModelError: its embeddings cannot be averaged.
    """
    metric = bundle.comparison().metric
    if not metric.has_centre:
        problem = f"The model {bundle.name} has a metric in which faces cannot be averaged"
        raise UnsuitableModelError(problem, "group with another model")
    if bundle.calibration is None:
        raise UncalibratedModelError(f"The model {bundle.name} is not calibrated", "calibrate it", bundle.name)
    begun = np.full(len(embeddings), -1) if begun is None else begun
    good = np.full(len(embeddings), True) if poor is None else ~poor
    # A group of poor faces alone, which somebody made, goes by these.
    good |= (begun >= 0) & ~np.isin(begun, begun[good])
    if not good.any():
        return np.arange(len(embeddings))
    alone = bundle.calibration.people.threshold(fmr_for(RATE, int(good.sum())))
    groups = average_linkage(embeddings[good], 1 - alone, begun[good])
    cohort = _cohort(embeddings[good], groups, metric)
    centre, distance, _ = bundle.calibration.gallery(cohort, fmr_for(RATE, cohort.people))
    if centre is not None:
        embeddings = metric.scaled(embeddings - centre.total)
    groups = average_linkage(embeddings[good], 1 - distance, begun[good])
    _, closer, _ = bundle.calibration.gallery(cohort, fmr_for(POOR_RATE, cohort.people))
    return _with_poor(embeddings, good, groups, begun, 1 - closer)


def _with_poor(vectors: Embeddings, good: npt.NDArray[np.bool_], groups: Labels, begun: Labels, least: float) -> Labels:
    """The labels of all faces, those of the good ones given: the others stay in their groups, or join the nearest."""
    labels = np.full(len(vectors), -1)
    labels[good] = groups
    of = dict(zip(begun[good].tolist(), groups.tolist(), strict=True))
    poor = np.flatnonzero(~good)
    means = np.zeros((int(groups.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(means, groups, vectors[good])
    sizes = np.bincount(groups)
    means /= sizes[:, None]
    is_group = sizes > 1
    is_group[groups[begun[good] >= 0]] = True
    for face in poor.tolist():
        if begun[face] >= 0:
            labels[face] = of[int(begun[face])]
            continue
        alike = np.where(is_group, means @ vectors[face], -np.inf)
        nearest = int(alike.argmax())
        labels[face] = nearest if alike[nearest] >= least else len(means) + face
    return in_order(labels)


def _cohort(embeddings: Embeddings, groups: Labels, metric: Metric) -> Cohort:
    """The groups as the people of a gallery; of many, those are looked at that are spread over the collection."""
    people = int(groups.max()) + 1
    means = templates(embeddings, groups, people, metric)
    means = np.where(np.isfinite(means), means, np.float32(0))
    chosen = np.unique(np.linspace(0, people - 1, min(people, MOST_PEOPLE)).astype(np.int64))
    place = np.full(people, -1)
    place[chosen] = np.arange(len(chosen))
    # The first faces of each: in a stable order by group, those whose place within the group is low.
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    within = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    rows = order[(place[ordered] >= 0) & (within < photos_each(len(chosen)))]
    return Cohort(people, means.sum(axis=0, dtype=np.float64), means[chosen], embeddings[rows], place[groups[rows]])
