from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, Prior, photos_each, similarities
from facerec_cli.encoders.metric import Cosine, templates

SIZE = 32
PRIOR = Prior(similarity=0.09, deviation=0.16, centred=0.18)


def population(people: int, shared: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """One embedding each of people who share a direction: float32 [people, 32], of unit length."""
    rows = np.random.default_rng(seed).normal(size=(people, SIZE)).astype(np.float32)
    rows[:, 0] += np.float32(shared) * math.sqrt(SIZE)
    return Cosine().scaled(rows)


def cohort_of(rows: npt.NDArray[np.float32], owner: npt.NDArray[np.int64] | None = None) -> Cohort:
    owner = np.arange(len(rows)) if owner is None else owner
    known = templates(rows, owner, int(owner.max()) + 1, Cosine())
    return Cohort(len(known), known.sum(axis=0, dtype=np.float64), known, rows, owner)


def leave_one_out(cohort: Cohort, weight: int) -> tuple[float, float]:
    """The definition, one pair of people at a time."""
    means, squares = [], []
    for one in range(cohort.people):
        centre = (cohort.total - cohort.templates[one]) / (cohort.people - 1 + weight)
        for other in range(cohort.people):
            if other == one:
                continue
            own, theirs = (cohort.embeddings[cohort.owner == person] - centre for person in (one, other))
            lengths = np.linalg.norm(own, axis=1)[:, None] * np.linalg.norm(theirs, axis=1)
            found = np.arctanh(own @ theirs.T / lengths)
            means.append(found.mean())
            squares.append((found**2).mean())
    return float(np.mean(means)), float(np.sqrt(np.mean(squares) - np.mean(means) ** 2))


def test_similarities_are_those_of_pairs_without_whoever_is_compared() -> None:
    cohort = cohort_of(population(9, 0.4), np.array([0, 0, 0, 1, 1, 2, 3, 3, 4]))
    found = similarities(cohort, is_centred=True)
    assert found == pytest.approx(leave_one_out(cohort, 10), abs=1e-6)


def test_what_is_not_centred_is_compared_as_it_is() -> None:
    rows = population(40, 0.3)
    found = similarities(cohort_of(rows), is_centred=False)
    pairs = np.arctanh((rows @ rows.T)[np.triu_indices(40, 1)])
    assert found == pytest.approx((pairs.mean(), pairs.std()), abs=1e-5)


def test_few_people_say_nothing_about_how_alike_they_are() -> None:
    for people in (1, 2):
        assert similarities(cohort_of(population(people, 0.3)), is_centred=False) is None
    nobody = Cohort(0, np.zeros(0), np.empty((0, 0), np.float32), np.empty((0, 0), np.float32), np.empty(0, np.int64))
    assert PRIOR.centre(nobody) is None
    assert PRIOR.distance(0.7, 0.8, nobody)[0] == PRIOR.distance(0.7, 0.8, nobody)[1]


@pytest.mark.parametrize("people", [2, 5, 20, 100])
def test_average_people_are_as_alike_as_is_expected_of_them(people: int) -> None:
    """The prior of a population foretells what galleries drawn from it measure, at every size."""
    everybody = population(3_000, 0.3)
    plain = similarities(cohort_of(everybody[:600]), is_centred=False)
    centred = similarities(cohort_of(Cosine().scaled(everybody[:600] - everybody.mean(axis=0))), is_centred=False)
    assert plain is not None
    assert centred is not None
    prior = Prior(*plain, centred[1])
    generator, found = np.random.default_rng(1), []
    for _ in range(200):
        drawn = everybody[generator.choice(3_000, people + 20, replace=False)]
        cohort = cohort_of(drawn[:people])
        seen = 1 - Cosine().centred(prior.centre(cohort)).matrix(drawn[people:], cohort.templates)
        found.append(np.arctanh(seen))
    mean, deviation, _ = prior._expected(people)
    assert float(np.mean(found)) == pytest.approx(mean, abs=0.02)
    assert float(np.std(found)) == pytest.approx(deviation, rel=0.05)


def test_people_who_are_more_alike_need_nearer_matches_and_others_no_farther_ones() -> None:
    average = PRIOR.distance(0.7, 0.8, cohort_of(population(50, 0.3)))[1]
    alike = population(50, 0.3)
    alike[:, 1:4] += np.float32(0.5) * np.random.default_rng(3).choice([-1, 1], 50)[:, None].astype(np.float32)
    near, expected = PRIOR.distance(0.7, 0.8, cohort_of(Cosine().scaled(alike)))
    assert expected == average
    assert near < average
    apart = np.eye(SIZE, dtype=np.float32)
    assert PRIOR.distance(0.7, 0.8, cohort_of(apart))[0] == PRIOR.distance(0.7, 0.8, cohort_of(apart))[1]


def test_doubt_fades_with_people_and_is_of_centred_models_alone() -> None:
    centred = [PRIOR.distance(0.7, 0.7, cohort_of(population(people, 0.0)))[1] for people in (1, 1_000)]
    assert centred[0] < 0.7 < centred[1] + 0.05
    plain = Prior(0.09, 0.16, None)
    assert plain.distance(0.7, 0.7, cohort_of(population(1, 0.3))) == pytest.approx((0.7, 0.7))
    assert plain.centre(cohort_of(population(30, 0.3))) is None


def test_what_people_share_is_taken_away_but_for_whoever_is_compared() -> None:
    rows = population(30, 0.5)
    centre = PRIOR.centre(cohort_of(rows))
    assert centre is not None
    assert centre.share == pytest.approx(1 / 39)
    np.testing.assert_allclose(centre.total, rows.sum(axis=0) / 39, atol=1e-6)
    assert PRIOR.centre(cohort_of(rows[:1])) is None


@settings(max_examples=60, deadline=None)
@given(
    people=st.integers(1, 40),
    shared=st.floats(0, 3),
    plain=st.floats(0.05, 1.0),
    centred=st.floats(0.05, 1.0),
    seed=st.integers(0, 1_000),
)
def test_a_threshold_is_a_distance_whoever_is_enrolled(
    people: int, shared: float, plain: float, centred: float, seed: int
) -> None:
    for prior in (PRIOR, Prior(0.3, 0.2, None)):
        own, average = prior.distance(plain, centred, cohort_of(population(people, shared, seed)))
        assert 0 <= own <= average <= 2


def test_the_order_of_enrolment_changes_nothing() -> None:
    rows = population(60, 0.4)
    shuffled = rows[np.random.default_rng(0).permutation(60)]
    one, other = (PRIOR.distance(0.7, 0.8, cohort_of(order)) for order in (rows, shuffled))
    assert one == pytest.approx(other, abs=1e-9)


def test_photos_looked_at_are_bounded() -> None:
    assert [photos_each(people) for people in (0, 1, 10, MOST_PEOPLE)] == [512, 512, 51, 2]


@pytest.mark.parametrize("people", [2, 3, 5, 10, 50])
@pytest.mark.parametrize("likeness", [1.0, 0.7])
def test_one_person_under_two_names_moves_nobody_elses_threshold_much(people: int, likeness: float) -> None:
    rows = population(people + 1, 0.3)
    rows[-1] = likeness * rows[0] + math.sqrt(1 - likeness**2) * rows[-1]
    clean, double = (PRIOR.distance(0.7, 0.8, cohort_of(Cosine().scaled(few)))[0] for few in (rows[:-1], rows))
    assert double == pytest.approx(clean, abs=0.03)
