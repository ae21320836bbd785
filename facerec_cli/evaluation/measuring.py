"""Protocols ready to be measured: each holds its photos, and gives a model's numbers on them.

A protocol is set up once for a data set and measured for each model, so that models are compared on the same people,
photos and bootstrap draws. Thresholds come from other people than those they are reported on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import DEFAULT_FMR, DEFAULT_FPIR
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.errors import UnsuitableModelError
from facerec_cli.evaluation.identification import (
    MIN_FALSE_POSITIVES,
    Searches,
    found_at_fpir,
    found_at_threshold,
    rank_1,
    search,
)
from facerec_cli.evaluation.intervals import Estimate, Weights, bootstrap
from facerec_cli.evaluation.known import KnownPeople, known_people
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.one_shot import Trials, is_right
from facerec_cli.evaluation.pairs import Pairs, Rows, ScoredPairs
from facerec_cli.evaluation.verification import (
    MIN_FALSE_MATCHES,
    accuracy_at,
    area_under,
    best_threshold,
    equal_error_rate,
    k_fold_accuracy,
    roc,
    tmr_at,
)

RATES = (0.1, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Decided:
    """Searches of people whom a model was not calibrated on, and the largest distance at which it names somebody."""

    searches: Searches
    threshold: float


@dataclass(frozen=True, eq=False)
class Result:
    """What a model reached in a protocol.

    Attributes:
        numbers: estimates by what they are.
        standard_error: of the accuracy over folds, where there are any.
        notes: sentences that belong to the numbers.
        model_notes: sentences that belong to this model's numbers alone.
        scored: the pairs, for pictures.
        searches: the searches, for pictures.
        decided: those that the model's own threshold decides.
        by_group: estimates by what they are, by the column of groups and the group.
    """

    numbers: dict[str, Estimate]
    standard_error: float | None = None
    notes: list[str] = field(default_factory=list)
    model_notes: list[str] = field(default_factory=list)
    scored: ScoredPairs | None = None
    searches: Searches | None = None
    decided: Decided | None = None
    by_group: dict[tuple[str, str], dict[str, Estimate]] = field(default_factory=dict)


class Protocol(Interface):
    """Something to measure."""

    @property
    def name(self) -> str:
        """A key of ``protocols.PROTOCOLS``."""

    @property
    def photos(self) -> int | None:
        """Photos enrolled a person; None where nobody is enrolled."""

    @property
    def description(self) -> str:
        """What is compared with what, and how many of them."""

    @property
    def notes(self) -> list[str]:
        """Sentences about the data, the same for every model."""

    def rows(self) -> Rows:
        """The rows of the chip set that it asks about, ascending."""

    def enrolled(self) -> Rows:
        """The rows of those that it enrols, ascending."""

    def measure(self, looks: Looks, metric: Metric, calibration: Calibration | None) -> Result:
        """Measure a model.

        Args:
            looks: only ``rows()`` of the probes, and ``enrolled()`` of those enrolled, are looked at.
            metric: the model's.
            calibration: the model's, if it has one.

        Raises:
            UnsuitableModelError: the embeddings are not finite.
        """


def title(protocol: Protocol) -> str:
    """What tells a protocol from the others of an evaluation: ``identification, 3 photos``."""
    several = protocol.photos is not None and protocol.photos > 1
    return f"{protocol.name}, {protocol.photos} photos" if several else protocol.name


@dataclass(frozen=True, eq=False)
class VerificationProtocol:
    """1:1 on pairs: ROC, and accuracy at a threshold from development pairs, or from the other folds."""

    name: str
    description: str
    notes: list[str]
    pairs: Pairs
    people: int
    folds: npt.NDArray[np.intp] | None = None
    development: Pairs | None = None
    photos: None = None

    def rows(self) -> Rows:
        used = [self.pairs] + ([self.development] if self.development else [])
        return np.unique(np.concatenate([rows for pairs in used for rows in (pairs.first, pairs.second)]))

    def enrolled(self) -> Rows:
        return np.empty(0, np.int64)

    def measure(self, looks: Looks, metric: Metric, calibration: Calibration | None) -> Result:
        embeddings = looks.probes
        _require_numbers(embeddings[self.rows()])
        unordered = self.pairs.distances(embeddings, metric)
        order = np.argsort(unordered, kind="stable")
        pairs = self.pairs.chosen(order)
        distances, impostors = unordered[order], int(np.count_nonzero(~pairs.same))
        folds = None if self.folds is None else self.folds[order]
        threshold = self._threshold(embeddings, metric, calibration)

        def numbers(people: Weights | None) -> dict[str, float]:
            weights = pairs.weights(people)
            curve = roc(distances, pairs.same, weights)
            measured: dict[str, float] = {}
            if folds is not None:
                measured["accuracy"] = k_fold_accuracy(distances, pairs.same, folds, weights).mean
            elif self.development:
                measured["accuracy"] = accuracy_at(distances, pairs.same, threshold, weights)
            measured["AUC"] = area_under(curve)
            measured["equal error rate"] = equal_error_rate(curve)
            for rate in RATES:
                measured[f"1 - FNMR at FMR {rate:g}"] = tmr_at(curve, rate, impostors)
            if calibration and folds is None and not self.development:
                share = accuracy_at(
                    distances[~pairs.same], pairs.same[~pairs.same], threshold, _part(weights, ~pairs.same)
                )
                measured[f"FMR at the calibrated {DEFAULT_FMR:g}"] = 1 - share
                measured[f"1 - FNMR at the calibrated {DEFAULT_FMR:g}"] = accuracy_at(
                    distances[pairs.same], pairs.same[pairs.same], threshold, _part(weights, pairs.same)
                )
            return measured

        error = None if folds is None else k_fold_accuracy(distances, pairs.same, folds).standard_error
        notes = [f"not enough impostors for FMR {rate:g}" for rate in RATES if rate * impostors < MIN_FALSE_MATCHES]
        if folds is not None:
            threshold = best_threshold(distances, pairs.same)  # for the pictures alone: each fold has its own
        return Result(bootstrap(numbers, self.people), error, notes, scored=ScoredPairs(pairs, distances, threshold))

    def fold(self, number: int) -> VerificationProtocol:
        """One fold, counted from 1, by itself."""
        assert self.folds is not None
        return replace(self, pairs=self.pairs.chosen(self.folds == number - 1), folds=None)

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
        return calibration.photos.threshold(DEFAULT_FMR) if calibration else float("nan")


@dataclass(frozen=True, eq=False)
class OpenSetSplit:
    """People enrolled from their first photos, probes, and strangers.

    Attributes:
        enrolled: int64 [people, k], the rows of each enrolled person's photos.
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

    def known(self, looks: Looks, metric: Metric, calibration: Calibration | None) -> KnownPeople:
        """The people enrolled."""
        return known_people(looks.enrolled[self.enrolled], metric, calibration)

    def searches(self, looks: Looks, known: KnownPeople) -> Searches:
        """Search every probe and every stranger."""
        own_distances = known.distances(looks.probes[self.probes])
        if len(self.strangers):
            stranger_distances = known.distances(looks.probes[self.strangers])
            return search(own_distances, self.probe_owner, self.probe_person, stranger_distances, self.stranger_person)
        # Everybody is enrolled: each probe is a stranger to the others, although its person has a part in their centre.
        others = own_distances.copy()
        others[np.arange(len(self.probes)), self.probe_owner] = np.inf
        return search(own_distances, self.probe_owner, self.probe_person, others, self.probe_person)


@dataclass(frozen=True, eq=False)
class IdentificationProtocol:
    """1:N open set; ``unseen`` is the part whose people no model was calibrated on: there the promise is held to.

    It is None where fewer than two of them could be enrolled.
    """

    name: str
    description: str
    notes: list[str]
    split: OpenSetSplit
    unseen: OpenSetSplit | None
    people: int
    photos: int = 1

    def rows(self) -> Rows:
        return np.unique(np.concatenate([self.split.probes, self.split.strangers]))

    def enrolled(self) -> Rows:
        return np.unique(self.split.enrolled)

    def measure(self, looks: Looks, metric: Metric, calibration: Calibration | None) -> Result:
        _require_numbers(looks.probes[self.rows()])
        _require_numbers(looks.enrolled[self.enrolled()])
        searches = self.split.searches(looks, self.split.known(looks, metric, calibration))
        unseen, threshold = None, float("nan")
        if calibration and self.unseen:
            known = self.unseen.known(looks, metric, calibration)
            unseen, size = self.unseen.searches(looks, known), len(self.unseen.enrolled)
            threshold = known.threshold

        def numbers(weights: Weights | None) -> dict[str, float]:
            measured = {"rank-1": rank_1(searches, weights)}
            for rate in RATES:
                measured[f"1 - FNIR at FPIR {rate:g}"] = found_at_fpir(searches, rate, weights)
            if unseen is not None:
                found, named = found_at_threshold(unseen, threshold, weights)
                measured[f"people found at the calibrated FPIR {DEFAULT_FPIR:g}"] = found
                measured[f"strangers named at the calibrated FPIR {DEFAULT_FPIR:g}"] = named
            return measured

        strangers = len(searches.stranger)
        notes = [f"not enough strangers for FPIR {rate:g}" for rate in RATES if rate * strangers < MIN_FALSE_POSITIVES]
        model_notes = []
        if unseen is not None:
            model_notes.append(
                f"the calibrated FPIR {DEFAULT_FPIR:g}: the model's own threshold {threshold:.3f}, on {size:,} people "
                f"enrolled, {len(unseen.distance):,} probes and {len(unseen.stranger):,} strangers that it was not "
                "calibrated on"
            )
        decided = None if unseen is None else Decided(unseen, threshold)
        return Result(bootstrap(numbers, self.people), None, notes, model_notes, searches=searches, decided=decided)


@dataclass(frozen=True, eq=False)
class OneShotProtocol:
    """N-way one-shot accuracy."""

    name: str
    description: str
    notes: list[str]
    trials: Trials
    people: int
    photos: None = None

    def rows(self) -> Rows:
        return np.unique(np.concatenate([self.trials.probe, self.trials.support.ravel()]))

    def enrolled(self) -> Rows:
        return np.empty(0, np.int64)

    def measure(self, looks: Looks, metric: Metric, calibration: Calibration | None) -> Result:
        embeddings = looks.probes
        _require_numbers(embeddings[self.rows()])
        right = is_right(self.trials, embeddings, metric.matrix)

        def numbers(weights: Weights | None) -> dict[str, float]:
            weight = np.ones(len(right)) if weights is None else weights[self.trials.person]
            return {"accuracy": float((right * weight).sum() / weight.sum()) if weight.sum() else float("nan")}

        return Result(bootstrap(numbers, self.people))


def _require_numbers(embeddings: Embeddings) -> None:
    if not np.isfinite(embeddings).all():
        raise UnsuitableModelError(
            "The model gives embeddings that are not numbers", "train it again, or choose another"
        )


def _part(weights: Weights | None, chosen: npt.NDArray[np.bool_]) -> Weights | None:
    return None if weights is None else weights[chosen]
