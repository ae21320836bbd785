from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")

import tensorflow as tf
from keras import ops

from facerec_cli.encoders.metric import Cosine, LearnedL1
from facerec_cli.training.heads import ArcFaceHead, CosFaceHead, EuclideanHead, L1BatchAllHead, L1Head, LossHead
from facerec_cli.training.losses import contrastive

Rows = npt.NDArray[Any]
PEOPLE = np.array([0, 0, 1, 2, 1, 1, 0, 3], np.int32)


def heads(**kwargs: Any) -> list[Any]:
    return [
        L1Head(**kwargs),
        L1BatchAllHead(**kwargs),
        EuclideanHead(**kwargs),
        EuclideanHead("mae", **kwargs),
        CosFaceHead(6, scale=4, **kwargs),
        ArcFaceHead(6, scale=4, **kwargs),
    ]


def value_and_gradients(head: Any, rows: Rows, people: Rows) -> tuple[float, list[Any]]:
    """The loss, and its gradient by the embeddings and by each of the head's own weights."""
    variable = tf.Variable(rows)
    head(variable, people)
    with tf.GradientTape() as tape:
        loss = head(variable, people)
    sources = [variable, *(weight.value for weight in head.trainable_weights)]
    return float(loss), [gradient.numpy() for gradient in tape.gradient(loss, sources)]


# ------------------------------------------------------------------ by hand


def test_l1_by_hand() -> None:
    head = L1Head()
    head.build((None, 2), (None,))
    head.set_weights([np.array([-1.0, -2.0]), np.array(0.5)])
    # |a - b| = (1, 0.25): the logit is -1 - 0.5 + 0.5 = -1, and the pair genuine: log(1 + e).
    rows = np.array([[0.0, 1.0], [1.0, 0.75]])
    assert float(head(rows, np.array([7, 7]))) == pytest.approx(math.log(1 + math.e))
    # Not genuine: log(1 + 1 / e).
    assert float(head(rows, np.array([7, 8]))) == pytest.approx(math.log(1 + 1 / math.e))


def test_l1_of_all_pairs_by_hand() -> None:
    head = L1BatchAllHead()
    head.build((None, 1), (None,))
    head.set_weights([np.array([-1.0]), np.array(0.5)])
    rows, people = np.array([[0.0], [1.0], [3.0]]), np.array([7, 7, 8])
    # Logits: -0.5 of the genuine pair, -2.5 and -1.5 of the others; each pair counts twice, once from either side.
    genuine = math.log(1 + math.exp(0.5))
    impostor = (math.log(1 + math.exp(-2.5)) + math.log(1 + math.exp(-1.5))) / 2
    assert float(head(rows, people)) == pytest.approx((genuine + impostor) / 2)
    assert float(head(rows[::-1].copy(), people[::-1].copy())) == pytest.approx((genuine + impostor) / 2)
    assert float(head(rows[:2], people[:2])) == pytest.approx(genuine / 2)


def test_euclidean_by_hand() -> None:
    # Distance 5, offset 4, scale 2: logit -2. Genuine: cross-entropy log(1 + e²), error 1 - sigmoid(-2).
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    for loss, expected in (("bce", math.log(1 + math.exp(2))), ("mae", 1 - 1 / (1 + math.exp(2)))):
        head = EuclideanHead(loss)
        head.build((None, 2), (None,))
        head.set_weights([np.array(math.log(2)), np.array(4.0)])
        assert float(head(rows, np.array([1, 1]))) == pytest.approx(expected)


def test_euclidean_knows_its_losses() -> None:
    with pytest.raises(ValueError, match="neither bce nor mae"):
        EuclideanHead("hinge")


# Two people along the axes; one row of the first, at 60° to the first axis and 30° to the second.
AT_60_DEGREES = np.array([[1.0, math.sqrt(3)]])
AXES = np.array([[5.0, 0.0], [0.0, 0.1]])


@pytest.mark.parametrize(
    ("head", "own"),
    [
        # The own cosine is 0.5, less the margin.
        (CosFaceHead(2, margin=0.2, scale=10), 0.3),
        # 60° and a margin of 30° make 90°: cosine 0.
        (ArcFaceHead(2, margin=math.pi / 6, scale=10), 0.0),
        # 60° and a margin of 150° pass 180°: 0.5 - 5π/6 · sin 150°.
        (ArcFaceHead(2, margin=5 * math.pi / 6, scale=10), 0.5 - 5 * math.pi / 12),
    ],
)
def test_margins_by_hand(head: Any, own: float) -> None:
    head.build((None, 2), (None,))
    head.set_weights([AXES])
    # Softmax over 10 · own and 10 · cos 30°.
    expected = math.log(1 + math.exp(10 * (math.sqrt(3) / 2 - own)))
    assert float(head(AT_60_DEGREES, np.array([0]))) == pytest.approx(expected, rel=1e-5)


def test_a_margin_never_makes_the_own_cosine_easier() -> None:
    cosines = np.linspace(-1, 1, 201).reshape(-1, 1)
    for head in (ArcFaceHead(2), CosFaceHead(2)):
        hardened = cosines - ops.convert_to_numpy(head.penalty(cosines))
        assert (np.diff(hardened[:, 0]) > 0).all()


def test_a_loss_is_a_head_with_nothing_of_its_own() -> None:
    head, rows, people = LossHead(contrastive, {"margin": 3.0}), np.eye(4, 3), np.array([0, 0, 1, 2])
    assert float(head(rows, people)) == pytest.approx(float(contrastive(rows, people, margin=3.0)))
    assert not head.weights


def test_embeddings_are_compared_as_the_head_learned_it() -> None:
    head = L1Head()
    head.build((None, 2), (None,))
    head.set_weights([np.array([-1.0, -2.0]), np.array(0.5)])
    metric = head.metric
    assert isinstance(metric, LearnedL1)
    assert (metric.weight.tolist(), metric.bias) == ([-1, -2], 0.5)
    for other in (LossHead(contrastive), EuclideanHead(), CosFaceHead(2)):
        assert isinstance(other.metric, Cosine)


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("head", heads(dtype="float64"))
def test_gradients_are_those_of_finite_differences(head: Any) -> None:
    rows = np.random.default_rng(1).normal(size=(8, 3))
    _, (gradient, *weight_gradients) = value_and_gradients(head, rows, PEOPLE)
    weights, step = head.get_weights(), 1e-6

    def difference(up: list[Rows], down: list[Rows]) -> float:
        head.set_weights(up[1:])
        above = float(head(up[0], PEOPLE))
        head.set_weights(down[1:])
        return (above - float(head(down[0], PEOPLE))) / (2 * step)

    for which, by_gradient in enumerate([gradient, *weight_gradients]):
        for place in np.ndindex(by_gradient.shape):
            up, down = ([np.array(array) for array in [rows, *weights]] for _ in range(2))
            up[which][place] += step
            down[which][place] -= step
            assert by_gradient[place] == pytest.approx(difference(up, down), abs=1e-7)
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize("head", heads())
@pytest.mark.parametrize("people", [np.zeros(6, np.int32), np.arange(6, dtype=np.int32)])
@pytest.mark.parametrize("rows", [np.zeros((6, 4)), np.ones((6, 4)), np.eye(6, 4) * 1e4])
def test_degenerate_batches_are_finite(head: Any, people: Rows, rows: Rows) -> None:
    loss, gradients = value_and_gradients(head, rows.astype(np.float32), people)
    assert math.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_rows_at_and_opposite_their_centre_are_finite() -> None:
    for head in (ArcFaceHead(2), CosFaceHead(2)):
        head.build((None, 2), (None,))
        head.set_weights([AXES])
        loss, gradients = value_and_gradients(head, np.array([[1, 0], [-1, 0]], np.float32), np.zeros(2, np.int32))
        assert math.isfinite(loss)
        assert all(np.isfinite(gradient).all() for gradient in gradients)
