from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facerec_cli.evaluation.verification import best_threshold, k_fold_accuracy

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
