"""The named protocols: which photos of a data set are compared. Nobody whom a model was trained on takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import Pair, everybody, protocol_file, read_pairs
from facerec_cli.errors import (
    DataError,
    IncompleteLfwError,
    TooFewPhotosError,
    UnsuitableModelError,
    UnsuitableProtocolError,
)
from facerec_cli.evaluation.measuring import (
    IdentificationProtocol,
    OneShotProtocol,
    OpenSetSplit,
    Protocol,
    VerificationProtocol,
)
from facerec_cli.evaluation.one_shot import TRIALS, WAYS, draw_trials
from facerec_cli.evaluation.pairs import MOST_PEOPLE, Pairs, joined, pairs_of


@dataclass(frozen=True)
class Exclusions:
    """People that models have seen: ``trained`` take no part, ``calibrated`` no part in what thresholds promise."""

    trained: frozenset[str] = frozenset()
    calibrated: frozenset[str] = frozenset()


def view1(chips: ChipSet, seen: Exclusions) -> VerificationProtocol:
    """LFW View 1: pairsDevTest, the threshold from people of peopleDevTrain that no model was trained on.

    Those are the pairs of pairsDevTrain where nobody was trained on; otherwise all pairs of who is left.

    Raises:
        UnsuitableProtocolError: the data set is not LFW, or people of pairsDevTest were trained on.
        UnsuitableModelError: nobody is left to choose the threshold on.
        IncompleteLfwError: pairs files or photos are missing.
    """
    _check_lfw(chips, "view1")
    (test,) = read_pairs(protocol_file(chips.folder, "pairsDevTest.txt"))
    (train,) = read_pairs(protocol_file(chips.folder, "pairsDevTrain.txt"))
    _check_untrained(test, seen, "View 1's pairsDevTest")
    numbered: dict[str, int] = {}
    pairs, notes = _listed(chips, test, numbered)
    _require_pairs(pairs, chips)
    if _people_of(train) & seen.trained:
        left = {person.name for person in everybody() if person.view1 == "train"} & chips.rows_of.keys() - seen.trained
        development = pairs_of([chips.rows_of[name] for name in sorted(left)])
        source = f"all pairs of the {len(left):,} people of peopleDevTrain that were not trained on"
    else:
        development, missing = _listed(chips, train, {})
        notes += missing
        source = "pairsDevTrain"
    if not development.same.any() or development.same.all():
        raise UnsuitableModelError(
            "Nobody of peopleDevTrain is left to choose View 1's threshold on", "train on fewer of them"
        )
    description = f"LFW View 1: {len(pairs.same):,} pairs of pairsDevTest, threshold from {source}"
    return VerificationProtocol("view1", description, notes, pairs, len(numbered), development=development)


def view2(chips: ChipSet, seen: Exclusions) -> VerificationProtocol:
    """LFW View 2: ten folds of pairs.txt, each fold's threshold from the others.

    Raises:
        UnsuitableProtocolError: the data set is not LFW, or people of pairs.txt were trained on.
        IncompleteLfwError: the pairs file or photos are missing.
    """
    _check_lfw(chips, "view2")
    folds = read_pairs(protocol_file(chips.folder, "pairs.txt"))
    _check_untrained([pair for fold in folds for pair in fold], seen, "View 2")
    numbered: dict[str, int] = {}
    notes: list[str] = []
    by_fold = []
    for fold in folds:
        pairs_of_fold, missing = _listed(chips, fold, numbered)
        by_fold.append(pairs_of_fold)
        notes += missing
    pairs, numbers = joined(by_fold), np.repeat(np.arange(len(folds)), [len(fold.same) for fold in by_fold])
    _require_pairs(pairs, chips)
    if len(np.unique(numbers)) < 2:
        raise IncompleteLfwError(f"pairs.txt has pairs of {chips.folder} in fewer than two folds", "fetch LFW")
    description = f"LFW View 2: {len(pairs.same):,} pairs of pairs.txt in {len(folds)} folds, threshold from the others"
    return VerificationProtocol("view2", description, notes, pairs, len(numbered), folds=numbers)


def all_pairs(chips: ChipSet, seen: Exclusions) -> VerificationProtocol:
    """Genuine pairs of each person's photos, and impostor pairs of one photo a person, of any data set.

    Raises:
        UnsuitableModelError: the models have seen everybody.
        DataError: there are fewer than two people, or nobody has two photos.
    """
    names = _unseen_people(chips, seen.trained | seen.calibrated)
    total = len(names)
    if total > MOST_PEOPLE:
        names = sorted(np.random.default_rng(0).choice(names, MOST_PEOPLE, replace=False).tolist())
    pairs = pairs_of([chips.rows_of[name] for name in names])
    if pairs.same.all() or not pairs.same.any():
        raise DataError(f"{chips.folder} needs two people, one of them with two photos, to make pairs", "add photos")
    genuine = int(pairs.same.sum())
    description = (
        f"all pairs of {len(names):,} of {total:,} people: {genuine:,} genuine pairs, "
        f"{len(pairs.same) - genuine:,} impostor pairs of one photo a person"
    )
    return VerificationProtocol("pairs", description, [], pairs, len(names))


def identification(
    chips: ChipSet, seen: Exclusions, photos: int = 1, most: int | None = None
) -> IdentificationProtocol:
    """1:N open set: people with more than k photos are enrolled from their first k, the rest are probes.

    All photos of the other people are strangers'.

    Args:
        chips: the data set's.
        seen: who takes no part.
        photos: k.
        most: whom to enrol, and with what to ask: people with more photos than this, and those after it. With one for
            several k, their numbers are of the same people, probes and strangers; by default k.

    Raises:
        UnsuitableModelError: the models have seen everybody.
        TooFewPhotosError: fewer than two people have that many photos.
    """
    most = most or photos
    names = _unseen_people(chips, seen.trained)
    number_of: dict[str, int] = {}
    split = _open_set_split(chips, names, number_of, photos, most)
    if len(split.enrolled) < 2:
        raise TooFewPhotosError(
            f"{chips.folder} needs two people with {_photos(most + 1)} or more to identify from {_photos(photos)}",
            "add photos",
        )
    unseen_names = [name for name in names if name not in seen.calibrated]
    rest = _open_set_split(chips, unseen_names, number_of, photos, most)
    unseen = rest if len(rest.enrolled) >= 2 else None
    notes = [] if unseen else ["everybody was calibrated on: what the calibration promises cannot be checked here"]
    if len(split.strangers):
        few = "one photo" if most == 1 else f"up to {most} photos, {len(np.unique(split.stranger_person)):,} people"
        strangers = f"{len(split.strangers):,} strangers (people with {few})"
    else:
        strangers = f"{len(split.probes):,} stranger searches"
        notes.append("everybody is enrolled: each probe is searched again without its own person, as a stranger")
    description = (
        f"1:N open set: {len(split.enrolled):,} people enrolled from {_photos(photos)}, {len(split.probes):,} probes, "
        f"{strangers}"
    )
    return IdentificationProtocol("identification", description, notes, split, unseen, len(number_of), photos)


def identifications(
    chips: ChipSet, seen: Exclusions, photos: Sequence[int]
) -> list[Callable[[], IdentificationProtocol]]:
    """Set up 1:N for each number of photos a person, on the same people, probes and strangers.

    So what is enrolled alone makes the difference. Those who are enrolled have more photos than the greatest k that two
    people have more than; a greater one is refused by ``identification``.
    """
    by_photos = sorted(len(rows) for name, rows in chips.rows_of.items() if name not in seen.trained)
    at_most = by_photos[-2] - 1 if len(by_photos) > 1 else 0
    most = max([count for count in photos if count <= at_most], default=1)
    return [partial(identification, chips, seen, count, max(count, most)) for count in photos]


def one_shot(chips: ChipSet, seen: Exclusions) -> OneShotProtocol:
    """20-way one-shot accuracy, 400 trials.

    Raises:
        UnsuitableModelError: the models have seen everybody.
        DataError: there are fewer than 20 people, or nobody has two photos.
    """
    names = _unseen_people(chips, seen.trained)
    try:
        trials = draw_trials([chips.rows_of[name] for name in names])
    except ValueError as error:
        raise DataError(f"{chips.folder} does not serve {WAYS}-way one-shot trials, {error}", "add people") from error
    description = f"{WAYS}-way one-shot, {TRIALS} trials among {len(names):,} people, one support photo each"
    return OneShotProtocol("one-shot", description, [], trials, len(names))


PROTOCOLS: Mapping[str, Callable[[ChipSet, Exclusions], Protocol]] = {
    "view1": view1,
    "view2": view2,
    "pairs": all_pairs,
    "identification": identification,
    "one-shot": one_shot,
}
LFW_PROTOCOLS = frozenset({"view1", "view2"})
"""Those that are defined on LFW alone."""


def _unseen_people(chips: ChipSet, seen: frozenset[str]) -> list[str]:
    names = [name for name in chips.rows_of if name not in seen]
    if not names:
        raise UnsuitableModelError(f"{chips.folder} has nobody whom the model has not seen", "choose other data")
    return names


def _open_set_split(
    chips: ChipSet, names: Sequence[str], number_of: dict[str, int], photos: int, most: int
) -> OpenSetSplit:
    """The open-set split of people, numbered as in ``number_of``, to which new people are added."""
    enrolled = [name for name in names if len(chips.rows_of[name]) > most]
    others = [name for name in names if len(chips.rows_of[name]) <= most]
    for name in [*enrolled, *others]:
        number_of.setdefault(name, len(number_of))
    rows_of = chips.rows_of
    probes = [(row, owner, number_of[name]) for owner, name in enumerate(enrolled) for row in rows_of[name][most:]]
    rows, owners, numbers = np.array(probes, np.int64).reshape(-1, 3).T
    strangers = [(row, number_of[name]) for name in others for row in rows_of[name]]
    stranger_rows, stranger_numbers = np.array(strangers, np.int64).reshape(-1, 2).T
    return OpenSetSplit(
        enrolled=np.array([rows_of[name][:photos] for name in enrolled], np.int64).reshape(-1, photos),
        probes=rows,
        probe_owner=owners,
        probe_person=numbers,
        strangers=stranger_rows,
        stranger_person=stranger_numbers,
    )


def _photos(number: int) -> str:
    return "one photo" if number == 1 else f"{number} photos"


def _listed(chips: ChipSet, pairs: Sequence[Pair], numbered: dict[str, int]) -> tuple[Pairs, list[str]]:
    """Pairs as rows; people get numbers in ``numbered``. Pairs of photos that are not here are told and left out."""
    kept = [pair for pair in pairs if pair.first in chips.row and pair.second in chips.row]
    notes = []
    if len(kept) < len(pairs):
        absent = [photo for pair in pairs for photo in (pair.first, pair.second) if photo not in chips.row]
        notes.append(f"{len(pairs) - len(kept):,} pairs are left out: {absent[0]} is not here or shows no face")
    for pair in kept:
        for photo in (pair.first, pair.second):
            numbered.setdefault(_person(photo), len(numbered))
    listed = Pairs(
        np.array([chips.row[pair.first] for pair in kept], np.int64),
        np.array([chips.row[pair.second] for pair in kept], np.int64),
        np.array([numbered[_person(pair.first)] for pair in kept], np.int64),
        np.array([numbered[_person(pair.second)] for pair in kept], np.int64),
        np.array([pair.same for pair in kept], np.bool_),
    )
    return listed, notes


def _check_lfw(chips: ChipSet, protocol: str) -> None:
    if not chips.is_lfw:
        raise UnsuitableProtocolError(
            f"{chips.folder} is not LFW, and {protocol} is defined on LFW alone", "choose another protocol"
        )


def _check_untrained(pairs: Sequence[Pair], seen: Exclusions, what: str) -> None:
    known = _people_of(pairs) & seen.trained
    if known:
        raise UnsuitableProtocolError(
            f"A model was trained on {len(known):,} of the people of {what} ({min(known)} is one) and cannot be "
            "reported there",
            "choose another protocol",
        )


def _require_pairs(pairs: Pairs, chips: ChipSet) -> None:
    if len(pairs.same) == 0:
        raise IncompleteLfwError(f"No pair's photos are in {chips.folder}", "fetch LFW")


def _people_of(pairs: Sequence[Pair]) -> set[str]:
    return {_person(photo) for pair in pairs for photo in (pair.first, pair.second)}


def _person(photo: str) -> str:
    return photo.rpartition("/")[0]
