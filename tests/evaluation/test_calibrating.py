from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.calibration import Curve, Evidence, Source, Tail
from facerec_cli.encoders.metric import Cosine
from facerec_cli.evaluation import calibrating
from facerec_cli.evaluation.calibrating import (
    MIN_PAIRS,
    MIN_PEOPLE,
    PROTOCOL,
    UncalibratableError,
    _distance_on_average,
    _fit_tail,
    calibrate_people,
    genuine_distances,
)
from facerec_cli.evaluation.impostors import Draw, impostor_draws
from facerec_cli.evaluation.looks import Looks
from tests.calibrations import alike

Distances = npt.NDArray[np.float32]
SOURCE = Source("mine", 448)
IMPOSTORS = NormalDist(1.0, 0.1)
GENUINE = NormalDist(0.5, 0.1)


def evidence_of(curve: Curve) -> Evidence:
    assert curve.evidence is not None
    return curve.evidence


def tail_of(curve: Curve) -> Tail:
    tail = evidence_of(curve).tail
    assert tail is not None
    return tail


# ------------------------------------------------------------------ calibrate


def calibrate(draws: Iterable[Distances], genuine: Distances) -> Curve:
    """Calibrate on draws whose distances are at hand, in one block."""
    return calibrating.calibrate((Draw(len(draw), partial(iter, [draw])) for draw in draws), genuine)


def all_of(draw: Draw) -> Distances:
    """A draw's distances."""
    found = np.concatenate(list(draw.blocks()))
    assert len(found) == draw.pairs
    return found


def drawn(distribution: NormalDist, pairs: int, seed: int) -> Distances:
    return np.random.default_rng(seed).normal(distribution.mean, distribution.stdev, pairs).astype(np.float32)


def evenly(distribution: NormalDist, pairs: int) -> Distances:
    """A sample without chance: the distribution's quantiles."""
    steps = (np.arange(1, 2_000) / 2_000).tolist()
    quantiles = np.interp((np.arange(pairs) + 0.5) / pairs, steps, [distribution.inv_cdf(step) for step in steps])
    # Between two points the curve is nearly straight, but not in the tail that decides here.
    quantiles[:1_000] = [distribution.inv_cdf((rank + 0.5) / pairs) for rank in range(1_000)]
    return quantiles.astype(np.float32)


def test_measured_rates_are_quantiles_worked_by_hand() -> None:
    # A million pairs at distances 0.000001, 0.000002, …, in any order: the k-th nearest is k of them away.
    distances = (np.arange(1, 1_000_001) / 1_000_000).astype(np.float32)
    shuffled = np.random.default_rng(0).permutation(distances)
    curve = calibrate([shuffled], drawn(GENUINE, 500, 1))
    assert curve.fmr == pytest.approx((1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6))
    assert curve.distance[:4] == pytest.approx((0.1, 0.01, 0.001, 0.0001))
    evidence = evidence_of(curve)
    assert evidence.protocol == PROTOCOL
    assert (evidence.impostor_pairs_per_draw, evidence.draws, evidence.genuine_pairs) == (1_000_000, 1, 500)
    assert evidence.measured_down_to_fmr == pytest.approx(1e-4)
    tail = tail_of(curve)
    # The tail is fitted from the 20th nearest pair up two decades, to FMR 0.002: distance 0.002.
    assert tail.fmr == pytest.approx(0.002)
    assert tail.start == pytest.approx(0.002)
    # Distances that grow with the rate: Pareto of shape -1, and the nearest that is tried is -0.5.
    assert tail.shape == pytest.approx(-0.5)


def test_a_rate_is_the_median_over_the_draws() -> None:
    base = (np.arange(1, 500_001) / 500_000).astype(np.float32)
    curve = calibrate([base, base + 5, base + 1], drawn(GENUINE, 500, 1))
    assert curve.distance[:3] == pytest.approx((1.1, 1.01, 1.001))


@pytest.mark.parametrize("pairs", [500_000, 2_000_000])
def test_a_normal_distribution_is_recovered_down_to_a_millionth(pairs: int) -> None:
    curve = calibrate([drawn(IMPOSTORS, pairs, seed) for seed in range(3)], drawn(GENUINE, 2_000, 9))
    expected = [IMPOSTORS.inv_cdf(rate) for rate in curve.fmr]
    # What is measured is within chance; what is extrapolated, within what would move a rate tenfold.
    assert curve.distance[:3] == pytest.approx(expected[:3], abs=0.015)
    assert all(one > other for one, other in pairwise(curve.distance))
    assert curve.distance[3] == pytest.approx(expected[3], abs=0.03)
    assert curve.distance[5] == pytest.approx(expected[5], abs=0.06)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.3), st.floats(0.6, 1.0), st.integers(0, 2**32 - 1))
def test_thresholds_fall_with_the_rate_whatever_the_sample(spread: float, mean: float, seed: int) -> None:
    impostor = drawn(NormalDist(mean, spread), 500_000, seed)
    curve = calibrate([impostor], drawn(GENUINE, 200, seed))
    assert all(one >= other for one, other in pairwise(curve.distance))


def test_wrong_labels_do_not_decide() -> None:
    clean = evenly(IMPOSTORS, 500_000)
    labelled_wrongly = clean.copy()
    labelled_wrongly[:5] = 0.01
    genuine = drawn(GENUINE, 2_000, 1)
    one, other = calibrate([clean], genuine), calibrate([labelled_wrongly], genuine)
    assert other.distance == pytest.approx(one.distance, abs=0.005)


def test_which_rates_are_measured_follows_from_the_number_of_pairs() -> None:
    for pairs, rate in ((500_000, 1e-4), (4_999_999, 1e-4), (5_000_000, 1e-5)):
        curve = calibrate([evenly(IMPOSTORS, pairs)], drawn(GENUINE, 500, 1))
        assert evidence_of(curve).measured_down_to_fmr == pytest.approx(rate)
        assert rate * pairs >= MIN_PAIRS - 1e-6


def test_two_hundred_people_are_enough() -> None:
    # 200 * 199 / 2 pairs, of which 199 reach 1 %, and 20 do 0.1 %.
    pairs = MIN_PEOPLE * (MIN_PEOPLE - 1) // 2
    curve = calibrate([evenly(IMPOSTORS, pairs)], drawn(GENUINE, 500, 1))
    assert evidence_of(curve).measured_down_to_fmr == pytest.approx(1e-2)
    expected = [IMPOSTORS.inv_cdf(rate) for rate in curve.fmr]
    assert curve.distance[:3] == pytest.approx(expected[:3], abs=0.01)
    assert all(one > other for one, other in pairwise(curve.distance))


@pytest.mark.parametrize("pairs", [0, 1, 49])
def test_too_few_genuine_pairs_are_refused(pairs: int) -> None:
    with pytest.raises(ValueError, match=f"^{pairs} genuine pairs are too few.*{MIN_PAIRS}"):
        calibrate([evenly(IMPOSTORS, 20_000)], drawn(GENUINE, pairs, 1))


@pytest.mark.parametrize("genuine", [NormalDist(1.5, 0.1), NormalDist(1.0, 1e-9)])
def test_a_model_that_tells_nobody_apart_is_refused(genuine: NormalDist) -> None:
    impostors = evenly(IMPOSTORS, 20_000) if genuine.mean > 1 else np.ones(20_000, np.float32)
    with pytest.raises(UncalibratableError, match="no more alike") as raised:
        calibrate([impostors], drawn(genuine, 500, 1))
    assert raised.value.remedy == "choose another model"


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_distances_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(UncalibratableError, match="not numbers"):
        calibrate([np.full(20_000, bad, np.float32)], drawn(GENUINE, 500, 1))


@pytest.mark.parametrize(
    ("photos", "value", "problem", "remedy"),
    [
        (1, 0.0, "0 genuine pairs are too few", "add photos of the same people"),
        (2, np.nan, "embeddings that are not numbers", "choose another model"),
    ],
)
def test_what_is_wrong_with_people_or_model_is_said(photos: int, value: float, problem: str, remedy: str) -> None:
    embeddings = Cosine().scaled(np.random.default_rng(0).normal(size=(MIN_PEOPLE * photos, 8)).astype(np.float32))
    embeddings[-1] = value if np.isnan(value) else embeddings[-1]
    rows = [[photos * person + photo for photo in range(photos)] for person in range(MIN_PEOPLE)]
    with pytest.raises(UncalibratableError, match=problem) as raised:
        calibrate_people(alike(embeddings), rows, Cosine(), SOURCE)
    assert raised.value.remedy == remedy


def test_draws_may_come_one_at_a_time() -> None:
    arrays = [drawn(IMPOSTORS, 50_000, seed) for seed in range(3)]
    genuine = drawn(GENUINE, 500, 9)
    lazily = calibrate((array for array in arrays), genuine)
    assert lazily == calibrate(arrays, genuine)
    assert evidence_of(lazily).draws == 3


def test_draws_are_left_as_they_are() -> None:
    draw = drawn(IMPOSTORS, 50_000, 0)
    before = draw.copy()
    calibrate([draw], drawn(GENUINE, 500, 1))
    assert np.array_equal(draw, before)


# ------------------------------------------------------------------ the tail


def pareto(rate: float, first: float, shape: float, scale: float) -> float:
    """The distance of a rate where the tail begins at ``first`` and 0.7, by Pickands's distribution."""
    share = rate / first
    return 0.7 - (scale * (share**-shape - 1) / shape if shape else -scale * math.log(share))


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.1, 0.25])
@pytest.mark.parametrize("scale", [0.01, 0.03])
def test_an_exact_tail_is_recovered(shape: float, scale: float) -> None:
    # The rarest rate is 1e-5, so the tail begins two decades up.
    tail = _fit_tail(lambda rate: pareto(rate, 0.001, shape, scale), 1e-5)
    assert (tail.fmr, tail.start) == pytest.approx((0.001, 0.7))
    assert tail.shape == pytest.approx(shape, abs=1e-9)
    assert tail.scale == pytest.approx(scale)
    assert tail.error == pytest.approx(0, abs=1e-12)
    for rate in (1e-4, 1e-6, 1e-8):
        assert tail.rate(pareto(rate, 0.001, shape, scale)) == pytest.approx(rate, rel=1e-4)
    # Above its beginning a tail says nothing; below a closest distance there is nobody.
    assert tail.rate(0.8) == pytest.approx(0.001)
    if shape < 0:
        assert tail.rate(0.7 + scale / shape - 1e-6) == 0


def test_a_distance_where_two_tails_have_a_rate_on_average_worked_by_hand() -> None:
    tails = [Tail(0.01, 0.5, 0.0, 0.02, 0.0), Tail(0.01, 0.5, 0.0, 0.04, 0.0)]
    # With x = exp(-(0.5 - distance) / 0.04) the mean of the two is 0.01 * (x^2 + x) / 2: at x = 0.1, 0.00055.
    assert _distance_on_average(tails, 0.00055) == pytest.approx(0.5 + 0.04 * math.log(0.1), abs=2e-6)
    # The mean of the distances, 0.5 + 0.03 * log 0.055 = 0.413, would let 0.0007 through.
    assert _distance_on_average(tails, 0.00055) < 0.408
    assert _distance_on_average(tails, 1e-300) == 0


def test_pairs_that_are_all_equally_far_have_a_threshold_there() -> None:
    curve = calibrate([np.full(20_000, 0.5, np.float32)], drawn(GENUINE, 500, 1))
    assert curve.distance == pytest.approx([0.5] * 6, abs=1e-4)


def test_the_rate_asked_for_is_kept_on_average_over_who_is_calibrated_on() -> None:
    # Twelve times 200 people at random on a sphere: what does a threshold for one in a hundred thousand let through?
    generator = np.random.default_rng(0)

    def people(count: int) -> Distances:
        return Cosine().scaled(generator.normal(size=(count, 16)).astype(np.float32))

    distances = np.sort(Cosine().matrix(people(2_000), people(2_000)).ravel())
    genuine, rows = drawn(GENUINE, MIN_PAIRS, 1), [[row] for row in range(MIN_PEOPLE)]
    reached, of_the_middle_tail = [], []
    for _ in range(12):
        looks = people(MIN_PEOPLE)
        draws = impostor_draws(alike(looks), rows, Cosine(), generator)
        curve = calibrate(map(all_of, draws), genuine)
        reached.append(np.searchsorted(distances, curve.threshold(1e-5)) / len(distances))
        tail = tail_of(curve)
        of_the_middle_tail.append(np.searchsorted(distances, _distance_on_average([tail], 1e-5)) / len(distances))
    assert np.mean(reached) < 1.5e-5
    # From one tail, and the middle of them at that, it is several in a hundred thousand.
    assert np.mean(of_the_middle_tail) > 2e-5


@pytest.mark.parametrize(
    ("rarest", "begins"),
    [(1e-5, 0.001), (4e-5, 0.004), (1e-4, 0.01), (0.004, 0.03), (1e-6, 0.001)],
)
def test_a_tail_begins_two_decades_up_within_bounds(rarest: float, begins: float) -> None:
    asked: list[float] = []

    def distance_at(rate: float) -> float:
        asked.append(rate)
        return rate

    assert _fit_tail(distance_at, rarest).fmr == pytest.approx(begins)
    assert min(asked) == pytest.approx(rarest)


def pareto_sample(pairs: int, shape: float, scale: float) -> Distances:
    """A sample without chance: the k-th nearest of the closest pairs at the distance of the rate k / pairs."""
    first = 100 * 20 / pairs
    closest = [pareto(rank / pairs, first, shape, scale) for rank in range(1, round(first * pairs) + 1)]
    return np.concatenate([closest, np.linspace(0.71, 1.4, pairs - len(closest))]).astype(np.float32)


@pytest.mark.parametrize("shape", [-0.2, 0.1])
def test_a_calibration_holds_the_tail_of_its_pairs(shape: float) -> None:
    # 500,000 pairs: the 20th nearest is at 4e-5, and the tail begins at 0.004.
    sample = np.random.default_rng(0).permutation(pareto_sample(500_000, shape, 0.02))
    curve = calibrate([sample], drawn(GENUINE, 500, 1))
    tail = tail_of(curve)
    assert (tail.fmr, tail.start) == pytest.approx((0.004, 0.7))
    # Rates are rounded to whole pairs, 20 at the rarest, which moves the shape by a step of the grid at most.
    assert tail.shape == pytest.approx(shape, abs=0.0051)
    assert tail.scale == pytest.approx(0.02, rel=0.01)
    assert tail.error < 3e-4
    expected = [pareto(rate, 0.004, shape, 0.02) for rate in (1e-4, 1e-5, 1e-6)]
    # Measured down to 1e-4, foretold below.
    assert evidence_of(curve).measured_down_to_fmr == pytest.approx(1e-4)
    assert curve.distance[3:] == pytest.approx(expected, abs=1e-3)


def test_a_random_sample_of_a_tail_is_recovered_within_chance() -> None:
    generator = np.random.default_rng(5)
    draws = []
    for _ in range(5):
        # Every pair below the start is one of the Pareto distribution, 4,000 of a million on average.
        below = generator.random(2_000_000) < 0.002
        share = generator.random(int(below.sum()))
        draw = generator.uniform(0.7, 1.4, len(below))
        draw[below] = 0.7 - 0.02 * (share**0.2 - 1) / -0.2
        draws.append(draw.astype(np.float32))
    tail = tail_of(calibrate(draws, drawn(GENUINE, 500, 1)))
    assert tail.fmr == pytest.approx(0.001)
    assert tail.shape == pytest.approx(-0.2, abs=0.1)
    # A tail that begins later has a smaller scale: 0.02 * (0.001 / 0.002)^0.2 = 0.0174.
    assert tail.scale == pytest.approx(0.0174, rel=0.15)


def test_the_tail_hangs_not_on_wrong_labels() -> None:
    sample = pareto_sample(500_000, -0.1, 0.02)
    mislabelled = sample.copy()
    # Nineteen pairs are one person under two names: the 20th nearest is the first that has a say.
    mislabelled[:19] = 0.01
    genuine = drawn(GENUINE, 500, 1)
    one, other = calibrate([sample], genuine), calibrate([mislabelled], genuine)
    assert tail_of(other) == tail_of(one)
    assert other.distance == one.distance
    # Where they are many more, they do.
    mislabelled[:200] = 0.01
    assert calibrate([mislabelled], genuine).distance[4] < one.distance[4] - 0.01


# ------------------------------------------------------------------ pairs of people


class Places(Cosine):
    """A distance that tells which photos were compared: embeddings are rows' numbers, below 1,000."""

    def pairs(self, one: Distances, other: Distances) -> Distances:
        return np.asarray(one[:, 0] * 1_000 + other[:, 0], np.float32)

    def matrix(self, probes: Distances, templates: Distances) -> Distances:
        return np.asarray(probes * 1_000 + templates.T, np.float32)


# People with 1, 2, 3, 12, 1 … photos; their rows are not in a row.
COUNTS = (1, 2, 3, 12, 1, 5, 2, 1)
OWNER = np.random.default_rng(0).permutation(np.repeat(np.arange(len(COUNTS)), COUNTS))
ROWS = [np.flatnonzero(person == OWNER).tolist() for person in range(len(COUNTS))]
NUMBERS = np.arange(len(OWNER), dtype=np.float32)[:, np.newaxis]


def photos_of(distances: Distances) -> npt.NDArray[np.int64]:
    """Which photos were compared, int [pairs, 2]."""
    return np.column_stack(np.divmod(distances.astype(np.int64), 1_000))


def test_impostor_pairs_are_of_people_drawn_with_repetition_and_never_of_one_person() -> None:
    draws = [
        photos_of(all_of(draw))
        for draw in impostor_draws(alike(NUMBERS), ROWS, Places(), np.random.default_rng(1), 4_000)
    ]
    assert len(draws) == 4_000
    met = np.zeros((8, 8), int)
    for photos in draws:
        people = OWNER[photos]
        assert (people[:, 0] != people[:, 1]).all()
        # Of 8 * 7 / 2 pairs, those of one person drawn twice are left out.
        assert len(people) <= 28
        np.add.at(met, (people.min(axis=1), people.max(axis=1)), 1)
    assert len({len(photos) for photos in draws}) > 5
    # Every pair of people weighs the same, be their photos few or many: each is met 28 * 2 / 64 times a draw.
    assert met[np.triu_indices(8, k=1)] / 4_000 == pytest.approx(28 * 2 / 64, rel=0.1)
    # So does every photo of one person.
    counts = np.bincount(np.concatenate(draws).ravel(), minlength=len(OWNER))
    for own in ROWS:
        assert counts[own] / counts[own].mean() == pytest.approx(1, rel=0.15)


def test_impostor_pairs_are_of_a_photo_asked_about_and_one_enrolled() -> None:
    enrolled = NUMBERS + 500
    for draw in impostor_draws(Looks(NUMBERS, enrolled), ROWS, Places(), np.random.default_rng(1), 5):
        photos = photos_of(all_of(draw))
        assert (photos[:, 0] < 500).all() and (photos[:, 1] >= 500).all()


def test_impostor_draws_are_twenty_and_differ() -> None:
    draws = list(map(all_of, impostor_draws(alike(NUMBERS), ROWS, Places(), np.random.default_rng(1))))
    assert len(draws) == 20
    assert len({draw.tobytes() for draw in draws}) > 10
    assert all(draw.dtype == np.float32 for draw in draws)


def test_genuine_pairs_are_of_one_person_and_at_most_ten_photos() -> None:
    photos = photos_of(genuine_distances(NUMBERS, ROWS, Places(), np.random.default_rng(2)))
    assert (OWNER[photos[:, 0]] == OWNER[photos[:, 1]]).all()
    assert (photos[:, 0] != photos[:, 1]).all()
    # Of 2, 3, 10 (of 12), 5 and 2 photos: 1 + 3 + 45 + 10 + 1, each once.
    assert len(photos) == 60
    assert len({frozenset(pair) for pair in photos.tolist()}) == 60
    assert len(set(photos[OWNER[photos[:, 0]] == 3].ravel().tolist())) == 10


def test_which_ten_photos_is_by_chance() -> None:
    met = [genuine_distances(NUMBERS, ROWS, Places(), np.random.default_rng(seed)) for seed in range(10)]
    assert set(photos_of(np.concatenate(met)).ravel().tolist()) == {row for own in ROWS if len(own) > 1 for row in own}


def test_nobody_with_two_photos_makes_no_genuine_pair() -> None:
    found = genuine_distances(NUMBERS, [[0], [1], [2]], Places(), np.random.default_rng(2))
    assert found.shape == (0,)


# ------------------------------------------------------------------ the slope


def test_the_slope_is_that_of_two_normal_distributions() -> None:
    # Equal spreads s and means a distance d apart: the log odds have the slope d / s^2 (Hastie et al., 4.4.5).
    curve = calibrate([drawn(IMPOSTORS, 500_000, 0)], drawn(GENUINE, 100_000, 1))
    assert curve.slope == pytest.approx(0.5 / 0.1**2, rel=0.05)


def test_the_slope_does_not_depend_on_how_many_genuine_pairs_there_are() -> None:
    impostor = drawn(NormalDist(0.8, 0.15), 500_000, 0)
    few, many = (calibrate([impostor], drawn(GENUINE, pairs, 1)).slope for pairs in (5_000, 200_000))
    assert few == pytest.approx(many, rel=0.1)


@pytest.mark.parametrize("genuine", [NormalDist(0.05, 0.01), NormalDist(0.3, 0.001)])
def test_a_perfect_model_has_a_finite_slope(genuine: NormalDist) -> None:
    # Without a single error the regression has no maximum, and it must end all the same.
    slope = calibrate([drawn(IMPOSTORS, 500_000, 0)], drawn(genuine, 300, 1)).slope
    assert math.isfinite(slope)
    assert slope > 10


@pytest.mark.parametrize("seed", range(20))
def test_a_model_that_all_but_errs_has_a_finite_slope_too(seed: int) -> None:
    impostor, genuine = drawn(NormalDist(1.0, 0.12), 20_000, seed), drawn(NormalDist(0.3, 0.05), 50, 100 + seed)
    slope = calibrate([impostor], genuine).slope
    assert math.isfinite(slope)
    assert slope > 10
