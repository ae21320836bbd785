from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.evaluation.intervals import Estimate, Weights, bootstrap

NAN, INF = float("nan"), float("inf")


def mean_of(values: npt.NDArray[np.float64], weights: Weights | None) -> float:
    return float(np.average(values, weights=weights))


# ------------------------------------------------------------------ the interval


def test_an_interval_is_two_percentiles_worked_by_hand() -> None:
    # 41 replicates 0, 1 … 40: 2.5 % of the way from the first to the last is 1, 97.5 % is 39.
    assert Estimate(20, np.random.default_rng(0).permutation(41).astype(np.float64)).interval == (1, 39)


def test_replicates_that_cannot_say_are_ignored() -> None:
    replicates = np.concatenate([[NAN] * 30, np.arange(41), [NAN, INF, -INF]])
    assert Estimate(20, replicates).interval == (1, 39)


@pytest.mark.parametrize(("value", "replicates"), [(NAN, [1.0, 2.0]), (0.5, [NAN, NAN]), (0.5, [])])
def test_what_is_not_known_has_no_interval(value: float, replicates: list[float]) -> None:
    assert all(math.isnan(end) for end in Estimate(value, np.array(replicates)).interval)


def test_the_interval_of_a_mean_is_that_of_the_binomial_distribution() -> None:
    # 50 ones of 100: standard error sqrt(0.5 * 0.5 / 100) = 0.05, so 0.5 -+ 1.96 * 0.05 = 0.402 … 0.598.
    values = np.tile([0.0, 1.0], 50)
    estimate = bootstrap(lambda weights: {"mean": mean_of(values, weights)}, 100, replicates=2_000)["mean"]
    assert estimate.value == 0.5
    assert estimate.interval == pytest.approx((0.402, 0.598), abs=0.015)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    # 300 samples of 60 people with the truth at 0.3. If 95 % cover, 95 -+ 4 * sqrt(0.95 * 0.05 / 300) = 90 … 100 %;
    # the percentile bootstrap of so few is known to cover a little less, about 94 %.
    generator = np.random.default_rng(7)
    covered = 0
    for sample in range(300):
        values = (generator.random(60) < 0.3).astype(np.float64)

        def measure(weights: Weights | None, values: npt.NDArray[np.float64] = values) -> dict[str, float]:
            return {"mean": mean_of(values, weights)}

        low, high = bootstrap(measure, 60, replicates=200, seed=sample)["mean"].interval
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 300 <= 0.98


def test_people_with_many_pairs_count_as_people() -> None:
    # Ten people with 100 pairs each, five people all right, five all wrong. By people: sqrt(0.25 / 10) = 0.158, so the
    # interval is about 0.2 … 0.8; by pairs, as if they were independent: sqrt(0.25 / 1,000) = 0.0158, 0.469 … 0.531.
    person = np.repeat(np.arange(10), 100)
    right = (person < 5).astype(np.float64)
    by_people = bootstrap(lambda w: {"share": mean_of(right, None if w is None else w[person])}, 10)["share"]
    by_pairs = bootstrap(lambda weights: {"share": mean_of(right, weights)}, 1_000)["share"]
    assert by_people.value == by_pairs.value == 0.5
    assert by_people.interval == pytest.approx((0.2, 0.8), abs=0.051)
    assert by_pairs.interval == pytest.approx((0.469, 0.531), abs=0.005)
    widths = [high - low for low, high in (by_people.interval, by_pairs.interval)]
    assert widths[0] > 8 * widths[1]


# ------------------------------------------------------------------ the draws


def test_the_value_is_of_every_person_once_and_the_replicates_of_as_many_people() -> None:
    seen: list[Weights | None] = []

    def measure(weights: Weights | None) -> dict[str, float]:
        seen.append(weights)
        return {"nothing": 0.0}

    assert len(bootstrap(measure, 9, replicates=50)["nothing"].replicates) == 50
    drawn = [weights for weights in seen if weights is not None]
    assert len(drawn) == 50
    assert len(seen) == 51
    for weights in drawn:
        assert weights.shape == (9,)
        assert weights.dtype == np.float64
        assert weights.sum() == 9
        assert (weights == np.round(weights)).all()
        assert weights.min() >= 0
    # With replacement: nine people are hardly ever drawn once each (9! / 9^9 is 1 in 1,068).
    assert sum(weights.max() > 1 for weights in drawn) > 40


def test_a_seed_gives_the_same_draws_and_another_seed_others() -> None:
    values = np.random.default_rng(1).random(30)

    def replicates(seed: int) -> npt.NDArray[np.float64]:
        measured = bootstrap(lambda weights: {"mean": mean_of(values, weights)}, 30, replicates=20, seed=seed)
        return measured["mean"].replicates

    assert np.array_equal(replicates(3), replicates(3))
    assert not np.array_equal(replicates(3), replicates(4))


# ------------------------------------------------------------------ the difference


def test_the_difference_of_a_measure_and_itself_is_exactly_zero() -> None:
    values = np.random.default_rng(2).random(40)
    one, other = (bootstrap(lambda weights: {"mean": mean_of(values, weights)}, 40)["mean"] for _ in range(2))
    difference = one.minus(other)
    assert one.interval[0] < one.interval[1]
    assert difference.value == 0
    assert (difference.replicates == 0).all()
    assert difference.interval == (0, 0)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    # Two models that differ in one person of 40 alone: b = a but for one 0 in place of a 1.
    a = np.tile([0.0, 1.0], 20)
    b = a.copy()
    b[1] = 0
    found = bootstrap(lambda weights: {"a": mean_of(a, weights), "b": mean_of(b, weights)}, 40, replicates=10_000)
    difference = found["a"].minus(found["b"])
    assert difference.value == pytest.approx(1 / 40)
    # That person is drawn 0 to 3 times nearly always: P(more than 3) = 1.8 %, P(0) = 36 % (binomial).
    assert difference.interval == pytest.approx((0, 3 / 40))
    # One model alone: 0.5 -+ 1.96 * sqrt(0.25 / 40) = 0.345 … 0.655, four times as wide.
    assert found["a"].interval == pytest.approx((0.345, 0.655), abs=0.03)


def test_a_difference_to_what_is_not_known_is_not_known() -> None:
    difference = Estimate(0.5, np.array([0.4, 0.6])).minus(Estimate(NAN, np.array([NAN, NAN])))
    assert math.isnan(difference.value)
    assert all(math.isnan(end) for end in difference.interval)
