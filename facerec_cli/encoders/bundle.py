"""A saved model on disk: read it, write it, verify it, find it by name.

A bundle is a folder with ``model.json`` and ``encoder.onnx``. The graph takes a batch of chips,
uint8 [n, 112, 112, 3] RGB, and gives float32 [n, d]: scaling, resizing and colour are inside it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from facerec_cli.defaults import MODELS, VERSION
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.metric import Comparison, Metric, metric_named
from facerec_cli.errors import (
    DamagedModelError,
    ModelError,
    ModelExistsError,
    ModelRefusedError,
    NoNetworkError,
    UnknownModelError,
)
from facerec_cli.files import new_folder, refusal
from facerec_cli.json_text import json_text

FORMAT = 1
BUNDLED = Path(__file__).parent / "weights"
NETWORK = "network.keras"
"""A trained model's network as Keras saves it."""
TRAINING_PEOPLE = "training_people.txt"
VALIDATION_PEOPLE = "validation_people.txt"
CALIBRATION_PEOPLE = "calibration_people.txt"
"""A line for each person that the model was trained on, that chose its best epoch, or that it was calibrated on, by the
name of their folder."""
CHIP_INPUT: dict[str, Any] = {"shape": [112, 112, 3], "dtype": "uint8", "colour": "RGB", "range": [0, 255]}
"""What every encoder.onnx takes, a chip: stated in model.json so that other programs can run it."""


@dataclass(frozen=True)
class Bundle:
    """A model bundle's model.json, and where it lies.

    Attributes:
        folder: the bundle's folder.
        name: the name people call it by.
        embedding_size: d, the length of an embedding.
        metric: how embeddings are compared: ``cosine``, or ``l1:`` and the SHA-256 of the file with its learned head.
        digest: SHA-256 over encoder.onnx and the input and metric fields, 64 hex digits. Embeddings of two
            digests are never compared.
        sha256: SHA-256 of the bundle's other files, by file name.
        stored_calibration: what ``Calibration.to_json`` gave, or nothing.
        about: what people should know: description, source, licence, training data.
        input: what encoder.onnx takes.
    """

    folder: Path
    name: str
    embedding_size: int
    metric: str
    digest: str
    sha256: dict[str, str]
    stored_calibration: dict[str, Any] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=lambda: dict(CHIP_INPUT))

    @cached_property
    def calibration(self) -> Calibration | None:
        """The model's own calibration, if it has one; read when it is asked for, so that a damaged one can be replaced.

        Raises:
            ModelError: it is damaged.
        """
        if not self.stored_calibration:
            return None
        return Calibration.from_json(self.stored_calibration, f"the model {self.name}")

    def encoder_bytes(self) -> bytes:
        """encoder.onnx, verified against the digest in model.json.

        Raises:
            DamagedModelError: the file is missing or is not the one that model.json describes.
        """
        path = self.folder / "encoder.onnx"
        encoder = _read(path)
        if model_digest(encoder, self.input, self.metric) != self.digest:
            raise _not_described(path)
        return encoder

    def network_bytes(self) -> bytes:
        """network.keras, from which encoder.onnx was exported, verified against model.json.

        Raises:
            NoNetworkError: there is none.
            DamagedModelError: it is not the one that model.json describes.
        """
        if NETWORK not in self.sha256:
            raise NoNetworkError(
                f"The model {self.name} has no {NETWORK}, only its encoder.onnx",
                "export it as ONNX, or choose a model that was trained here",
            )
        return self._verified(NETWORK, self.sha256[NETWORK])

    def load_metric(self) -> Metric:
        """How the model's embeddings are compared.

        Raises:
            DamagedModelError: its file is missing or is not the one that model.json describes.
        """
        try:
            return metric_named(self.metric).read(self.metric, self.embedding_size, self._verified)
        except ValueError as error:
            raise DamagedModelError(f"The metric of {self.folder} is damaged ({error})", "restore the model") from error

    def comparison(self) -> Comparison:
        """What searches among the model's embeddings compare by; errors as ``load_metric``."""
        return Comparison(self.digest, self.load_metric())

    def people(self, list_name: str) -> frozenset[str]:
        """The people that one of the bundle's lists names, such as ``TRAINING_PEOPLE``.

        Raises:
            DamagedModelError: the list is missing or is not the one that model.json describes.
        """
        if list_name not in self.sha256:
            return frozenset()
        listed = self._verified(list_name, self.sha256[list_name])
        return frozenset(name for name in listed.decode(errors="surrogateescape").split("\n") if name)

    def _verified(self, name: str, sha256: str) -> bytes:
        path = self.folder / name
        stored = _read(path)
        if hashlib.sha256(stored).hexdigest() != sha256:
            raise _not_described(path)
        return stored


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DamagedModelError(f"{path} cannot be read ({error.strerror})", "restore the model") from error


def _not_described(path: Path) -> DamagedModelError:
    return DamagedModelError(f"{path} is not the file that its model.json describes", "restore the model")


def model_digest(encoder: bytes, input_spec: dict[str, Any], metric: str) -> str:
    """SHA-256 over the encoder's bytes and the fields that decide what its embeddings mean; 64 hex digits."""
    digest = hashlib.sha256(encoder)
    digest.update(json_text([input_spec, metric], sort_keys=True).encode())
    return digest.hexdigest()


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's model.json.

    Raises:
        ModelError: the folder holds no bundle, a damaged one, or one of a newer format.
    """
    path = folder / "model.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format"]
        if version != FORMAT:
            raise ModelError(f"{path} has format {version}, and this facerec reads format {FORMAT}", "upgrade facerec")
        bundle = Bundle(
            folder=folder,
            name=manifest["name"],
            embedding_size=int(manifest["embedding_size"]),
            metric=manifest["metric"],
            digest=manifest["digest"],
            sha256=manifest["sha256"],
            stored_calibration=manifest["calibration"],
            about=manifest["about"],
            input=manifest["input"],
        )
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror})", "give a model folder or the name of a model"
        ) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DamagedModelError(f"{path} is damaged ({error!r})", "restore the model") from error
    try:
        metric_named(bundle.metric)
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{path} asks for the metric {bundle.metric!r}, unknown here", "upgrade facerec") from error
    return bundle


def write_bundle(
    folder: Path,
    encoder: bytes,
    *,
    embedding_size: int,
    metric: Metric,
    calibration: Calibration | None,
    about: dict[str, Any],
    others: dict[str, bytes],
) -> Bundle:
    """Write a bundle beside its final place and rename it in, so that it is whole or absent.

    Args:
        folder: where it goes; its last part is the model's name. An existing bundle there is replaced.
        encoder: encoder.onnx.
        embedding_size: d.
        metric: how embeddings are compared.
        calibration: the model's own, if it has one.
        about: description, source, licence, training data.
        others: further files (licence, history, network), by name; ``report/roc.png`` is one in a sub-folder.

    Returns:
        The bundle as read back.

    Raises:
        ModelExistsError: the folder exists and is no bundle.
        ModelRefusedError: it cannot be written.
    """
    others = others | dict(metric.files)
    manifest = {
        "format": FORMAT,
        "name": folder.name,
        "input": CHIP_INPUT,
        "embedding_size": embedding_size,
        "metric": metric.name,
        "digest": model_digest(encoder, CHIP_INPUT, metric.name),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(others.items())},
        "version": VERSION,
        "about": about,
        "calibration": calibration.to_json() if calibration else None,
    }
    if folder.exists() and not (folder / "model.json").exists():
        raise ModelExistsError(f"{folder} exists and is no model", "move it away, or choose another name")
    files = {"encoder.onnx": encoder, **others, "model.json": f"{json_text(manifest, indent=2)}\n".encode()}
    try:
        with new_folder(folder) as beside:
            for name, data in files.items():
                (beside / name).parent.mkdir(exist_ok=True)
                (beside / name).write_bytes(data)
    except OSError as error:
        reason, remedy = refusal(error)
        raise ModelRefusedError(
            f"{folder} cannot be written, {reason}, and what was there before is untouched", remedy
        ) from error
    return read_bundle(folder)


def find_bundles(models: Path = Path(MODELS)) -> dict[str, Path]:
    """The models that can be named: those in ``models``, then the bundled ones; name to folder."""
    found: dict[str, Path] = {}
    for place in (models, BUNDLED):
        for manifest in sorted(place.glob("*/model.json")):
            if not manifest.parent.name.startswith("."):  # one that was being written when its writer was killed
                found.setdefault(manifest.parent.name, manifest.parent)
    return found


def resolve_bundle(model: str | Path, models: Path = Path(MODELS)) -> Bundle:
    """Find a model by folder or by name.

    Raises:
        UnknownModelError: there is no such model.
        ModelError: it cannot be read.
    """
    try:
        is_folder = (Path(model) / "model.json").is_file()
    except OSError:  # no file system has so long a name
        is_folder = False
    if is_folder:
        return read_bundle(Path(model))
    known = find_bundles(models)
    if str(model) in known:
        return read_bundle(known[str(model)])
    others = ", ".join(sorted(known))
    raise UnknownModelError(
        f"There is no model named {str(model)[:80]!r}", f"choose one of those there are ({others}), or a folder", others
    )
