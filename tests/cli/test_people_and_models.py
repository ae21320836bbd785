from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import Run


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
    assert "2 people. With pretrained a match is a distance of at most 0.6" in text


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

    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    chips = np.zeros((3, 112, 112, 3), np.uint8)
    assert session.run(None, {"chips": chips})[0].shape == (3, 128)
