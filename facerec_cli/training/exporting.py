"""A model's network for other programs, in the place that somebody names; only ONNX needs no Keras."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

from facerec_cli.encoders.bundle import Bundle
from facerec_cli.encoders.graph import read_graph
from facerec_cli.errors import ExportPlaceError
from facerec_cli.files import refusal, write_file

ExportFormat = Literal["onnx", "litert", "savedmodel"]


def export_model(bundle: Bundle, file_format: ExportFormat, out: Path) -> None:
    """Write a model's network: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float32 [n, d].

    Args:
        bundle: the model.
        file_format: ONNX; LiteRT, which was TensorFlow Lite; TensorFlow's SavedModel, which is a folder.
        out: appears whole or not at all; an existing file, or an empty folder, is replaced.

    Raises:
        ExportPlaceError: something else is there, or it cannot be written.
        ModelError: the model has no network in that format.
        ExportError: the result gives other embeddings.
    """
    place = check_place(file_format, out)
    try:
        if file_format == "onnx":
            write_file(place, read_graph(bundle))
        else:
            from facerec_cli.training.formats import write_litert, write_savedmodel  # noqa: PLC0415 - imports Keras

            (write_litert if file_format == "litert" else write_savedmodel)(bundle, place)
    except OSError as error:
        raise _not_written(out, error) from error


def check_place(file_format: ExportFormat, out: Path) -> Path:
    """Where a network goes, before Keras is imported: ``out``, or what it links to; errors as ``export_model``."""
    is_folder = file_format == "savedmodel"
    # A link stays, and what it points to is replaced.
    place = Path(os.path.realpath(out))
    try:
        if is_folder and place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise ExportPlaceError(f"{out} exists and is no empty folder", "move it away")
        if not is_folder and place.exists() and not place.is_file():
            raise ExportPlaceError(f"{out} exists and is no file", "move it away")
        if not place.parent.is_dir():
            raise ExportPlaceError(f"{out} cannot be written, {out.parent} is no folder", "make that folder first")
        if not os.access(place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _not_written(out, error) from error
    return place


def _not_written(out: Path, error: OSError) -> ExportPlaceError:
    reason, remedy = refusal(error)
    return ExportPlaceError(f"{out} cannot be written, {reason}", remedy)
