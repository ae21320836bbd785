from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.encoders.metric import Cosine
from facerec_cli.evaluation.one_shot import TRIALS, WAYS, Trials, draw_trials, is_right

METRIC = Cosine()
# 30 people: ten with one photo, ten with two, ten with five; rows in a row.
COUNTS = [1, 2, 5] * 10
STARTS = np.cumsum([0, *COUNTS[:-1]])
ROWS = [list(range(start, start + count)) for start, count in zip(STARTS.tolist(), COUNTS, strict=True)]
OWNER = np.repeat(np.arange(30), COUNTS)


def at(*degrees: float) -> npt.NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def accuracy(embeddings: npt.NDArray[np.float32], trials: Trials) -> float:
    return float(is_right(trials, embeddings, METRIC.matrix).mean())


# ------------------------------------------------------------------ by hand


def test_trials_worked_by_hand() -> None:
    embeddings = at(0, 10, 40, -5, 90)
    trials = Trials(
        probe=np.array([0, 0, 1, 4]),
        support=np.array([[1, 2, 4], [1, 3, 4], [3, 0, 2], [2, 0, 1]]),
        person=np.array([0, 0, 1, 2]),
    )
    # From 0 to 10, 40, 90: the first. To 10, -5, 90: the second, wrong. From 10 to -5, 0, 40: 15, 10, 30, wrong.
    # From 90 to 40, 0, 10: the first.
    assert is_right(trials, embeddings, METRIC.matrix).tolist() == [True, False, False, True]


def test_a_tie_is_wrong() -> None:
    # Both supports are one embedding; a third one is farther away.
    trials = Trials(np.array([0]), np.array([[1, 2, 3]]), np.array([0]))
    assert is_right(trials, at(0, 20, 20, 50), METRIC.matrix).tolist() == [False]


def test_perfect_embeddings_are_always_right() -> None:
    # Each person has an axis of their own.
    embeddings = np.eye(30, dtype=np.float32)[OWNER]
    assert accuracy(embeddings, draw_trials(ROWS)) == 1


def test_constant_embeddings_are_never_right() -> None:
    assert accuracy(np.tile(at(0), (len(OWNER), 1)), draw_trials(ROWS)) == 0


def test_embeddings_that_say_nothing_are_right_once_in_as_many_ways() -> None:
    embeddings = np.random.default_rng(0).normal(size=(len(OWNER), 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    # 1 in 20, and four standard errors of 2,000 trials: 4 * sqrt(0.05 * 0.95 / 2,000) = 0.02; photos recur, so 0.03.
    assert accuracy(embeddings.astype(np.float32), draw_trials(ROWS, trials=2_000)) == pytest.approx(0.05, abs=0.03)
    assert accuracy(embeddings.astype(np.float32), draw_trials(ROWS, 2, 2_000)) == pytest.approx(0.5, abs=0.06)


# ------------------------------------------------------------------ the draws


def test_a_trial_is_of_different_people_and_different_photos() -> None:
    trials = draw_trials(ROWS)
    assert (WAYS, TRIALS) == (20, 400)
    assert trials.support.shape == (400, 20)
    assert trials.probe.shape == trials.person.shape == (400,)
    assert (OWNER[trials.probe] == trials.person).all()
    assert (OWNER[trials.support[:, 0]] == trials.person).all()
    # The probe is never its own support.
    assert (trials.probe != trials.support[:, 0]).all()
    # The person asked about is not among the others, and nobody is among them twice.
    assert (OWNER[trials.support[:, 1:]] != trials.person[:, np.newaxis]).all()
    assert all(len(set(OWNER[support].tolist())) == 20 for support in trials.support)


def test_everybody_who_can_takes_part() -> None:
    trials = draw_trials(ROWS, trials=2_000)
    # Asked about: those with two photos or more, by person, not by photo.
    asked = np.bincount(trials.person, minlength=30)
    assert (asked[np.array(COUNTS) == 1] == 0).all()
    # Each of twenty: 2,000 / 20 = 100, and 4 standard errors of 10.
    assert (np.abs(asked[np.array(COUNTS) > 1] - 100) < 40).all()
    # Everybody is among the others, those with one photo too; every photo is somebody's support.
    assert set(OWNER[trials.support[:, 1:]].ravel().tolist()) == set(range(30))
    assert set(trials.support.ravel().tolist()) == set(range(len(OWNER)))


def test_a_seed_gives_the_same_trials_and_another_seed_others() -> None:
    one, same, other = draw_trials(ROWS, seed=1), draw_trials(ROWS, seed=1), draw_trials(ROWS, seed=2)
    assert np.array_equal(one.support, same.support)
    assert np.array_equal(one.probe, same.probe)
    assert not np.array_equal(one.support, other.support)


def test_just_enough_people_are_enough() -> None:
    rows = [[0, 1], *([row] for row in range(2, 21))]
    trials = draw_trials(rows, trials=50)
    assert (trials.person == 0).all()
    assert all(set(support[1:]) == set(range(2, 21)) for support in trials.support.tolist())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1], *([row] for row in range(2, 20))], "19 people, 1 of them with two photos, are too few"),
        ([[row] for row in range(40)], "40 people, 0 of them with two photos, are too few"),
        ([], "0 people, 0 of them with two photos, are too few"),
    ],
)
def test_too_few_people_are_refused(rows: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        draw_trials(rows)
