"""A saved model on disk: read it, write it, verify it, find it by name.

A bundle is a folder with ``model.json`` and ``encoder.onnx``. The graph takes a batch of chips,
uint8 [n, 112, 112, 3] RGB, and gives float32 [n, d]: scaling, resizing and colour are inside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facerec_cli import __version__
from facerec_cli.encoders.metric import L1_FILE, Cosine, LearnedL1, Metric, Space
from facerec_cli.errors import ModelError

FORMAT = 1
BUNDLED = Path(__file__).parent / "weights"
DEFAULT_MODEL = "pretrained"
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
        calibration: see ``evaluation.calibration.Calibration.from_json``.
        about: what people should know: description, source, licence, training data.
        input: what encoder.onnx takes.
    """

    folder: Path
    name: str
    embedding_size: int
    metric: str
    digest: str
    sha256: dict[str, str]
    calibration: dict[str, Any]
    about: dict[str, Any] = field(default_factory=dict)
    input: dict[str, Any] = field(default_factory=lambda: dict(CHIP_INPUT))

    def encoder_bytes(self) -> bytes:
        """encoder.onnx, verified against the digest in model.json.

        Raises:
            ModelError: the file is missing or is not the one that model.json describes.
        """
        path = self.folder / "encoder.onnx"
        try:
            encoder = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path} cannot be read ({error.strerror}): restore the model or choose another with -m."
            ) from error
        if model_digest(encoder, self.input, self.metric) != self.digest:
            raise ModelError(
                f"{path} is not the file that its model.json describes: restore the model or choose another with -m."
            )
        return encoder

    def network_bytes(self) -> bytes:
        """network.keras, from which encoder.onnx was exported, verified against model.json.

        Raises:
            ModelError: there is none, or it is not the one that model.json describes.
        """
        if NETWORK not in self.sha256:
            raise ModelError(
                f"The model {self.name} has no {NETWORK}, only its encoder.onnx: export it as ONNX, or choose a model "
                "that `facerec train` made with -m."
            )
        return self._verified(NETWORK, self.sha256[NETWORK])

    def load_metric(self) -> Metric:
        """How the model's embeddings are compared.

        Raises:
            ModelError: its file is missing or is not the one that model.json describes.
        """
        if self.metric == Cosine.name:
            return Cosine()
        stored = self._verified(L1_FILE, self.metric.partition(":")[2])
        try:
            return LearnedL1.from_bytes(stored, self.embedding_size)
        except ValueError as error:
            raise ModelError(f"{self.folder / L1_FILE} is damaged ({error}): restore the model.") from error

    def space(self) -> Space:
        """The model's embeddings and how they are compared; errors as ``load_metric``."""
        return Space(self.digest, self.load_metric())

    def people(self, list_name: str) -> frozenset[str]:
        """The people that one of the bundle's lists names, such as ``TRAINING_PEOPLE``.

        Raises:
            ModelError: the list is missing or is not the one that model.json describes.
        """
        if list_name not in self.sha256:
            return frozenset()
        listed = self._verified(list_name, self.sha256[list_name])
        return frozenset(name for name in listed.decode(errors="surrogateescape").split("\n") if name)

    def _verified(self, name: str, sha256: str) -> bytes:
        path = self.folder / name
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): restore the model.") from error
        if hashlib.sha256(stored).hexdigest() != sha256:
            raise ModelError(f"{path} is not the file that its model.json describes: restore the model.")
        return stored


def model_digest(encoder: bytes, input_spec: dict[str, Any], metric: str) -> str:
    """SHA-256 over the encoder's bytes and the fields that decide what its embeddings mean; 64 hex digits."""
    digest = hashlib.sha256(encoder)
    digest.update(json.dumps([input_spec, metric], sort_keys=True).encode())
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
            raise ModelError(f"{path} has format {version}, and this facerec reads format {FORMAT}: upgrade facerec.")
        bundle = Bundle(
            folder=folder,
            name=manifest["name"],
            embedding_size=int(manifest["embedding_size"]),
            metric=manifest["metric"],
            digest=manifest["digest"],
            sha256=manifest["sha256"],
            calibration=manifest["calibration"],
            about=manifest["about"],
            input=manifest["input"],
        )
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}): give a model folder or the name of a model."
        ) from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({error!r}): restore the model or choose another with -m.") from error
    if not re.fullmatch("cosine|l1:[0-9a-f]{64}", bundle.metric):
        raise ModelError(f"{path} asks for the metric {bundle.metric!r}, unknown here: upgrade facerec.")
    return bundle


def write_bundle(
    folder: Path,
    encoder: bytes,
    *,
    embedding_size: int,
    metric: Metric,
    calibration: dict[str, Any],
    about: dict[str, Any],
    others: dict[str, bytes],
) -> Bundle:
    """Write a bundle beside its final place and rename it in, so that it is whole or absent.

    Args:
        folder: where it goes; its last part is the model's name. An existing bundle there is replaced.
        encoder: encoder.onnx.
        embedding_size: d.
        metric: how embeddings are compared.
        calibration: as ``Calibration.to_json`` gives it.
        about: description, source, licence, training data.
        others: further files (licence, history, network), by name; ``report/roc.png`` is one in a sub-folder.

    Returns:
        The bundle as read back.

    Raises:
        ModelError: the folder exists and is no bundle, or cannot be written.
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
        "version": __version__,
        "about": about,
        "calibration": calibration,
    }
    if folder.exists() and not (folder / "model.json").exists():
        raise ModelError(f"{folder} exists and is no model: move it away, or choose another name.")
    text = json.dumps(manifest, indent=2) + "\n"
    files = {"encoder.onnx": encoder, **others, "model.json": text.encode()}
    try:
        _put_in_place(folder, files)
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be written ({error.strerror}), and what was there before is untouched: free some space, "
            "or make the folder writable."
        ) from error
    return read_bundle(folder)


def _put_in_place(folder: Path, files: dict[str, bytes]) -> None:
    """Write a folder's files beside it, and rename it in."""
    import shutil  # noqa: PLC0415 - these two are slow to import, and reading needs neither
    import tempfile  # noqa: PLC0415

    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in files.items():
            (beside / name).parent.mkdir(exist_ok=True)
            (beside / name).write_bytes(data)
        beside.chmod(0o755)
        old = beside.with_name(f"{beside.name}-old")
        if folder.exists():
            folder.replace(old)
        try:
            beside.replace(folder)
        except BaseException:
            if old.exists():
                old.replace(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def find_bundles(models: Path = Path("models")) -> dict[str, Path]:
    """The models that can be named with -m: those in ``models``, then the bundled ones; name to folder."""
    found: dict[str, Path] = {}
    for place in (models, BUNDLED):
        for manifest in sorted(place.glob("*/model.json")):
            if not manifest.parent.name.startswith("."):  # one that was being written when its writer was killed
                found.setdefault(manifest.parent.name, manifest.parent)
    return found


def resolve_bundle(model: str | Path, models: Path = Path("models")) -> Bundle:
    """Find a model by folder or by name.

    Raises:
        ModelError: there is no such model (the sentence lists those that exist), or it cannot be read.
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
    raise ModelError(
        f"There is no model named {str(model)[:80]!r}: choose one of those there are ({', '.join(sorted(known))}) "
        "with -m, or give a model's folder."
    )
