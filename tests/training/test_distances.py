from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from keras import ops

from facerec_cli.training import distances

ONE = np.array([[3.0, 4.0], [1.0, 0.0], [2.0, 2.0]])
OTHER = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0]])


def test_distances_worked_by_hand() -> None:
    assert ops.convert_to_numpy(distances.euclidean(ONE, OTHER)) == pytest.approx([5, 5**0.5, 0])
    assert ops.convert_to_numpy(distances.absolute_difference(ONE, OTHER)).tolist() == [[3, 4], [1, 2], [0, 0]]


def test_the_matrices_hold_the_distances_of_all_rows() -> None:
    expected = np.linalg.norm(ONE[:, None] - OTHER[None, :2], axis=2)
    assert ops.convert_to_numpy(distances.euclidean_matrix(ONE, OTHER[:2])) == pytest.approx(expected)
    assert ops.convert_to_numpy(distances.squared_euclidean_matrix(ONE, OTHER[:2])) == pytest.approx(expected**2)


def test_unit_length() -> None:
    assert ops.convert_to_numpy(distances.unit_length(ONE[:2])) == pytest.approx(np.array([[0.6, 0.8], [1, 0]]))


@pytest.mark.parametrize("distance", [distances.euclidean, distances.euclidean_matrix])
@pytest.mark.parametrize("rows", [np.zeros((3, 2)), np.ones((3, 2)), np.full((3, 2), 1e-20)])
def test_equal_embeddings_have_a_finite_gradient(distance: object, rows: np.ndarray) -> None:
    variable = tf.Variable(rows.astype(np.float32))
    with tf.GradientTape() as tape:
        total = ops.sum(distance(variable, variable + 0))  # type: ignore[operator]
    assert np.isfinite(tape.gradient(total, variable).numpy()).all()
