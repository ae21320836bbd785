from __future__ import annotations

import importlib.util
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras", reason="training needs the extra `train`")

import keras

from facerec_cli.cli.models import command
from facerec_cli.encoders.bundle import BUNDLED, NETWORK, Bundle, read_bundle, write_bundle
from facerec_cli.encoders.metric import Cosine
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import DamagedModelError, ExportError, ExportPlaceError, ModelError
from facerec_cli.training import formats, networks
from facerec_cli.training.dictionary import Dictionary
from facerec_cli.training.export import to_onnx
from facerec_cli.training.fisher import fit
from facerec_cli.training.networks import mirrored
from tests.conftest import Run
from tests.docs import blocks
from tests.training import support

PAGE = "docs/export.md"
CHIPS = np.random.default_rng(7).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


def call(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def export(model: Path, file_format: str, out: Path) -> None:
    """What `facerec models export` does, in this process."""
    command.main(["export", "-m", str(model), "--format", file_format, "--out", str(out)], standalone_mode=False)


def saved(network: Any, folder: Path) -> bytes:
    network.save(folder / NETWORK)
    return (folder / NETWORK).read_bytes()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A tiny model that nobody trained, with a dictionary of visual words."""
    keras.utils.set_random_seed(0)
    words = fit(Dictionary(cell=12, step=12, words=4, size=8), support.CHIPS, *support.DATA.source.labelled, seed=0)
    encoder = networks.joined([mirrored(networks.residual(size=32, width=4, embedding=16)), words])
    folder = tmp_path_factory.mktemp("export")
    return write_bundle(
        folder / "models" / "saved_best",
        to_onnx(encoder, CHIPS),
        embedding_size=24,
        metric=Cosine(),
        # Another model's, since verify asks for one.
        calibration=read_bundle(BUNDLED / "pretrained").calibration,
        about={},
        others={NETWORK: saved(encoder, tmp_path_factory.mktemp("network"))},
    )


@pytest.fixture(scope="module")
def exported(bundle: Bundle, samples: Path, facerec_path: str) -> Path:
    """A folder in which the page's commands, and its first piece of Python, have been run on two photos."""
    folder = bundle.folder.parents[1]
    shutil.copy(samples / "jacinda_ardern_2018.jpg", folder / "one.jpg")
    shutil.copy(samples / "jacinda_ardern_2022.jpg", folder / "other.jpg")
    (commands,) = blocks(PAGE, "bash")
    for line in commands.splitlines():
        call([facerec_path, *shlex.split(line)[1:]], folder)
    call([sys.executable, "-c", blocks(PAGE, "python")[0]], folder)
    return folder


def with_files(bundle: Bundle, folder: Path, others: dict[str, bytes]) -> Bundle:
    """The same encoder with other files beside it."""
    return write_bundle(
        folder / "changed",
        bundle.encoder_bytes(),
        embedding_size=24,
        metric=Cosine(),
        calibration=None,
        about={},
        others=others,
    )


def test_every_format_gives_the_embeddings_of_onnx(bundle: Bundle, exported: Path) -> None:
    import tensorflow as tf

    left = {path.name for path in exported.iterdir()} - {"models", "one.jpg", "other.jpg", "chips.npy"}
    assert left == {"encoder.onnx", "encoder.tflite", "encoder"}
    assert (exported / "encoder.onnx").read_bytes() == bundle.encoder_bytes()
    expected = load_encoder(bundle).encode(list(CHIPS))
    litert = tf.lite.Interpreter(str(exported / "encoder.tflite")).get_signature_runner()
    savedmodel = tf.saved_model.load(str(exported / "encoder"))
    for chips in (CHIPS, CHIPS[:1]):
        for found in (litert(chips=chips)["output_0"], savedmodel.serve(chips).numpy()):
            assert found.dtype == np.float32
            assert found == pytest.approx(expected[: len(chips)], abs=1e-4)


@pytest.mark.parametrize("library", ["onnxruntime", "ai_edge_litert", "tensorflow"])
def test_the_pages_programs_print_the_distance_of_verify(library: str, exported: Path, facerec: Run) -> None:
    _, *programs = blocks(PAGE, "python")
    assert len(programs) == 3
    if not importlib.util.find_spec(library):
        pytest.skip(f"{library} is not installed")
    (program,) = (program for program in programs if f"import {library}" in program or f"from {library}" in program)
    photos = ("one.jpg", "other.jpg", "-m", "saved_best", "--threshold", "1", "--format", "json")
    verified = json.loads(facerec("verify", *photos, cwd=exported).stdout)
    distance = float(call([sys.executable, "-c", program], exported))
    assert distance == pytest.approx(verified["distance"], abs=1e-4)


def test_the_bundled_model_has_a_network_too() -> None:
    assert formats.load_network(read_bundle(BUNDLED / "pretrained")).output_shape == (None, 128)


@pytest.mark.slow
def test_the_bundled_model_exports_to_every_format(tmp_path: Path) -> None:
    bundled = read_bundle(BUNDLED / "pretrained")
    formats.write_litert(bundled, tmp_path / "encoder.tflite")
    formats.write_savedmodel(bundled, tmp_path / "encoder")
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.tflite", "encoder"}


def test_a_model_without_its_network_says_what_to_do(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no network\.keras"):
        formats.load_network(with_files(bundle, tmp_path, {}))


def test_a_damaged_network_is_one_sentence_and_leaves_nothing(bundle: Bundle, tmp_path: Path) -> None:
    model = shutil.copytree(bundle.folder, tmp_path / "model")
    stored = bytearray((model / NETWORK).read_bytes())
    stored[len(stored) // 2] ^= 1
    (model / NETWORK).write_bytes(stored)
    out = tmp_path / "encoder.tflite"
    out.write_bytes(b"before")
    with pytest.raises(DamagedModelError, match=r"network\.keras is not the file that its model\.json describes$"):
        export(model, "litert", out)
    assert out.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"model", "encoder.tflite"}


def test_a_network_with_code_in_it_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    chips = keras.Input(networks.CHIP_SHAPE, dtype="uint8", name="chips")
    network = keras.Model(chips, keras.layers.Lambda(lambda pixels: pixels[:, 0, 0])(chips))
    with pytest.raises(ModelError, match=r"cannot load .*network\.keras$"):
        formats.load_network(with_files(bundle, tmp_path, {NETWORK: saved(network, tmp_path)}))


def test_other_embeddings_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ExportError, match=r"differs from its encoder\.onnx by"):
        formats._compare(bundle, lambda chips: np.eye(len(chips), 24, dtype=np.float32))


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond a thousand bytes, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_tensorflow_cannot_write_is_an_error_of_the_system(small_files: None, tmp_path: Path) -> None:
    chips = keras.Input(networks.CHIP_SHAPE, dtype="uint8", name="chips")
    network = keras.Model(chips, networks.Grey()(chips))
    with pytest.raises(OSError, match="error"):
        formats._save(network, tmp_path / "encoder")


def test_a_full_disk_leaves_what_was_there(small_files: None, bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "encoder.onnx"
    out.write_bytes(b"before")
    with pytest.raises(ExportPlaceError, match="cannot be written, the disk is full"):
        export(bundle.folder, "onnx", out)
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def refused(done: subprocess.CompletedProcess[str], about: str) -> None:
    """One sentence, and nothing else."""
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Error: ")
    assert about in sentence


@pytest.mark.parametrize("file_format", ["onnx", "savedmodel"])
def test_places_that_cannot_be_written_are_told_before_any_work(file_format: str, facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").touch()
    export = ("models", "export", "--format", file_format, "--out")
    refused(facerec(*export, "nowhere/encoder"), "nowhere/encoder cannot be written, nowhere is no folder")
    refused(facerec(*export, "full/photo.jpg/encoder"), "cannot be written, full/photo.jpg is no folder")
    refused(facerec(*export, "full"), "full exists and is no")
    refused(facerec(*export, "/dev/null"), "/dev/null exists and is no")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "photo.jpg"]


def test_files_and_empty_folders_are_replaced(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    export(bundle.folder, "onnx", tmp_path / "link")
    export(bundle.folder, "savedmodel", tmp_path / "folder")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == bundle.encoder_bytes()
    assert (tmp_path / "folder" / "saved_model.pb").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder", "link"}


def test_only_onnx_needs_no_keras(facerec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('No module named ...')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert facerec("models", "export", "--out", "encoder.onnx").returncode == 0
    done = facerec("models", "export", "--format", "litert", "--out", "encoder.tflite")
    refused(done, "Exporting to litert needs Keras")
    assert "facerec[train]" in done.stderr
