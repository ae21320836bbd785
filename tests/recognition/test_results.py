"""The numbers of results: the decision can be followed from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facerec_cli import Recognizer
from facerec_cli.recognition.results import Verification, rounded_beside
from facerec_cli.recognition.threshold import threshold_for

_DISTANCE = st.floats(0, 4, width=32)


@given(_DISTANCE, st.floats(0, 4), st.integers(3, 4))
@example(0.69124, 0.69123, 4)
@example(0.69123, 0.69123, 4)
@example(float(np.float32(0.6913)), 0.6913, 4)
@example(float(np.nextafter(0.5, 1)), 0.5, 3)
def test_a_rounded_distance_stays_on_its_side_of_the_threshold(distance: float, threshold: float, digits: int) -> None:
    shown = rounded_beside(distance, threshold, digits)
    assert (shown <= threshold, shown >= threshold) == (distance <= threshold, distance >= threshold)
    assert abs(shown - distance) <= 0.5001 * 10**-digits


@given(_DISTANCE, _DISTANCE, st.floats(0, 4))
def test_rounding_keeps_the_order_of_candidates(one: float, other: float, threshold: float) -> None:
    nearer, farther = sorted([one, other])
    assert rounded_beside(nearer, threshold) <= rounded_beside(farther, threshold)


def test_a_verification_says_the_threshold_that_decided() -> None:
    distance = 0.690512
    for threshold in (0.6905, 0.69051, 0.690512):
        same = distance <= threshold
        record = Verification("a", "b", same, distance, threshold, None, None).to_json()
        assert record["threshold"] == threshold
        assert (record["distance"] <= record["threshold"]) == record["same"] == same


def test_a_threshold_has_four_digits_and_is_never_wider_than_asked(recognizer: Recognizer) -> None:
    calibration = recognizer.bundle.calibration
    assert calibration is not None
    for rate in (0.1, 0.01, 0.001, 0.0001):
        for curve in (calibration.photos, calibration.people):
            found = threshold_for(recognizer.bundle, curve, {1: 1}, rate=rate, distance=None).distance
            assert len(str(found)) <= 6
            assert curve.threshold(rate) - 1e-3 < found <= curve.threshold(rate)


@pytest.mark.parametrize(("rate", "distance"), [(float("nan"), None), (0.01, float("nan")), (0.01, float("inf"))])
def test_what_is_no_number_is_no_threshold(recognizer: Recognizer, rate: float, distance: float | None) -> None:
    with pytest.raises(ValueError, match="no finite number"):
        threshold_for(recognizer.bundle, None, {1: 1}, rate=rate, distance=distance)
