"""Metrics: distances against values worked out by hand, and what a bundle keeps of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.bundle import read_bundle, write_bundle
from facerec_cli.encoders.metric import L1_FILE, Centre, Cosine, LearnedL1, Metric, templates
from facerec_cli.errors import ModelError

LEARNED = LearnedL1(np.array([-2, 0.5, -1], np.float32), 0.25)
METRICS = [Cosine(), LEARNED]


def vectors(rows: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)


def test_the_cosine_scales_rows_to_unit_length() -> None:
    rows = np.array([[3, 4], [-1e-15, 0], [1e18, 1e18]], np.float32)
    half = math.sqrt(0.5)
    expected = np.array([[0.6, 0.8], [-1, 0], [half, half]])
    np.testing.assert_allclose(Cosine().scaled(rows), expected, rtol=1e-5)


def test_a_row_of_zeros_stays_zero_and_no_rows_stay_none() -> None:
    assert not Cosine().scaled(np.zeros((2, 5), np.float32)).any()
    assert Cosine().scaled(np.empty((0, 5), np.float32)).shape == (0, 5)
    assert Cosine().scaled(np.ones((1, 5), np.float32)).dtype == np.float32


def test_a_learned_distance_is_minus_log_of_the_probability() -> None:
    one, other = np.array([[1, 2, 3]], np.float32), np.array([[0, 4, 3]], np.float32)
    logit = -2 * 1 + 0.5 * 2 - 1 * 0 + 0.25
    expected = -math.log(1 / (1 + math.exp(-logit)))
    assert LEARNED.pairs(one, other).tolist() == pytest.approx([expected])
    assert LEARNED.matrix(one, other).tolist() == [pytest.approx([expected])]


def test_a_probability_of_one_half_is_log_2() -> None:
    rows = vectors(1)
    assert LearnedL1(LEARNED.weight, 0.0).pairs(rows, rows).tolist() == pytest.approx([math.log(2)])


def test_learned_embeddings_are_compared_as_they_are() -> None:
    assert np.array_equal(LEARNED.scaled(vectors(4)), vectors(4))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_pairs_and_matrix_agree_and_no_distance_is_negative(metric: Metric) -> None:
    one, other = metric.scaled(vectors(50)), metric.scaled(vectors(50, seed=1))
    whole = metric.matrix(one, other)
    assert whole.dtype == metric.pairs(one, other).dtype == np.float32
    np.testing.assert_allclose(np.diag(whole), metric.pairs(one, other), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(whole, metric.matrix(other, one).T, rtol=1e-5, atol=1e-6)
    assert (metric.matrix(one, one) >= 0).all() and (metric.pairs(one, one) >= 0).all()


def test_large_sets_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, pairs = LEARNED.matrix(vectors(7), vectors(9, seed=1)), LEARNED.pairs(vectors(9), vectors(9, seed=1))
    monkeypatch.setattr("facerec_cli.encoders.metric._BLOCK", 6)
    np.testing.assert_allclose(LEARNED.matrix(vectors(7), vectors(9, seed=1)), whole, rtol=1e-6)
    np.testing.assert_allclose(LEARNED.pairs(vectors(9), vectors(9, seed=1)), pairs, rtol=1e-6)


@given(st.floats(-1e4, 1e4, width=32))
@settings(deadline=None)
def test_the_farthest_and_the_nearest_pairs_have_finite_distances(logit: float) -> None:
    rows = vectors(2)
    distance = LearnedL1(np.zeros(3, np.float32), logit).pairs(rows, rows)
    assert np.isfinite(distance).all() and (distance >= 0).all()


def test_people_without_embeddings_are_not_a_number_in_a_distance() -> None:
    unknown = np.full((1, 3), np.nan, np.float32)
    assert all(np.isnan(metric.matrix(vectors(2), unknown)).all() for metric in METRICS)


def test_a_template_is_the_plain_mean_for_a_learned_metric() -> None:
    found = templates(np.array([[1, 2, 3], [3, 2, 1], [np.nan] * 3], np.float32), np.array([0, 0, 1]), 2, LEARNED)
    assert found[0].tolist() == [2, 2, 2]
    assert np.isnan(found[1]).all()


# ------------------------------------------------------------------ from a centre


def seen_from(
    centre: Centre, probes: npt.NDArray[np.float32], known: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """The definition: each template has a part in the centre, and is compared from what is left without it."""
    found = np.empty((len(probes), len(known)))
    for row, probe in enumerate(probes.astype(np.float64)):
        for column, template in enumerate(known.astype(np.float64)):
            place = centre.total.astype(np.float64) - centre.share * template
            one, other = probe - place, template - place
            found[row, column] = 1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
    return found


def units(rows: int, seed: int, shared: float, size: int = 32) -> npt.NDArray[np.float32]:
    """Vectors of unit length with something in common."""
    drawn = np.random.default_rng(seed).normal(size=(rows, size)) / math.sqrt(size)
    drawn[:, 0] += shared
    return Cosine().scaled(drawn.astype(np.float32))


@settings(deadline=None)
@given(st.integers(2, 40), st.floats(0, 2), st.integers(0, 1_000))
def test_cosines_from_a_centre_are_those_of_the_definition(people: int, shared: float, seed: int) -> None:
    known, probes = units(people, seed, shared), units(9, seed + 1, shared)
    share = 1 / (people + 9)
    centre = Centre(np.asarray(known.sum(axis=0, dtype=np.float64) * share, np.float32), share)
    metric = Cosine().centred(centre)
    expected = seen_from(centre, probes, known)
    found = metric.matrix(probes, known)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for row, probe in enumerate(probes):
        pairs = metric.pairs(np.repeat(probe[None], people, axis=0), known)
        assert pairs.dtype == np.float32
        np.testing.assert_allclose(pairs, expected[row], atol=1e-5)


def test_a_centre_worked_by_hand() -> None:
    known = np.array([[1, 0], [0, 1]], np.float32)
    # Each has a half of the centre (0.5, 0.5): without the first it is (0, 0.5), without the second (0.5, 0).
    metric = Cosine(Centre(np.array([0.5, 0.5], np.float32), 0.5))
    probe = np.array([[0.8, 0.6]], np.float32)
    first = (0.8 * 1 + 0.1 * -0.5) / math.sqrt((0.8**2 + 0.1**2) * 1.25)
    second = (0.3 * -0.5 + 0.6 * 1) / math.sqrt((0.3**2 + 0.6**2) * 1.25)
    assert metric.matrix(probe, known)[0].tolist() == pytest.approx([1 - first, 1 - second], abs=1e-6)


def test_whoever_is_compared_is_not_taken_away_from_themselves() -> None:
    known = units(5, 0, 1.0)
    centre = Centre(np.asarray(known.sum(axis=0) / 14, np.float32), 1 / 14)
    assert np.diag(Cosine(centre).matrix(known, known)).tolist() == pytest.approx([0] * 5, abs=1e-5)


def test_no_distance_from_a_centre_is_negative_or_no_number() -> None:
    known = units(30, 3, 0.5)
    metric = Cosine(Centre(np.asarray(known.sum(axis=0) / 39, np.float32), 1 / 39))
    assert (metric.matrix(known, known) >= 0).all() and (metric.pairs(known, known) >= 0).all()
    # A probe at the very centre is like nobody.
    at_centre = np.repeat(known[:1], 2, axis=0)
    assert np.isfinite(Cosine(Centre(known[0], 0.0)).matrix(at_centre, known)).all()


def test_from_a_centre_only_people_without_embeddings_have_no_distance() -> None:
    known = np.vstack([units(3, 0, 1.0), np.full((1, 32), np.nan, np.float32)])
    metric = Cosine(Centre(known[0] / 12, 1 / 12))
    assert np.isnan(metric.matrix(units(2, 1, 1.0), known)).all(axis=0).tolist() == [False, False, False, True]


def test_a_metric_without_a_centre_stays_as_it_is() -> None:
    assert not LEARNED.has_centre
    assert LEARNED.centred(Centre(np.zeros(3, np.float32), 0.1)) is LEARNED
    rows = Cosine().scaled(vectors(4))
    again = Cosine(Centre(np.zeros(3, np.float32), 0.1)).centred(None)
    assert np.array_equal(again.matrix(rows, rows), Cosine().matrix(rows, rows))


# ------------------------------------------------------------------ in a bundle


def written(folder: Path) -> Path:
    write_bundle(folder, b"e", embedding_size=3, metric=LEARNED, calibration=None, about={}, others={})
    return folder


def test_a_bundle_keeps_the_learned_head(tmp_path: Path) -> None:
    metric = read_bundle(written(tmp_path / "mine")).load_metric()
    assert np.array_equal(metric.pairs(vectors(5), vectors(5, seed=1)), LEARNED.pairs(vectors(5), vectors(5, seed=1)))
    assert metric.name == LEARNED.name


def test_another_head_is_another_digest(tmp_path: Path) -> None:
    other = LearnedL1(LEARNED.weight, 0.5)
    settings: dict[str, Any] = {"embedding_size": 3, "calibration": None, "about": {}, "others": {}}
    digests = {
        write_bundle(tmp_path / str(place), b"e", metric=metric, **settings).digest
        for place, metric in enumerate((LEARNED, other, Cosine()))
    }
    assert len(digests) == 3


@pytest.mark.parametrize("damage", [b"", b"not numpy", None], ids=["empty", "other", "missing"])
def test_a_damaged_head_is_a_sentence(tmp_path: Path, damage: bytes | None) -> None:
    path = written(tmp_path / "mine") / L1_FILE
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(ModelError, match=r"metric"):
        read_bundle(tmp_path / "mine").load_metric()


@pytest.mark.parametrize(
    "numbers", [np.zeros(3, np.float32), np.zeros(4), np.full(4, np.nan, np.float32)], ids=["short", "double", "nan"]
)
def test_a_head_of_another_shape_is_refused(numbers: npt.NDArray[np.floating], tmp_path: Path) -> None:
    np.save(tmp_path / "head.npy", numbers)
    with pytest.raises(ValueError, match="4 float32"):
        LearnedL1.read(f"l1:{'0' * 64}", 3, lambda _name, _sha256: (tmp_path / "head.npy").read_bytes())


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04]q\x00.",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (4,), }\n") + bytes(32),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n") + bytes(15),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n") + bytes(17),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }\n") + bytes(16),
        header("(" * 500 + "\n"),
        b"\x93NUMPY\x02\x00" + bytes(100),
    ],
)
def test_a_head_made_to_do_harm_is_a_value_error_and_takes_no_memory(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        LearnedL1.read(f"l1:{'0' * 64}", 3, lambda _name, _sha256: head)
