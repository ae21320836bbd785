"""Hand-made descriptors of chips, gathered into Fisher vectors: layers whose numbers are fitted, and not learned.

Simonyan, Parkhi, Vedaldi and Zisserman, "Fisher Vector Faces in the Wild", BMVC 2013: SIFT everywhere in the face and
at several scales, compressed, with its place, and told against a mixture of Gaussians, the visual words.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from facerec_cli.training.dictionary import CELLS, SIZES, Dictionary
from facerec_cli.training.distances import Tensor, unit_length
from facerec_cli.training.networks import CHIP_SHAPE, Grey, Resize, Shape, UnitLength

DIRECTIONS = 8
LENGTH = CELLS * CELLS * DIRECTIONS
COMPRESSED = 64
"""Numbers that are left of a descriptor."""
MIRRORED = (
    np.arange(LENGTH)
    .reshape(CELLS, CELLS, DIRECTIONS)[:, ::-1, (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS]
    .ravel()
)
"""Where the numbers of a descriptor stand that a mirror image has in its place."""
_ANGLES = math.tau * np.arange(DIRECTIONS) / DIRECTIONS
_TURNS = np.stack([-np.sin(_ANGLES), np.cos(_ANGLES)], axis=1).astype(np.float32)
_BEFORE, _AFTER = np.roll(_TURNS, 1, axis=0), -np.roll(_TURNS, -1, axis=0)
"""What the gradients of a direction's neighbours are, and of those turned a quarter: float [8, 2], across and down."""
_FAINT = 16.0
"""Added to the sum of a descriptor's gradients, in levels of grey: noise is no texture."""
_LEVELS = 127
"""Of a projection's numbers, above zero: 8 bits each."""
_LEAST_VARIANCE = 1e-4
"""Of a word: what is nowhere but in black borders would have none, and float16 holds no larger precisions."""


@keras.saving.register_keras_serializable(package="facerec")
class DenseSift(layers.Layer):  # type: ignore[misc]
    """RootSIFT on a grid; grey float [n, s, s, 1] in [0, 255] to float [n, p, 128], row by row.

    Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004, upright and without a Gaussian window;
    its square root is Arandjelović and Zisserman, "Three things everyone should know to improve object retrieval",
    CVPR 2012.
    """

    def __init__(self, cell: int, step: int, **kwargs: Any) -> None:
        """Choose the grid.

        Args:
            cell: pixels a side of a cell, a multiple of ``step``.
            step: pixels from a descriptor to the next.
            kwargs: of every Keras layer.

        Raises:
            ValueError: the cell is no multiple of the step.
        """
        super().__init__(**kwargs)
        if cell % step:
            raise ValueError(f"cells of {cell} pixels are no multiple of steps of {step}")
        self.cell, self.step = cell, step

    def build(self, images_shape: Shape) -> None:
        size = images_shape[1]
        pixels = np.arange(size)
        self._slope = ((pixels[None] == np.minimum(pixels + 1, size - 1)[:, None]) * 1.0).astype(np.float32)
        self._slope -= pixels[None] == np.maximum(pixels - 1, 0)[:, None]
        # Triangles: a gradient belongs to the cells around it by how near it is to their centres. The grid lies in the
        # middle, so that a mirror image has the same descriptors but for their order.
        start = (size - self.cell) % self.step / 2
        centres = start + (self.cell - 1) / 2 + self.step * np.arange((size - self.cell) // self.step + 1)
        self._pool = np.maximum(0, 1 - np.abs(pixels - centres[:, None]) / self.cell).astype(np.float32)
        self.side = len(centres) - (CELLS - 1) * self.cell // self.step
        middles = start + (CELLS * self.cell - 1) / 2 + self.step * np.arange(self.side)
        x, y = np.meshgrid(middles, middles)
        self.places = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32) / (size - 1) - 0.5

    def call(self, images: Tensor) -> Tensor:
        grey, size = images[..., 0], images.shape[1]
        across, down = ops.matmul(grey, self._slope.T), ops.matmul(self._slope, grey)
        # A gradient between two neighbouring directions is their sum, weighted; these are its parts.
        gradients = ops.stack([across, down], axis=1)
        before, after = (
            ops.reshape(ops.matmul(turn, ops.reshape(gradients, (-1, 2, size * size))), (-1, DIRECTIONS, size, size))
            for turn in (_BEFORE, _AFTER)
        )
        parts = ops.relu(ops.minimum(before, after))
        pooled = ops.matmul(ops.matmul(self._pool, parts), self._pool.T)
        apart, side = self.cell // self.step, self.side
        cells = [
            pooled[:, :, y * apart : y * apart + side, x * apart : x * apart + side]
            for y in range(CELLS)
            for x in range(CELLS)
        ]
        sums = ops.reshape(ops.concatenate(cells, axis=1), (-1, LENGTH, side * side))
        roots = ops.sqrt(sums / (ops.sum(sums, axis=1, keepdims=True) + _FAINT))
        return ops.transpose(roots, (0, 2, 1))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"cell": self.cell, "step": self.step}


@keras.saving.register_keras_serializable(package="facerec")
class Compressed(layers.Layer):  # type: ignore[misc]
    """Descriptors, and a mirror image's, without what says little, and with their places.

    Float [n, p, d] to float [n, 2 p, size + 2].

    Attributes:
        mean: float [d].
        basis: float [d, size].
        places: float [p, 2], x and y in [-0.5, 0.5].
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        """Prepare to leave so many numbers of a descriptor."""
        super().__init__(**kwargs)
        self.size = size

    def build(self, descriptors_shape: Shape) -> None:
        _, count, length = descriptors_shape
        self.mean = self.add_weight(shape=(length,), initializer="zeros", trainable=False, name="mean")
        self.basis = self.add_weight(shape=(length, self.size), initializer="zeros", trainable=False, name="basis")
        self.places = self.add_weight(shape=(count, 2), initializer="zeros", trainable=False, name="places")

    def call(self, descriptors: Tensor) -> Tensor:
        bases, places = (self.basis, ops.take(self.basis, MIRRORED, axis=0)), (self.places, self.places * (-1, 1))
        both = ops.matmul(descriptors, ops.concatenate(bases, axis=1))
        offset = ops.matmul(self.mean[None], self.basis)
        placed = [
            ops.concatenate([reduced - offset, ops.zeros_like(reduced[..., :2]) + place], axis=-1)
            for reduced, place in zip(ops.split(both, 2, axis=-1), places, strict=True)
        ]
        return ops.concatenate(placed, axis=1)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


@keras.saving.register_keras_serializable(package="facerec")
class FisherVector(layers.Layer):  # type: ignore[misc]
    """How descriptors lie about visual words, on average; float [n, p, d] to float [n, words, d].

    Perronnin, Sánchez and Mensink, "Improving the Fisher Kernel for Large-Scale Image Classification", ECCV 2010: the
    part of the gradient that is about the means. Each word's part is of unit length (Arandjelović and Zisserman, "All
    about VLAD", CVPR 2013), so that how often a word is seen says nothing.

    Attributes:
        means: float [words, d].
        precisions: float [words, d], one by the variances.
        logits: float [words], the logarithms of the words' weights, and what of the densities depends on no descriptor.
    """

    def __init__(self, words: int, **kwargs: Any) -> None:
        """Prepare for so many words."""
        super().__init__(**kwargs)
        self.words = words

    def build(self, descriptors_shape: Shape) -> None:
        shape = (self.words, descriptors_shape[-1])
        self.means = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="means")
        self.precisions = self.add_weight(shape=shape, initializer="ones", trainable=False, name="precisions")
        self.logits = self.add_weight(shape=shape[:1], initializer="zeros", trainable=False, name="logits")

    def set(
        self,
        weights: npt.NDArray[np.floating],
        means: npt.NDArray[np.floating],
        variances: npt.NDArray[np.floating],
    ) -> None:
        """Set the words: how often each is seen, float [words], and its mean and variances, float [words, d]."""
        # As they are saved, so that the logits fit them to the last bit.
        precisions = 1 / np.maximum(variances, _LEAST_VARIANCE)
        means, precisions = (values.astype(np.float16).astype(np.float64) for values in (means, precisions))
        self.means.assign(means)
        self.precisions.assign(precisions)
        densities = np.square(means) * precisions - np.log(precisions)
        self.logits.assign(np.log(weights) - densities.sum(axis=1) / 2)

    def call(self, descriptors: Tensor) -> Tensor:
        # With a one behind the numbers a product counts, and adds, too: what takes a pass of its own takes as long.
        counted = ops.concatenate([descriptors, ops.ones_like(descriptors[..., :1])], axis=-1)
        weights = [-self.precisions / 2, self.means * self.precisions, self.logits[:, None]]
        likely = ops.matmul(
            ops.concatenate([ops.square(descriptors), counted], axis=-1),
            ops.transpose(ops.concatenate(weights, axis=-1)),
        )
        shares = ops.transpose(ops.softmax(likely, axis=-1), (0, 2, 1))
        sums = ops.matmul(shares, counted)
        return unit_length((sums[..., :-1] - sums[..., -1:] * self.means) * ops.sqrt(self.precisions))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"words": self.words}


@keras.saving.register_keras_serializable(package="facerec")
class Projection(layers.Layer):  # type: ignore[misc]
    """To an embedding, in numbers of 8 bits; float [n, ...] to float [n, size].

    Attributes:
        kernel: int8 [..., size].
        scale: float [size], of the kernel's columns.
        offset: float [size].
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        """Prepare for embeddings of a size."""
        super().__init__(**kwargs)
        self.size = size

    def build(self, vectors_shape: Shape) -> None:
        shape = (math.prod(vectors_shape[1:]), self.size)
        self.kernel = self.add_weight(shape=shape, dtype="int8", initializer="zeros", trainable=False, name="kernel")
        self.scale = self.add_weight(shape=shape[1:], initializer="ones", trainable=False, name="scale")
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False, name="offset")

    def set(self, kernel: npt.NDArray[np.floating], offset: npt.NDArray[np.floating]) -> None:
        """Set the projection: kernel, float [..., size], is rounded; offset, float [size], is not."""
        scale = np.maximum(np.abs(kernel).max(axis=0), np.finfo(np.float32).tiny) / _LEVELS
        self.kernel.assign(np.rint(kernel / scale).astype(np.int8))
        self.scale.assign(scale)
        self.offset.assign(offset)

    def call(self, vectors: Tensor) -> Tensor:
        # In this order ONNX Runtime reads the kernel at the speed of memory; in the other it takes 1.4 times as long.
        column = ops.reshape(vectors, (-1, self.kernel.shape[0], 1))
        projected = ops.matmul(ops.transpose(ops.cast(self.kernel, "float32")), column)
        return projected[..., 0] * self.scale + self.offset

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


def fisher_network(dictionary: Dictionary, name: str = "fisher") -> keras.Model:
    """Chips to the embeddings of a dictionary, which is to be fitted yet: see ``fisher``.

    A chip's descriptors and its mirror image's are one set, so that both have the same embedding.

    Args:
        dictionary: which.
        name: of the network; those side by side in one have names of their own.

    Returns:
        Chips, uint8 [n, 112, 112, 3] RGB, to embeddings of unit length, float32 [n, size].
    """
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    grey = Grey()(chips)
    scales = [(Resize(size, dictionary.region), DenseSift(dictionary.cell, dictionary.step)) for size in SIZES]
    compressed = Compressed(COMPRESSED, name="compressed")
    x = compressed(layers.concatenate([describe(resize(grey)) for resize, describe in scales], axis=1))
    compressed.places.assign(np.concatenate([describe.places for _, describe in scales]))
    x = FisherVector(dictionary.words, name="fisher_vector")(x)
    x = Projection(dictionary.size, name="projection")(x)
    return keras.Model(chips, UnitLength(name="embedding")(x), name=name)
