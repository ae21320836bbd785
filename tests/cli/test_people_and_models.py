from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from facerec_cli import Recognizer
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, read_bundle
from facerec_cli.encoders.calibration import Source
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
    assert "so that about 1 % of strangers are named: it follows the 2 people enrolled, 2 comparisons." in text


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
    assert shown["calibration"]["photos"]["fmr"][0] == 0.1
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
    assert copy.calibration is not None
    assert bundled.calibration is not None
    assert copy.calibration.source == Source("people", MANY)
    for own, other in (
        (copy.calibration.photos, bundled.calibration.photos),
        (copy.calibration.people, bundled.calibration.people),
    ):
        assert own.evidence is not None
        assert own.evidence.genuine_pairs == 60
        assert own.distance[0] < other.distance[0]  # one face has many names
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
