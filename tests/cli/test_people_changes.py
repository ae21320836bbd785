"""Photos taken back, people merged, lookalikes, and rebuilding, on the command line."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.fixture
def enrolled(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """Two photos of one person under one name, and two of another under two."""
    ardern = [samples / f"jacinda_ardern_{year}.jpg" for year in (2018, 2022)]
    assert facerec("enroll", "--name", "Jacinda Ardern", *ardern).returncode == 0
    for name, year in (("Macron", 2014), ("Emmanuel Macron", 2025)):
        assert facerec("enroll", "--name", name, samples / f"emmanuel_macron_{year}.jpg").returncode == 0
    return tmp_path / "database"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def photos(facerec: Run) -> dict[str, str]:
    return {row["name"]: row["photos"] for row in rows(facerec("people", "list", "--format", "csv").stdout)}


def test_one_photo_is_taken_back(facerec: Run, enrolled: Path, samples: Path) -> None:
    done = facerec("people", "remove", "Jacinda Ardern", "--photo", "jacinda_ardern_2018.jpg", "--yes")
    assert done.returncode == 0
    assert done.stderr.startswith("Of Jacinda Ardern is forgotten: 1 photo.\n")
    assert photos(facerec)["Jacinda Ardern"] == "1"
    assert len(list((enrolled / "faces").glob("jacinda*/*.jpg"))) == 1
    (face,) = json.loads(facerec("identify", samples / "jacinda_ardern_2022.jpg", "--format", "json").stdout)["faces"]
    assert face["name"] == "Jacinda Ardern"
    sha256 = json.loads(facerec("people", "show", "Jacinda Ardern", "--format", "json").stdout)["sha256"]
    assert facerec("people", "remove", "Jacinda Ardern", "--photo", sha256[:12], "--yes").returncode == 0
    assert "Jacinda Ardern" not in photos(facerec)


def test_a_photo_that_is_not_there_is_told(facerec: Run, enrolled: Path) -> None:
    done = facerec("people", "remove", "Jacinda Ardern", "--photo", "other.jpg", "--yes")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Jacinda Ardern has no photo other.jpg: ")
    assert "facerec people show 'Jacinda Ardern'" in done.stderr
    assert facerec("people", "remove", "Macron", "Emmanuel Macron", "--photo", "a.jpg", "--yes").returncode == 2
    assert photos(facerec)["Jacinda Ardern"] == "2"


def test_one_person_of_two_names_is_found_and_merged(facerec: Run, enrolled: Path, samples: Path) -> None:
    done = facerec("people", "lookalikes", "--format", "csv")
    (pair,) = rows(done.stdout)
    assert {pair["name"], pair["other"]} == {"Macron", "Emmanuel Macron"}
    assert float(pair["distance"]) <= float(pair["threshold"])
    done = facerec("people", "merge", "Macron", "Emmanuel Macron")
    assert done.returncode == 0
    assert "Macron is now Emmanuel Macron: 1 photo more." in done.stderr
    assert photos(facerec) == {"Jacinda Ardern": "2", "Emmanuel Macron": "2"}
    assert not list((enrolled / "faces").glob("macron*"))
    assert rows(facerec("people", "lookalikes", "--format", "csv").stdout) == []
    told = facerec("identify", samples / "emmanuel_macron_2014.jpg", "--format", "json").stdout
    assert json.loads(told)["faces"][0]["name"] == "Emmanuel Macron"
    assert facerec("people", "merge", "Nobody", "Emmanuel Macron").returncode == 1
    assert facerec("people", "merge", "Emmanuel Macron", "Emmanuel Macron").returncode == 2


def test_a_rebuild_that_would_forget_much_needs_a_word(facerec: Run, enrolled: Path) -> None:
    index = (enrolled / "gallery.h5").read_bytes()
    for take_away in ("missing", "file", "link"):
        moved = (enrolled / "faces").rename(enrolled.parent / "faces")
        if take_away == "file":
            (enrolled / "faces").write_bytes(b"")
        if take_away == "link":
            (enrolled / "faces").symlink_to("nowhere")
        done = facerec("people", "rebuild")
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "database/faces cannot be read" in done.stderr and "restore that folder" in done.stderr
        assert (enrolled / "gallery.h5").read_bytes() == index
        (enrolled / "faces").unlink(missing_ok=True)
        moved.rename(enrolled / "faces")
    shutil.rmtree(next((enrolled / "faces").glob("jacinda*")))
    done = facerec("people", "rebuild")
    assert done.returncode == 1
    assert "would lose 2 of its 4 photos" in done.stderr and "--yes" in done.stderr
    assert (enrolled / "gallery.h5").read_bytes() == index
    assert facerec("people", "rebuild", "--yes").returncode == 0
    assert photos(facerec) == {"Macron": "1", "Emmanuel Macron": "1"}


def test_a_rebuild_brings_nobody_back_without_a_word(facerec: Run, enrolled: Path) -> None:
    kept = shutil.copytree(enrolled / "faces", enrolled.parent / "kept")
    assert facerec("people", "remove", "Macron", "--yes").returncode == 0
    shutil.copytree(kept, enrolled / "faces", dirs_exist_ok=True)
    done = facerec("people", "rebuild")
    assert done.returncode == 0
    assert "Warning: database/faces/macron-" in done.stderr
    assert "Macron" not in photos(facerec)
    assert facerec("people", "rebuild", "--yes").returncode == 0
    assert "Macron" in photos(facerec)


def test_whoever_no_chip_can_be_used_of_is_named(facerec: Run, enrolled: Path, samples: Path, models: Path) -> None:
    shutil.rmtree(next((enrolled / "faces").glob("jacinda*")))
    photo = samples / "jacinda_ardern_2022.jpg"
    asked = [
        ("verify", "--name", "Jacinda Ardern", photo, "-m", models),
        ("identify", photo, "-m", models),
        ("people", "export", "-m", models),
    ]
    for command in asked:
        done = facerec(*command)
        assert done.returncode == 1, command
        assert "Error: No chip of Jacinda Ardern in database can be used: " in done.stderr
        assert "nan" not in done.stdout.casefold()
    assert len(facerec(*asked[1], "--format", "json").stdout.splitlines()) == 1


@pytest.fixture
def models() -> Path:
    """A second model."""
    return Path(__file__).parents[2] / "models" / "saved_best"


@pytest.mark.parametrize("location", [".", "", "full"])
def test_a_folder_of_other_things_becomes_no_database(
    facerec: Run, samples: Path, tmp_path: Path, location: str
) -> None:
    place = tmp_path / "full" if location == "full" else tmp_path
    place.mkdir(exist_ok=True)
    (place / "holiday.txt").write_text("mine")
    place.chmod(0o755)
    done = facerec("enroll", "-db", location, "--name", "R", samples / "rishi_sunak.jpg")
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert place.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in place.iterdir()) == ["holiday.txt"]


def test_permissions_are_those_of_the_folder(facerec: Run, samples: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for location in ("shared", "own"):
        assert facerec("enroll", "-db", location, "--name", "R", samples / "rishi_sunak.jpg").returncode == 0
    assert shared.stat().st_mode & 0o7777 == 0o1777
    own = list((tmp_path / "own").rglob("*"))
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "own", *own])
