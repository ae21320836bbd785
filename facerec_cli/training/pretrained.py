"""The bundled encoder as a network that can be trained further."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import layers
from onnx import numpy_helper

from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import BUNDLED, read_bundle
from facerec_cli.training.distances import Tensor
from facerec_cli.training.networks import CHIP_SHAPE, UnitLength

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Width and stride of each depthwise separable convolution, counted from 2 on in the encoder's names."""
HEAD = "pre_fc1"
"""The fully connected layer: all that a frozen network learns."""
AXES = {layers.Conv2D: (2, 3, 1, 0), layers.DepthwiseConv2D: (2, 3, 0, 1), layers.Dense: (1, 0)}
"""Keras's order of a kernel's axes, which in the encoder are out, in, height, width."""


def pretrained(frozen: bool = False) -> keras.Model:
    """SFace with the bundled encoder's weights, and embeddings of unit length.

    Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE TIP 2021; its body is
    that of Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    arXiv 1704.04861, with PReLU. 112×112 in [-1, 1]; 9,631,680 parameters, an embedding of 128.

    Its batch norms are folded, as in the bundle: convolutions and the fully connected layer have a bias, and the one
    that no such layer precedes is a gain and a bias a channel. Small batches of few people then cannot replace the
    statistics of the data that it was trained on.

    Args:
        frozen: train the fully connected layer alone.
    """
    chips = keras.Input(CHIP_SHAPE, dtype="uint8", name="chips")
    x = layers.Rescaling(1 / 128, -127.5 / 128)(chips)
    x = layers.Conv2D(32, 3, padding="same", name="conv_1_conv2d")(x)
    x = _prelu(x, "conv_1_relu")
    for block, (width, stride) in enumerate(BLOCKS, start=2):
        if stride == 2:
            # The encoder's windows begin at -1; with stride 2, those of padding="same" begin at 0.
            x = layers.ZeroPadding2D(((1, 0), (1, 0)))(x)
        padding = "valid" if stride == 2 else "same"
        x = layers.DepthwiseConv2D(3, stride, padding=padding, name=f"conv_{block}_dw_conv2d")(x)
        x = _prelu(x, f"conv_{block}_dw_relu")
        x = layers.Conv2D(width, 1, name=f"conv_{block}_conv2d")(x)
        x = _prelu(x, f"conv_{block}_relu")
    x = layers.DepthwiseConv2D(1, name="bn1")(x)
    # The fully connected layer's weights go by channel first.
    x = layers.Flatten()(layers.Permute((3, 1, 2))(x))
    x = layers.Dense(128, name=HEAD)(x)
    network = keras.Model(chips, UnitLength(name="embedding", dtype="float32")(x), name="pretrained")
    stored = _stored()
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(_weights(layer, stored))
            layer.trainable = layer.name == HEAD or not frozen
    return network


def _prelu(x: Tensor, name: str) -> Tensor:
    return layers.PReLU(shared_axes=(1, 2), name=name)(x)


def _stored() -> Mapping[str, npt.NDArray[Any]]:
    """The constants of the bundled encoder by name; a model in ./models that has its name does not stand in for it."""
    graph = onnx.load_from_string(read_bundle(BUNDLED / DEFAULT_MODEL).encoder_bytes()).graph
    return {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}


def _weights(layer: layers.Layer, stored: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.float32]]:
    """A layer's weights, as Keras lays them out."""
    if isinstance(layer, layers.PReLU):
        return [stored[f"{layer.name}.slope"].reshape(1, 1, -1)]
    if layer.name == "bn1":
        kernel, bias = stored["bn1.gain"], stored["bn1"]
    else:
        kernel, bias = _dequantised(layer.name, stored), stored[f"{layer.name}.b"]
    return [kernel.transpose(AXES[type(layer)]), bias.ravel()]


def _dequantised(name: str, stored: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """A kernel from 8 bits: each row is cut into equal blocks, and each block has its scale and its zero."""
    levels, scales, zeros = (stored[f"{name}.{part}"] for part in ("q", "scales", "zeros"))
    block = levels.shape[1] // scales.shape[1]
    kernel = (levels - zeros.repeat(block, axis=1).astype(np.float32)) * scales.repeat(block, axis=1)
    return np.asarray(kernel, np.float32).reshape(stored.get(f"{name}.shape", kernel.shape))
