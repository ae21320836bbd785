from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from facerec_cli import Recognizer, open_gallery
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, read_bundle
from facerec_cli.encoders.calibration import Calibration, Source
from facerec_cli.gallery.base import NewFace
from facerec_cli.gallery.chipstore import encode_chip
from tests.conftest import Run

MANY = 205
"""A few more people than are needed to calibrate on."""


@pytest.fixture
def enrolled(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    for name, photo in [("Emmanuel Macron", "emmanuel_macron_2014.jpg"), ("Jacinda Ardern", "jacinda_ardern_2018.jpg")]:
        assert facerec("enroll", "--name", name, samples / photo).returncode == 0
    return tmp_path


def names(facerec: Run) -> list[str]:
    text = facerec("people", "list", "--format", "csv").stdout
    return [row["name"] for row in csv.DictReader(io.StringIO(text))]


def test_list_shows_the_threshold_in_force(facerec: Run, enrolled: Path) -> None:
    text = facerec("people", "list").stdout
    assert "Emmanuel Macron" in text
    assert "pretrained: A match is a distance of at most 0.6" in text
    assert "so that about 1 % of strangers are named: 2 people enrolled, 2 comparisons." in text


def test_list_of_nobody_says_how_to_enrol(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    done = facerec("people", "list")
    assert done.returncode == 0
    assert "facerec enroll" in done.stderr


def test_show(facerec: Run, enrolled: Path) -> None:
    shown = json.loads(facerec("people", "show", "Jacinda Ardern", "--format", "json").stdout)
    assert shown["source"] == "jacinda_ardern_2018.jpg"
    assert (enrolled / "database" / shown["chip"]).exists()
    assert facerec("people", "show", "Nobody").returncode == 1


def test_rename(facerec: Run, enrolled: Path, samples: Path) -> None:
    assert facerec("people", "rename", "Jacinda Ardern", "Dame Jacinda").returncode == 0
    assert names(facerec) == ["Emmanuel Macron", "Dame Jacinda"]
    assert "Dame Jacinda" in facerec("identify", samples / "jacinda_ardern_2022.jpg").stdout
    done = facerec("people", "rename", "Dame Jacinda", "Emmanuel Macron")
    assert done.returncode == 1
    assert "already enrolled" in done.stderr


def test_remove_asks_first(facerec: Run, enrolled: Path) -> None:
    assert facerec("people", "remove", "Jacinda Ardern", input="n\n").returncode == 0
    assert len(names(facerec)) == 2
    assert facerec("people", "remove", "Jacinda Ardern", input="y\n").returncode == 0
    assert names(facerec) == ["Emmanuel Macron"]
    # Nobody there to answer is no consent.
    assert facerec("people", "remove", "Emmanuel Macron").returncode != 0
    assert names(facerec) == ["Emmanuel Macron"]


def test_remove_leaves_no_trace(facerec: Run, enrolled: Path) -> None:
    done = facerec("people", "remove", "Nobody", "Jacinda Ardern", "--yes")
    assert done.returncode == 1
    assert "Nobody named 'Nobody'" in done.stderr
    assert names(facerec) == ["Emmanuel Macron"]
    left = b"".join(path.read_bytes() for path in (enrolled / "database").rglob("*") if path.is_file())
    assert b"Jacinda" not in left
    assert b"jacinda" not in left
    assert len(list((enrolled / "database" / "faces").iterdir())) == 1


def test_rebuild_after_damage(facerec: Run, enrolled: Path, samples: Path) -> None:
    index = enrolled / "database" / "gallery.h5"
    index.write_bytes(index.read_bytes()[:5000])
    broken = facerec("identify", samples / "jacinda_ardern_2022.jpg")
    assert broken.returncode == 1
    assert "facerec people rebuild -db database" in broken.stderr
    done = facerec("people", "rebuild")
    assert done.returncode == 0
    assert "database holds 2 photos of 2 people." in done.stderr
    assert "Jacinda Ardern" in facerec("identify", samples / "jacinda_ardern_2022.jpg").stdout


def test_export_has_every_embedding(facerec: Run, enrolled: Path) -> None:
    lines = [json.loads(line) for line in facerec("people", "export").stdout.splitlines()]
    assert [line["name"] for line in lines] == ["Emmanuel Macron", "Jacinda Ardern"]
    for line in lines:
        assert len(line["embedding"]) == 128
        assert sum(number**2 for number in line["embedding"]) == pytest.approx(1, abs=1e-4)


def test_models(facerec: Run, tmp_path: Path) -> None:
    assert "pretrained" in facerec("models", "list").stdout
    shown = json.loads(facerec("models", "show", "--format", "json").stdout)
    assert shown["calibration"]["fmr"][0] == 0.1
    assert "distance at FMR 1e-03" in facerec("models", "show", "pretrained").stdout
    assert facerec("models", "show", "nothing").returncode == 1
    assert facerec("models", "export", "--out", "encoder.onnx").returncode == 0
    assert facerec("models", "export", "--out", "nowhere/encoder.onnx").returncode == 1

    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    chips = np.zeros((3, 112, 112, 3), np.uint8)
    assert session.run(None, {"chips": chips})[0].shape == (3, 128)


def assert_refused(done: subprocess.CompletedProcess[str], *about: str) -> None:
    """One sentence, no result, no traceback."""
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Error: ")
    assert sentence.endswith(".")
    assert "did not expect" not in sentence
    for part in about:
        assert part in sentence


# ------------------------------------------------------------------ people calibrate


@pytest.fixture(scope="session")
def crowd(samples: Path, recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of people who are nobody: one face, and each their own random embedding, two for some."""
    gallery = open_gallery(tmp_path_factory.mktemp("crowd") / "database", create=True)
    jpeg = encode_chip(recognizer.extract(samples / "barack_obama.jpg").one_face().chip)
    vectors = np.random.default_rng(0).normal(size=(MANY + 20, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faces = [
        NewFace(f"Person {number % MANY}", jpeg, vector, hashlib.sha256(bytes([number])).hexdigest(), "a.jpg", 0.9)
        for number, vector in enumerate(vectors)
    ]
    assert all(gallery.add(recognizer.comparison, faces))
    return Path(gallery.location)


@pytest.fixture
def database(crowd: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crowd, tmp_path / "database"))


def distance(text: str) -> float:
    """The threshold that a command names."""
    (found,) = re.findall(r"at most (\d\.\d+)", text)
    return float(found)


def test_calibrating_to_too_few_people_is_one_sentence_and_changes_nothing(facerec: Run, enrolled: Path) -> None:
    before = {path: path.read_bytes() for path in (enrolled / "database").rglob("*") if path.is_file()}
    assert_refused(facerec("people", "calibrate"), "database has 2 people", "takes 200", "stays in force")
    assert {path: path.read_bytes() for path in (enrolled / "database").rglob("*") if path.is_file()} == before


def test_calibrating_to_nobody_is_one_sentence(facerec: Run, tmp_path: Path) -> None:
    assert_refused(facerec("people", "calibrate"), "database", "facerec enroll")
    (tmp_path / "database").mkdir()
    assert_refused(facerec("people", "calibrate"), "database has 0 people")


def test_the_people_enrolled_set_the_threshold_until_it_is_reset(
    facerec: Run, database: Path, samples: Path, recognizer: Recognizer
) -> None:
    own = distance(facerec("people", "list").stdout)
    done = facerec("people", "calibrate")
    assert done.returncode == 0, done.stderr
    assert "distance at FMR 1e-03" in done.stdout
    assert f"calibrated to {MANY} people enrolled" in done.stderr

    stored = json.loads((database / "calibration.json").read_text(encoding="utf-8"))
    assert stored.keys() == {recognizer.bundle.digest}
    calibration = stored[recognizer.bundle.digest]
    assert calibration["source"]["people"] == MANY
    assert 0.98 < calibration["evidence"]["impostor_pairs_per_draw"] / (MANY * (MANY - 1) / 2) < 1
    assert recognizer.bundle.calibration is not None
    assert calibration["slope"] == recognizer.bundle.calibration.slope  # no genuine pairs to speak of: the model's own
    # Random directions of 128 dimensions: a cosine has a standard deviation of 1 / sqrt(128).
    assert calibration["distance"][0] == pytest.approx(1 - 1.2816 / 128**0.5, abs=0.01)
    assert calibration["distance"][1] == pytest.approx(1 - 2.3263 / 128**0.5, abs=0.01)

    listed = facerec("people", "list").stdout
    assert f"calibrated to {MANY} people enrolled" in listed
    assert distance(listed) == pytest.approx(distance(done.stderr))
    assert distance(listed) != pytest.approx(own, abs=0.002)
    named = facerec("identify", samples / "rishi_sunak.jpg")
    assert f"calibrated to {MANY} people enrolled" in named.stdout
    assert distance(named.stdout) == distance(listed)

    reset = facerec("people", "calibrate", "--reset")
    assert reset.returncode == 0
    assert "calibrated to" not in reset.stderr
    assert distance(reset.stderr) == own
    assert distance(facerec("people", "list").stdout) == own
    assert recognizer.bundle.digest not in (database / "calibration.json").read_text(encoding="utf-8")


def test_a_calibration_is_of_one_model_and_survives_rebuilding(
    facerec: Run, database: Path, recognizer: Recognizer
) -> None:
    # As if another model had been calibrated before.
    other = Calibration((0.1, 0.01), (0.8, 0.7), 30, Source("gallery", "the people enrolled", 300, "2026-01-31"))
    open_gallery(database).set_calibration("f" * 64, other)
    assert facerec("people", "calibrate").returncode == 0
    before = (database / "calibration.json").read_bytes()
    assert json.loads(before).keys() == {"f" * 64, recognizer.bundle.digest}
    done = facerec("people", "rebuild")
    assert done.returncode == 0, done.stderr
    assert f"database holds {MANY + 20} photos of {MANY} people." in done.stderr
    assert (database / "calibration.json").read_bytes() == before
    assert f"calibrated to {MANY} people enrolled" in facerec("people", "list").stdout
    assert facerec("people", "calibrate", "--reset").returncode == 0
    assert json.loads((database / "calibration.json").read_text()).keys() == {"f" * 64}


def test_reset_where_there_is_nothing_to_reset(facerec: Run, enrolled: Path) -> None:
    own = distance(facerec("people", "list").stdout)
    done = facerec("people", "calibrate", "--reset")
    assert done.returncode == 0
    assert distance(done.stderr) == own


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"DIGEST": 7}',
        b'{"DIGEST": {"fmr": [0.1]}}',
        b'{"DIGEST": {"fmr": [0.1, 0.01], "distance": [0.8, 0.7], "slope": 30, "source": {"kind": "gallery"}}}',
    ],
    ids=lambda content: content[:24].decode("latin-1"),
)
def test_a_damaged_calibration_is_one_sentence_that_names_its_file(
    content: bytes, facerec: Run, enrolled: Path, samples: Path, recognizer: Recognizer
) -> None:
    path = enrolled / "database" / "calibration.json"
    path.write_bytes(content.replace(b"DIGEST", recognizer.bundle.digest.encode()))
    assert_refused(facerec("identify", samples / "rishi_sunak.jpg"), "database/calibration.json", "damaged")
    path.unlink()
    assert facerec("identify", samples / "rishi_sunak.jpg").returncode == 0


# ------------------------------------------------------------------ models calibrate


def test_calibrating_a_model_on_too_few_people_is_one_sentence(facerec: Run, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    for path in samples.glob("*.jpg"):
        shutil.copy(path, tmp_path / "people")
    assert_refused(facerec("models", "calibrate", "--data", "people"), "people has 6 people", "takes 200", "add people")
    assert not (tmp_path / "models").exists()
    assert_refused(facerec("models", "calibrate", "--data", "missing"), "missing")
    assert_refused(facerec("models", "calibrate", "-m", "nobody", "--data", "people"), "'nobody'")


def test_a_bundled_model_is_calibrated_as_a_copy(facerec: Run, samples: Path, tmp_path: Path) -> None:
    # Two hundred names for six faces: enough to count with, not to measure.
    faces = [Image.open(path).convert("RGB").resize((96, 120)) for path in sorted(samples.glob("*.jpg"))]
    for number in range(MANY):
        folder = tmp_path / "people" / f"Person {number}"
        folder.mkdir(parents=True)
        for photo in range(2 if number < 60 else 1):
            face = faces[number % len(faces)].copy()
            face.paste((number, 100 * photo, 0), (0, 116, 96, 120))
            face.save(folder / f"{photo}.png")
    done = facerec("models", "calibrate", "--data", "people")
    assert done.returncode == 0, done.stderr
    assert f"Calibrated models/pretrained on {MANY} people." in done.stderr
    assert "distance at FMR 1e-03" in done.stdout
    bundled = Recognizer("pretrained").bundle
    copy = read_bundle(tmp_path / "models" / "pretrained")
    assert copy.digest == bundled.digest
    assert copy.encoder_bytes() == bundled.encoder_bytes()
    assert copy.people(CALIBRATION_PEOPLE) == {f"Person {number}" for number in range(MANY)}
    assert copy.sha256.keys() == bundled.sha256.keys() | {CALIBRATION_PEOPLE}
    assert copy.calibration is not None and copy.calibration.evidence is not None
    assert bundled.calibration is not None
    assert copy.calibration.source == Source("model", "people", MANY)
    assert copy.calibration.evidence.genuine_pairs == 60
    assert copy.calibration.distance[0] < bundled.calibration.distance[0]  # one face has many names
    # From here its name finds the copy, and what was stored is what is shown.
    shown = json.loads(facerec("models", "show", "pretrained", "--format", "json").stdout)
    assert shown["calibration"] == json.loads(json.dumps(copy.calibration.to_json()))
    assert Path(shown["folder"]) == Path("models/pretrained")


# ------------------------------------------------------------------ poor photos


@pytest.mark.parametrize(("poor", "why"), [("blurred", "it is blurred"), ("dark", "it is very dark")])
def test_enrolling_a_poor_photo_warns_in_one_sentence(
    poor: str, why: str, facerec: Run, samples: Path, tmp_path: Path
) -> None:
    photo = Image.open(samples / "barack_obama.jpg").convert("RGB").resize((320, 400))
    spoilt = (
        photo.filter(ImageFilter.GaussianBlur(6)) if poor == "blurred" else ImageEnhance.Brightness(photo).enhance(0.12)
    )
    spoilt.save(tmp_path / "spoilt.png")
    photo.save(tmp_path / "good.png")
    done = facerec("enroll", "--name", "Barack Obama", "good.png", "spoilt.png", "--format", "json")
    assert done.returncode == 0, done.stderr
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert (good["photo"], good["status"], good["complaint"]) == ("good.png", "enrolled", None)
    assert (bad["photo"], bad["status"], bad["complaint"]) == ("spoilt.png", "enrolled", why)
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert warning.startswith(f"Warning: spoilt.png is a poor photo, {why}: ")
    assert warning.endswith("Barack Obama too.")
    # Enrolled already, it is not complained of again.
    again = facerec("enroll", "--name", "Barack Obama", "spoilt.png")
    assert "Warning: " not in again.stderr
