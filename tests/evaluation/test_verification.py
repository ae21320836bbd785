from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from facerec_cli.evaluation.verification import (
    accuracy_at,
    area_under,
    best_threshold,
    equal_error_rate,
    k_fold_accuracy,
    roc,
    tmr_at,
)

Pair = tuple[float, bool]
# Few values, so that pairs tie.
DISTANCES = st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5, 1.0, 1.5, 2.0]) | st.floats(0, 2, width=32)
PAIRS = st.lists(st.tuples(DISTANCES, st.booleans()), min_size=1, max_size=30)
NEXT_TO_ONE = float(np.nextafter(np.float32(1), np.float32(2)))
NEXT_AFTER_THAT = float(np.nextafter(np.float32(NEXT_TO_ONE), np.float32(2)))


def arrays(pairs: list[Pair]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    return np.array([distance for distance, _ in pairs], np.float32), np.array([same for _, same in pairs], np.bool_)


def right(pairs: list[Pair], threshold: float) -> int:
    """The rule itself, counted one pair at a time."""
    return sum((distance <= threshold) == same for distance, same in pairs)


# ------------------------------------------------------------------ best_threshold


@pytest.mark.parametrize(
    ("pairs", "threshold"),
    [
        # two that are the same, two that are not: half-way between them
        ([(0.25, True), (0.5, True), (1.0, False), (1.5, False)], 0.75),
        # the order of the pairs does not matter
        ([(1.5, False), (0.5, True), (1.0, False), (0.25, True)], 0.75),
        # one on the wrong side: after 0.25 three are right, after 1.0 too, so the later of the two
        ([(0.25, True), (0.5, False), (1.0, True), (1.5, False)], 1.25),
        # all the same person: beyond the farthest
        ([(0.25, True), (0.5, True)], 1.5),
        # nobody: before the nearest
        ([(0.25, False), (0.5, False)], -0.75),
        # pairs at one distance stay together: 3 of 4 are right with both called the same
        ([(0.5, True), (0.5, False), (0.25, True), (1.0, False)], 0.75),
    ],
)
def test_thresholds_worked_by_hand(pairs: list[Pair], threshold: float) -> None:
    assert best_threshold(*arrays(pairs)) == pytest.approx(threshold)


def test_the_middle_one_of_several_best_is_taken() -> None:
    # Cuts below 0.5, between 0.5 and 1.0 … judge 1, 2, 1, 2, 1 … pairs rightly: three are best, at 0.75, 1.75, 2.75.
    pairs = [(0.5, True), (1.0, False), (1.5, True), (2.0, False), (2.5, True), (3.0, False)]
    assert [right(pairs, cut) for cut in (0, 0.75, 1.25, 1.75, 2.25, 2.75, 4)] == [3, 4, 3, 4, 3, 4, 3]
    assert best_threshold(*arrays(pairs)) == pytest.approx(1.75)


@settings(deadline=None)
@given(PAIRS)
@example([(1.0, True), (1.0, False)])
@example([(0.0, True)])
@example([(1.0, True), (NEXT_TO_ONE, False)])
def test_no_threshold_is_better(pairs: list[Pair]) -> None:
    found = best_threshold(*arrays(pairs))
    cuts = sorted({distance for distance, _ in pairs})
    best = max(right(pairs, cut) for cut in [-1.0, *cuts])
    assert right(pairs, found) == best
    # Never on a pair, where rounding would decide.
    assert all(found != distance for distance in cuts)


@pytest.mark.parametrize(
    "pairs", [[(1.0, True), (NEXT_TO_ONE, False)], [(NEXT_TO_ONE, True), (NEXT_AFTER_THAT, False)]]
)
def test_neighbouring_floats_are_told_apart_in_the_accuracy_too(pairs: list[Pair]) -> None:
    # Half-way between two float32 neighbours there is no float32: the comparison must not be made in float32.
    distances, same = arrays(pairs * 2)
    assert k_fold_accuracy(distances, same, np.array([0, 0, 1, 1])).mean == 1


# ------------------------------------------------------------------ k_fold_accuracy


def test_two_folds_worked_by_hand() -> None:
    # Fold 0 alone is best cut at 0.75, fold 1 alone at 0.45.
    distances = np.array([0.5, 1.0, 0.3, 0.6], np.float32)
    same = np.array([True, False, True, False])
    folds = np.array([0, 0, 1, 1])
    accuracy = k_fold_accuracy(distances, same, folds)
    # By fold 1's threshold fold 0's 0.5 is called different: 1 of 2. By fold 0's, fold 1's 0.6 is called the same.
    assert accuracy.mean == pytest.approx(0.5)
    assert accuracy.standard_error == pytest.approx(0)


def test_three_folds_worked_by_hand() -> None:
    # The folds are perfect but for fold 2, whose two pairs are exchanged.
    distances = np.array([0.2, 0.8, 0.2, 0.8, 0.8, 0.2], np.float32)
    same = np.array([True, False] * 3)
    folds = np.array([7, 7, 8, 8, 9, 9])
    # Without 7: 8 is right and 9 is wrong at any cut in between, so no cut is better than another: 2 of 4.
    # The cuts that tie are below 0.2, between, and above 0.8; the middle one is 0.5. Fold 7 is then all right.
    # Without 9: 0.5, and fold 9 is all wrong.
    accuracy = k_fold_accuracy(distances, same, folds)
    assert accuracy.mean == pytest.approx((1 + 1 + 0) / 3)
    # Sample standard deviation of 1, 1, 0 is sqrt(1/3), and over sqrt(3) folds that is 1/3.
    assert accuracy.standard_error == pytest.approx(1 / 3)


def test_a_pair_at_the_threshold_counts_as_the_same() -> None:
    # Fold 0's pairs put the threshold at exactly 0.75; the pairs of fold 1 lie on it.
    distances = np.array([0.5, 1.0, 0.75, 0.75], np.float32)
    same = np.array([True, False, True, False])
    folds = np.array([0, 0, 1, 1])
    # Fold 1 alone has no best cut: -0.25 and 1.75 judge 1 of 2 each, and the later of the two is taken.
    accuracy = k_fold_accuracy(distances, same, folds)
    assert accuracy.mean == pytest.approx(0.5)
    assert k_fold_accuracy(distances[[0, 1, 2]], same[[0, 1, 2]], folds[[0, 1, 2]]).mean == pytest.approx((0.5 + 1) / 2)


def test_a_perfect_model_is_perfect_in_any_folds() -> None:
    generator = np.random.default_rng(0)
    same = generator.random(600) < 0.5
    distances = np.where(same, generator.uniform(0, 0.4, 600), generator.uniform(0.6, 1, 600)).astype(np.float32)
    accuracy = k_fold_accuracy(distances, same, np.arange(600) % 10)
    assert (accuracy.mean, accuracy.standard_error) == (1, 0)


def test_chance_is_a_half() -> None:
    generator = np.random.default_rng(1)
    distances = generator.random(6_000).astype(np.float32)
    same = np.tile([True, False], 3_000)
    accuracy = k_fold_accuracy(distances, same, np.arange(6_000) // 600)
    assert accuracy.mean == pytest.approx(0.5, abs=0.03)
    assert 0 < accuracy.standard_error < 0.02


@settings(deadline=None)
@given(st.lists(st.tuples(DISTANCES, st.booleans(), st.integers(0, 3)), min_size=8, max_size=40))
def test_any_folds_agree_with_the_definition(rows: list[tuple[float, bool, int]]) -> None:
    numbers = sorted({fold for _, _, fold in rows})
    if len(numbers) < 2:
        return
    accuracies = []
    for number in numbers:
        inside = [(distance, same) for distance, same, fold in rows if fold == number]
        outside = [(distance, same) for distance, same, fold in rows if fold != number]
        accuracies.append(right(inside, best_threshold(*arrays(outside))) / len(inside))
    distances, same = arrays([(distance, same) for distance, same, _ in rows])
    accuracy = k_fold_accuracy(distances, same, np.array([fold for _, _, fold in rows]))
    assert accuracy.mean == pytest.approx(np.mean(accuracies))
    assert accuracy.standard_error == pytest.approx(np.std(accuracies, ddof=1) / len(numbers) ** 0.5)


def test_the_held_out_fold_has_no_say_in_its_threshold() -> None:
    # Fold 1 alone would be cut above 0.9, where all of it is right; fold 0's cut at 0.5 leaves none of it right.
    distances = np.array([0.2, 0.8, 0.9, 0.9, 0.9], np.float32)
    same = np.array([True, False, True, True, True])
    accuracy = k_fold_accuracy(distances, same, np.array([0, 0, 1, 1, 1]))
    assert accuracy.mean == pytest.approx((0.5 + 0) / 2)


# ------------------------------------------------------------------ weights


WEIGHTED = st.lists(st.tuples(DISTANCES, st.booleans(), st.integers(0, 3), st.integers(1, 3)), min_size=8, max_size=30)


@settings(deadline=None)
@given(WEIGHTED)
def test_a_weight_of_two_is_a_pair_twice(rows: list[tuple[float, bool, int, int]]) -> None:
    distances, same = arrays([(distance, same) for distance, same, _, _ in rows])
    folds = np.array([fold for _, _, fold, _ in rows])
    counts = np.array([count for *_, count in rows])
    weights = counts.astype(np.float64)
    repeated = np.repeat(np.arange(len(rows)), counts)

    threshold = best_threshold(distances, same, weights)
    assert threshold == best_threshold(distances[repeated], same[repeated])
    assert accuracy_at(distances, same, threshold, weights) == pytest.approx(
        accuracy_at(distances[repeated], same[repeated], threshold)
    )
    curve, expected = roc(distances, same, weights), roc(distances[repeated], same[repeated])
    assert np.array_equal(curve.threshold, expected.threshold)
    assert np.array_equal(curve.fmr, expected.fmr, equal_nan=True)
    assert np.array_equal(curve.tmr, expected.tmr, equal_nan=True)
    if len(set(folds.tolist())) > 1:
        accuracy = k_fold_accuracy(distances, same, folds, weights)
        by_hand = k_fold_accuracy(distances[repeated], same[repeated], folds[repeated])
        assert accuracy.mean == pytest.approx(by_hand.mean)
        assert accuracy.standard_error == pytest.approx(by_hand.standard_error)


def test_weights_move_the_best_threshold() -> None:
    # Of one pair each, 0.75 and 1.75 (both 3 right of 4) tie, and the later is taken; a weight of 2 on the impostor at
    # 1.0 leaves 0.75 alone, 4 of 5; on the genuine pair at 1.5 it leaves 1.75 alone.
    pairs = [(0.5, True), (1.0, False), (1.5, True), (2.0, False)]
    assert best_threshold(*arrays(pairs), np.array([1.0, 1, 1, 1])) == pytest.approx(1.75)
    assert best_threshold(*arrays(pairs), np.array([1.0, 2, 1, 1])) == pytest.approx(0.75)
    assert best_threshold(*arrays(pairs), np.array([1.0, 1, 2, 1])) == pytest.approx(1.75)


def test_a_weight_of_nothing_removes_a_pair() -> None:
    distances, same = arrays([(0.25, True), (0.5, False), (1.0, True), (1.5, False)])
    # Without the impostor at 0.5: 0.25 and 1.0 genuine, 1.5 not.
    weights = np.array([1.0, 0, 1, 1])
    assert best_threshold(distances, same, weights) == pytest.approx(1.25)
    assert accuracy_at(distances, same, 1.25, weights) == 1
    curve = roc(distances, same, weights)
    assert area_under(curve) == 1
    assert equal_error_rate(curve) == 0


def test_a_weighted_accuracy_worked_by_hand() -> None:
    distances, same = arrays([(0.25, True), (0.5, False), (1.0, True), (1.5, False)])
    # At 0.75 the first and the last are right: 3 + 1 of 3 + 2 + 4 + 1.
    assert accuracy_at(distances, same, 0.75, np.array([3.0, 2, 4, 1])) == pytest.approx(4 / 10)
    assert accuracy_at(distances, same, 0.75) == pytest.approx(1 / 2)
    assert math.isnan(accuracy_at(distances, same, 0.75, np.zeros(4)))


# ------------------------------------------------------------------ the ROC by hand


TIED: list[Pair] = [(0.3, True), (0.1, True), (0.5, False), (0.3, False), (0.2, False)]
"""In order: genuine at 0.1, impostor at 0.2, one of each at 0.3, impostor at 0.5."""


def test_a_curve_worked_by_hand() -> None:
    curve = roc(*arrays(TIED))
    assert curve.threshold == pytest.approx([-np.inf, 0.1, 0.2, 0.3, 0.5])
    assert curve.tmr == pytest.approx([0, 1 / 2, 1 / 2, 1, 1])
    assert curve.fmr == pytest.approx([0, 0, 1 / 3, 2 / 3, 1])
    # The genuine pair at 0.1 is closer than three impostors; the one at 0.3 than one, and ties with one: 4.5 of 6.
    assert area_under(curve) == pytest.approx(4.5 / 6)
    # FNMR - FMR is 1/2 - 1/3 = 1/6 at 0.2 and 0 - 2/3 at 0.3: zero a fifth of the way, at 1/3 + 1/15 = 1/2 - 1/10.
    assert equal_error_rate(curve) == pytest.approx(0.4)


def test_a_weighted_curve_worked_by_hand() -> None:
    # The genuine pair at 0.1 three times, the impostor at 0.5 twice.
    curve = roc(*arrays(TIED), np.array([1.0, 3, 2, 1, 1]))
    assert curve.tmr == pytest.approx([0, 3 / 4, 3 / 4, 1, 1])
    assert curve.fmr == pytest.approx([0, 0, 1 / 4, 2 / 4, 1])
    # 3 * 4 and 1 * (2 + 1/2) of 4 * 4.
    assert area_under(curve) == pytest.approx(14.5 / 16)
    # At 0.2 both are 1/4.
    assert equal_error_rate(curve) == pytest.approx(1 / 4)


def test_a_perfect_and_a_reversed_model() -> None:
    near, far = [0.1, 0.2, 0.3], [0.6, 0.7]
    perfect = roc(*arrays([(distance, True) for distance in near] + [(distance, False) for distance in far]))
    assert (area_under(perfect), equal_error_rate(perfect)) == (1, 0)
    reversed_ = roc(*arrays([(distance, False) for distance in near] + [(distance, True) for distance in far]))
    assert (area_under(reversed_), equal_error_rate(reversed_)) == (0, 1)


# Impostors at 0.1, 0.2 … 3.0.
THIRTY: list[Pair] = [(rank / 10, False) for rank in range(1, 31)]


def test_a_true_match_rate_worked_by_hand() -> None:
    curve = roc(*arrays([(0.05, True), (0.35, True), (0.4, True), (0.9, True), *THIRTY]))
    # Three of thirty may match: every threshold from 0.3 until just below 0.4, where a fourth does.
    assert tmr_at(curve, 0.1, 30) == pytest.approx(2 / 4)
    # Six: below 0.7. All.
    assert tmr_at(curve, 0.2, 30) == pytest.approx(3 / 4)
    assert tmr_at(curve, 1.0, 30) == pytest.approx(1)


def test_impostors_that_tie_match_all_or_none() -> None:
    curve = roc(*arrays([(0.4, True), (0.5, True), *([(0.5, False)] * 4), *([(0.9, False)] * 26)]))
    # Three may match, and four would at 0.5, the genuine pair's own distance.
    assert tmr_at(curve, 0.1, 30) == pytest.approx(1 / 2)
    assert tmr_at(curve, 4 / 30, 30) == pytest.approx(1)


@pytest.mark.parametrize(("rate", "enough"), [(0.1, 30), (0.01, 300), (0.001, 3_000)])
def test_three_impostors_at_least_must_match(rate: float, enough: int) -> None:
    curve = roc(*arrays([(0.1, True), (0.2, False)]))
    assert tmr_at(curve, rate, enough) == 1
    assert math.isnan(tmr_at(curve, rate, enough - 1))


# ------------------------------------------------------------------ against scikit-learn


BOTH = st.lists(st.tuples(DISTANCES, st.booleans(), st.floats(0.1, 10)), min_size=2, max_size=60).filter(
    lambda rows: len({same for _, same, _ in rows}) == 2
)


@settings(deadline=None)
@given(BOTH, st.booleans())
def test_the_curve_is_that_of_scikit_learn(rows: list[tuple[float, bool, float]], weighted: bool) -> None:
    distances, same = arrays([(distance, same) for distance, same, _ in rows])
    weights = np.array([weight for *_, weight in rows]) if weighted else None
    likeness = -distances.astype(np.float64)
    fmr, tmr, thresholds = roc_curve(same, likeness, sample_weight=weights, drop_intermediate=False)
    curve = roc(distances, same, weights)
    assert np.array_equal(curve.threshold, -thresholds)
    assert curve.fmr == pytest.approx(fmr)
    assert curve.tmr == pytest.approx(tmr)
    assert area_under(curve) == pytest.approx(roc_auc_score(same, likeness, sample_weight=weights))


def test_it_is_on_many_pairs_too() -> None:
    generator = np.random.default_rng(4)
    same = generator.random(20_000) < 0.3
    # Two decimals, so that some two hundred distances tie.
    distances = np.round(generator.normal(np.where(same, 0.5, 1.0), 0.2), 2).astype(np.float32)
    weights = generator.integers(0, 4, 20_000).astype(np.float64)
    likeness = -distances.astype(np.float64)
    fmr, tmr, thresholds = roc_curve(same, likeness, drop_intermediate=False)
    curve = roc(distances, same)
    assert np.array_equal(curve.threshold, -thresholds)
    assert curve.fmr == pytest.approx(fmr)
    assert curve.tmr == pytest.approx(tmr)
    assert area_under(roc(distances, same, weights)) == pytest.approx(
        roc_auc_score(same, likeness, sample_weight=weights)
    )
    # The equal error rate of normal distributions 0.5 apart with a spread of 0.2: P(Z > 0.5 / 0.4) = 10.56 %.
    assert equal_error_rate(curve) == pytest.approx(0.1056, abs=0.01)


# ------------------------------------------------------------------ degenerate


@pytest.fixture
def loud() -> Iterator[None]:
    """A warning of NumPy's is an error: users would see it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("loud")
def test_where_all_distances_are_equal_nothing_is_told_apart() -> None:
    distances, same = arrays([(0.5, True), (0.5, False)] * 30)
    curve = roc(distances, same)
    assert curve.threshold.tolist() == [-np.inf, 0.5]
    assert curve.fmr.tolist() == curve.tmr.tolist() == [0, 1]
    assert area_under(curve) == 0.5
    assert equal_error_rate(curve) == 0.5
    assert tmr_at(curve, 0.1, 30) == 0
    assert accuracy_at(distances, same, best_threshold(distances, same)) == 0.5
    assert k_fold_accuracy(distances, same, np.arange(60) // 6).mean == 0.5


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("pairs", [[], [(0.5, True), (0.7, True)], [(0.5, False), (0.7, False)]])
def test_without_pairs_of_a_class_nothing_is_said(pairs: list[Pair]) -> None:
    distances, same = arrays(pairs)
    curve = roc(distances, same)
    assert math.isnan(area_under(curve))
    assert math.isnan(equal_error_rate(curve))
    assert np.isnan(curve.fmr).all() == (not (~same).any())
    assert np.isnan(curve.tmr).all() == (not same.any())
    assert math.isnan(tmr_at(curve, 0.1, 1_000))


@pytest.mark.usefixtures("loud")
def test_weights_can_empty_a_class_too() -> None:
    curve = roc(*arrays([(0.1, True), (0.2, False)]), np.array([1.0, 0.0]))
    assert math.isnan(area_under(curve))
    assert math.isnan(equal_error_rate(curve))


@pytest.mark.usefixtures("loud")
def test_no_pair_has_no_accuracy() -> None:
    assert math.isnan(accuracy_at(*arrays([]), 0.5))


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize("same", [True, False])
def test_a_single_pair(same: bool) -> None:
    distances, truth = arrays([(0.5, same)])
    curve = roc(distances, truth)
    assert curve.threshold.tolist() == [-np.inf, 0.5]
    assert (curve.tmr if same else curve.fmr).tolist() == [0, 1]
    assert accuracy_at(distances, truth, best_threshold(distances, truth)) == 1


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_distance_that_is_not_a_number_is_refused(place: int) -> None:
    distances, same = arrays([(0.25, True), (0.5, False), (1.0, True), (1.5, False)])
    distances[place] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        roc(distances, same)
    with pytest.raises(ValueError, match="not a number"):
        best_threshold(distances, same)
    with pytest.raises(ValueError, match="not a number"):
        k_fold_accuracy(distances, same, np.array([0, 0, 1, 1]))
