"""Who goes with whom at the least cost: the assignment problem."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def assign(costs: npt.NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Pair rows with columns so that the costs of the pairs, and ``limit`` for each that stays alone, add up to least.

    The Hungarian method with potentials (Kuhn 1955; Jonker and Volgenant 1987): n² m steps for n rows and m columns.

    Args:
        costs: float64 [n, m], at least 0; infinite where two never pair.
        limit: what a row, or a column where those are fewer, costs without a partner; dearer pairs are none.

    Returns:
        Row and column of each pair, by row.
    """
    if len(costs) > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T, limit))
    rows, columns = costs.shape
    bounded = np.minimum(costs, limit)
    of_row, of_column = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(columns + 1, -1)  # the last column is where the path of a new row starts
    for row in range(rows):
        owner[columns], column = row, columns
        reached, came_from = np.full(columns, np.inf), np.full(columns, columns)
        is_done = np.zeros(columns + 1, bool)
        while owner[column] >= 0:
            is_done[column] = True
            slack = bounded[owner[column]] - of_row[owner[column]] - of_column[:columns]
            nearer = ~is_done[:columns] & (slack < reached)
            reached[nearer], came_from[nearer] = slack[nearer], column
            following = int(np.where(is_done[:columns], np.inf, reached).argmin())
            step = reached[following]
            of_row[owner[is_done]] += step
            of_column[is_done] -= step
            reached[~is_done[:columns]] -= step
            column = following
        while column != columns:
            owner[column] = owner[came_from[column]]
            column = int(came_from[column])
    return sorted(
        (int(owner[column]), column)
        for column in range(columns)
        if 0 <= owner[column] < rows and costs[owner[column], column] < limit
    )
