"""Models that somebody else made, to do harm: a sentence that names the model, and nothing else happens."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli import cli
from facerec_cli.encoders.bundle import BUNDLED, TRAINING_PEOPLE, Bundle, read_bundle, resolve_bundle, write_bundle
from facerec_cli.encoders.calibration import Curve
from facerec_cli.encoders.metric import Cosine
from facerec_cli.errors import DamagedModelError, ModelError
from tests.calibrations import calibrated, strangers

Change = Callable[[dict[str, Any]], Any]


def made(folder: Path, **changes: Any) -> Bundle:
    parts: dict[str, Any] = {
        "embedding_size": 4,
        "metric": Cosine(),
        "calibration": calibrated(Curve((0.1, 0.01), (0.8, 0.7), 30.0)),
        "about": {"description": "made by a test"},
        "others": {"LICENSE": b"free", "report/roc.png": b"a curve", TRAINING_PEOPLE: b"Ada\n"},
    }
    return write_bundle(folder, b"an encoder", **(parts | changes))


def rewritten(folder: Path, change: Change) -> None:
    path = folder / "model.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """A command line, in this process: exit status, results, and what else was said."""
    before, sys.argv = sys.argv, ["facerec", *arguments]
    try:
        status = cli._run([])
    finally:
        sys.argv = before
    said = capsys.readouterr()
    assert "did not expect" not in said.err
    assert "Traceback" not in said.err
    return status, said.out, said.err


# ------------------------------------------------------------------ files that are not its own


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../outside",
        "..",
        ".",
        "",
        "report/../../outside",
        "report/./roc.png",
        "a/b/c",
        "/",
        "report/",
        "//outside",
        "..\\outside",
        "C:\\outside",
        "C:outside",
        "model.json",
        "encoder.onnx",
        "encoder.onnx/inner",
        ".hidden",
        "report/.hidden",
        "LICENSE\n",
        "a\0b",
        "x" * 300,
    ],
)
def test_a_file_s_name_that_leads_out_of_a_model_is_refused(name: str, tmp_path: Path) -> None:
    made(tmp_path / "mine")
    (tmp_path / "outside").write_bytes(b"a secret")
    digest = hashlib.sha256(b"a secret").hexdigest()
    rewritten(tmp_path / "mine", lambda manifest: manifest["sha256"].update({name: digest}))
    with pytest.raises(DamagedModelError, match="names a file that a model cannot have"):
        read_bundle(tmp_path / "mine")


@pytest.mark.parametrize("name", ["LICENSE", "report/roc.png", "report", "encoder.onnx", "model.json", TRAINING_PEOPLE])
def test_a_link_is_no_file_of_a_model_even_with_the_right_content(name: str, tmp_path: Path) -> None:
    bundle = made(tmp_path / "mine")
    (tmp_path / "mine" / name).rename(tmp_path / "outside")
    (tmp_path / "mine" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ModelError, match=r"mine.* cannot be read \(.*link\)"):
        read_bundle(tmp_path / "mine")
        bundle.encoder_bytes()
        bundle.others()


@pytest.mark.skipif(os.name == "nt", reason="there are no such files")
@pytest.mark.parametrize("name", ["LICENSE", "report/roc.png", "encoder.onnx", "model.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_pipe_or_a_folder_is_no_file_of_a_model_and_nobody_waits(name: str, kind: str, tmp_path: Path) -> None:
    bundle = made(tmp_path / "mine")
    (tmp_path / "mine" / name).unlink()
    if kind == "pipe":
        os.mkfifo(tmp_path / "mine" / name)
    else:
        (tmp_path / "mine" / name).mkdir()
    with pytest.raises(ModelError, match=r"mine.* cannot be read"):
        resolve_bundle(tmp_path / "mine")
        bundle.encoder_bytes()
        bundle.others()


@pytest.mark.parametrize("name", ["LICENSE", "report/roc.png", TRAINING_PEOPLE])
def test_what_was_tampered_with_is_never_taken_over(name: str, tmp_path: Path) -> None:
    bundle = made(tmp_path / "mine")
    (tmp_path / "mine" / name).write_bytes(b"something else")
    with pytest.raises(DamagedModelError, match="not the file that its"):
        bundle.others()


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    bundle = made(tmp_path / "mine")
    os.truncate(tmp_path / "mine" / "encoder.onnx", 2**40)
    with pytest.raises(DamagedModelError, match="more than 2047 MB"):
        bundle.encoder_bytes()
    os.truncate(tmp_path / "mine" / "model.json", 10**8)
    with pytest.raises(ModelError, match="more than 1 MB"):
        read_bundle(tmp_path / "mine")


# ------------------------------------------------------------------ a model.json of any content


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def put(*path: str | int, value: Any) -> Change:
    def change(manifest: Any) -> None:
        for part in path[:-1]:
            manifest = manifest[part]
        manifest[path[-1]] = value

    return change


def taken(*path: str | int) -> Change:
    def change(manifest: Any) -> None:
        for part in path[:-1]:
            manifest = manifest[part]
        manifest.pop(path[-1], None)

    return change


def puts(*path: str, values: Sequence[Any]) -> list[Change]:
    return [put(*path, value=value) for value in values]


BAD_MANIFESTS = [
    *puts("about", values=[7, [], "text", None, True]),
    *puts("sha256", values=[7, [], "text", None, True]),
    *puts("input", values=[7, [], "text", None, True, {}]),
    *puts("name", values=[7, [], {}, None, "", "a\x1b]0;owned\x07", "a\nb", "\u202egnp", "x" * 300]),
    *puts("embedding_size", values=[0, -1, 4.0, True, "4", None, 10**400, [4]]),
    *puts("digest", values=[None, 7, "", "0" * 63, "G" * 64, ["0" * 64]]),
    *puts("metric", values=[None, 7, [], {}, "", "l1:../../x", "cosine\n"]),
    *puts("format", values=[None, "1", 1.0, True, 0, -1, [1]]),
    *puts("sha256", "LICENSE", values=[None, 7, "no", []]),
    *puts("about", "description", values=["\x1b[2J", "a\nb", "\x9b31m", deep(30)]),
    put("about", "\x1b[2J", value=1),
    put("about", "training", value={"\u2028": 1}),
]


@pytest.mark.parametrize("change", BAD_MANIFESTS)
def test_a_bad_manifest_is_named_and_the_others_are_listed(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bad", "good"):
        made(Path("models") / name)
    rewritten(Path("models/bad"), change)
    status, out, err = run(capsys, "models", "list", "--format", "csv")
    assert status == 1
    assert [line.split(",")[0] for line in out.splitlines()] == ["name", "good", "pretrained"]
    assert str(Path("models/bad/model.json")) in err
    assert err.count("\n") == 1
    assert err.isprintable() or err[:-1].isprintable()
    assert run(capsys, "models", "show", "bad")[:2] == (1, "")


RAW = [
    b"",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"about": ' + b"[" * 500 + b"]" * 500 + b"}",
    b"9" * 5_000,
    b"1e400",
    b"NaN",
    b'{"format": 1, "format": 1}',
]


@pytest.mark.parametrize("raw", RAW, ids=lambda raw: raw[:20].decode("latin-1"))
def test_a_manifest_that_is_no_json_is_named_and_the_others_are_listed(
    raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("models/bad"))
    Path("models/bad/model.json").write_bytes(raw)
    status, out, err = run(capsys, "models", "list", "--format", "csv")
    assert (status, [line.split(",")[0] for line in out.splitlines()]) == (1, ["name", "pretrained"])
    assert "model.json is damaged" in err


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", '1, "slope": 2'])
def test_numbers_that_are_none_and_keys_that_are_there_twice_are_damage(literal: str, tmp_path: Path) -> None:
    made(tmp_path / "mine")
    path = tmp_path / "mine" / "model.json"
    path.write_text(path.read_text().replace('"slope": 30.0', f'"slope": {literal}'))
    with pytest.raises(DamagedModelError, match="damaged"):
        read_bundle(tmp_path / "mine")


def base() -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((BUNDLED / "pretrained" / "model.json").read_text(encoding="utf-8"))
    return manifest


def paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to everything in a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from paths(inner, (*path, key))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**400, -1, 0, 1e308, 5e-324, "../x", "/etc/passwd", "\x1b[2J", "cosine", "0" * 64, deep(50)]),
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
)


@contextmanager
def a_place(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_field_holds_it_is_a_sentence_or_a_model(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = copy.deepcopy(base())
    for path in data.draw(st.lists(st.sampled_from(list(paths(manifest))), min_size=1, max_size=3)):
        inner: Any = manifest
        try:
            for part in path[:-1]:
                inner = inner[part]
            if data.draw(st.booleans()):
                inner[path[-1]] = data.draw(ANYTHING)
            else:
                del inner[path[-1]]
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "models" / "bad").mkdir(parents=True)
    (folder / "models" / "bad" / "model.json").write_text(json.dumps(manifest))
    with a_place(folder):
        for arguments in (("models", "list"), ("models", "show", "bad"), ("models", "show", "bad", "--format", "json")):
            status, _, err = run(capsys, *arguments)
            assert status in (0, 1)
            assert bool(err) == bool(status)
            assert "\x1b" not in err
        try:
            bundle = read_bundle(Path("models/bad"))
            calibration = bundle.calibration
        except ModelError:
            return
        if calibration is None:
            return
        for curve in filter(None, (calibration.photos, calibration.people, calibration.centred)):
            thresholds = [curve.threshold(rate) for rate in (0.5, 0.1, 1e-3, 1e-9)]
            assert thresholds == sorted(thresholds, reverse=True)
            assert 0 <= thresholds[-1] <= thresholds[0] < float("inf")
            assert curve.probability(thresholds[0] / 2, thresholds[0]) >= 0.5
        for people in (1, 2, 12):
            _, distance, average = calibration.gallery(strangers(people), 1e-3)
            assert float("-inf") < distance <= average < float("inf")


@pytest.mark.parametrize("similarity", [-20, -0.1, 0, 1e-6, 0.5, 1, 20])
@pytest.mark.parametrize("deviation", [1e-6, 1e-3, 20])
@pytest.mark.parametrize("centred", [1e-6, 1e-3, 20])
def test_every_prior_that_is_read_has_a_distance_for_every_gallery(
    similarity: float, deviation: float, centred: float, tmp_path: Path
) -> None:
    made(tmp_path / "mine")
    prior = {"similarity": similarity, "deviation": deviation, "centred": centred}
    calibration = base()["calibration"] | {"prior": prior}
    rewritten(tmp_path / "mine", put("calibration", value=calibration))
    read = read_bundle(tmp_path / "mine").calibration
    assert read is not None
    for people in (1, 2, 3, 12, 100):
        _, distance, average = read.gallery(strangers(people), 1e-3)
        assert float("-inf") < distance <= average < float("inf")


# ------------------------------------------------------------------ folders of models


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may look into every folder")
def test_a_folder_that_nobody_may_look_into_is_named_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("bad", "good"):
        made(Path("models") / name)
    Path("models/bad").chmod(0)
    try:
        status, out, err = run(capsys, "models", "list", "--format", "csv")
    finally:
        Path("models/bad").chmod(0o700)
    assert (status, [line.split(",")[0] for line in out.splitlines()]) == (1, ["name", "good", "pretrained"])
    assert "Permission denied" in err


def test_a_model_does_not_speak_in_the_place_of_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    true = made(Path("models/mine"), about={"digest": "0" * 64, "folder": "elsewhere", "licence": "MIT"})
    shown = json.loads(run(capsys, "models", "show", "mine", "--format", "json")[1])
    assert (shown["digest"], shown["folder"], shown["licence"]) == (true.digest, str(Path("models/mine")), "MIT")


def test_a_damaged_calibration_is_told_and_the_rest_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("models/mine"))
    rewritten(Path("models/mine"), put("calibration", "people", "distance", value=[0.7, 0.8]))
    status, out, err = run(capsys, "models", "show", "mine", "--format", "csv")
    assert status == 1
    assert "made by a test" in out
    assert "The calibration of the model mine is damaged (its distances rise where its rates fall)" in err


@pytest.mark.parametrize("missing", ["tail", "check"])
def test_a_calibration_without_a_tail_or_a_check_is_shown(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made(Path("models/mine"), calibration=read_bundle(BUNDLED / "pretrained").calibration)
    curves = ("photos", "people", "centred")
    places = [("calibration", curve, "evidence") for curve in curves] if missing == "tail" else [("calibration",)]
    for gone in (partial(put, value=None), taken):
        for place in places:
            rewritten(Path("models/mine"), gone(*place, missing))
        status, out, err = run(capsys, "models", "show", "mine", "--format", "csv")
        assert (status, err) == (0, "")
        assert "distance at FMR 1e-06" in out
        assert ("generalised Pareto" in out) == (missing != "tail")
        assert ("people found" in out) == (missing != "check")


def test_what_a_model_says_of_itself_is_written_so_that_it_can_be_read(tmp_path: Path) -> None:
    odd = {"training_data": "3 photos of \x1b[31mred\nfolder", "auc": float("nan"), "\x07": [float("inf")]}
    assert made(tmp_path / "mine", about=odd).about == {
        "training_data": "3 photos of \\x1b[31mred\\nfolder",
        "auc": None,
        "\\x07": [None],
    }
