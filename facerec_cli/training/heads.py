"""Heads: layers from a network's embeddings to the loss; they hold what is learned beside the network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from facerec_cli.encoders.metric import Cosine, LearnedL1, Metric
from facerec_cli.training.distances import Tensor, absolute_difference, euclidean, safe_sqrt, unit_length
from facerec_cli.training.losses import all_pairs_cross_entropy, binary_cross_entropy, mean_absolute_error, pairs

Shape = tuple[int | None, ...]


class Head(keras.layers.Layer):  # type: ignore[misc]
    """What a network learns by; called as ``head(embeddings, people)``, float [n, d] and int [n], it gives the loss."""

    def build(self, embeddings_shape: Shape, people_shape: Shape) -> None:
        """Make the variables."""

    @property
    def metric(self) -> Metric:
        """How the embeddings that learned by it are compared."""
        return Cosine()


class LossHead(Head):
    """A loss as a head, with nothing of its own to learn."""

    def __init__(self, loss: Callable[..., Tensor], options: Mapping[str, Any] = {}, **kwargs: Any) -> None:
        """Choose the loss.

        Args:
            loss: one of ``losses``.
            options: further arguments of the loss.
            kwargs: of every Keras layer.
        """
        super().__init__(**kwargs)
        self.loss, self.options = loss, dict(options)

    def call(self, embeddings: Tensor, people: Tensor) -> Tensor:
        return self.loss(embeddings, people, **self.options)


class L1Head(Head):
    """Binary cross-entropy on a weighted L1 distance of pairs.

    Koch, Zemel and Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition", 2015. The probability that
    two faces show one person is sigmoid(Σ weight · |a - b| + bias).

    Attributes:
        weight: float [d], a variable.
        bias: float [], a variable.
    """

    def build(self, embeddings_shape: Shape, people_shape: Shape) -> None:
        self.weight = self.add_weight(shape=embeddings_shape[-1:], initializer="glorot_uniform", name="weight")
        self.bias = self.add_weight(shape=(), initializer="zeros", name="bias")

    def call(self, embeddings: Tensor, people: Tensor) -> Tensor:
        one, other, same = pairs(embeddings, people)
        return binary_cross_entropy(self.logits(one, other), same)

    def logits(self, one: Tensor, other: Tensor) -> Tensor:
        """Of faces showing one person; float [..., d] twice, which broadcast, to float [...]."""
        return ops.sum(absolute_difference(one, other) * self.weight, axis=-1) + self.bias

    @property
    def metric(self) -> Metric:
        weight, bias = map(ops.convert_to_numpy, (self.weight, self.bias))
        return LearnedL1(weight, float(bias))


class L1BatchAllHead(L1Head):
    """The same of all pairs of a batch, whatever their order: a network that learns slowly sees so many more.

    It takes n² · d numbers of memory: 17 MB for 32 photos and Koch's 4096.
    """

    def call(self, embeddings: Tensor, people: Tensor) -> Tensor:
        return all_pairs_cross_entropy(self.logits(embeddings[:, None], embeddings[None, :]), people)


class EuclideanHead(Head):
    """Binary cross-entropy or mean absolute error on the Euclidean distance of pairs.

    The probability that two faces show one person is sigmoid(scale · (offset - distance)).

    Attributes:
        log_scale: float [], a variable: its exponential cannot turn negative and call distant faces alike.
        offset: float [], a variable: the threshold.
    """

    def __init__(self, loss: str = "bce", **kwargs: Any) -> None:
        """Choose the loss.

        Args:
            loss: ``bce`` or ``mae``.
            kwargs: of every Keras layer.
        """
        super().__init__(**kwargs)
        if loss not in ("bce", "mae"):
            raise ValueError(f"{loss!r} is neither bce nor mae")
        self.loss = loss

    def build(self, embeddings_shape: Shape, people_shape: Shape) -> None:
        self.log_scale = self.add_weight(shape=(), initializer="zeros", name="log_scale")
        self.offset = self.add_weight(shape=(), initializer="ones", name="offset")

    def call(self, embeddings: Tensor, people: Tensor) -> Tensor:
        one, other, same = pairs(embeddings, people)
        logits = ops.exp(self.log_scale) * (self.offset - euclidean(one, other))
        if self.loss == "bce":
            return binary_cross_entropy(logits, same)
        return mean_absolute_error(ops.sigmoid(logits), same)


class PeopleHead(Head, ABC):
    """A classifier over the training people: softmax of scale · cosine, the person's own cosine made harder to raise.

    Attributes:
        centres: float [d, count], a variable: a direction for each person.
    """

    def __init__(self, count: int, margin: float, scale: float, **kwargs: Any) -> None:
        """Choose the people and the margin.

        Args:
            count: how many people; ``people`` are in [0, count).
            margin: by which a row must be nearer to its own person.
            scale: of the cosines in the softmax.
            kwargs: of every Keras layer.
        """
        super().__init__(**kwargs)
        self.count, self.margin, self.scale = count, margin, scale

    def build(self, embeddings_shape: Shape, people_shape: Shape) -> None:
        self.centres = self.add_weight(
            shape=(embeddings_shape[-1], self.count), initializer="glorot_uniform", name="centres"
        )

    def call(self, embeddings: Tensor, people: Tensor) -> Tensor:
        centres = ops.transpose(unit_length(ops.transpose(self.centres)))
        cosines = ops.clip(ops.matmul(unit_length(embeddings), centres), -1, 1)
        own = ops.one_hot(people, self.count, dtype=cosines.dtype)
        logits = self.scale * (cosines - own * self.penalty(cosines))
        return ops.mean(ops.logsumexp(logits, axis=1) - ops.sum(own * logits, axis=1))

    @abstractmethod
    def penalty(self, cosines: Tensor) -> Tensor:
        """What the margin takes off a person's own cosine; float [n, count] to the same, or one for all."""


class CosFaceHead(PeopleHead):
    """Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018: cos θ - margin."""

    def __init__(self, count: int, margin: float = 0.35, scale: float = 64.0, **kwargs: Any) -> None:
        super().__init__(count, margin, scale, **kwargs)

    def penalty(self, cosines: Tensor) -> Any:
        return self.margin


class ArcFaceHead(PeopleHead):
    """Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019: cos(θ + margin).

    Beyond θ + margin = π, where that would rise again, cos θ - margin · sin(margin) goes on falling, as in the
    authors' own implementation.
    """

    def __init__(self, count: int, margin: float = 0.5, scale: float = 64.0, **kwargs: Any) -> None:
        super().__init__(count, margin, scale, **kwargs)

    def penalty(self, cosines: Tensor) -> Tensor:
        sine, cosine = math.sin(self.margin), math.cos(self.margin)
        harder = cosines * cosine - safe_sqrt(1 - ops.square(cosines)) * sine
        return ops.where(cosines > -cosine, cosines - harder, self.margin * sine)
