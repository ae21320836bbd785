"""Networks: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].

Resizing, colour and scaling are layers of the network, so that the saved model takes chips as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from facerec_cli.training.augmentation import LUMINANCE
from facerec_cli.training.distances import Tensor, unit_length

CHIP_SHAPE = (112, 112, 3)
PLAIN_WIDTHS = (32, 48, 96, 256)
RESIDUAL_BLOCKS = (1, 1, 2, 1)
DROPOUT = 0.1

Shape = tuple[int, ...]
Region: TypeAlias = Sequence[int]
"""Left, top, right and bottom of a part of the chip, in pixels; right and bottom are just outside of it."""
WHOLE = (0, 0, 112, 112)
MIDDLE = (16, 26, 96, 106)
"""From the brows to the chin."""


@keras.saving.register_keras_serializable(package="facerec")
class Resize(layers.Layer):  # type: ignore[misc]
    """Resize a region to a square as Pillow's bilinear filter does; [n, h, w, c] to float [n, size, size, c].

    A matrix over the rows and one over the columns: Keras's backends and ONNX all multiply alike, and all resize
    differently.
    """

    def __init__(self, size: int, region: Region = WHOLE, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.region = size, list(region)

    def build(self, images_shape: Shape) -> None:
        _, height, width, channels = images_shape
        left, top, right, bottom = self.region
        self._rows = triangle_filter(height, top, bottom, self.size)
        # One matrix over columns and channels together: three channels alone are too thin to multiply quickly.
        self._columns = np.kron(triangle_filter(width, left, right, self.size).T, np.eye(channels, dtype=np.float32))

    def call(self, images: Tensor) -> Tensor:
        _, height, width, channels = images.shape
        lines = ops.reshape(ops.cast(images, self.compute_dtype), (-1, height, width * channels))
        lines = ops.matmul(ops.matmul(self._rows, lines), self._columns)
        return ops.reshape(lines, (-1, self.size, self.size, channels))

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"size": self.size, "region": self.region}


def triangle_filter(size: int, start: int, stop: int, resized: int) -> npt.NDArray[np.float32]:
    """The matrix that resizes the pixels from start to stop along an axis of a size, float32 [resized, size].

    Each of its rows is a triangle over two pixels of the coarser grid; what lies outside has no part in it.

    Raises:
        ValueError: there are no such pixels.
    """
    if not 0 <= start < stop <= size:
        raise ValueError(f"{size} pixels have no part from {start} to {stop}")
    scale = (stop - start) / resized
    centres = (np.arange(resized) + 0.5) * scale + start
    pixels = np.arange(size)
    offsets = (pixels + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(0, 1 - np.abs(offsets)) * ((start <= pixels) & (pixels < stop))
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


@keras.saving.register_keras_serializable(package="facerec")
class Mirror(layers.Layer):  # type: ignore[misc]
    """Chips seen in a mirror; [n, h, w, c] to the same."""

    def call(self, chips: Tensor) -> Tensor:
        # ONNX has no flip; what stands for it takes thrice as long as to gather the columns.
        return ops.take(chips, np.arange(chips.shape[2])[::-1], axis=2)


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


def residual(
    size: int = 64,
    width: int = 24,
    embedding: int = 128,
    grey: bool = False,
    regions: Sequence[Region] = (WHOLE,),
    blocks: Sequence[int] = RESIDUAL_BLOCKS,
) -> keras.Model:
    """Compact residual networks with pre-activation, one a region of the face, and embeddings of unit length.

    He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016; its shortcuts average before they halve, as
    in He T. et al., "Bag of Tricks for Image Classification", CVPR 2019; it ends in a global depthwise convolution,
    which unlike a mean knows where in the face a feature lies (Chen et al., "MobileFaceNets", CCBR 2018). Networks for
    several regions side by side are those of Sun et al., "Deep Learning Face Representation from Predicting 10,000
    Classes", CVPR 2014. Their embeddings, each of unit length, make up one, so that its cosine is the mean of theirs.

    Args:
        size: of the resized region.
        width: channels of the first stage; each of the three others doubles them.
        embedding: d, of each region.
        grey: one channel in place of three.
        regions: of the chip, one at least.
        blocks: how many each stage has; none in the first, whose images are largest, is half as much work.

    Raises:
        ValueError: there is no region, or one is not within the chip.
    """
    if not regions:
        raise ValueError("a network sees one region or more")
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    towers = [_residual_tower(_seen(chips, size, grey, region), width, embedding, blocks) for region in regions]
    x = layers.concatenate([UnitLength()(tower) for tower in towers]) if len(towers) > 1 else towers[0]
    return keras.Model(chips, UnitLength(name="embedding", dtype="float32")(x), name="residual")


def mirrored(network: keras.Model) -> keras.Model:
    """An encoder that adds up the embeddings of a chip and of its mirror image, at unit length."""
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    both = layers.add([network(chips), network(Mirror()(chips))])
    return keras.Model(chips, UnitLength(name="embedding")(both), name="mirrored")


def joined(encoders: Sequence[keras.Model]) -> keras.Model:
    """Encoders side by side, whose embeddings are of unit length: the cosine is the mean of theirs."""
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    x = layers.concatenate([encoder(chips) for encoder in encoders])
    return keras.Model(chips, UnitLength(name="embedding")(x), name="joined")


def _residual_tower(x: Tensor, width: int, embedding: int, blocks: Sequence[int]) -> Tensor:
    """A region, float [n, s, s, c], to its embedding, of any length."""
    x = layers.Rescaling(1 / 127.5, -1)(x)
    x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            x = _residual_block(x, width << stage, halve=stage > 0 and block == 0)
    x = layers.DepthwiseConv2D(x.shape[1], use_bias=False)(_normalised(x))
    x = layers.Dense(embedding, use_bias=False)(layers.Flatten()(x))
    return layers.BatchNormalization()(x)


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


def _input(size: int, grey: bool) -> tuple[Tensor, Tensor]:
    """The chips, and what a network sees of them."""
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    return chips, _seen(chips, size, grey)


def _seen(chips: Tensor, size: int, grey: bool, region: Region = WHOLE) -> Tensor:
    """A region of chips, resized: float in [0, 255], [n, size, size, 3], or 1 where grey."""
    return Resize(size, region)(Grey()(chips) if grey else chips)
