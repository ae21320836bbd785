"""The promise "at most so many strangers are named", held against galleries drawn from people.

It checks the rule that a template of k photos counts as 1 + log2 k comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.encoders.calibration import Calibration, Check, Outcome
from facerec_cli.encoders.metric import Metric
from facerec_cli.evaluation.known import KnownPeople, known_people
from facerec_cli.evaluation.looks import Looks

PHOTOS = (1, 2, 3, 5, 10)
"""Photos a person for which the rule is checked."""
DRAWS = 20
"""Galleries drawn for each."""
_PEOPLE = 50
_MOST_PROBES = 10
"""Probes a person, so that nobody with hundreds of photos decides."""


@dataclass(frozen=True, eq=False)
class Draw:
    """A gallery drawn at random, its probes and strangers, as rows of photos.

    Attributes:
        enrolled: int [people, k].
        probes: other photos of the enrolled people.
        owner: int [probes], the place in ``enrolled`` of each probe's person.
        strangers: one photo of everybody else.
    """

    enrolled: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]
    owner: npt.NDArray[np.int64]
    strangers: npt.NDArray[np.int64]


def draw_gallery(
    rows: Sequence[Sequence[int]], people: int, photos: int, generator: np.random.Generator
) -> Draw | None:
    """Draw a gallery; None where too few people have that many photos.

    Those with a photo more, to ask with, are enrolled first; the others fill what is left.

    Args:
        rows: the rows of each person's photos.
        people: how many to enrol.
        photos: k, photos enrolled a person.
        generator: of the draw.
    """
    able = generator.permutation([person for person, own in enumerate(rows) if len(own) > photos])
    filling = generator.permutation([person for person, own in enumerate(rows) if len(own) == photos])
    chosen = np.concatenate([able, filling])[:people].astype(np.int64)
    if len(chosen) < people or len(rows) <= people or not len(able):
        return None
    shuffled = [generator.permutation(np.asarray(rows[person])) for person in chosen]
    probes = [own[photos : photos + _MOST_PROBES] for own in shuffled]
    others = sorted(set(range(len(rows))) - set(chosen.tolist()))
    return Draw(
        np.stack([own[:photos] for own in shuffled]),
        np.concatenate(probes),
        np.repeat(np.arange(people), [len(own) for own in probes]),
        np.array([generator.choice(rows[person]) for person in others], np.int64),
    )


def outcome(draw: Draw, looks: Looks, known: KnownPeople) -> Outcome:
    """What a threshold does in a gallery; every enrolled person weighs the same.

    Args:
        draw: the gallery.
        looks: of the data set.
        known: the gallery's people.
    """
    people = len(draw.enrolled)
    probes = known.distances(looks.probes[draw.probes])
    found = (probes.argmin(axis=1) == draw.owner) & (probes.min(axis=1) <= known.threshold)
    asked = np.bincount(draw.owner, minlength=people)
    by_person = np.bincount(draw.owner, found, people)[asked > 0] / asked[asked > 0]
    named = known.distances(looks.probes[draw.strangers]).min(axis=1) <= known.threshold
    return Outcome(float(named.mean()), float(by_person.mean()))


def check_promise(
    calibration: Calibration,
    looks: Looks,
    rows: Sequence[Sequence[int]],
    metric: Metric,
    people: int = _PEOPLE,
    photos: Sequence[int] = PHOTOS,
) -> Check:
    """Ask for FPIR 1 % in galleries with k photos a person, and see what happens.

    Args:
        calibration: what promises it.
        looks: of the data set.
        rows: the rows of each person's photos.
        metric: the model's.
        people: how many to enrol.
        photos: each k.

    Returns:
        The mean over the draws by k; a k for which there are too few people is left out.
    """
    by_photos = {}
    for count in photos:
        generator = np.random.default_rng(count)
        draws = [draw_gallery(rows, people, count, generator) for _ in range(DRAWS)]
        outcomes = [
            outcome(draw, looks, known_people(looks.enrolled[draw.enrolled], metric, calibration))
            for draw in draws
            if draw is not None
        ]
        if outcomes:
            by_photos[count] = Outcome(
                float(np.mean([one.strangers_named for one in outcomes])),
                float(np.mean([one.people_found for one in outcomes])),
            )
    return Check(DEFAULT_FPIR, people, DRAWS, by_photos)
