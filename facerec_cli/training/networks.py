"""Networks: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].

Resizing, colour and scaling are layers of the network, so that the saved model takes chips as they are.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from facerec_cli.training.augmentation import LUMINANCE
from facerec_cli.training.distances import Tensor, unit_length

CHIP_SHAPE = (112, 112, 3)
PLAIN_WIDTHS = (32, 48, 96, 256)
RESIDUAL_BLOCKS = (1, 1, 2, 2)
DROPOUT = 0.1

Shape = tuple[int, ...]


@keras.saving.register_keras_serializable(package="facerec")
class Resize(layers.Layer):  # type: ignore[misc]
    """Resize to a square as Pillow's bilinear filter does, antialiased; [n, h, w, c] to float [n, size, size, c].

    A matrix over the rows and one over the columns: Keras's backends and ONNX all multiply alike, and all resize
    differently.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def build(self, images_shape: Shape) -> None:
        _, height, width, channels = images_shape
        self._rows = triangle_filter(height, self.size)
        # One matrix over columns and channels together: three channels alone are too thin to multiply quickly.
        self._columns = np.kron(triangle_filter(width, self.size).T, np.eye(channels, dtype=np.float32))

    def call(self, images: Tensor) -> Tensor:
        _, height, width, channels = images.shape
        lines = ops.reshape(ops.cast(images, self.compute_dtype), (-1, height, width * channels))
        lines = ops.matmul(ops.matmul(self._rows, lines), self._columns)
        return ops.reshape(lines, (-1, self.size, self.size, channels))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size}


def triangle_filter(size: int, resized: int) -> npt.NDArray[np.float32]:
    """The matrix of a resize along one axis, float32 [resized, size]: triangles over two pixels of the coarser grid."""
    scale = size / resized
    centres = (np.arange(resized) + 0.5) * scale
    offsets = (np.arange(size) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(0, 1 - np.abs(offsets))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


@keras.saving.register_keras_serializable(package="facerec")
class Grey(layers.Layer):  # type: ignore[misc]
    """RGB to grey; [n, h, w, 3] to float [n, h, w, 1]."""

    def call(self, images: Tensor) -> Tensor:
        return ops.matmul(ops.cast(images, self.compute_dtype), LUMINANCE[:, None].astype(np.float32))


@keras.saving.register_keras_serializable(package="facerec")
class UnitLength(layers.Layer):  # type: ignore[misc]
    """Scale embeddings to length one; float [n, d] to float [n, d]."""

    def call(self, embeddings: Tensor) -> Tensor:
        return unit_length(embeddings)


def koch(grey: bool = False, weight_decay: float = 0.0) -> keras.Model:
    """Koch, Zemel and Salakhutdinov, "Siamese Neural Networks for One-shot Image Recognition", 2015.

    100×100 in [0, 1]; 38,960,448 parameters in colour, an embedding of 4096 in [0, 1].

    Args:
        grey: one channel in place of three.
        weight_decay: of the L2 penalty on every kernel, which the model adds to its ``losses``.
    """
    penalty = keras.regularizers.L2(weight_decay) if weight_decay else None
    chips, x = _input(100, grey)
    x = layers.Rescaling(1 / 255)(x)
    for width, kernel in ((64, 10), (128, 7), (128, 4)):
        x = layers.Conv2D(width, kernel, activation="relu", kernel_regularizer=penalty)(x)
        x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Conv2D(256, 4, activation="relu", kernel_regularizer=penalty)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(4096, activation="sigmoid", kernel_regularizer=penalty, name="embedding")(x)
    return keras.Model(chips, x, name="koch")


def plain(size: int = 64, grey: bool = False, embedding: int = 128, unit: bool = False) -> keras.Model:
    """Blocks of convolution, batch norm, ReLU, max pool and dropout, and a fully connected embedding.

    Args:
        size: of the resized chip; a multiple of 16 wastes nothing.
        grey: one channel in place of three.
        embedding: d.
        unit: embeddings of unit length.
    """
    chips, x = _input(size, grey)
    x = layers.Rescaling(1 / 127.5, -1)(x)
    for width in PLAIN_WIDTHS:
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(2)(_normalised(x))
        x = layers.Dropout(DROPOUT)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(embedding, name="fully_connected" if unit else "embedding")(x)
    return keras.Model(chips, UnitLength(name="embedding", dtype="float32")(x) if unit else x, name="plain")


def residual(size: int = 64, width: int = 24, embedding: int = 128, grey: bool = False) -> keras.Model:
    """A compact residual network with pre-activation, and embeddings of unit length.

    He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016; its shortcuts average before they halve, as
    in He T. et al., "Bag of Tricks for Image Classification", CVPR 2019; it ends in a global depthwise convolution,
    which unlike a mean knows where in the face a feature lies (Chen et al., "MobileFaceNets", CCBR 2018).

    Args:
        size: of the resized chip.
        width: channels of the first stage; each of the three others doubles them.
        embedding: d.
        grey: one channel in place of three.
    """
    chips, x = _input(size, grey)
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
    for stage, blocks in enumerate(RESIDUAL_BLOCKS):
        for block in range(blocks):
            x = _residual_block(x, width << stage, halve=stage > 0 and block == 0)
    x = layers.DepthwiseConv2D(x.shape[1], use_bias=False)(_normalised(x))
    x = layers.Dense(embedding, use_bias=False)(layers.Flatten()(x))
    x = layers.BatchNormalization()(x)
    return keras.Model(chips, UnitLength(name="embedding", dtype="float32")(x), name="residual")


def _residual_block(x: Tensor, width: int, halve: bool) -> Tensor:
    y = _normalised(x)
    if halve:
        x = layers.AveragePooling2D(2, padding="same")(y)
        x = layers.Conv2D(width, 1, use_bias=False)(x)
    y = layers.Conv2D(width, 3, 2 if halve else 1, padding="same", use_bias=False)(y)
    y = layers.Conv2D(width, 3, padding="same", use_bias=False)(_normalised(y))
    return layers.add([x, y])


def _normalised(x: Tensor) -> Tensor:
    return layers.ReLU()(layers.BatchNormalization()(x))


def _input(size: int, grey: bool = False) -> tuple[Tensor, Tensor]:
    """The chips, and what a network sees of them: float in [0, 255], [n, size, size, 3], or 1 where grey."""
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    return chips, Resize(size)(Grey()(chips) if grey else chips)
