from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.composed import side_by_side
from tests.conftest import Run


@pytest.fixture
def album(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """A folder of photos, one of them of two people who are enrolled."""
    for name, photo in [("Emmanuel Macron", "emmanuel_macron_2014.jpg"), ("Jacinda Ardern", "jacinda_ardern_2018.jpg")]:
        assert facerec("enroll", "--name", name, samples / photo).returncode == 0
    folder = tmp_path / "album"
    folder.mkdir()
    for photo in ("emmanuel_macron_2025.jpg", "barack_obama.jpg"):
        shutil.copy(samples / photo, folder)
    both = [(samples / photo, 700) for photo in ("emmanuel_macron_2025.jpg", "jacinda_ardern_2022.jpg")]
    side_by_side(folder / "both.jpg", *both)
    return folder


def test_paths_alone_come_out(facerec: Run, album: Path) -> None:
    done = facerec("find", "Emmanuel Macron", "album")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["album/both.jpg", "album/emmanuel_macron_2025.jpg"]
    assert facerec("find", " Emmanuel  Macron ", "album", "-0").stdout == done.stdout.replace("\n", "\0")
    assert facerec("find", "Jacinda Ardern", "album", "album").stdout == "album/both.jpg\n"


def test_photos_of_both(facerec: Run, album: Path) -> None:
    done = facerec("find", "Emmanuel Macron", "album", "--together", "Jacinda Ardern", "--format", "json")
    (line,) = done.stdout.splitlines()
    assert {face["name"] for face in json.loads(line)["faces"]} == {"Emmanuel Macron", "Jacinda Ardern"}


def test_json_says_what_identify_says(facerec: Run, album: Path) -> None:
    (line,) = facerec("find", "Jacinda Ardern", "album", "--format", "json").stdout.splitlines()
    (face,) = json.loads(line)["faces"]
    (other,) = facerec("identify", "album/both.jpg", "--format", "json").stdout.splitlines()
    assert face in [{key: one[key] for key in face} for one in json.loads(other)["faces"]]


def test_a_photo_in_place_of_a_name(facerec: Run, album: Path, samples: Path) -> None:
    like = samples / "emmanuel_macron_2014.jpg"
    shutil.rmtree(album.parent / "database")
    done = facerec("find", "--like", like, "album", "--format", "json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["photo"] for one in found] == ["album/both.jpg", "album/emmanuel_macron_2025.jpg"]
    assert {face["name"] for one in found for face in one["faces"]} == {str(like)}
    nobody = facerec("find", "--like", samples / "rishi_sunak.jpg", "album")
    assert (nobody.returncode, nobody.stdout) == (0, "")
    assert "No photo of 3, with 4 faces" in nobody.stderr


def test_names_of_any_bytes_come_out_as_they_are(album: Path, facerec_path: str) -> None:
    odd = os.fsencode(album) + b"/caf\xe9.jpg"
    os.rename(album / "both.jpg", odd)  # noqa: PTH104 - bytes
    command = [facerec_path, "find", "Jacinda Ardern", "album"]
    found = subprocess.run(command, cwd=album.parent, capture_output=True, check=True).stdout
    assert found == b"album/caf\xe9.jpg\n"


def test_whom_nobody_knows_is_told(facerec: Run, album: Path) -> None:
    done = facerec("find", "Ada Lovelace", "album")
    assert done.returncode == 1
    assert "Nobody named 'Ada Lovelace'" in done.stderr
    assert facerec("find", "Emmanuel Macron").returncode == 2
    assert facerec("find", "--like", "x.jpg", "--together", "Ada", "album").returncode == 2
