"""Named protocols: which photos are compared, and the numbers that come of it.

A protocol is made once from a data set and measured for each model, so that models are compared on the same people,
photos and bootstrap draws. Nobody whom a model was trained on takes part; thresholds come from other people than those
they are reported on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import Pair, everybody, protocol_file, read_pairs
from facerec_cli.encoders.metric import Metric
from facerec_cli.errors import DataError
from facerec_cli.evaluation.calibration import DEFAULT_FMR, DEFAULT_FPIR, Calibration, comparisons, fmr_for
from facerec_cli.evaluation.identification import Searches, found_at_fpir, found_at_threshold, rank_1, search
from facerec_cli.evaluation.intervals import Estimate, Weights, bootstrap
from facerec_cli.evaluation.one_shot import TRIALS, WAYS, Trials, draw_trials, is_right
from facerec_cli.evaluation.verification import (
    accuracy_at,
    area_under,
    best_threshold,
    equal_error_rate,
    k_fold_accuracy,
    roc,
    tmr_at,
)

RATES = (0.1, 0.01, 0.001)
MOST_PEOPLE = 600
"""People of the protocol ``pairs``, drawn at random where there are more: 180,000 impostor pairs."""
MOST_PHOTOS = 10
"""Photos a person whose genuine pairs are taken, so that nobody with hundreds decides."""

_BLOCK = 8192
"""Pairs whose embeddings are gathered at once: 270 MB for embeddings of 4096."""

Rows = npt.NDArray[np.int64]
Embeddings = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of photos: rows of a chip set, their people's numbers, and whether they are one person; each [pairs]."""

    first: Rows
    second: Rows
    first_person: Rows
    second_person: Rows
    same: npt.NDArray[np.bool_]

    def weights(self, people: Weights | None) -> Weights | None:
        """Each pair's weight from its people's: a genuine pair stands for one person, an impostor pair for two."""
        if people is None:
            return None
        return people[self.first_person] * np.where(self.same, 1.0, people[self.second_person])

    def distances(self, embeddings: Embeddings, metric: Metric) -> npt.NDArray[np.float32]:
        """Each pair's distance, float32 [pairs]; a block of pairs at a time, for embeddings of thousands of numbers."""
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(self.first), _BLOCK)]
        found = [metric.pairs(embeddings[self.first[block]], embeddings[self.second[block]]) for block in blocks]
        return np.concatenate([np.empty(0, np.float32), *found])


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Pairs with a model's distances, float32 [pairs], and the threshold in force."""

    pairs: Pairs
    distances: npt.NDArray[np.float32]
    threshold: float


@dataclass(frozen=True, eq=False)
class Result:
    """What a model reached in a protocol.

    Attributes:
        numbers: estimates by what they are.
        standard_error: of the accuracy over folds, where there are any.
        notes: sentences that belong to the numbers.
        scored: the pairs, for pictures.
        searches: the searches, for pictures.
    """

    numbers: dict[str, Estimate]
    standard_error: float | None = None
    notes: list[str] = field(default_factory=list)
    scored: ScoredPairs | None = None
    searches: Searches | None = None


class Protocol(Interface):
    """Something to measure."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def description(self) -> str:
        """What is compared with what, and how many of them."""

    @property
    def notes(self) -> list[str]:
        """Sentences about the data, the same for every model."""

    def rows(self) -> Rows:
        """The rows of the chip set that it needs, ascending."""

    def measure(self, embeddings: Embeddings, metric: Metric, calibration: Calibration | None) -> Result:
        """Measure a model.

        Args:
            embeddings: float32 [photos, d]; only ``rows()`` are looked at.
            metric: the model's.
            calibration: the model's, if it has one.
        """


@dataclass(frozen=True, eq=False)
class Verification:
    """1:1 on pairs: ROC, and accuracy at a threshold from development pairs, or from the other folds."""

    name: str
    description: str
    notes: list[str]
    pairs: Pairs
    people: int
    folds: npt.NDArray[np.intp] | None = None
    development: Pairs | None = None

    def rows(self) -> Rows:
        parts = [self.pairs] + ([self.development] if self.development else [])
        return np.unique(np.concatenate([rows for part in parts for rows in (part.first, part.second)]))

    def measure(self, embeddings: Embeddings, metric: Metric, calibration: Calibration | None) -> Result:
        _require_numbers(embeddings[self.rows()])
        unordered = self.pairs.distances(embeddings, metric)
        order = np.argsort(unordered, kind="stable")
        pairs = Pairs(*(column[order] for column in vars(self.pairs).values()))
        distances, impostors = unordered[order], int(np.count_nonzero(~pairs.same))
        folds = None if self.folds is None else self.folds[order]
        threshold = self._threshold(embeddings, metric, calibration)

        def numbers(people: Weights | None) -> dict[str, float]:
            weights = pairs.weights(people)
            curve = roc(distances, pairs.same, weights)
            found: dict[str, float] = {}
            if folds is not None:
                found["accuracy"] = k_fold_accuracy(distances, pairs.same, folds, weights).mean
            elif self.development:
                found["accuracy"] = accuracy_at(distances, pairs.same, threshold, weights)
            found["AUC"] = area_under(curve)
            found["equal error rate"] = equal_error_rate(curve)
            for rate in RATES:
                found[f"1 - FNMR at FMR {rate:g}"] = tmr_at(curve, rate, impostors)
            if calibration and folds is None and not self.development:
                share = accuracy_at(
                    distances[~pairs.same], pairs.same[~pairs.same], threshold, _part(weights, ~pairs.same)
                )
                found[f"FMR at the calibrated {DEFAULT_FMR:g}"] = 1 - share
                found[f"1 - FNMR at the calibrated {DEFAULT_FMR:g}"] = accuracy_at(
                    distances[pairs.same], pairs.same[pairs.same], threshold, _part(weights, pairs.same)
                )
            return found

        error = None if folds is None else k_fold_accuracy(distances, pairs.same, folds).standard_error
        notes = [f"not enough impostors for FMR {rate:g}" for rate in RATES if rate * impostors < 3]
        if folds is not None:
            threshold = best_threshold(distances, pairs.same)  # for the pictures alone: each fold has its own
        return Result(bootstrap(numbers, self.people), error, notes, ScoredPairs(pairs, distances, threshold))

    def fold(self, number: int) -> Verification:
        """One fold, counted from 1, by itself."""
        assert self.folds is not None
        part = self.folds == number - 1
        return replace(self, pairs=Pairs(*(column[part] for column in vars(self.pairs).values())), folds=None)

    def at(self, threshold: float, embeddings: Embeddings, metric: Metric) -> tuple[float, float]:
        """Accuracy at a threshold, and AUC."""
        distances = self.pairs.distances(embeddings, metric)
        return accuracy_at(distances, self.pairs.same, threshold), area_under(roc(distances, self.pairs.same))

    def _threshold(self, embeddings: Embeddings, metric: Metric, calibration: Calibration | None) -> float:
        if self.development:
            pairs = self.development
            # Genuine and impostor pairs weigh the same, as they do in the pairs reported on.
            weight = np.where(pairs.same, 0.5 / pairs.same.sum(), 0.5 / (~pairs.same).sum())
            return best_threshold(pairs.distances(embeddings, metric), pairs.same, weight)
        return calibration.threshold(DEFAULT_FMR) if calibration else float("nan")


@dataclass(frozen=True, eq=False)
class Gallery:
    """An open-set split: people enrolled from their first photo, probes, and strangers.

    Attributes:
        enrolled: the row of each enrolled person's photo.
        probes: the row of each probe.
        probe_owner: the place in ``enrolled`` of each probe's person.
        probe_person: that person's number, for weights.
        strangers: the row of each stranger.
        stranger_person: the strangers' numbers.
    """

    enrolled: Rows
    probes: Rows
    probe_owner: Rows
    probe_person: Rows
    strangers: Rows
    stranger_person: Rows

    def searches(self, embeddings: Embeddings, metric: Metric) -> Searches:
        """Search every probe and every stranger."""
        known = embeddings[self.enrolled]
        own_distances = metric.matrix(embeddings[self.probes], known)
        if len(self.strangers):
            stranger_distances = metric.matrix(embeddings[self.strangers], known)
            return search(own_distances, self.probe_owner, self.probe_person, stranger_distances, self.stranger_person)
        # Nobody has one photo alone: each probe is a stranger to the gallery without its own person.
        others = own_distances.copy()
        others[np.arange(len(self.probes)), self.probe_owner] = np.inf
        return search(own_distances, self.probe_owner, self.probe_person, others, self.probe_person)


@dataclass(frozen=True, eq=False)
class Identification:
    """1:N open set; ``unseen`` is the part whose people no model was calibrated on: there the promise is held to.

    It is None where fewer than two of them could be enrolled.
    """

    name: str
    description: str
    notes: list[str]
    gallery: Gallery
    unseen: Gallery | None
    people: int

    def rows(self) -> Rows:
        gallery = self.gallery
        return np.unique(np.concatenate([gallery.enrolled, gallery.probes, gallery.strangers]))

    def measure(self, embeddings: Embeddings, metric: Metric, calibration: Calibration | None) -> Result:
        _require_numbers(embeddings[self.rows()])
        searches = self.gallery.searches(embeddings, metric)
        unseen, limit = None, float("nan")
        if calibration and self.unseen:
            unseen, size = self.unseen.searches(embeddings, metric), len(self.unseen.enrolled)
            limit = calibration.threshold(fmr_for(DEFAULT_FPIR, comparisons(np.ones(size))))

        def numbers(weights: Weights | None) -> dict[str, float]:
            found = {"rank-1": rank_1(searches, weights)}
            for rate in RATES:
                found[f"1 - FNIR at FPIR {rate:g}"] = found_at_fpir(searches, rate, weights)
            if unseen is not None:
                shares = found_at_threshold(unseen, limit, weights)
                (
                    found[f"people found at --fpir {DEFAULT_FPIR:g}"],
                    found[f"strangers named at --fpir {DEFAULT_FPIR:g}"],
                ) = shares
            return found

        strangers = len(searches.stranger)
        notes = [f"not enough strangers for FPIR {rate:g}" for rate in RATES if rate * strangers < 3]
        if unseen is not None:
            notes.append(
                f"--fpir {DEFAULT_FPIR:g}: the model's own threshold {limit:.3f}, on {size:,} people enrolled, "
                f"{len(unseen.distance):,} probes and {len(unseen.stranger):,} strangers that it was not calibrated on"
            )
        return Result(bootstrap(numbers, self.people), None, notes, searches=searches)


@dataclass(frozen=True, eq=False)
class OneShot:
    """N-way one-shot accuracy."""

    name: str
    description: str
    notes: list[str]
    trials: Trials
    people: int

    def rows(self) -> Rows:
        return np.unique(np.concatenate([self.trials.probe, self.trials.support.ravel()]))

    def measure(self, embeddings: Embeddings, metric: Metric, calibration: Calibration | None) -> Result:
        _require_numbers(embeddings[self.rows()])
        right = is_right(self.trials, embeddings, metric.matrix)

        def numbers(weights: Weights | None) -> dict[str, float]:
            weight = np.ones(len(right)) if weights is None else weights[self.trials.person]
            return {"accuracy": float((right * weight).sum() / weight.sum()) if weight.sum() else float("nan")}

        return Result(bootstrap(numbers, self.people))


# ---------------------------------------------------------------------- making them


@dataclass(frozen=True)
class Exclusions:
    """People that models have seen: ``trained`` take no part, ``calibrated`` no part in what thresholds promise."""

    trained: frozenset[str] = frozenset()
    calibrated: frozenset[str] = frozenset()


def view1(chips: ChipSet, seen: Exclusions) -> Verification:
    """LFW View 1: pairsDevTest, the threshold from people of peopleDevTrain that no model was trained on.

    Those are the pairs of pairsDevTrain where nobody was trained on; otherwise all pairs of who is left.

    Raises:
        DataError: the data set is not LFW, or people of pairsDevTest were trained on.
    """
    _check_lfw(chips, "view1")
    (test,) = read_pairs(protocol_file(chips.folder, "pairsDevTest.txt"))
    (train,) = read_pairs(protocol_file(chips.folder, "pairsDevTrain.txt"))
    _check_untrained(test, seen, "View 1's pairsDevTest")
    numbered: dict[str, int] = {}
    pairs, notes = _pairs(chips, test, numbered)
    _require_pairs(pairs, chips)
    if {_person(photo) for pair in train for photo in (pair.first, pair.second)} & seen.trained:
        left = {person.name for person in everybody() if person.view1 == "train"} & chips.rows_of.keys() - seen.trained
        development = pairs_of([chips.rows_of[name] for name in sorted(left)])
        source = f"all pairs of the {len(left):,} people of peopleDevTrain that were not trained on"
    else:
        development, missing = _pairs(chips, train, {})
        notes += missing
        source = "pairsDevTrain"
    if not development.same.any() or development.same.all():
        raise DataError("Nobody of peopleDevTrain is left to choose View 1's threshold on: train on fewer of them.")
    description = f"LFW View 1: {len(pairs.same):,} pairs of pairsDevTest, threshold from {source}"
    return Verification("view1", description, notes, pairs, len(numbered), development=development)


def view2(chips: ChipSet, seen: Exclusions) -> Verification:
    """LFW View 2: ten folds of pairs.txt, each fold's threshold from the others.

    Raises:
        DataError: the data set is not LFW, or people of pairs.txt were trained on.
    """
    _check_lfw(chips, "view2")
    folds = read_pairs(protocol_file(chips.folder, "pairs.txt"))
    _check_untrained([pair for fold in folds for pair in fold], seen, "View 2")
    numbered: dict[str, int] = {}
    notes: list[str] = []
    parts, numbers = [], []
    for number, fold in enumerate(folds):
        part, missing = _pairs(chips, fold, numbered)
        parts.append(part)
        numbers.append(np.full(len(part.same), number))
        notes += missing
    pairs = Pairs(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))
    _require_pairs(pairs, chips)
    if len(np.unique(np.concatenate(numbers))) < 2:
        raise DataError(
            f"pairs.txt has pairs of {chips.folder} in fewer than two folds: `facerec fetch` brings LFW whole."
        )
    description = f"LFW View 2: {len(pairs.same):,} pairs of pairs.txt in {len(folds)} folds, threshold from the others"
    return Verification("view2", description, notes, pairs, len(numbered), folds=np.concatenate(numbers))


def all_pairs(chips: ChipSet, seen: Exclusions) -> Verification:
    """Genuine pairs of each person's photos, and impostor pairs of one photo a person, of any data set.

    Raises:
        DataError: there are fewer than two people, or nobody has two photos.
    """
    names = _people(chips, seen.trained | seen.calibrated)
    total = len(names)
    if total > MOST_PEOPLE:
        names = sorted(np.random.default_rng(0).choice(names, MOST_PEOPLE, replace=False).tolist())
    pairs = pairs_of([chips.rows_of[name] for name in names])
    if pairs.same.all() or not pairs.same.any():
        raise DataError(f"{chips.folder} needs two people, one of them with two photos, to make pairs: add photos.")
    genuine = int(pairs.same.sum())
    description = (
        f"all pairs of {len(names):,} of {total:,} people: {genuine:,} genuine pairs, "
        f"{len(pairs.same) - genuine:,} impostor pairs of one photo a person"
    )
    return Verification("pairs", description, [], pairs, len(names))


def identification(chips: ChipSet, seen: Exclusions) -> Identification:
    """1:N open set: the first photo of those with two or more is enrolled, the rest are probes, the others strangers.

    Raises:
        DataError: fewer than two people have two photos.
    """
    names = _people(chips, seen.trained)
    gallery, number_of = _gallery(chips, names, {})
    if len(gallery.enrolled) < 2:
        raise DataError(f"{chips.folder} needs two people with two photos or more to identify: add photos.")
    rest, _ = _gallery(chips, [name for name in names if name not in seen.calibrated], number_of)
    unseen = rest if len(rest.enrolled) >= 2 else None
    notes = [] if unseen else ["everybody was calibrated on: what --fpir promises cannot be checked here"]
    strangers = f"{len(gallery.strangers):,} strangers (people with one photo)"
    if not len(gallery.strangers):
        strangers = f"{len(gallery.probes):,} stranger searches"
        notes.append("nobody has one photo alone: each probe is searched again without its own person, as a stranger")
    description = (
        f"1:N open set: {len(gallery.enrolled):,} people enrolled from one photo, {len(gallery.probes):,} probes, "
        f"{strangers}"
    )
    return Identification("identification", description, notes, gallery, unseen, len(number_of))


def one_shot(chips: ChipSet, seen: Exclusions) -> OneShot:
    """20-way one-shot accuracy, 400 trials.

    Raises:
        DataError: there are fewer than 20 people, or nobody has two photos.
    """
    names = _people(chips, seen.trained)
    try:
        trials = draw_trials([chips.rows_of[name] for name in names])
    except ValueError as error:
        raise DataError(f"{chips.folder} does not serve {WAYS}-way one-shot trials, {error}: add people.") from error
    description = f"{WAYS}-way one-shot, {TRIALS} trials among {len(names):,} people, one support photo each"
    return OneShot("one-shot", description, [], trials, len(names))


PROTOCOLS: dict[str, Callable[[ChipSet, Exclusions], Protocol]] = {
    "view1": view1,
    "view2": view2,
    "pairs": all_pairs,
    "identification": identification,
    "one-shot": one_shot,
}


def _people(chips: ChipSet, without: frozenset[str]) -> list[str]:
    names = [name for name in chips.rows_of if name not in without]
    if not names:
        raise DataError(f"{chips.folder} has nobody whom the model has not seen: choose other data.")
    return names


def _gallery(chips: ChipSet, names: Sequence[str], number_of: dict[str, int]) -> tuple[Gallery, dict[str, int]]:
    """The open-set split of people, numbered as in ``number_of``, to which new people are added."""
    repeated = [name for name in names if len(chips.rows_of[name]) >= 2]
    single = [name for name in names if len(chips.rows_of[name]) == 1]
    for name in [*repeated, *single]:
        number_of.setdefault(name, len(number_of))
    probes = [(row, owner, number_of[name]) for owner, name in enumerate(repeated) for row in chips.rows_of[name][1:]]
    rows, owners, numbers = np.array(probes, np.int64).reshape(-1, 3).T
    gallery = Gallery(
        enrolled=np.array([chips.rows_of[name][0] for name in repeated], np.int64),
        probes=rows,
        probe_owner=owners,
        probe_person=numbers,
        strangers=np.array([chips.rows_of[name][0] for name in single], np.int64),
        stranger_person=np.array([number_of[name] for name in single], np.int64),
    )
    return gallery, number_of


def _pairs(chips: ChipSet, pairs: Sequence[Pair], numbered: dict[str, int]) -> tuple[Pairs, list[str]]:
    """Pairs as rows; people get numbers in ``numbered``. Pairs of photos that are not here are told and left out."""
    kept = [pair for pair in pairs if pair.first in chips.row and pair.second in chips.row]
    notes = []
    if len(kept) < len(pairs):
        absent = [photo for pair in pairs for photo in (pair.first, pair.second) if photo not in chips.row]
        notes.append(f"{len(pairs) - len(kept):,} pairs are left out: {absent[0]} is not here or shows no face")
    for pair in kept:
        for photo in (pair.first, pair.second):
            numbered.setdefault(_person(photo), len(numbered))
    return (
        Pairs(
            np.array([chips.row[pair.first] for pair in kept], np.int64),
            np.array([chips.row[pair.second] for pair in kept], np.int64),
            np.array([numbered[_person(pair.first)] for pair in kept], np.int64),
            np.array([numbered[_person(pair.second)] for pair in kept], np.int64),
            np.array([pair.same for pair in kept], np.bool_),
        ),
        notes,
    )


def pairs_of(rows: Sequence[Sequence[int]]) -> Pairs:
    """Each person's genuine pairs, and the impostor pairs of one photo a person."""
    generator = np.random.default_rng(0)
    genuine = [
        (one, other, person, person)
        for person, own in enumerate(rows)
        for one, other in combinations(sorted(generator.permutation(own)[:MOST_PHOTOS].tolist()), 2)
    ]
    drawn = np.array([generator.choice(own) for own in rows], np.int64)
    one, other = np.triu_indices(len(rows), k=1)
    together = np.concatenate(
        [np.array(genuine, np.int64).reshape(-1, 4), np.column_stack([drawn[one], drawn[other], one, other])]
    )
    first, second, first_person, second_person = together.T
    return Pairs(first, second, first_person, second_person, np.arange(len(together)) < len(genuine))


def _check_lfw(chips: ChipSet, protocol: str) -> None:
    if not chips.is_lfw:
        raise DataError(
            f"{chips.folder} is not LFW, and {protocol} is defined on LFW alone: choose another --protocol."
        )


def _check_untrained(pairs: Sequence[Pair], seen: Exclusions, what: str) -> None:
    known = {_person(photo) for pair in pairs for photo in (pair.first, pair.second)} & seen.trained
    if known:
        raise DataError(
            f"A model was trained on {len(known):,} of the people of {what} ({min(known)} is one): "
            "it cannot be reported there, choose another --protocol."
        )


def _require_pairs(pairs: Pairs, chips: ChipSet) -> None:
    if len(pairs.same) == 0:
        raise DataError(f"No pair's photos are in {chips.folder}: `facerec fetch` brings LFW whole.")


def _require_numbers(embeddings: Embeddings) -> None:
    if not np.isfinite(embeddings).all():
        raise DataError("The model gives embeddings that are not numbers: train it again, or choose another.")


def _person(photo: str) -> str:
    return photo.rpartition("/")[0]


def _part(weights: Weights | None, chosen: npt.NDArray[np.bool_]) -> Weights | None:
    return None if weights is None else weights[chosen]
