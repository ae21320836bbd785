from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facerec_cli import files
from facerec_cli.cli.remedies import sentence
from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import (
    BUNDLED,
    CALIBRATION_PEOPLE,
    CHIP_INPUT,
    FORMAT,
    TRAINING_PEOPLE,
    Bundle,
    find_bundles,
    model_digest,
    read_bundle,
    resolve_bundle,
    write_bundle,
)
from facerec_cli.encoders.calibration import Calibration, Curve
from facerec_cli.encoders.cohort import Prior
from facerec_cli.encoders.metric import Cosine, LearnedL1, Metric
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import ModelError, UnknownModelError
from facerec_cli.recognition.recognizer import Recognizer
from tests.calibrations import SOURCE, calibrated

CURVE = Curve((0.1, 0.01), (0.8, 0.7), 30.0)
CALIBRATION = calibrated(CURVE)


def write(folder: Path, encoder: bytes = b"an encoder", **changes: Any) -> Bundle:
    settings: dict[str, Any] = {
        "embedding_size": 4,
        "metric": Cosine(),
        "calibration": CALIBRATION,
        "about": {"description": "made by a test"},
        "others": {"LICENSE": b"free"},
    }
    return write_bundle(folder, encoder, **(settings | changes))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_one_sentence(error: ModelError, about: Path | str) -> None:
    text = sentence(error)
    assert str(about) in text
    rest = text.replace(str(about), "")
    assert rest.endswith(".")
    assert not re.search(r"[.!?]\s", rest), text
    assert "\n" not in rest


def damage(folder: Path, **changes: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


# ------------------------------------------------------------------ written and read back


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = write(tmp_path / "models" / "mine")
    assert read_bundle(tmp_path / "models" / "mine") == written
    assert written.name == "mine"
    assert written.embedding_size == 4
    assert written.metric == "cosine"
    assert written.calibration == CALIBRATION
    assert written.about == {"description": "made by a test"}
    assert written.input == CHIP_INPUT
    assert written.encoder_bytes() == b"an encoder"
    assert content(tmp_path / "models" / "mine").keys() == {"model.json", "encoder.onnx", "LICENSE"}
    assert (tmp_path / "models" / "mine" / "LICENSE").read_bytes() == b"free"
    assert written.sha256 == {"LICENSE": "ad95d5fa651ba86d8923fe1238d24a4f1988a752acfe426ac72ac7c04471bc17"}
    manifest = json.loads((tmp_path / "models" / "mine" / "model.json").read_text(encoding="utf-8"))
    assert manifest["format"] == FORMAT


def test_the_digest_depends_on_all_that_decides_what_an_embedding_means() -> None:
    digest = model_digest(b"encoder", CHIP_INPUT, "cosine")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert digest == model_digest(b"encoder", dict(reversed(CHIP_INPUT.items())), "cosine")
    others = {
        model_digest(b"another", CHIP_INPUT, "cosine"),
        model_digest(b"encoder", CHIP_INPUT | {"colour": "BGR"}, "cosine"),
        model_digest(b"encoder", CHIP_INPUT, "euclidean"),
    }
    assert len(others | {digest}) == 4


def test_the_digest_does_not_depend_on_name_or_calibration(tmp_path: Path) -> None:
    assert write(tmp_path / "one").digest == write(tmp_path / "other", calibration=None, about={}, others={}).digest


def test_a_bundle_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "mine", others={"old.csv": b"1,2"})
    replaced = write(tmp_path / "mine", b"a better encoder")
    assert replaced.encoder_bytes() == b"a better encoder"
    assert content(tmp_path / "mine").keys() == {"model.json", "encoder.onnx", "LICENSE"}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


class Stopped(Exception):
    """What a full disc or a Ctrl-C does."""


def stop(*arguments: object, **options: object) -> int:
    raise Stopped


def stop_renaming(patched: pytest.MonkeyPatch, at: int) -> None:
    """Let the renames before that one happen, and those after it."""
    calls = 0

    def stopping(rename: Callable[..., Any]) -> Callable[..., Any]:
        def renamed(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise Stopped
            return rename(*arguments, **options)

        return renamed

    patched.setattr(os, "replace", stopping(os.replace))
    patched.setattr(os, "rename", stopping(os.rename))
    patched.setattr(files, "_exchanged", stopping(files._exchanged))


@pytest.mark.parametrize("step", ["write_bytes", "rename"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_in_the_middle_leaves_the_old_bundle_or_none(
    step: str, exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    if exists:
        write(folder, b"the old encoder")
    before = content(folder) if exists else None
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        if step == "rename":
            stop_renaming(patched, at=1)
        else:
            patched.setattr(Path, step, stop)
        write(folder, b"the new encoder")
    assert (content(folder) if folder.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([folder] if exists else [])


def test_a_full_disk_is_a_sentence_and_the_old_bundle_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write(tmp_path / "mine", b"the old encoder")

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(ModelError) as caught:
        patched.setattr(Path, "write_bytes", full)
        write(tmp_path / "mine", b"the new encoder")
    assert_one_sentence(caught.value, tmp_path / "mine")
    assert "the disk is full" in str(caught.value)
    assert read_bundle(tmp_path / "mine") == old
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_a_failure_between_two_renames_leaves_a_whole_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    write(folder, b"the old encoder")
    with monkeypatch.context() as patched, contextlib.suppress(Stopped):
        stop_renaming(patched, at=2)
        write(folder, b"the new encoder")
    assert read_bundle(folder).encoder_bytes() in (b"the old encoder", b"the new encoder")
    assert [path.name for path in find_bundles(tmp_path).values() if path.parent == tmp_path] == ["mine"]


def test_what_a_killed_process_leaves_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Killed, a process cleans nothing up: its unfinished folder stays beside the models.
    with monkeypatch.context() as patched, pytest.raises(Stopped):
        stop_renaming(patched, at=1)
        patched.setattr("shutil.rmtree", lambda *arguments, **options: None)
        write(tmp_path / "mine")
    assert list(tmp_path.iterdir()) != []
    assert find_bundles(tmp_path).keys() == {DEFAULT_MODEL}


def test_a_folder_that_is_no_model_is_never_replaced(tmp_path: Path) -> None:
    photo = tmp_path / "holiday" / "beach.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"dear to somebody")
    with pytest.raises(ModelError) as raised:
        write(tmp_path / "holiday")
    assert_one_sentence(raised.value, tmp_path / "holiday")
    assert photo.read_bytes() == b"dear to somebody"


# ------------------------------------------------------------------ the people a model has seen


def test_a_bundle_names_the_people_it_was_trained_and_calibrated_on(tmp_path: Path) -> None:
    lists = {TRAINING_PEOPLE: "Ada Lovelace\nΖωή\n".encode(), CALIBRATION_PEOPLE: b"Alan Turing\n"}
    bundle = write(tmp_path / "mine", others=lists)
    assert bundle.people(TRAINING_PEOPLE) == {"Ada Lovelace", "Ζωή"}
    assert bundle.people(CALIBRATION_PEOPLE) == {"Alan Turing"}
    assert read_bundle(tmp_path / "mine").people(TRAINING_PEOPLE) == {"Ada Lovelace", "Ζωή"}


def test_a_bundle_without_a_list_has_seen_nobody_that_is_known(tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine")
    assert bundle.people(TRAINING_PEOPLE) == bundle.people(CALIBRATION_PEOPLE) == frozenset()
    # A list that model.json does not know of is no part of the bundle.
    (tmp_path / "mine" / TRAINING_PEOPLE).write_text("Ada Lovelace\n", encoding="utf-8")
    assert bundle.people(TRAINING_PEOPLE) == frozenset()


def test_an_empty_list_is_nobody(tmp_path: Path) -> None:
    assert write(tmp_path / "mine", others={TRAINING_PEOPLE: b""}).people(TRAINING_PEOPLE) == frozenset()


@pytest.mark.parametrize("name", ["Ada\u2028Lovelace", "Ada\x85Lovelace", "Ada\x1cLovelace"])
def test_only_the_end_of_a_line_separates_people(name: str, tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine", others={TRAINING_PEOPLE: f"{name}\nAlan Turing\n".encode()})
    assert bundle.people(TRAINING_PEOPLE) == {name, "Alan Turing"}


def test_a_missing_list_is_one_sentence(tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine", others={TRAINING_PEOPLE: b"Ada Lovelace\n"})
    (tmp_path / "mine" / TRAINING_PEOPLE).unlink()
    with pytest.raises(ModelError, match="cannot be read") as raised:
        bundle.people(TRAINING_PEOPLE)
    assert_one_sentence(raised.value, tmp_path / "mine" / TRAINING_PEOPLE)


@pytest.mark.parametrize("changed", [b"", b"Ada Lovelace\nAlan Turing\n", b"Ada Lovelace"])
def test_a_changed_list_is_one_sentence(changed: bytes, tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine", others={TRAINING_PEOPLE: b"Ada Lovelace\n"})
    (tmp_path / "mine" / TRAINING_PEOPLE).write_bytes(changed)
    with pytest.raises(ModelError, match=r"not the file that its model\.json describes") as raised:
        bundle.people(TRAINING_PEOPLE)
    assert_one_sentence(raised.value, tmp_path / "mine" / TRAINING_PEOPLE)


# ------------------------------------------------------------------ found by name


def test_a_model_is_found_by_its_folder(tmp_path: Path) -> None:
    written = write(tmp_path / "anywhere" / "mine")
    assert resolve_bundle(tmp_path / "anywhere" / "mine") == written
    assert resolve_bundle(str(tmp_path / "anywhere" / "mine")) == written


def test_a_model_is_found_by_name_in_models_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "models" / "saved_best", b"trained here")
    assert resolve_bundle("saved_best").encoder_bytes() == b"trained here"


def test_the_bundled_model_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_bundle(DEFAULT_MODEL).folder == BUNDLED / "pretrained"


def test_a_model_of_ones_own_comes_before_the_bundled_one_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "models" / DEFAULT_MODEL, b"my own")
    assert resolve_bundle(DEFAULT_MODEL).encoder_bytes() == b"my own"
    assert find_bundles()[DEFAULT_MODEL] == Path("models") / DEFAULT_MODEL


def test_a_folder_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "models" / "mine", b"in models")
    write(tmp_path / "mine", b"right here")
    assert resolve_bundle("mine").encoder_bytes() == b"right here"


@pytest.mark.parametrize("name", ["nobody", "", ".", "pretrained/", "../pretrained", "a\0b", "x" * 5000])
def test_an_unknown_name_lists_those_that_exist(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "models" / "zebra")
    write(tmp_path / "models" / "apple")
    (tmp_path / "models" / "no model").mkdir()
    with pytest.raises(UnknownModelError) as raised:
        resolve_bundle(name)
    assert raised.value.subject == "apple, pretrained, zebra"
    assert "apple, pretrained, zebra" in raised.value.remedy


def test_an_unknown_name_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as raised:
        resolve_bundle("nobody")
    assert_one_sentence(raised.value, "nobody")


# ------------------------------------------------------------------ damaged


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b'"model"',
        b"{}",
        b'{"format": 1}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"format": 1, "name": "x", "embedding_size": "many"}',
        b'{"format": 1, "name": "x", "embedding_size": Infinity}',
    ],
    ids=lambda manifest: manifest[:40].decode("latin-1"),
)
def test_a_damaged_manifest_is_one_sentence(manifest: bytes, tmp_path: Path) -> None:
    write(tmp_path / "mine")
    (tmp_path / "mine" / "model.json").write_bytes(manifest)
    with pytest.raises(ModelError, match="damaged") as raised:
        resolve_bundle(tmp_path / "mine")
    assert_one_sentence(raised.value, tmp_path / "mine" / "model.json")


@pytest.mark.parametrize(
    "field", ["name", "embedding_size", "metric", "digest", "sha256", "calibration", "about", "input"]
)
def test_a_manifest_without_one_of_its_fields_is_one_sentence(field: str, tmp_path: Path) -> None:
    write(tmp_path / "mine")
    path = tmp_path / "mine" / "model.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest[field]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match=f"damaged.*{field}") as raised:
        read_bundle(tmp_path / "mine")
    assert_one_sentence(raised.value, path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    damage(tmp_path / "mine", format=FORMAT + 1)
    with pytest.raises(ModelError, match="reads format 1") as raised:
        read_bundle(tmp_path / "mine")
    assert_one_sentence(raised.value, tmp_path / "mine" / "model.json")


def test_a_newer_format_asks_for_an_upgrade_whatever_else_it_has(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 99}', encoding="utf-8")
    with pytest.raises(ModelError, match="reads format 1") as raised:
        read_bundle(tmp_path)
    assert raised.value.remedy == "upgrade facerec"


def test_an_unknown_metric_asks_for_an_upgrade(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    damage(tmp_path / "mine", metric="hyperbolic")
    with pytest.raises(ModelError, match="hyperbolic") as raised:
        read_bundle(tmp_path / "mine")
    assert raised.value.remedy == "upgrade facerec"


def test_a_folder_without_a_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read") as raised:
        read_bundle(tmp_path / "nothing")
    assert_one_sentence(raised.value, tmp_path / "nothing" / "model.json")


def test_a_missing_encoder_is_one_sentence(tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine")
    (tmp_path / "mine" / "encoder.onnx").unlink()
    with pytest.raises(ModelError, match="cannot be read") as raised:
        bundle.encoder_bytes()
    assert_one_sentence(raised.value, tmp_path / "mine" / "encoder.onnx")


def test_another_input_than_chips_asks_for_an_upgrade(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    damage(tmp_path / "mine", input=CHIP_INPUT | {"colour": "BGR"})
    with pytest.raises(ModelError, match="another input") as raised:
        read_bundle(tmp_path / "mine")
    assert raised.value.remedy == "upgrade facerec"


def test_a_manifest_that_describes_another_encoder_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    damage(tmp_path / "mine", digest="0" * 64)
    with pytest.raises(ModelError, match=r"not the file that its model\.json describes"):
        read_bundle(tmp_path / "mine").encoder_bytes()


def test_a_changed_encoder_is_one_sentence(tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine")
    (tmp_path / "mine" / "encoder.onnx").write_bytes(b"an encodes")
    with pytest.raises(ModelError, match=r"not the file that its model\.json describes") as raised:
        bundle.encoder_bytes()
    assert_one_sentence(raised.value, tmp_path / "mine" / "encoder.onnx")


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"\x08\x07", bytes(1000), b"\xff" * 1000])
def test_an_encoder_that_is_no_graph_is_one_sentence_even_with_the_right_digest(garbage: bytes, tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine", garbage)
    with pytest.raises(ModelError, match="cannot be loaded") as raised:
        load_encoder(bundle)
    assert str(tmp_path / "mine" / "encoder.onnx") in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize("missing", [True, False])
def test_a_recognizer_tells_of_a_bad_encoder_at_its_first_embedding(missing: bool, tmp_path: Path) -> None:
    write(tmp_path / "mine", b"garbage")
    if missing:
        (tmp_path / "mine" / "encoder.onnx").unlink()
    recognizer = Recognizer(tmp_path / "mine")
    with pytest.raises(ModelError, match=r"encoder\.onnx cannot be (read|loaded)"):
        recognizer.embed([])


@pytest.mark.parametrize("name", ["photos", "people"])
@pytest.mark.parametrize(
    "curve",
    [
        {"fmr": [0.1]},
        {"fmr": [0.1, 0.01], "distance": [0.8, 0.7], "slope": 30.0, "evidence": {"draws": 3}},
        {"fmr": [0.1], "distance": [0.8], "slope": 30.0, "evidence": None},
        {"fmr": [0.1, 0.01], "distance": [0.8], "slope": 30.0, "evidence": None},
        {"fmr": [0.1, 0.01], "distance": [0.8, "far"], "slope": 30.0, "evidence": None},
        {"fmr": [0.1, 0.01], "distance": [0.8, 0.7], "slope": "steep", "evidence": None},
        {"fmr": 0.1, "distance": 0.8, "slope": 30.0, "evidence": None},
    ],
)
def test_a_damaged_curve_is_an_error_that_names_the_model(name: str, curve: object, tmp_path: Path) -> None:
    calibration = write(tmp_path / "mine").stored_calibration
    assert calibration is not None
    damage(tmp_path / "mine", calibration=calibration | {name: curve})
    with pytest.raises(ModelError, match="mine"):
        _ = read_bundle(tmp_path / "mine").calibration


@pytest.mark.parametrize("calibration", [[1, 2], {"photos": {}}, asdict(CALIBRATION) | {"source": {}}])
def test_a_damaged_calibration_is_an_error_that_names_the_model(calibration: object, tmp_path: Path) -> None:
    write(tmp_path / "mine")
    damage(tmp_path / "mine", calibration=calibration)
    with pytest.raises(ModelError, match="mine"):
        _ = read_bundle(tmp_path / "mine").calibration


def test_a_calibration_of_a_metric_that_knows_a_centre_is_not_one_of_another_metric(tmp_path: Path) -> None:
    prior = Calibration(CURVE, CURVE, CURVE, Prior(0.1, 0.08, 0.09), SOURCE)
    learned = LearnedL1(np.ones(4, np.float32), 0.0)
    bundle = write(tmp_path / "mine", metric=learned, calibration=prior)
    with pytest.raises(ModelError, match="The calibration of the model mine is of another metric"):
        _ = read_bundle(bundle.folder).calibration
    assert read_bundle(write(tmp_path / "other", calibration=prior).folder).calibration == prior


@pytest.mark.parametrize("metric", [Cosine(), LearnedL1(np.ones(4, np.float32), 0.0)], ids=lambda metric: metric.kind)
def test_enrolled_embeddings_are_told_from_those_of_other_views_and_models(metric: Metric, tmp_path: Path) -> None:
    bundle = write(tmp_path / "mine", metric=metric)
    digest = bundle.comparison().digest
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert digest == write(tmp_path / "same", metric=metric, calibration=None).comparison().digest
    # The model's own digest is of what its encoder gives; what is enrolled may be more views than one.
    assert digest not in (bundle.digest, write(tmp_path / "other", b"another", metric=metric).comparison().digest)


def test_a_model_may_have_no_calibration(tmp_path: Path) -> None:
    write(tmp_path / "mine", calibration=None)
    assert read_bundle(tmp_path / "mine").calibration is None


# ------------------------------------------------------------------ the bundled model


def test_the_bundled_model_is_small_complete_and_licensed() -> None:
    bundle = read_bundle(BUNDLED / DEFAULT_MODEL)
    assert bundle.name == DEFAULT_MODEL
    assert bundle.embedding_size == 128
    assert bundle.about["licence"] == "Apache-2.0"
    assert bundle.encoder_bytes()
    files = content(bundle.folder)
    assert files.keys() == {"model.json", "encoder.onnx", *bundle.sha256}
    assert any(name.startswith("LICENSE") for name in files)
    assert sum(map(len, files.values())) <= 20_000_000
