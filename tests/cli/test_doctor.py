"""facerec doctor, and --device, through the installed entry point."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from facerec_cli.defaults import AUTO, CPU, DEVICE_NAMES, VERSION
from tests.conftest import Run


@pytest.fixture
def enrolled(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    done = facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    assert done.returncode == 0, done.stderr
    return tmp_path / "database"


def test_it_says_what_a_report_should_contain(facerec: Run, enrolled: Path) -> None:
    done = facerec("doctor", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["facerec"]["version"] == VERSION
    assert found["machine"]["usable_cores"] >= 1
    assert {"numpy", "onnxruntime", "h5py"} <= found["packages"].keys()
    assert found["models"]["pretrained"].endswith("whole, calibrated")
    assert found["devices"].keys() == {AUTO, CPU, *DEVICE_NAMES}
    assert found["speed"]["faces_embedded_per_second_cpu"] > 0
    assert found["speed"]["photos_searched_per_second"] > 0
    database = {key: found["database"][key] for key in ("state", "people", "photos", "not_embedded_yet", "strays")}
    assert database == {"state": "whole", "people": 1, "photos": 1, "not_embedded_yet": 0, "strays": 0}
    assert "Ardern" not in done.stdout


def test_it_finds_what_is_wrong_and_changes_nothing(facerec: Run, enrolled: Path) -> None:
    (chip,) = (enrolled / "faces").rglob("*.jpg")
    chip.rename(chip.with_name("0000000000000000.jpg"))
    before = sorted((path, path.stat().st_mtime_ns) for path in enrolled.rglob("*"))
    done = facerec("doctor")
    assert done.returncode == 1
    assert "chips are missing" in done.stdout
    assert "Error: 1 chip of photos enrolled in database not there: restore them, or rebuild the index." in done.stderr
    assert "Error: 1 thing among the chips of database nobody's: a rebuild of the index says which." in done.stderr
    assert "ardern" not in (done.stdout + done.stderr).lower()
    assert sorted((path, path.stat().st_mtime_ns) for path in enrolled.rglob("*")) == before


def test_a_database_without_its_chips_is_told(facerec: Run, enrolled: Path) -> None:
    (enrolled / "faces").rename(enrolled.with_name("elsewhere"))
    done = facerec("doctor")
    assert done.returncode == 1
    assert "Error: database/faces cannot be read, " in done.stderr and "it cannot be used" in done.stdout


def test_without_a_database_nothing_is_wrong(facerec: Run, tmp_path: Path) -> None:
    done = facerec("doctor")
    assert done.returncode == 0, done.stderr
    assert "there is none" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_model_is_told(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "model.json").write_text("{")
    done = facerec("doctor")
    assert done.returncode == 1
    assert "Error: models/mine/model.json is damaged" in done.stderr


def test_a_damaged_model_that_is_named_leaves_the_rest_to_be_told(facerec: Run, enrolled: Path) -> None:
    model = enrolled.with_name("mine")
    model.mkdir()
    (model / "model.json").write_text("{")
    done = facerec("doctor", "-m", model, "--format", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert len(found["problems"]) == 1 and "model.json is damaged" in found["problems"][0]
    assert found["database"]["people"] == 1
    assert found["database"]["not_embedded_yet"] is None
    assert found["devices"][AUTO] == "not measured"
    assert found["speed"]["photos_searched_per_second"] > 0


# ------------------------------------------------------------------ --device


def test_the_same_answer_on_another_device(facerec: Run, samples: Path) -> None:
    pytest.importorskip("openvino")
    pair = (samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg", "--format", "json")
    found = json.loads(facerec("verify", "--device", "openvino", *pair).stdout)
    expected = json.loads(facerec("verify", "--device", "cpu", *pair).stdout)
    assert found["same"] == expected["same"]
    assert found["threshold"] == expected["threshold"]
    assert found["distance"] == pytest.approx(expected["distance"], abs=0.01)


def test_what_is_not_installed_is_an_error_in_a_sentence(
    facerec: Run, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEREC_DEVICE", "directml")
    done = facerec("verify", samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: DirectML on a GPU is not installed: ")
    assert done.stderr.rstrip().endswith("`pip install onnxruntime-directml`).")


def test_a_model_says_where_it_can_run(facerec: Run) -> None:
    shown = json.loads(facerec("models", "show", "--format", "json").stdout)
    assert shown["devices"].split(", ")[0] == CPU
