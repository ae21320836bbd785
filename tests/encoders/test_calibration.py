from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from facerec_cli.defaults import DEFAULT_FMR, DEFAULT_FPIR
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.calibration import Calibration, Curve, comparisons, fmr_for
from facerec_cli.encoders.cohort import Prior
from facerec_cli.errors import ModelError
from tests.calibrations import SOURCE, calibrated, strangers

BY_HAND = Curve((1e-1, 1e-2, 1e-3, 1e-4), (0.80, 0.70, 0.64, 0.60), 30.0)
NEAR = Curve((0.1, 0.01), (0.8, 0.7), 30.0)
FAR = Curve((0.1, 0.01), (0.9, 0.8), 20.0)
CENTRED = Calibration(NEAR, NEAR, FAR, Prior(0.1, 0.08, 0.09), SOURCE)


def pretrained() -> Calibration:
    calibration = resolve_bundle("pretrained").calibration
    assert calibration is not None
    return calibration


def stored(calibration: Calibration) -> dict[str, Any]:
    """As a model.json has it."""
    read: dict[str, Any] = json.loads(json.dumps(calibration.to_json()))
    return read


def curves(calibration: Calibration) -> list[Curve]:
    return [curve for curve in (calibration.photos, calibration.people, calibration.centred) if curve]


# ------------------------------------------------------------------ threshold


@pytest.mark.parametrize(
    ("fmr", "distance"),
    [
        (1e-1, 0.80),
        (1e-2, 0.70),
        (1e-3, 0.64),
        (1e-4, 0.60),
        # half-way between two rates on a logarithmic scale
        (10**-1.5, 0.75),
        (10**-2.25, 0.685),
        # beyond them along the nearest two
        (1e-5, 0.56),
        (1e-6, 0.52),
        (10**-0.5, 0.85),
        # a distance is never negative
        (1e-300, 0.0),
    ],
)
def test_thresholds_worked_by_hand(fmr: float, distance: float) -> None:
    assert BY_HAND.threshold(fmr) == pytest.approx(distance)


@settings(deadline=None)
@given(st.floats(1e-12, 0.999), st.floats(1e-12, 0.999))
def test_the_threshold_falls_as_the_false_match_rate_falls(one: float, other: float) -> None:
    # Two rates a part in a million apart differ by more than rounding does.
    assume(max(one, other) > min(one, other) * (1 + 1e-6))
    for curve in (BY_HAND, *curves(pretrained())):
        low, high = curve.threshold(min(one, other)), curve.threshold(max(one, other))
        assert low < high or low == high == 0


@settings(deadline=None)
@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=6),
    st.lists(st.floats(0.01, 0.3), min_size=6, max_size=6),
    st.floats(1e-9, 0.9),
    st.floats(1e-9, 0.9),
)
def test_the_threshold_is_monotone_for_any_descending_distances(
    decades: list[float], steps: list[float], one: float, other: float
) -> None:
    rates = 10 ** -np.cumsum(decades)
    distances = 2.0 - np.cumsum(steps[: len(decades)])
    curve = Curve(tuple(rates.tolist()), tuple(distances.tolist()), 1.0)
    assert curve.threshold(min(one, other)) <= curve.threshold(max(one, other)) + 1e-9
    for rate, distance in zip(curve.fmr, curve.distance, strict=True):
        assert curve.threshold(rate) == pytest.approx(distance)


def test_the_bundled_calibration_is_what_people_are_told() -> None:
    calibration = pretrained()
    assert len(curves(calibration)) == 3
    for curve in curves(calibration):
        assert list(curve.fmr) == sorted(curve.fmr, reverse=True)
        assert list(curve.distance) == sorted(curve.distance, reverse=True)
        assert curve.slope > 0
        # A larger gallery asks for more likeness.
        thresholds = [curve.threshold(fmr_for(DEFAULT_FPIR, people)) for people in (1, 10, 50, 200, 1_000, 1e6)]
        assert thresholds == sorted(thresholds, reverse=True)
        assert 0.3 < thresholds[-1] < thresholds[0] < 0.8
    assert calibration.photos.threshold(DEFAULT_FMR) == pytest.approx(0.6436, abs=1e-3)
    # A person's mirror image brings nobody else nearer; without what people share, all are farther apart.
    assert calibration.people.threshold(DEFAULT_FMR) == pytest.approx(0.6425, abs=1e-3)
    assert calibration.centred is not None
    assert calibration.centred.threshold(DEFAULT_FMR) == pytest.approx(0.7114, abs=1e-3)
    # Two people share a twelfth of what they look like.
    assert calibration.prior is not None and calibration.prior.centred is not None
    assert calibration.prior.similarity == pytest.approx(0.086, abs=3e-3)
    assert calibration.prior.deviation == pytest.approx(0.09, abs=3e-3)
    assert calibration.prior.centred == pytest.approx(0.093, abs=3e-3)


@pytest.mark.parametrize(
    "calibration",
    [calibrated(NEAR), CENTRED, Calibration(NEAR, FAR, None, Prior(0.1, 0.08, None), SOURCE)],
    ids=["plain", "centred", "alike"],
)
def test_a_calibration_survives_a_model_json(calibration: Calibration) -> None:
    assert Calibration.from_json(stored(calibration), "mine") == calibration


def test_all_of_the_bundled_calibration_survives_it() -> None:
    calibration = pretrained()
    assert Calibration.from_json(stored(calibration), "mine") == calibration


def test_what_a_calibration_rests_on_is_typed() -> None:
    calibration = pretrained()
    assert calibration.source.people == 4038
    for curve in curves(calibration):
        assert curve.evidence is not None and curve.evidence.tail is not None
        assert curve.evidence.tail.fmr == pytest.approx(0.001)
    assert calibration.check is not None
    assert sorted(calibration.check.by_photos) == [1, 2, 3, 5, 10]


@pytest.mark.parametrize("name", ["photos", "people", "centred"])
@pytest.mark.parametrize(
    "damage",
    [
        {"slope": "steep"},
        {"slope": None},
        {"slope": float("nan")},
        {"evidence": {"draws": 20}},
        {"distance": [0.8]},
        {"fmr": [0.01, 0.1]},
        {"fmr": [1.0, 0.1]},
        {"fmr": [0.1, 0.1]},
        {"fmr": [0.1, 0.0]},
        {"fmr": [0.1, -0.01]},
        {"fmr": ["0.1", "0.01"]},
        {"fmr": {"0.1": 1, "0.01": 2}},
        {"distance": [0.7, 0.8]},
        {"distance": [0.7, -0.1]},
        {"distance": [float("inf"), 0.7]},
        {"distance": [float("nan"), 0.7]},
        {"distance": [True, False]},
        {"slope": 0},
        {"slope": -30.0},
        {"slope": True},
        {"evidence": 7},
    ],
)
def test_a_damaged_curve_names_whose_it_is(name: str, damage: dict[str, Any]) -> None:
    whole = stored(CENTRED)
    with pytest.raises(ModelError, match=r"^The calibration of the model mine is damaged"):
        Calibration.from_json(whole | {name: whole[name] | damage}, "the model mine")


@pytest.mark.parametrize(
    "damage",
    [
        {"photos": None},
        {"photos": []},
        {"people": None},
        {"people": 7},
        {"centred": 7},
        {"source": None},
        {"source": {"who": "?"}},
        {"source": {"data": "\x1b[2J", "people": 200}},
        {"source": {"data": "x", "people": -1}},
        {"source": {"data": 7, "people": 200}},
        {"prior": 7},
        {"prior": {"similarity": 0.1}},
        # Rules divide by the deviations.
        {"prior": {"similarity": -1e9, "deviation": 0.08, "centred": 0.09}},
        {"prior": {"similarity": 1e9, "deviation": 0.08, "centred": 0.09}},
        {"prior": {"similarity": 0.1, "deviation": 0, "centred": 0.09}},
        {"prior": {"similarity": 0.1, "deviation": 1e300, "centred": 0.09}},
        {"prior": {"similarity": 0.1, "deviation": 0.08, "centred": 0}},
        {"prior": {"similarity": 0.1, "deviation": 0.08, "centred": float("nan")}},
        # A curve of centred embeddings with a prior of others.
        {"prior": {"similarity": 0.1, "deviation": 0.08, "centred": None}},
        {"prior": None},
        {"check": 7},
        {"check": {"fpir": 0.01, "people": 50, "draws": 20}},
        {"check": {"fpir": 0.01, "people": 50, "draws": 20, "by_photos": {"one": {}}}},
        {"check": {"fpir": 0.01, "people": 50, "draws": 20, "by_photos": {"1": {"strangers_named": 2}}}},
    ],
)
def test_a_damaged_calibration_names_whose_it_is(damage: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"^The calibration of the model mine is damaged"):
        Calibration.from_json(stored(CENTRED) | damage, "the model mine")


# ------------------------------------------------------------------ probability


def test_a_probability_worked_by_hand() -> None:
    # 30 per unit of distance: 0.1 nearer is e^3 to 1.
    assert BY_HAND.probability(0.5, 0.6) == pytest.approx(math.e**3 / (1 + math.e**3))
    assert BY_HAND.probability(0.7, 0.6) == pytest.approx(1 / (1 + math.e**3))


@settings(deadline=None)
@given(st.floats(0, 2), st.floats(0, 2))
@example(2.0, 0.0)
@example(0.0, 2.0)
def test_it_is_a_half_at_the_threshold_and_more_on_the_near_side(distance: float, threshold: float) -> None:
    assert BY_HAND.probability(threshold, threshold) == 0.5
    probability = BY_HAND.probability(distance, threshold)
    if distance < threshold:
        assert probability >= 0.5
    if distance > threshold:
        assert probability <= 0.5
    # One rule: a match is a probability of a half or more.
    assert (probability >= 0.5) == (distance <= threshold) or math.isclose(distance, threshold, abs_tol=1e-15)


@settings(deadline=None)
@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2))
def test_it_never_grows_with_the_distance(one: float, other: float, threshold: float) -> None:
    assert BY_HAND.probability(min(one, other), threshold) >= BY_HAND.probability(max(one, other), threshold)


@settings(deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(1e-3, 0.5), st.floats(0.5, 1.5))
def test_it_falls_near_the_threshold(offset: float, step: float, threshold: float) -> None:
    near = threshold + offset
    assert BY_HAND.probability(near, threshold) > BY_HAND.probability(near + step, threshold)


@settings(deadline=None)
@given(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0.1, 1e6))
@example(1e300, 0.0, 1e6)
@example(0.0, 1e300, 1e6)
def test_it_never_overflows(distance: float, threshold: float, slope: float) -> None:
    probability = Curve((0.1, 0.01), (0.8, 0.7), slope).probability(distance, threshold)
    assert 0 <= probability <= 1


# ------------------------------------------------------------------ comparisons and rates


@pytest.mark.parametrize(
    ("people", "plain", "centred"),
    [
        ({1: 1}, 1, 1),
        ({2: 1}, 2, 1.5),
        ({4: 1}, 3, 2),
        ({1: 3}, 3, 3),
        ({1: 1, 2: 1, 4: 1, 8: 1}, 1 + 2 + 3 + 4, 1 + 1.5 + 2 + 2.5),
        ({3: 2}, 2 * (1 + math.log2(3)), 2 + math.log2(3)),
        ({}, 0, 0),
    ],
)
def test_comparisons_worked_by_hand(people: dict[int, int], plain: float, centred: float) -> None:
    assert comparisons(people, is_centred=False) == pytest.approx(plain)
    assert comparisons(people, is_centred=True) == pytest.approx(centred)


@settings(deadline=None)
@given(st.dictionaries(st.integers(1, 1000), st.integers(1, 50), min_size=1))
def test_comparisons_lie_between_people_and_photos(people: dict[int, int]) -> None:
    photos = sum(count * number for count, number in people.items())
    centred, plain = (comparisons(people, is_centred=is_centred) for is_centred in (True, False))
    assert sum(people.values()) <= centred <= plain <= photos + 1e-9


def test_a_calibration_counts_as_it_compares() -> None:
    assert calibrated(NEAR).fmr_for(0.01, {4: 5}) == fmr_for(0.01, 15)
    assert CENTRED.fmr_for(0.01, {4: 5}) == fmr_for(0.01, 10)


@pytest.mark.parametrize(
    ("rate", "searched", "expected"),
    [(0.01, 1, 0.01), (0.75, 2, 0.5), (0.01, 10, 1 - 0.99**0.1), (0.001, 1, 0.001), (0.19, 2, 0.1)],
)
def test_false_match_rates_worked_by_hand(rate: float, searched: float, expected: float) -> None:
    assert fmr_for(rate, searched) == pytest.approx(expected)


@settings(deadline=None)
@given(st.floats(1e-6, 0.999), st.floats(1, 1e7))
def test_the_rate_of_many_comparisons_comes_back(rate: float, searched: float) -> None:
    fmr = fmr_for(rate, searched)
    assert 0 < fmr <= rate * (1 + 1e-12)
    assert -math.expm1(searched * math.log1p(-fmr)) == pytest.approx(rate)


def test_a_very_large_gallery_keeps_its_digits() -> None:
    # 1 - 0.99 ** 1e-12 is zero in plain floating point after four digits.
    assert fmr_for(0.01, 1e12) == pytest.approx(-math.log(0.99) / 1e12, rel=1e-9)


# ------------------------------------------------------------------ a gallery


def test_a_calibration_without_a_prior_has_one_distance_for_every_gallery() -> None:
    for people in (1, 2, 16):
        assert calibrated(NEAR).gallery(strangers(people), 0.01) == (None, 0.7, 0.7)


def test_a_gallery_is_seen_from_what_its_people_share_where_the_model_has_it_so() -> None:
    centre, own, average = CENTRED.gallery(strangers(3), 0.01)
    assert centre is not None
    # Of three people, two others and ten of the prior.
    assert centre.share == pytest.approx(1 / 12)
    assert centre.total.tolist() == pytest.approx((strangers(3).templates.sum(axis=0) / 12).tolist(), abs=1e-6)
    assert own <= average
    assert CENTRED.gallery(strangers(1), 0.01)[0] is None
    left = Calibration(NEAR, NEAR, None, Prior(0.1, 0.08, None), SOURCE)
    assert left.gallery(strangers(3), 0.01)[0] is None
