from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from keras import ops

from facerec_cli.training import losses
from facerec_cli.training.distances import unit_length
from facerec_cli.training.networks import residual

Loss = Callable[[Any, Any], Any]
LOSSES: list[Loss] = [
    losses.contrastive,
    losses.triplet_batch_all,
    losses.triplet_batch_hard,
    losses.triplet_semi_hard,
    losses.supervised_contrastive,
]
# Four points of a line, two people: a, a, b, b. Distances: a0-a1 1, a0-b0 3, a0-b1 4, a1-b0 2, a1-b1 3, b0-b1 1.
LINE = np.array([[0.0], [1.0], [3.0], [4.0]])
TWO_EACH = np.array([0, 0, 1, 1], np.int32)


def value(loss: Any) -> float:
    return float(ops.convert_to_numpy(loss))


def value_and_gradient(loss: Loss, rows: npt.NDArray[Any], people: npt.NDArray[Any]) -> tuple[float, Any]:
    variable = tf.Variable(rows)
    with tf.GradientTape() as tape:
        result = loss(variable, people)
    return value(result), tf.convert_to_tensor(tape.gradient(result, variable)).numpy()


# ------------------------------------------------------------------ by hand


def test_contrastive_by_hand() -> None:
    # Pairs: (0, 1) genuine, D = 1: 1. (3, 4) genuine, D = 1: 1. Half the mean: 0.5.
    assert value(losses.contrastive(LINE, TWO_EACH)) == pytest.approx(0.5)
    # Both impostors, D = 1, margin 1.5: 0.5² = 0.25 each. Half the mean: 0.125.
    assert value(losses.contrastive(LINE, np.arange(4), margin=1.5)) == pytest.approx(0.125)
    # One of each: (1 + 0.25) / 2 / 2.
    assert value(losses.contrastive(LINE, np.array([0, 0, 1, 2]), margin=1.5)) == pytest.approx(0.3125)


def test_triplet_batch_all_by_hand() -> None:
    # Margin 2.5, a triplet's violation 2.5 + D(positive) - D(negative), D(positive) always 1:
    # a0: D(negative) 3, 4: 0.5, 0. a1: 2, 3: 1.5, 0.5. b0: 3, 2: 0.5, 1.5. b1: 4, 3: 0, 0.5.
    # Six violations with the sum 5.
    assert value(losses.triplet_batch_all(LINE, TWO_EACH, margin=2.5)) == pytest.approx(5 / 6)
    assert value(losses.triplet_batch_all(LINE, TWO_EACH, margin=1.0)) == 0


def test_triplet_batch_hard_by_hand() -> None:
    # Nearest negatives: 3, 2, 2, 3; violations with margin 2.5: 0.5, 1.5, 1.5, 0.5.
    assert value(losses.triplet_batch_hard(LINE, TWO_EACH, margin=2.5)) == pytest.approx(1)
    # b and c have no positive: a0 and a1 remain, with 0.5 and 1.5.
    assert value(losses.triplet_batch_hard(LINE, np.array([0, 0, 1, 2]), margin=2.5)) == pytest.approx(1)


def test_triplet_semi_hard_by_hand() -> None:
    # Squares: D²(positive) 1, nearest farther negatives 9, 4, 4, 9; violations with margin 5: 0, 2, 2, 0.
    assert value(losses.triplet_semi_hard(LINE, TWO_EACH, margin=5.0)) == pytest.approx(1)
    # People a, b, a: for (0, 2) D² = 9 and the only negative is at 1, not farther: 0.2 + 9 - 1 = 8.2.
    # For (2, 0) D² = 9, the negative at 4: 0.2 + 9 - 4 = 5.2. The mean: 6.7.
    assert value(losses.triplet_semi_hard(LINE[:3], np.array([0, 1, 0]))) == pytest.approx(6.7)
    # People a, a, b with b at 1.5: for (0, 1) D² = 1, b at 2.25 is farther by more than the margin: 0.
    # For (1, 0) D² = 1, b at 0.25: 0.2 + 1 - 0.25 = 0.95. The mean: 0.475.
    assert value(losses.triplet_semi_hard(np.array([[0], [1], [1.5]]), np.array([0, 0, 1]))) == pytest.approx(0.475)


def test_supervised_contrastive_by_hand() -> None:
    # Two people at right angles, temperature 0.5: each row sees its positive with logit 2 and two negatives with 0.
    rows = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    expected = math.log((math.exp(2) + 2) / math.exp(2))
    assert value(losses.supervised_contrastive(rows, TWO_EACH, temperature=0.5)) == pytest.approx(expected)
    # The last two alone in the world: only the first two are anchors, and nothing changes for them.
    one_pair = np.array([0, 0, 1, 2])
    assert value(losses.supervised_contrastive(rows, one_pair, temperature=0.5)) == pytest.approx(expected)
    # Three of one person, one of another: rows 0 and 1 see logits 2, 0, 0, of which the first two are positives, row 2
    # sees 0, 0 as positives and 2: the means of their cross-entropies, log(e² + 2) less 1, 1 and 0.
    expected = (3 * math.log(math.exp(2) + 2) - 2) / 3
    three = np.array([0, 0, 0, 1])
    assert value(losses.supervised_contrastive(rows, three, temperature=0.5)) == pytest.approx(expected)


def test_parts_learn_supervised_contrastive_each_for_itself() -> None:
    # The first part as above; the second, of length 2, puts the two people in one place, where log 3 is all there is.
    rows = np.array([[1.0, 0, 2, 0], [1, 0, 2, 0], [0, 1, 2, 0], [0, 1, 2, 0]])
    expected = math.log((math.exp(2) + 2) / math.exp(2)) + math.log(3)
    assert value(losses.supervised_contrastive(rows, TWO_EACH, temperature=0.5, parts=2)) == pytest.approx(expected)
    for parts in (0, 3, -1):
        with pytest.raises(ValueError, match=f"an embedding of 4 numbers is not {parts} equal parts"):
            losses.supervised_contrastive(rows, TWO_EACH, parts=parts)


def test_binary_cross_entropy_by_hand() -> None:
    # -log sigmoid(log 3) = -log 0.75 where genuine; -log(1 - 0.75) where not.
    logits = np.array([math.log(3), math.log(3)])
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    assert value(losses.binary_cross_entropy(logits, np.array([1.0, 0.0]))) == pytest.approx(expected)
    # Certain and wrong: the loss is the logit, and not infinite.
    assert value(losses.binary_cross_entropy(np.array([-500.0]), np.array([1.0]))) == pytest.approx(500)


def test_mean_absolute_error_by_hand() -> None:
    # |0.75 - 1| and |0.5 - 0|.
    assert value(losses.mean_absolute_error(np.array([0.75, 0.5]), np.array([1.0, 0.0]))) == pytest.approx(0.375)


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss: Loss) -> None:
    rows = ops.convert_to_numpy(unit_length(np.random.default_rng(1).normal(size=(8, 3))))
    people = np.array([0, 0, 1, 2, 1, 1, 0, 3], np.int32)
    result, gradient = value_and_gradient(loss, rows, people)
    step, differences = 1e-6, np.zeros_like(rows)
    for place in np.ndindex(rows.shape):
        moved = np.zeros_like(rows)
        moved[place] = step
        differences[place] = (value(loss(rows + moved, people)) - value(loss(rows - moved, people))) / (2 * step)
    assert result > 0
    assert np.abs(gradient).max() > 0.01
    assert gradient == pytest.approx(differences, abs=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("people", [np.zeros(6, np.int32), np.arange(6, dtype=np.int32), np.repeat([0, 1, 2], 2)])
@pytest.mark.parametrize("spread", [1.0, 1e-8, 0.0])
def test_degenerate_batches_are_finite(loss: Loss, people: npt.NDArray[np.int32], spread: float) -> None:
    rows = np.float32(1) + np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32) * np.float32(spread)
    for embeddings in (ops.convert_to_numpy(unit_length(rows)), rows * 0):
        result, gradient = value_and_gradient(loss, embeddings, people)
        assert math.isfinite(result)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", LOSSES[1:])
def test_a_batch_without_any_positive_has_no_loss(loss: Loss) -> None:
    rows = np.random.default_rng(3).normal(size=(4, 2))
    result, gradient = value_and_gradient(loss, rows, np.arange(4, dtype=np.int32))
    assert result == 0
    assert not gradient.any()


# ------------------------------------------------------------------ backends

ELSEWHERE = """
import json, sys
import keras, numpy as np
from facerec_cli.training import losses, heads, networks

names, folder = sys.argv[1].split(","), sys.argv[2]
rows, people, chips = (np.load(f"{folder}/{name}.npy") for name in ("rows", "people", "chips"))
functions = {name: getattr(losses, name) for name in names}
functions |= {"l1": heads.L1Head(), "euclidean": heads.EuclideanHead(), "mae": heads.EuclideanHead("mae")}
functions |= {"arcface": heads.ArcFaceHead(9), "cosface": heads.CosFaceHead(9)}
answer = {}
for name, function in functions.items():
    function(rows, people)  # builds the heads
    if keras.backend.backend() == "jax":
        import jax

        loss, gradient = jax.jit(jax.value_and_grad(lambda rows: function(rows, people)))(rows)
    else:
        variable = keras.ops.convert_to_tensor(rows).detach().requires_grad_()
        loss = function(variable, keras.ops.convert_to_tensor(people))
        loss.backward()
        gradient = variable.grad
    answer[name] = [float(loss), np.asarray(keras.ops.convert_to_numpy(gradient)).tolist()]
network = keras.models.load_model(f"{folder}/network.keras", safe_mode=True)
np.save(f"{folder}/embeddings.npy", network.predict(chips, verbose=0))
print(json.dumps(answer))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    generator = np.random.default_rng(4)
    rows = ops.convert_to_numpy(unit_length(generator.normal(size=(8, 3)).astype(np.float32)))
    people = np.array([0, 0, 1, 2, 1, 1, 0, 3], np.int32)
    chips = generator.integers(0, 256, (2, 112, 112, 3), np.uint8)
    network = residual()
    network.save(tmp_path / "network.keras")
    for name, array in (("rows", rows), ("people", people), ("chips", chips)):
        np.save(tmp_path / f"{name}.npy", array)

    names = [loss.__name__ for loss in LOSSES]
    command = [sys.executable, "-c", ELSEWHERE, ",".join(names), str(tmp_path)]
    environment = os.environ | {"KERAS_BACKEND": backend}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout.splitlines()[-1])
    for name, loss in zip(names, LOSSES, strict=True):
        expected, gradient = value_and_gradient(loss, rows, people)
        assert answer[name][0] == pytest.approx(expected, abs=1e-5)
        assert np.array(answer[name][1]) == pytest.approx(gradient, abs=1e-4)
    assert all(np.isfinite([loss, *np.ravel(gradient)]).all() for loss, gradient in answer.values())
    assert np.load(tmp_path / "embeddings.npy") == pytest.approx(network.predict(chips, verbose=0), abs=1e-5)
