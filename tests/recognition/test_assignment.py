from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facerec_cli.recognition.assignment import assign

Costs: TypeAlias = npt.NDArray[np.float64]
COST = st.one_of(st.floats(0, 2), st.sampled_from([0.0, 0.5, 1.0, float("inf")]))


def total(costs: Costs, pairs: list[tuple[int, int]], limit: float) -> float:
    """What an assignment costs, those alone included."""
    alone = min(costs.shape) - len(pairs)
    return float(sum((costs[pair] for pair in pairs), limit * alone))


@given(arrays.arrays(np.float64, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=COST))
def test_nothing_costs_less_than_what_is_assigned(costs: Costs) -> None:
    pairs = assign(costs, 1.0)
    rows, columns = [row for row, _ in pairs], [column for _, column in pairs]
    assert len(set(rows)) == len(set(columns)) == len(pairs)
    assert rows == sorted(rows)
    assert all(costs[pair] < 1 for pair in pairs)
    bounded = np.minimum(costs if len(costs) <= costs.shape[1] else costs.T, 1.0)
    ways = permutations(range(bounded.shape[1]), len(bounded))
    least = min(sum(bounded[row, column] for row, column in enumerate(way)) for way in ways)
    assert np.isclose(total(costs, pairs, 1.0), least)


def test_a_hundred_faces_are_assigned_to_those_they_were() -> None:
    places = np.random.default_rng(0).uniform(0, 100, (100, 2))
    order = np.random.default_rng(1).permutation(100)
    costs = np.linalg.norm(places[:, None] - places[order] - 0.01, axis=2)
    assert assign(costs, 1.0) == [(row, int(np.flatnonzero(order == row)[0])) for row in range(100)]
