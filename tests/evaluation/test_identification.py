from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from facerec_cli.evaluation.identification import Searches, found_at_fpir, found_at_threshold, rank_1, search

# Few values, so that distances tie.
DISTANCES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 2, width=32)
THIRTY = (np.arange(1, 31) / 10).tolist()
"""Strangers at 0.1, 0.2 … 3.0: at 10 % three may be named, the fewest that the rule of 3 allows."""


def gathered(probes: list[tuple[float, bool]], strangers: list[float]) -> Searches:
    """Searches with a person for each probe, then one for each stranger."""
    return Searches(
        np.array([distance for distance, _ in probes], np.float32),
        np.array([right for _, right in probes], np.bool_),
        np.arange(len(probes)),
        np.array(strangers, np.float32),
        np.arange(len(probes), len(probes) + len(strangers)),
    )


FIVE = [(0.05, True), (0.35, True), (0.39, False), (0.4, True), (0.9, True)]


# ------------------------------------------------------------------ search


def test_a_search_worked_by_hand() -> None:
    probes = np.array([[0.1, 0.5, 0.9], [0.7, 0.6, 0.65], [0.8, 0.2, 0.3]], np.float32)
    strangers = np.array([[0.9, 0.8, 0.7], [0.5, 0.6, 0.7]], np.float32)
    found = search(probes, np.array([0, 0, 2]), np.array([5, 5, 8]), strangers, np.array([1, 2]))
    assert found.distance == pytest.approx([0.1, 0.6, 0.2])
    # The first probe's own template is nearest; the second's is at 0.7 and another at 0.6; the third's at 0.3, not 0.2.
    assert found.right.tolist() == [True, False, False]
    assert found.person.tolist() == [5, 5, 8]
    assert found.stranger == pytest.approx([0.7, 0.5])
    assert found.stranger_person.tolist() == [1, 2]


# ------------------------------------------------------------------ by hand


def test_a_set_worked_by_hand() -> None:
    # At 10 % three may be named, at 0.1, 0.2 and 0.3, so the threshold is just below 0.4.
    found = gathered(FIVE, THIRTY)
    assert rank_1(found) == pytest.approx(4 / 5)
    # 0.05 and 0.35 are theirs and near enough; 0.39 is another person; 0.4 would name a fourth stranger.
    assert found_at_fpir(found, 0.1) == pytest.approx(2 / 5)
    # Six strangers: below 0.7. All: no threshold at all.
    assert found_at_fpir(found, 0.2) == pytest.approx(3 / 5)
    assert found_at_fpir(found, 1.0) == pytest.approx(4 / 5)


def test_a_threshold_worked_by_hand() -> None:
    found = gathered(FIVE, THIRTY)
    # 0.05 and 0.35 of five; strangers at 0.1, 0.2 and 0.3 of thirty.
    assert found_at_threshold(found, 0.375) == pytest.approx((2 / 5, 3 / 30))
    assert found_at_threshold(found, 0.05) == pytest.approx((1 / 5, 0))
    assert found_at_threshold(found, -1) == (0, 0)
    assert found_at_threshold(found, 5) == pytest.approx((4 / 5, 1))


def test_what_lies_on_the_threshold_is_a_match() -> None:
    found = gathered([(0.5, True), (0.75, True)], [0.5, 0.75, 1.0, 1.0])
    assert found_at_threshold(found, 0.5) == pytest.approx((1 / 2, 1 / 4))


def test_strangers_as_near_as_anybody_spoil_the_strictest_rate() -> None:
    # Three of thirty may be named, but four are nearer than anybody's probe.
    found = gathered([(0.2, True), (0.3, True)], [0.1] * 4 + [0.9] * 26)
    assert rank_1(found) == 1
    assert found_at_fpir(found, 0.1) == 0


def test_strangers_that_tie_are_all_named_or_none() -> None:
    # Half of the six strangers may be named, but the nearest five are one distance away.
    found = gathered([(0.4, True), (0.5, True), (0.6, True)], [0.5] * 5 + [0.9])
    assert found_at_fpir(found, 0.5) == pytest.approx(1 / 3)
    # 5 / 6 in floating point allows just these five.
    assert found_at_fpir(found, 5 / 6) == pytest.approx(1)


@pytest.mark.parametrize(("rate", "enough"), [(0.1, 30), (0.01, 300), (0.001, 3_000)])
def test_three_strangers_at_least_must_be_named(rate: float, enough: int) -> None:
    near = [(0.1, True)] * 7
    assert found_at_fpir(gathered(near, [0.9] * enough), rate) == 1
    assert math.isnan(found_at_fpir(gathered(near, [0.9] * (enough - 1)), rate))


def test_probes_and_strangers_come_in_any_order() -> None:
    generator = np.random.default_rng(0)
    probes = [
        (float(distance), bool(right))
        for distance, right in zip(generator.random(200), generator.random(200) < 0.8, strict=True)
    ]
    found = gathered(probes, generator.random(300).tolist())
    order, other = generator.permutation(200), generator.permutation(300)
    mixed = Searches(
        found.distance[order],
        found.right[order],
        found.person[order],
        found.stranger[other],
        found.stranger_person[other],
    )
    weights = generator.integers(0, 4, 500).astype(np.float64)
    for rate in (0.01, 0.1, 0.5):
        assert 0 < found_at_fpir(found, rate) == found_at_fpir(mixed, rate) < 1
        assert found_at_fpir(found, rate, weights) == found_at_fpir(mixed, rate, weights)
    assert rank_1(found, weights) == rank_1(mixed, weights)


# ------------------------------------------------------------------ weights


def weights_for(found: Searches, changed: dict[int, float]) -> npt.NDArray[np.float64]:
    weights = np.ones(len(found.distance) + len(found.stranger))
    for person, weight in changed.items():
        weights[person] = weight
    return weights


def without(found: Searches, person: int) -> Searches:
    probes, strangers = found.person != person, found.stranger_person != person
    return Searches(
        found.distance[probes],
        found.right[probes],
        found.person[probes],
        found.stranger[strangers],
        found.stranger_person[strangers],
    )


def twice(found: Searches, person: int) -> Searches:
    probes = np.concatenate([np.arange(len(found.person)), np.flatnonzero(found.person == person)])
    strangers = np.concatenate([np.arange(len(found.stranger)), np.flatnonzero(found.stranger_person == person)])
    return Searches(
        found.distance[probes],
        found.right[probes],
        found.person[probes],
        found.stranger[strangers],
        found.stranger_person[strangers],
    )


def everything(found: Searches, weights: npt.NDArray[np.float64] | None = None) -> list[float]:
    rates = [found_at_fpir(found, rate, weights) for rate in (0.1, 0.15, 0.5, 1.0)]
    return [rank_1(found, weights), *found_at_threshold(found, 0.375, weights), *rates]


# Strangers to spare, so that one fewer is still enough.
FORTY = (np.arange(1, 41) / 10).tolist()


@pytest.mark.parametrize("person", [*range(5), 5, 6, 8, 9, 44])
def test_a_person_of_no_weight_vanishes_and_one_of_weight_two_counts_twice(person: int) -> None:
    found = gathered(FIVE, FORTY)
    assert everything(found, weights_for(found, {person: 0})) == pytest.approx(everything(without(found, person)))
    assert everything(found, weights_for(found, {person: 2})) == pytest.approx(everything(twice(found, person)))


def test_weights_worked_by_hand() -> None:
    found = gathered(FIVE, THIRTY)
    # The probe at 0.05 is drawn three times, the one at 0.9 and the wrong one never: 3 + 1 + 1 of 5.
    weights = weights_for(found, {0: 3, 2: 0, 4: 0})
    assert rank_1(found, weights) == 1
    assert found_at_threshold(found, 0.375, weights) == pytest.approx((4 / 5, 3 / 30))
    # The strangers at 0.1 and 0.2 three times each, 34 in all: 10 % is 3.4 of them, the one at 0.1 alone.
    strangers = weights_for(found, {5: 3, 6: 3})
    assert found_at_threshold(found, 0.15, strangers) == pytest.approx((1 / 5, 3 / 34))
    assert found_at_fpir(found, 0.1, strangers) == pytest.approx(1 / 5)


def test_a_weight_is_a_person_s_and_so_all_their_probes_carry_it() -> None:
    found = Searches(
        np.array([0.1, 0.2, 0.3], np.float32),
        np.array([True, True, False]),
        np.array([1, 1, 0]),
        np.empty(0, np.float32),
        np.empty(0, np.int64),
    )
    # Person 1 twice: 2 + 2 right of 2 + 2 + 1.
    assert rank_1(found, np.array([1.0, 2.0])) == pytest.approx(4 / 5)


def test_only_the_proportions_of_weights_matter() -> None:
    found = gathered(FIVE, THIRTY)
    weights = np.array([1, 2, 1, 1, 1, *([1, 2, 3] * 10)], np.float64)
    for scale in (100.0, 0.001):
        assert everything(found, weights * scale) == pytest.approx(everything(found, weights))


def test_strangers_of_no_weight_cannot_say() -> None:
    found = gathered(FIVE, THIRTY)
    weights = weights_for(found, dict.fromkeys(range(5, 35), 0.0))
    assert math.isnan(found_at_threshold(found, 0.375, weights)[1])
    assert math.isnan(found_at_fpir(found, 0.1, weights))


# ------------------------------------------------------------------ degenerate


def test_a_perfect_gallery_finds_everybody_at_every_rate() -> None:
    found = gathered([(0.1, True)] * 7, [0.9] * 3_000)
    assert rank_1(found) == 1
    assert [found_at_fpir(found, rate) for rate in (0.1, 0.01, 0.001)] == [1, 1, 1]


def test_where_all_distances_are_equal_nobody_is_found_but_by_naming_all_strangers() -> None:
    found = gathered([(0.5, True)] * 4, [0.5] * 30)
    assert found_at_fpir(found, 0.1) == 0
    assert found_at_fpir(found, 0.999) == 0
    assert found_at_fpir(found, 1.0) == 1
    assert found_at_threshold(found, 0.5) == (1, 1)


def test_equal_templates_name_the_first_of_them() -> None:
    # Constant embeddings: every template is as near; only the first person's probe is right.
    found = search(
        np.zeros((3, 3), np.float32), np.arange(3), np.arange(3), np.zeros((1, 3), np.float32), np.array([3])
    )
    assert rank_1(found) == pytest.approx(1 / 3)


def test_without_strangers_nothing_is_said_about_them() -> None:
    found = gathered(FIVE, [])
    assert rank_1(found) == pytest.approx(4 / 5)
    assert math.isnan(found_at_fpir(found, 0.1))
    people, strangers = found_at_threshold(found, 0.375)
    assert people == pytest.approx(2 / 5)
    assert math.isnan(strangers)


def test_without_probes_nothing_is_said_about_the_people() -> None:
    empty = np.empty(0, np.int64)
    strangers = np.array([[0.1, 0.2]] * 30, np.float32)
    found = search(np.empty((0, 2), np.float32), empty, empty, strangers, np.arange(30))
    assert math.isnan(rank_1(found))
    assert math.isnan(found_at_fpir(found, 0.1))
    people, named = found_at_threshold(found, 0.375)
    assert math.isnan(people)
    assert named == 1


# ------------------------------------------------------------------ any input


@settings(deadline=None)
@given(
    st.lists(st.tuples(DISTANCES, st.booleans(), st.integers(0, 3)), min_size=1, max_size=20),
    st.lists(st.tuples(DISTANCES, st.integers(0, 3)), min_size=12, max_size=30),
    st.sampled_from([0.25, 0.5, 0.9]),
)
def test_no_threshold_that_keeps_the_rate_finds_more(
    probes: list[tuple[float, bool, int]], strangers: list[tuple[float, int]], rate: float
) -> None:
    found = gathered([(distance, right) for distance, right, _ in probes], [distance for distance, _ in strangers])
    weights = np.array([weight for *_, weight in probes] + [weight for _, weight in strangers], np.float64)
    asked, strange = sum(weight for *_, weight in probes), sum(weight for _, weight in strangers)
    assume(asked and strange)

    best = 0.0
    for threshold in [-1.0, *(distance for distance, _ in strangers), *(distance for distance, *_ in probes)]:
        named = sum(weight for distance, weight in strangers if distance <= threshold) / strange
        if named <= rate + 1e-12:
            share = sum(weight for distance, right, weight in probes if right and distance <= threshold) / asked
            best = max(best, share)
    assert found_at_fpir(found, rate, weights) == pytest.approx(best)
    assert rank_1(found, weights) == pytest.approx(sum(weight for _, right, weight in probes if right) / asked)
