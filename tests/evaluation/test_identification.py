from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.evaluation.identification import open_set

# Few values, so that distances tie.
DISTANCES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 2, width=32)


def test_a_set_worked_by_hand() -> None:
    # Ten strangers; at 30 % three may be named, at 0.1, 0.2 and 0.3, so the threshold is just below 0.4.
    strangers = (np.arange(1, 11) / 10).astype(np.float32)
    distances = np.array([0.05, 0.35, 0.39, 0.4, 0.9], np.float32)
    right = np.array([True, True, False, True, True])
    found = open_set(distances, right, strangers, rates=(0.3, 0.1, 0.05))
    assert found.rank1 == pytest.approx(4 / 5)
    # 0.05 and 0.35 are theirs and near enough; 0.39 is another person; 0.4 would name a fourth stranger.
    assert found.found[0.3] == pytest.approx(2 / 5)
    # One stranger: below 0.2. None: below 0.1.
    assert found.found[0.1] == pytest.approx(1 / 5)
    assert found.found[0.05] == pytest.approx(1 / 5)


def test_a_stranger_as_near_as_anybody_spoils_the_strictest_rate() -> None:
    found = open_set(np.array([0.2, 0.3], np.float32), np.array([True, True]), np.array([0.1, 0.9], np.float32), (0.1,))
    assert found.rank1 == 1
    assert found.found[0.1] == 0


def test_strangers_that_tie_are_all_named_or_none() -> None:
    # Half of the four strangers may be named, but the nearest three are one distance away.
    strangers = np.array([0.5, 0.5, 0.5, 0.9], np.float32)
    distances = np.array([0.4, 0.5, 0.6], np.float32)
    right = np.ones(3, np.bool_)
    assert open_set(distances, right, strangers, (0.5,)).found[0.5] == pytest.approx(1 / 3)
    assert open_set(distances, right, strangers, (0.75,)).found[0.75] == pytest.approx(1)


def test_a_perfect_gallery_finds_everybody_at_every_rate() -> None:
    found = open_set(np.full(7, 0.1, np.float32), np.ones(7, np.bool_), np.full(2_000, 0.9, np.float32))
    assert found.rank1 == 1
    assert found.found == {0.1: 1, 0.01: 1, 0.001: 1}


def test_probes_and_strangers_come_in_any_order() -> None:
    generator = np.random.default_rng(0)
    distances, strangers = generator.random(200).astype(np.float32), generator.random(300).astype(np.float32)
    right = generator.random(200) < 0.8
    order, other = generator.permutation(200), generator.permutation(300)
    assert open_set(distances, right, strangers) == open_set(distances[order], right[order], strangers[other])


@settings(deadline=None)
@given(
    st.lists(st.tuples(DISTANCES, st.booleans()), min_size=1, max_size=20),
    st.lists(DISTANCES, min_size=1, max_size=20),
    st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 0.9]),
)
def test_no_threshold_that_keeps_the_rate_finds_more(
    probes: list[tuple[float, bool]], strangers: list[float], rate: float
) -> None:
    distances = np.array([distance for distance, _ in probes], np.float32)
    right = np.array([is_right for _, is_right in probes], np.bool_)
    result = open_set(distances, right, np.array(strangers, np.float32), (rate,))

    best = 0.0
    for threshold in [-1.0, *strangers, *(distance for distance, _ in probes)]:
        named = sum(stranger <= threshold for stranger in strangers) / len(strangers)
        if named <= rate + 1e-12:
            share = sum(is_right and distance <= threshold for distance, is_right in probes) / len(probes)
            best = max(best, share)
    assert result.found[rate] == pytest.approx(best)
    assert result.rank1 == pytest.approx(sum(is_right for _, is_right in probes) / len(probes))
