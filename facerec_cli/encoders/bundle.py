"""A saved model on disk: read it, write it, verify it, find it by name.

A bundle is a folder with ``model.json`` and ``encoder.onnx``. The graph takes a batch of chips,
uint8 [n, 112, 112, 3] RGB, and gives float32 [n, d]: scaling, resizing and colour are inside it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from facerec_cli.defaults import MODELS, VERSION
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.encoder import enrolled_views
from facerec_cli.encoders.metric import Comparison, Metric, metric_named
from facerec_cli.errors import (
    DamagedModelError,
    ModelError,
    ModelExistsError,
    ModelRefusedError,
    NoNetworkError,
    UnknownModelError,
)
from facerec_cli.files import finish_folders, new_folder, refusal
from facerec_cli.json_text import json_text
from facerec_cli.untrusted import Fields, check_plain, is_plain, parsed, plain, regular_bytes

FORMAT = 1
ENCODER = "encoder.onnx"
MANIFEST = "model.json"
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
_MOST_BYTES = 2**31 - 1
"""Of a file: an ONNX file cannot have more."""
_MOST_MANIFEST = 2**20
_SHA256 = "[0-9a-f]{64}"
_LONGEST_EMBEDDING = 100_000


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
    _carried: ClassVar[Mapping[str, bytes]] = {}
    """Files that came along from another machine, by name."""

    def __getstate__(self) -> dict[str, Any]:
        """Pickled it goes to another machine, which may not have the folder: with the files that embedding takes."""
        return vars(self) | {"_carried": {ENCODER: self.encoder_bytes(), **self.load_metric().files}}

    @cached_property
    def calibration(self) -> Calibration | None:
        """The model's own calibration, if it has one; read when it is asked for, so that a damaged one can be replaced.

        Raises:
            ModelError: it is damaged.
        """
        if not self.stored_calibration:
            return None
        calibration = Calibration.from_json(self.stored_calibration, f"the model {self.name}")
        if calibration.prior and not metric_named(self.metric).has_centre:
            raise ModelError(f"The calibration of the model {self.name} is of another metric", "calibrate again")
        return calibration

    def encoder_bytes(self) -> bytes:
        """encoder.onnx, verified against the digest in model.json.

        Raises:
            DamagedModelError: the file is missing or is not the one that model.json describes.
        """
        encoder = self._read(ENCODER)
        if model_digest(encoder, self.input, self.metric) != self.digest:
            raise _not_described(self.folder / ENCODER)
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

    def others(self) -> dict[str, bytes]:
        """All files besides model.json and encoder.onnx, verified against model.json, by name.

        Raises:
            DamagedModelError: one is missing or is not the one that model.json describes.
        """
        return {name: self._verified(name, sha256) for name, sha256 in self.sha256.items()}

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
        """What searches among enrolled faces compare by; errors as ``load_metric``."""
        metric = self.load_metric()
        return Comparison(hashlib.sha256(f"{self.digest} {enrolled_views(metric)}".encode()).hexdigest(), metric)

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
        stored = self._read(name)
        if hashlib.sha256(stored).hexdigest() != sha256:
            raise _not_described(self.folder / name)
        return stored

    def _read(self, name: str) -> bytes:
        """A file of the bundle's own, in its folder or a folder in it, and never what a link names."""
        if name in self._carried:
            return self._carried[name]
        path = self.folder / name
        try:
            if path.parent != self.folder and path.parent.is_symlink():
                raise OSError(errno.ELOOP, "its folder is a link", str(path))
            return regular_bytes(path, _MOST_BYTES)
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
    path = folder / MANIFEST
    try:
        fields = Fields(parsed(regular_bytes(path, _MOST_MANIFEST)), MANIFEST)
        version = fields.whole("format", 1)
        if version != FORMAT:
            raise ModelError(f"{path} has format {version}, and this facerec reads format {FORMAT}", "upgrade facerec")
        name, metric = fields.text("name", 255), fields.text("metric", 100)
        digest = _digest(fields, "digest")
        bundle = Bundle(
            folder=folder,
            name=name,
            embedding_size=fields.whole("embedding_size", 1, _LONGEST_EMBEDDING),
            metric=metric,
            digest=digest,
            sha256=_sums(fields.within("sha256")),
            stored_calibration=fields.any("calibration"),
            about=fields.within("about").values,
            input=fields.within("input").values,
        )
        check_plain(bundle.about)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror})", "give a model folder or the name of a model"
        ) from error
    except ValueError as error:
        raise DamagedModelError(f"{path} is damaged ({error})", "restore the model") from error
    if bundle.input != CHIP_INPUT:
        raise ModelError(f"{path} asks for another input than facerec's chips", "upgrade facerec")
    try:
        metric_named(bundle.metric)
    except ValueError as error:
        raise ModelError(f"{path} asks for the metric {bundle.metric!r}, unknown here", "upgrade facerec") from error
    return bundle


def _sums(fields: Fields) -> dict[str, str]:
    """SHA-256 by file name, of files that can only be the bundle's own."""
    for name in fields.values:
        if not _is_own(name):
            raise ValueError("it names a file that a model cannot have")
    return {name: _digest(fields, name) for name in fields.values}


def _digest(fields: Fields, name: str) -> str:
    value = fields.text(name, 64)
    if not re.fullmatch(_SHA256, value):
        raise ValueError(f"{name} is no SHA-256")
    return value


def _is_own(name: str) -> bool:
    """Whether a file of that name lies in a bundle's folder or a folder in it, and is one of the others there."""
    parts = name.split("/")
    return (
        len(parts) <= 2
        and all(0 < len(part) <= 255 and not part.startswith(".") for part in parts)
        and not set(name) & set("\\:\0")
        and is_plain(name)
        and parts[0] not in (MANIFEST, ENCODER)
    )


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
    if folder.name in ("", ".."):
        folder = folder.resolve()
    others = others | dict(metric.files)
    manifest = {
        "format": FORMAT,
        "name": plain(folder.name),
        "input": CHIP_INPUT,
        "embedding_size": embedding_size,
        "metric": metric.name,
        "digest": model_digest(encoder, CHIP_INPUT, metric.name),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(others.items())},
        "version": VERSION,
        "about": plain(about),
        "calibration": plain(calibration.to_json()) if calibration else None,
    }
    files = {ENCODER: encoder, **others, MANIFEST: f"{json_text(manifest, indent=2)}\n".encode()}
    try:
        if folder.exists() and not (folder / MANIFEST).exists():
            raise ModelExistsError(f"{folder} exists and is no model", "move it away, or choose another name")
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
    _finish(models)
    found: dict[str, Path] = {}
    for place in (models, BUNDLED):
        for folder in _folders(place):
            # One with a leading dot was being written when its writer was killed.
            if not folder.name.startswith(".") and _may_hold_model(folder):
                found.setdefault(folder.name, folder)
    return found


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(path for path in place.iterdir() if path.is_dir())
    except OSError:  # not there, or not for this user
        return []


def _may_hold_model(folder: Path) -> bool:
    """Whether a folder has a model.json, be it a bad one; one that the user may not look into is a bad one too."""
    try:
        (folder / MANIFEST).lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):  # no file system has such a name
        return False
    return True


def _finish(place: Path) -> None:
    """Finish the replacing of models that was killed; where that is for others to do, they stay missing till then."""
    with contextlib.suppress(OSError):
        finish_folders(place)


def resolve_bundle(model: str | Path, models: Path = Path(MODELS)) -> Bundle:
    """Find a model by folder or by name.

    Raises:
        UnknownModelError: there is no such model.
        ModelError: it cannot be read.
    """
    folder = Path(model)
    if _may_hold_model(folder):
        return read_bundle(folder)
    known = find_bundles(models)
    if str(model) in known:
        return read_bundle(known[str(model)])
    _finish(folder.parent)
    if _may_hold_model(folder):
        return read_bundle(folder)
    others = ", ".join(sorted(known))
    raise UnknownModelError(
        f"There is no model named {str(model)[:80]!r}", f"choose one of those there are ({others}), or a folder", others
    )
