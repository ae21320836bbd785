from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.calibration import Calibration, Curve, Source
from facerec_cli.encoders.metric import Comparison, Cosine, LearnedL1
from facerec_cli.evaluation.calibrating import calibrate_people
from facerec_cli.evaluation.known import KnownPeople, known_people
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.strangers import Draw, check_promise, draw_gallery, outcome
from tests.calibrations import alike, calibrated
from tests.gallery.faces import face
from tests.gallery.memory import MemoryGallery

METRIC = Cosine()
SOURCE = Source("mine", 200)
Embeddings = npt.NDArray[np.float32]


def numbered(counts: Sequence[int]) -> list[list[int]]:
    """The rows of people with so many photos each."""
    ends = np.cumsum(counts).tolist()
    return [list(range(end - count, end)) for end, count in zip(ends, counts, strict=True)]


def at(*degrees: float) -> Embeddings:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def faces(counts: Sequence[int], seed: int, shared: float = 0.0, size: int = 64, spread: float = 0.1) -> Looks:
    """Photos around each person's own direction, which is any direction alike but for what all share."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(len(counts), size))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    found = np.repeat(centres, counts, axis=0) + generator.normal(scale=spread, size=(sum(counts), size))
    found[:, 0] += shared
    return alike(np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32))


def known(draw: Draw, looks: Looks, threshold: float) -> KnownPeople:
    return replace(known_people(looks.enrolled[draw.enrolled], METRIC, None), threshold=threshold)


# ------------------------------------------------------------------ draw_gallery


@settings(deadline=None)
@given(st.lists(st.integers(1, 14), min_size=1, max_size=12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 99))
def test_any_gallery_is_of_people_who_are_not_its_strangers(
    counts: list[int], people: int, photos: int, seed: int
) -> None:
    rows = numbered(counts)
    owner = np.repeat(np.arange(len(counts)), counts)
    draw = draw_gallery(rows, people, photos, np.random.default_rng(seed))
    can = sum(count >= photos for count in counts) >= people and max(counts) > photos and len(counts) > people
    assert (draw is not None) == can
    if draw is None:
        return
    enrolled = owner[draw.enrolled]
    assert draw.enrolled.shape == (people, photos)
    # A row a person, people once each, photos once each.
    assert (enrolled == enrolled[:, :1]).all()
    assert len(set(enrolled[:, 0].tolist())) == people
    assert len(set(draw.enrolled.ravel().tolist())) == people * photos
    # Probes are other photos of those people, ten of each at most.
    assert not set(draw.probes.tolist()) & set(draw.enrolled.ravel().tolist())
    assert len(set(draw.probes.tolist())) == len(draw.probes)
    assert (owner[draw.probes] == enrolled[draw.owner, 0]).all()
    asked = np.bincount(draw.owner, minlength=people)
    assert asked.tolist() == [min(10, counts[person] - photos) for person in enrolled[:, 0]]
    # Strangers: one photo of everybody else.
    assert sorted(owner[draw.strangers].tolist()) == sorted(set(range(len(counts))) - set(enrolled[:, 0].tolist()))


def test_those_with_a_photo_to_ask_with_are_enrolled_first() -> None:
    rows = numbered([1] * 20 + [2] * 5)
    for seed in range(10):
        draw = draw_gallery(rows, 7, 1, np.random.default_rng(seed))
        assert draw is not None
        # The five with two photos, from row 20 on, and two of the others.
        assert (draw.enrolled >= 20).sum() == 5
        assert len(draw.probes) == 5
        assert len(draw.strangers) == 18


def test_galleries_differ_from_draw_to_draw() -> None:
    rows = numbered([3] * 30)
    draws = [draw_gallery(rows, 5, 2, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    enrolled = [draw.enrolled.tolist() for draw in draws if draw is not None]
    assert enrolled[0] == enrolled[1] != enrolled[2]


@pytest.mark.parametrize(
    ("counts", "people", "photos"),
    [
        ([2, 2, 2], 3, 1),  # nobody is left to be a stranger
        ([3, 3, 1, 1], 3, 2),  # two people have two photos
        ([2, 2, 2, 2], 2, 2),  # nobody has a photo more to ask with
        ([5], 1, 1),
    ],
)
def test_too_few_people_make_no_gallery(counts: list[int], people: int, photos: int) -> None:
    assert draw_gallery(numbered(counts), people, photos, np.random.default_rng(0)) is None


# ------------------------------------------------------------------ outcome


def test_an_outcome_worked_by_hand() -> None:
    # Enrolled at 0 and 90 degrees; probes of the first at 10, 40 and 80 degrees, of the second at 70; strangers at 30,
    # -20, 200 and 135. The threshold is the distance of 25 degrees.
    looks = alike(at(0, 90, 10, 40, 80, 70, 30, -20, 200, 135))
    draw = Draw(np.array([[0], [1]]), np.array([2, 3, 4, 5]), np.array([0, 0, 0, 1]), np.array([6, 7, 8, 9]))
    found = outcome(draw, looks, known(draw, looks, 1 - float(np.cos(np.radians(25)))))
    # Of the first person's three, 10 is found, 40 is too far, 80 is nearer the second; the second's is found. Each
    # person weighs the same: (1/3 + 1) / 2. Of the strangers, -20 alone is within 25 degrees of anybody.
    assert astuple(found) == pytest.approx((1 / 4, 2 / 3))


def test_a_template_is_the_mean_of_a_person_s_photos() -> None:
    # One person at -30 and 30 degrees is enrolled at 0: a stranger at 5 is near, one at 30 is not.
    looks = alike(at(-30, 30, 90, 90, 5, 30, 2))
    draw = Draw(np.array([[0, 1], [2, 3]]), np.array([6]), np.array([0]), np.array([4, 5]))
    found = outcome(draw, looks, known(draw, looks, 1 - float(np.cos(np.radians(10)))))
    # The second person has no probe and no say in who is found.
    assert astuple(found) == pytest.approx((1 / 2, 1))


def test_a_wrong_name_finds_nobody_however_near() -> None:
    # The first person's probe lies on the second's template.
    draw = Draw(np.array([[0], [1]]), np.array([2]), np.array([0]), np.array([3]))
    looks = alike(at(0, 90, 90, 45))
    assert astuple(outcome(draw, looks, known(draw, looks, 2.0))) == (1, 0)


def test_people_are_asked_about_as_probes_and_known_as_enrolled() -> None:
    # Everybody is enrolled a right angle from where their photos are asked about.
    looks = Looks(at(0, 90, 10, 45), at(90, 180, 100, 135))
    draw = Draw(np.array([[0], [1]]), np.array([2]), np.array([0]), np.array([3]))
    people = known(draw, looks, 1.0)
    assert np.allclose(people.templates, at(90, 180), atol=1e-6)
    assert people.distances(looks.probes[[2]])[0].tolist() == pytest.approx(
        [1 - float(np.cos(np.radians(80))), 1 + float(np.cos(np.radians(10)))], abs=1e-6
    )


def test_a_gallery_that_is_drawn_is_decided_as_one_that_is_enrolled() -> None:
    counts = [3] * 400
    looks = faces(counts, 1, shared=0.5)
    calibration = calibrate_people(looks, numbered(counts), METRIC, SOURCE)
    assert calibration.prior is not None and calibration.centred is not None
    enrolled = np.arange(60).reshape(20, 3)
    people = known_people(looks.enrolled[enrolled], METRIC, calibration)
    gallery, comparison = MemoryGallery(), Comparison("a" * 64, METRIC)
    gallery.add(comparison, [face(f"person {row // 3}", looks.enrolled[row], row) for row in range(60)])
    cohort = gallery.snapshot().cohort(comparison.digest)
    centre, threshold, _ = calibration.gallery(cohort, calibration.fmr_for(0.01, {3: 20}))
    assert people.threshold == pytest.approx(threshold, abs=1e-6)
    found = gallery.snapshot().search(Comparison(comparison.digest, METRIC.centred(centre)), looks.probes[60:], 1)
    distances = people.distances(looks.probes[60:])
    assert [match.name for (match,) in found] == [f"person {row}" for row in distances.argmin(axis=1)]
    assert [match.distance for (match,) in found] == pytest.approx(distances.min(axis=1).tolist(), abs=1e-5)


# ------------------------------------------------------------------ the promise


def test_the_promise_is_kept_among_people_who_were_not_calibrated_on() -> None:
    counts = [3] * 400
    calibration = calibrate_people(faces(counts, 1), numbered(counts), METRIC, SOURCE)
    others = [3] * 400
    found = check_promise(calibration, faces(others, 2), numbered(others), METRIC, photos=(1, 2, 3)).by_photos
    # Three photos leave none to ask with.
    assert list(found) == [1, 2]
    # 350 strangers in 20 galleries of 50 people, 1 % of them named: 70 -+ some, as galleries recur.
    assert 0.003 <= found[1].strangers_named <= 0.03
    # A template of two photos is one direction more, and counts as two: half as many are named as are promised.
    assert 0.0015 <= found[2].strangers_named <= 0.02
    # A photo is sqrt(64) * 0.1 = 0.8 off its centre: two of one person are 1 - 1 / (1 + 0.8^2) = 0.39 apart, strangers
    # 1 -+ 0.125, so that one in 5,000 is at 0.56.
    assert found[1].people_found > 0.95
    assert found[2].people_found > 0.95


@pytest.mark.parametrize("shared", [0.0, 1.0, 5.0])
def test_the_promise_is_kept_whatever_people_share(shared: float) -> None:
    """Between nothing at all, and so much that a model hardly tells them apart."""
    counts = [2] * 250
    calibration = calibrate_people(faces(counts, 1, shared), numbered(counts), METRIC, SOURCE)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json())), "mine") == calibration
    found = check_promise(calibration, faces(counts, 2, shared), numbered(counts), METRIC, photos=(1,)).by_photos
    assert found[1].strangers_named <= 0.03
    assert found[1].people_found > 0.9


def test_a_looser_threshold_breaks_the_promise() -> None:
    counts = [2] * 200
    # 1 % of comparisons, not of searches: 1 - 0.99^50 = 39 % of strangers are named.
    looks, rows = faces(counts, 3), numbered(counts)
    right = calibrate_people(looks, rows, METRIC, SOURCE)
    one_in_a_hundred = right.people.threshold(0.01)
    loose = calibrated(Curve((0.1, 1e-6), (one_in_a_hundred + 1e-9, one_in_a_hundred), 30.0))
    found = check_promise(loose, looks, rows, METRIC, photos=(1,)).by_photos
    assert found[1].strangers_named == pytest.approx(0.39, abs=0.06)


def test_people_are_calibrated_with_the_rule_checked() -> None:
    counts = [2] * 199 + [12]
    calibration = calibrate_people(faces(counts, 4), numbered(counts), METRIC, SOURCE)
    assert calibration == calibrate_people(faces(counts, 4), numbered(counts), METRIC, SOURCE)
    assert calibration.source == SOURCE
    for curve in (calibration.photos, calibration.people):
        evidence = curve.evidence
        assert evidence is not None
        assert 0.98 < evidence.impostor_pairs_per_draw / (200 * 199 / 2) < 1
        assert evidence.draws == 20
        # One pair each of 199 people, and 10 * 9 / 2 of the one with more than ten photos.
        assert evidence.genuine_pairs == 199 + 45
    check = calibration.check
    assert check is not None
    assert (check.fpir, check.people, check.draws) == (0.01, 50, 20)
    # Two photos: one person has a third, to ask with.
    assert list(check.by_photos) == [1, 2]
    for shares in check.by_photos.values():
        assert 0 <= shares.strangers_named < 0.05
        assert 0.9 < shares.people_found <= 1


def test_photos_and_people_enrolled_have_curves_of_their_own() -> None:
    counts = [2] * 200
    probes, enrolled = faces(counts, 3).probes, faces(counts, 3, spread=0.02).enrolled
    calibration = calibrate_people(Looks(probes, enrolled), numbered(counts), METRIC, SOURCE)
    both = calibrate_people(alike(probes), numbered(counts), METRIC, SOURCE)
    assert calibration.photos == both.photos == both.people
    assert calibration.people != calibration.photos


def test_a_metric_that_knows_no_centre_has_one_curve_and_no_prior() -> None:
    counts = [2] * 200
    learned = LearnedL1(np.full(64, -5, np.float32), 2.0)
    calibration = calibrate_people(faces(counts, 3), numbered(counts), learned, SOURCE)
    assert (calibration.centred, calibration.prior) == (None, None)
    assert calibration.people == calibration.photos
    assert calibration.check is not None


def test_people_with_one_photo_each_are_no_calibration() -> None:
    counts = [1] * 200
    with pytest.raises(ValueError, match="0 genuine pairs are too few"):
        calibrate_people(faces(counts, 6), numbered(counts), METRIC, SOURCE)


@pytest.mark.parametrize("people", [1, 2, 199])
def test_too_few_people_are_refused(people: int) -> None:
    counts = [3] * people
    with pytest.raises(ValueError, match="it takes 200 people"):
        calibrate_people(faces(counts, 7), numbered(counts), METRIC, SOURCE)
