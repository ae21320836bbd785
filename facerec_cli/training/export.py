"""A trained encoder to a model bundle: exported by Keras, held against Keras, written whole or not at all."""

from __future__ import annotations

import csv
import io
import tempfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
from keras import ops

from facerec_cli.encoders.bundle import NETWORK, Bundle, write_bundle
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.onnx_encoder import run_graph
from facerec_cli.errors import ExportError
from facerec_cli.training.history import Epoch
from facerec_cli.training.onnx_graph import canonical, packed
from facerec_cli.training.trainer import Trained

TOLERANCE = 1e-5
"""Largest difference of a coordinate between Keras and ONNX Runtime, of embeddings of unit length."""


def round_to_half(encoder: keras.Model) -> None:
    """Round an encoder's kernels to what float16 holds, so that a bundle is about a third smaller.

    A relative change of 0.0005, or for tiny weights an absolute one of 3e-8, is far below what moves an accuracy; what
    has one axis, such as biases and batch norms, stays as it is.
    """
    for variable in encoder.weights:
        if len(variable.shape) > 1 and variable.dtype == "float32":
            variable.assign(np.float16(ops.convert_to_numpy(variable)).astype(np.float32))


def to_onnx(encoder: keras.Model, chips: npt.NDArray[np.uint8]) -> bytes:
    """Export an encoder, and hold it against Keras.

    Args:
        encoder: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].
        chips: real ones to compare on.

    Raises:
        ExportError: the exported graph gives other embeddings.
    """
    # Keras exports only a model that has been called.
    expected = ops.convert_to_numpy(encoder(chips, training=False))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        with warnings.catch_warnings():
            # Keras patches what tf2onnx needs of an older NumPy, and NumPy says so.
            warnings.simplefilter("ignore", FutureWarning)
            encoder.export(path, format="onnx", verbose=False)
        graph = bytes(canonical(packed(onnx.load(path))).SerializeToString(deterministic=True))
    difference = float(np.abs(run_graph(graph, list(chips)) - expected).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"The exported network differs from the trained one by {difference:.1e}, so no model was written",
            "report it, with the versions of keras and tf2onnx",
        )
    return graph


def _packed(archive: Path) -> bytes:
    """A .keras file, compressed: of weights rounded to float16 half the bits say nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def write_trained(
    folder: Path,
    trained: Trained,
    graph: bytes,
    calibration: Calibration | None,
    about: dict[str, Any],
    lists: Mapping[str, Sequence[str]],
    report: Mapping[str, bytes],
) -> Bundle:
    """Write a bundle: encoder.onnx, network.keras, history.csv, the lists of people and the report.

    Args:
        folder: where it goes.
        trained: the model.
        graph: from ``to_onnx``.
        calibration: on people who were not trained on; None where they were too few.
        about: what people should know.
        lists: people by the name of their list, such as ``TRAINING_PEOPLE``.
        report: further files by name.

    Raises:
        ModelError: the folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / NETWORK
        trained.encoder.save(path)
        network = _packed(path)
    table = io.StringIO()
    writer = csv.DictWriter(table, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in trained.history)
    others = {NETWORK: network, "history.csv": table.getvalue().encode(), **report}
    others |= {
        name: "".join(f"{person}\n" for person in sorted(people)).encode(errors="surrogateescape")
        for name, people in lists.items()
    }
    return write_bundle(
        folder,
        graph,
        embedding_size=int(trained.encoder.output_shape[-1]),
        metric=trained.metric,
        calibration=calibration,
        about=about,
        others=others,
    )
