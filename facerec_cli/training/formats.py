"""A model's network in the formats of other programs, made by Keras and held against encoder.onnx."""

from __future__ import annotations

import errno
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import BUNDLED, NETWORK, Bundle, read_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import ExportError, ModelError
from facerec_cli.files import new_folder, write_file
from facerec_cli.training import (
    descriptors,  # noqa: F401 - Keras knows its layers once it is imported
    networks,
)
from facerec_cli.training.pretrained import pretrained

TOLERANCE = 1e-4
"""Largest difference of a coordinate between encoder.onnx and another format, embeddings scaled for the metric."""
_CHECKED = 4
"""Chips on which they are compared, also as one batch."""


def write_litert(bundle: Bundle, path: Path) -> None:
    """Write a model's network for LiteRT, which was TensorFlow Lite, with the operations that every LiteRT has.

    Args:
        bundle: the model.
        path: the file, which appears whole or not at all; for a while a folder lies beside it.

    Raises:
        ModelError: the model has no network that Keras can load.
        ExportError: the result gives other embeddings.
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        _save(load_network(bundle), Path(folder))
        graph = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    with warnings.catch_warnings():
        # TensorFlow's own would like to be replaced by the package ai-edge-litert, which runs the same.
        warnings.simplefilter("ignore")
        run = tf.lite.Interpreter(model_content=graph).get_signature_runner()
    _compare(bundle, lambda chips: run(chips=chips)["output_0"])
    write_file(path, graph)


def write_savedmodel(bundle: Bundle, folder: Path) -> None:
    """Write a model's network as a TensorFlow SavedModel; arguments and errors as ``write_litert``."""
    with new_folder(folder) as beside:
        _save(load_network(bundle), beside)
        loaded = tf.saved_model.load(str(beside))  # its functions lose their weights with it
        _compare(bundle, loaded.serve)


def load_network(bundle: Bundle) -> keras.Model:
    """The network that a model's encoder.onnx was made from; the bundled one's is built from its encoder.onnx.

    Raises:
        ModelError: there is none, it is damaged, or it is made of what neither this Keras nor facerec has.
    """
    if bundle.digest == read_bundle(BUNDLED / DEFAULT_MODEL).digest:
        return pretrained()
    stored = bundle.network_bytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NETWORK
        path.write_bytes(stored)
        try:
            # In safe mode a network brings no code of its own.
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"Keras {keras.__version__} cannot load {bundle.folder / NETWORK}",
                "install the version that it was trained with, or export the model as ONNX",
            ) from error


def _save(network: keras.Model, folder: Path) -> None:
    try:
        network.export(folder, format="tf_saved_model", verbose=False)
    except tf.errors.OpError as error:
        # TensorFlow has errors of its own where files cannot be written; their text is not for people.
        number = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def _compare(bundle: Bundle, run: Callable[[npt.NDArray[np.uint8]], Any]) -> None:
    """Hold what runs a network, uint8 [n, 112, 112, 3] to float32 [n, d], against the model's encoder.onnx."""
    chips = np.random.default_rng(0).integers(0, 256, (_CHECKED, *networks.CHIP_SHAPE), dtype=np.uint8)
    expected = load_encoder(bundle).encode(list(chips))
    computed = bundle.load_metric().scaled(np.asarray(run(chips)))
    difference = float(np.abs(computed - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"What Keras {keras.__version__} made of {bundle.name} differs from its encoder.onnx by {difference:.1e}, "
            "so nothing was written",
            "export the model as ONNX, and report this",
        )
