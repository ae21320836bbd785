"""Distances read off draws are those that sorting all of them gives, whatever they are."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli.encoders.metric import Cosine, LearnedL1, Metric
from facerec_cli.evaluation import impostors
from facerec_cli.evaluation.impostors import Draw, Reader, impostor_draws
from tests.calibrations import alike

Distances = npt.NDArray[np.float32]


def in_blocks(distances: Distances, cuts: list[int]) -> Draw:
    return Draw(len(distances), lambda: iter(np.split(distances, sorted(cuts))))


FLOATS = st.floats(0, width=32, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(FLOATS, min_size=1, max_size=50) | st.lists(st.just(0.5), min_size=1, max_size=50), min_size=1),
    st.data(),
)
def test_the_kth_nearest_is_the_kth_of_all_in_order(draws: list[list[float]], data: st.DataObject) -> None:
    reader = Reader()
    for values in draws:
        distances = np.array(values, np.float32)
        ranks = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=5))
        cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=4))
        every = data.draw(st.integers(1, 7))
        reading = reader.read(in_blocks(distances, cuts), ranks, every)
        ordered = np.sort(distances)
        assert reading.nearest == {rank: ordered[rank - 1] for rank in ranks}
        assert reading.sample.tolist() == distances[::every].tolist()


def test_draws_that_are_alike_are_gone_through_once() -> None:
    passes = 0

    def draw(seed: int) -> Draw:
        distances = np.random.default_rng(seed).normal(0.9, 0.1, 100_000).astype(np.float32)

        def blocks() -> Iterator[Distances]:
            nonlocal passes
            passes += 1
            yield distances

        return Draw(len(distances), blocks)

    reader = Reader()
    for seed in range(10):
        reader.read(draw(seed), [100, 1_000, 10_000], 100)
    assert passes <= 13


@pytest.mark.parametrize("metric", [Cosine(), LearnedL1(np.linspace(-1, 0, 8, dtype=np.float32), 0.5)])
@pytest.mark.parametrize(("computed", "given_at_once"), [(1, 1), (700, 100), (2_000, 20_000_000), (20_000_000, 50)])
def test_a_draw_s_pairs_are_the_same_in_any_blocks(
    metric: Metric, computed: int, given_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = metric.scaled(np.random.default_rng(0).normal(size=(90, 8)).astype(np.float32))
    rows = [[3 * person, 3 * person + 1, 3 * person + 2] for person in range(30)]
    whole = list(impostor_draws(alike(embeddings), rows, metric, np.random.default_rng(1), 3))
    monkeypatch.setattr(impostors, "_COMPUTED", computed)
    monkeypatch.setattr(impostors, "_GIVEN", given_at_once)
    parts = list(impostor_draws(alike(embeddings), rows, metric, np.random.default_rng(1), 3))
    for one, other in zip(whole, parts, strict=True):
        monkeypatch.undo()
        expected = np.concatenate(list(one.blocks()))
        monkeypatch.setattr(impostors, "_COMPUTED", computed)
        monkeypatch.setattr(impostors, "_GIVEN", given_at_once)
        found = np.concatenate(list(other.blocks()))
        assert len(found) == len(expected) == one.pairs == other.pairs < 30 * 29 // 2
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.tolist() == np.concatenate(list(other.blocks())).tolist()


def test_a_draw_is_never_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impostors, "_COMPUTED", 50_000)
    monkeypatch.setattr(impostors, "_GIVEN", 10_000)
    embeddings = Cosine().scaled(np.random.default_rng(0).normal(size=(1_000, 8)).astype(np.float32))
    (draw,) = impostor_draws(alike(embeddings), [[row] for row in range(1_000)], Cosine(), np.random.default_rng(1), 1)
    sizes = [len(block) for block in draw.blocks()]
    assert sum(sizes) == draw.pairs > 490_000
    assert max(sizes) <= 10_000


def test_what_was_looked_at_is_let_go() -> None:
    alive = 0
    looked_at: list[weakref.ref[Distances]] = []

    def blocks() -> Iterator[Distances]:
        nonlocal alive
        for seed in range(20):
            block = np.random.default_rng(seed).random(1_000, np.float32)
            looked_at.append(weakref.ref(block))
            yield block
            del block
            alive = max(alive, sum(block() is not None for block in looked_at))

    Reader().read(Draw(20_000, blocks), [10, 100], 100)
    assert alive <= 1
