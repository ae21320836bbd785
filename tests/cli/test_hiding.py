"""facerec blur."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.composed import side_by_side
from tests.conftest import Run

ARDERN, OBAMA = "Jacinda Ardern", "Barack Obama"


@pytest.fixture
def group(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """A photo of two people enrolled and one who is not."""
    facerec("enroll", "--name", ARDERN, samples / "jacinda_ardern_2018.jpg")
    facerec("enroll", "--name", OBAMA, samples / "barack_obama.jpg")
    people = [(samples / name, 500) for name in ("barack_obama.jpg", "jacinda_ardern_2022.jpg", "rishi_sunak.jpg")]
    return side_by_side(tmp_path / "group.jpg", *people)


def named(facerec: Run, photo: Path) -> set[str]:
    done = facerec("identify", photo, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {face["name"] for face in json.loads(done.stdout)["faces"]}


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], set()),
        (["--keep", ARDERN], {ARDERN}),
        (["--keep", ARDERN, "--keep", OBAMA], {ARDERN, OBAMA}),
        (["--only", ARDERN], {OBAMA, "unknown"}),
        (["--unknown"], {ARDERN, OBAMA}),
    ],
)
def test_whose_faces_are_hidden(options: list[str], left: set[str], facerec: Run, group: Path, tmp_path: Path) -> None:
    before = group.read_bytes()
    done = facerec("blur", group, "--out", "out", *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["faces"], record["hidden"], record["error"]) == (3, 3 - len(left), None)
    assert named(facerec, tmp_path / record["copy"]) == left
    assert group.read_bytes() == before


def test_without_names_no_database_is_needed_and_folders_keep_their_shape(
    facerec: Run, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    (folder / "2018").mkdir(parents=True)
    shutil.copy(samples / "barack_obama.jpg", folder / "photo.jpg")
    shutil.copy(samples / "eileen_collins_1999.png", folder / "2018" / "photo.jpg")
    (folder / "text.png").write_text("no picture")
    done = facerec("blur", folder, "--out", "out")
    assert done.returncode == 1
    assert "text.png is damaged or not a picture" in done.stderr
    assert "2 faces hidden in copies of 3 photos in out" in done.stderr
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")} == {
        "photo.jpg",
        "2018/photo.jpg",
    }
    assert not (tmp_path / "database").exists()


@pytest.mark.parametrize("options", [[], ["--keep", ARDERN]])
def test_a_folder_goes_through_the_index(options: list[str], facerec: Run, group: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    group.rename(folder / "group.png")
    for out in ("new", "known"):
        done = facerec("blur", folder, "--out", out, *options, "--index", "i")
        assert done.returncode == 0, done.stderr
    done = facerec("blur", folder, "--out", "none", *options, "--no-index")
    assert len({(tmp_path / out / "group.png").read_bytes() for out in ("new", "known", "none")}) == 1
    assert "looked at 0" in facerec("index", folder, "--index", "i").stderr
    assert facerec("blur", folder, "--out", "out", "--index", "i", "--no-index").returncode == 2


def test_a_photo_that_was_turned_behind_its_time_is_looked_at_anew(facerec: Run, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", ARDERN, samples / "jacinda_ardern_2018.jpg")
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = folder / "photo.png"
    with Image.open(samples / "rishi_sunak.jpg") as picture:
        square = picture.crop((0, 0, picture.width, picture.width))
    square.save(photo, compress_level=0)
    facerec("index", folder, "--index", "i")
    before = photo.stat()
    square.rotate(180).save(photo, compress_level=0)
    os.utime(photo, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert photo.stat().st_size == before.st_size
    assert facerec("blur", folder, "--out", "out", "--index", "i").returncode == 0
    assert named(facerec, tmp_path / "out" / "photo.png") == set()


def test_a_photo_without_a_face_is_told(facerec: Run, tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "nobody.png")
    done = facerec("blur", "nobody.png", "--out", "out")
    assert done.returncode == 0
    assert "No face was found in nobody.png: look at its copy before you show it." in done.stderr
    assert (tmp_path / "out" / "nobody.png").is_file()


def test_what_cannot_be_meant_is_refused_before_anything_is_written(facerec: Run, group: Path, tmp_path: Path) -> None:
    done = facerec("blur", group, "--out", "out", "--keep", ARDERN, "--unknown")
    assert (done.returncode, "one of --keep, --only and --unknown" in done.stderr) == (2, True)
    done = facerec("blur", group, "--out", "out", "--keep", "Nobody Known")
    assert done.returncode == 1
    assert "Nobody Known" in done.stderr and "facerec people list" in done.stderr
    assert facerec("blur", group).returncode == 2
    assert not (tmp_path / "out").exists()
    done = facerec("blur", group, "--out", ".")
    assert done.returncode == 1
    assert "would lie beside the photo itself: choose another folder with --out." in done.stderr
