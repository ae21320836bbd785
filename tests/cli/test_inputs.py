"""What goes in: one thing that fails ends nothing, no name of a file does, and what is left out is told."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

from tests.conftest import Run

ROOT = Path(__file__).parents[2]
LATIN_1 = os.fsdecode(b"J\xe9r\xf4me")


@pytest.fixture
def folder(samples: Path, tmp_path: Path) -> Path:
    """A folder of two people."""
    people = tmp_path / "people"
    for name, photo in {"Ada": "jacinda_ardern_2018.jpg", "Zoe": "rishi_sunak.jpg"}.items():
        (people / name).mkdir(parents=True)
        shutil.copy(samples / photo, people / name)
    return people


@pytest.fixture
def enrolled(facerec: Run, folder: Path) -> Path:
    done = facerec("enroll", folder)
    assert done.returncode == 0, done.stderr
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody may read or search a folder."""
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(0o700)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def people(facerec: Run) -> dict[str, str]:
    return {row["name"]: row["photos"] for row in rows(facerec("people", "list", "--format", "csv").stdout)}


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in done.stderr
    assert "did not expect" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("Error: ")]


# ------------------------------------------------------------------ folders of people


def test_a_folder_that_cannot_be_read_ends_neither_enrolment_nor_search(
    facerec: Run, folder: Path, unprivileged: list[str]
) -> None:
    (folder / "lost+found").mkdir()
    with locked(folder / "lost+found"):
        enrolment = facerec("enroll", folder, under=unprivileged)
        search = facerec("identify", "-r", folder, "--format", "csv", under=unprivileged)
    for done in (enrolment, search):
        assert done.returncode == 1
        (sentence,) = sentences(done)
        assert f"{folder / 'lost+found'} cannot be read" in sentence
    assert people(facerec) == {"Ada": "1", "Zoe": "1"}
    *found, refused = rows(search.stdout)
    assert [row["name"] for row in found] == ["Ada", "Zoe"]
    assert (refused["photo"], refused["name"]) == (str(folder / "lost+found"), "")
    assert "cannot be read" in refused["error"]


@pytest.mark.parametrize("name", ["unknown", "Unknown", "new\nline", "x" * 201, LATIN_1])
def test_a_folder_whose_name_nobody_can_have_is_told_and_the_others_are_enrolled(
    name: str, facerec: Run, folder: Path, samples: Path
) -> None:
    (folder / name).mkdir()
    for photo in ("barack_obama.jpg", "emmanuel_macron_2014.jpg"):
        shutil.copy(samples / photo, folder / name)
    done = facerec("enroll", folder, "--format", "json", errors="surrogateescape")
    assert done.returncode == 1
    assert len(sentences(done)) == 1
    assert "rename it" in done.stderr
    assert people(facerec) == {"Ada": "1", "Zoe": "1"}
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["status"] for outcome in outcomes] == ["refused", "refused", "enrolled", "enrolled"]
    assert all("rename it" in outcome["error"] for outcome in outcomes[:2])


def test_a_photo_whose_name_nobody_can_have_is_told_too(facerec: Run, folder: Path, samples: Path) -> None:
    shutil.copy(samples / "barack_obama.jpg", folder / "unknown.jpg")
    shutil.copy(samples / "barack_obama.jpg", folder / "Barack Obama.jpg")
    done = facerec("enroll", folder)
    assert done.returncode == 1
    assert "unknown.jpg cannot be a person ('unknown' is what strangers are called): rename it." in done.stderr
    assert people(facerec) == {"Ada": "1", "Zoe": "1", "Barack Obama": "1"}


def test_a_folder_of_folders_is_not_one_person(facerec: Run, folder: Path, samples: Path) -> None:
    for name, photo in {"Obama": "barack_obama.jpg", "Macron": "emmanuel_macron_2014.jpg"}.items():
        (folder / "nested" / "all" / name).mkdir(parents=True)
        shutil.copy(samples / photo, folder / "nested" / "all" / name)
    done = facerec("enroll", folder)
    assert done.returncode == 1
    (sentence,) = sentences(done)
    assert f"{folder / 'nested'} holds folders with photos, and no photo itself" in sentence
    assert f"enrol {folder / 'nested' / 'all'} itself" in sentence
    assert "--name" in sentence
    assert people(facerec) == {"Ada": "1", "Zoe": "1"}
    assert facerec("enroll", folder / "nested" / "all").returncode == 0
    assert people(facerec) == {"Ada": "1", "Zoe": "1", "Obama": "1", "Macron": "1"}


def test_a_person_with_a_folder_a_year_is_enrolled_by_name(facerec: Run, samples: Path, tmp_path: Path) -> None:
    for photo in ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg"):
        (tmp_path / "years" / photo[-8:-4]).mkdir(parents=True)
        shutil.copy(samples / photo, tmp_path / "years" / photo[-8:-4])
    assert facerec("enroll", "--name", "Jacinda Ardern", "years").returncode == 0
    assert people(facerec) == {"Jacinda Ardern": "2"}


def test_linked_people_and_photos_without_an_ending_are_enrolled_and_the_rest_is_counted(
    facerec: Run, folder: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "Obama").mkdir(parents=True)
    shutil.copy(samples / "barack_obama.jpg", tmp_path / "out" / "Obama" / "photo")
    (folder / "Obama").symlink_to(tmp_path / "out" / "Obama")
    (folder / "Ada" / "loop").symlink_to(folder)
    (folder / "Empty").mkdir()
    (folder / "Ada" / "@eaDir").mkdir()
    shutil.copy(samples / "emmanuel_macron_2014.jpg", folder / "Ada" / "@eaDir")
    (folder / "Zoe" / "1.nef").write_bytes(b"II*\0")
    (folder / "Zoe" / "notes.txt").write_text("Zoe")
    (folder / "Zoe" / "2.HEIC").write_text("no picture at all")
    done = facerec("enroll", folder)
    assert done.returncode == 1
    (sentence,) = sentences(done)
    assert "2.HEIC" in sentence
    assert people(facerec) == {"Ada": "1", "Zoe": "1", "Obama": "1"}
    told = [line.removeprefix("Warning: ") for line in done.stderr.splitlines() if "Left out" in line]
    assert told == [
        f"Left out 1 folder (no photo in there): {folder / 'Empty'}.",
        f"Left out 1 raw photo (facerec reads none, export it as JPEG): {folder / 'Zoe' / '1.nef'}.",
        f"Left out 1 file (no picture): {folder / 'Zoe' / 'notes.txt'}.",
        f"Left out 1 linked folder (searched already, or leading back up): {folder / 'Ada' / 'loop'}.",
    ]


def test_of_several_folders_those_that_are_there_are_enrolled(
    facerec: Run, folder: Path, unprivileged: list[str]
) -> None:
    (folder / "gone").symlink_to("nowhere")
    (folder.parent / "empty").mkdir()
    names = ["missing", "x" * 300, folder / "gone", "people/Ada/jacinda_ardern_2018.jpg/x", "empty", folder]
    done = facerec("enroll", *names, under=unprivileged)
    assert done.returncode == 1
    # The dangling link is met again in the folder that it is in.
    assert len(sentences(done)) == len(names)
    assert people(facerec) == {"Ada": "1", "Zoe": "1"}


def test_where_there_is_nobody_to_enrol_no_database_is_made(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "people" / "unknown").mkdir(parents=True)
    (tmp_path / "people" / "unknown" / "1.jpg").touch()
    done = facerec("enroll", "people", "--format", "csv")
    assert done.returncode == 1
    assert [row["status"] for row in rows(done.stdout)] == ["refused"]
    assert not (tmp_path / "database").exists()


# ------------------------------------------------------------------ photos


def test_each_input_that_cannot_be_used_is_told_and_the_others_are_done(
    facerec: Run, enrolled: Path, unprivileged: list[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    hidden = enrolled / "Ada" / "jacinda_ardern_2018.jpg"
    bad = ["pipe.jpg", "gone.jpg", "self.jpg", "x" * 300, "y/" * 3000 + "z.jpg", "people/Ada", hidden, "socket.jpg"]
    good = enrolled / "Zoe" / "rishi_sunak.jpg"
    with socket.socket(socket.AF_UNIX) as server, locked(enrolled / "Ada"):
        server.bind(os.path.relpath(tmp_path / "socket.jpg"))
        for options in ([], ["-r"]):
            done = facerec("identify", *bad, good, good, "--format", "csv", *options, under=unprivileged)
            assert done.returncode == 1
            assert len(sentences(done)) == len(bad)
            found = rows(done.stdout)
            assert [row["name"] for row in found if not row["error"]] == ["Zoe", "Zoe"]
            assert sorted(row["photo"] for row in found if row["error"]) == sorted(map(str, bad))


def test_csv_and_json_have_a_row_for_every_input(facerec: Run, enrolled: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "black.png")
    (tmp_path / "nothing").mkdir()
    inputs = ["black.png", "absent.jpg", "nothing", enrolled / "Zoe" / "rishi_sunak.jpg"]
    table = facerec("identify", "-r", *inputs, "--format", "csv")
    objects = facerec("identify", "-r", *inputs, "--format", "json")
    assert table.returncode == objects.returncode == 1
    by_photo = {Path(row["photo"]).name: row for row in rows(table.stdout)}
    assert {name: (row["name"], row["error"]) for name, row in by_photo.items()} == {
        "black.png": ("", ""),
        "absent.jpg": ("", "absent.jpg does not exist: check the path."),
        "nothing": ("", "nothing holds no photo: give a folder of photos."),
        "rishi_sunak.jpg": ("Zoe", ""),
    }
    results = {Path(one["photo"]).name: one for one in map(json.loads, objects.stdout.splitlines())}
    assert {name: (len(one["faces"]), one["error"]) for name, one in results.items()} == {
        "black.png": (0, None),
        "absent.jpg": (0, "absent.jpg does not exist: check the path."),
        "nothing": (0, "nothing holds no photo: give a folder of photos."),
        "rishi_sunak.jpg": (1, None),
    }
    schema = json.loads((ROOT / "docs" / "output.schema.json").read_text())
    for result in results.values():
        jsonschema.validate(result, {"$ref": "#/$defs/identify", "$defs": schema["$defs"]})


def test_file_names_of_any_bytes_go_in_by_all_ways(facerec: Run, folder: Path) -> None:
    photo = folder / "Ada" / "jacinda_ardern_2018.jpg"
    renamed = photo.rename(photo.with_name(f"{LATIN_1}.jpg"))
    # As in a locale such as en_US.UTF-8, where Python writes no such names by itself.
    answer = {"errors": "surrogateescape", "under": ["env", "PYTHONIOENCODING=utf-8:strict"]}
    done = facerec("enroll", folder, **answer)
    assert done.returncode == 0
    assert people(facerec) == {"Ada": "1", "Zoe": "1"}
    listed = f"{renamed}\r\n\r\n{folder / 'Zoe' / 'rishi_sunak.jpg'}"
    ways: list[tuple[list[str | Path], str, str]] = [
        ([renamed], "", "csv"),
        (["-r", folder], "", "json"),
        (["-"], listed, "table"),
        (["-"], f"{renamed}\0", "csv"),
    ]
    for arguments, given, form in ways:
        done = facerec("identify", *arguments, "--format", form, input=given, **answer)
        assert done.returncode == 0
        assert "Ada" in done.stdout
    assert "same person" in facerec("verify", "--name", "Ada", renamed, **answer).stdout


def test_annotated_copies_of_photos_named_alike_keep_their_folders_apart(
    facerec: Run, enrolled: Path, samples: Path, tmp_path: Path
) -> None:
    for name in ("Ada", "Zoe"):
        for photo in (enrolled / name).iterdir():
            photo.rename(photo.with_name("1.jpg"))
    both = [enrolled / "Zoe" / "1.jpg", enrolled / "Ada" / "1.jpg"]
    ways: list[list[str | Path]] = [[*both], [*both[::-1]], ["-r", enrolled], ["-r", *enrolled.iterdir()]]
    for number, inputs in enumerate(ways):
        assert facerec("identify", *inputs, "--annotate", f"out{number}").returncode == 0
        copies = sorted(path.relative_to(tmp_path) for path in (tmp_path / f"out{number}").rglob("*.jpg"))
        assert copies == [Path(f"out{number}/Ada/1.jpg"), Path(f"out{number}/Zoe/1.jpg")]
    with Image.open(tmp_path / "out0/Ada/1.jpg") as copy, Image.open(samples / "jacinda_ardern_2018.jpg") as original:
        assert copy.size == original.size


def test_the_rate_is_that_of_the_work(facerec: Run, enrolled: Path) -> None:
    photo = enrolled / "Zoe" / "rishi_sunak.jpg"
    done = facerec("identify", *[photo] * 3)
    (seconds, rate) = map(float, re.findall(r"3 photos, ([\d.]+) s, ([\d.]+) photos/s", done.stderr)[0])
    # Both are rounded.
    assert 0 < rate <= 3 / max(seconds - 0.05, 0.01) + 0.05
    assert seconds > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("identify", ""),
        ("identify", "-r", ""),
        ("enroll", ""),
        ("identify", "a.jpg", "--annotate", ""),
        ("models", "calibrate", "--data", ""),
        ("fetch", "--data", ""),
        ("train", "--data", ""),
    ],
)
def test_an_empty_path_is_not_the_current_folder(facerec: Run, arguments: tuple[str, ...]) -> None:
    done = facerec(*arguments)
    assert done.returncode == 2
    assert "the path is empty" in done.stderr


def test_every_part_of_a_folder_that_failed_has_a_row(facerec: Run, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    (folder / "Rishi").mkdir(parents=True)
    shutil.copy(samples / "rishi_sunak.jpg", folder / "Rishi")
    (folder / "gone").symlink_to("nowhere")
    outcomes = rows(facerec("enroll", "people", "--format", "csv").stdout)
    assert [(outcome["photo"], outcome["status"]) for outcome in outcomes] == [
        ("people/gone", "refused"),
        ("people/Rishi/rishi_sunak.jpg", "enrolled"),
    ]
    found = rows(facerec("identify", "-r", "people", "--format", "csv").stdout)
    assert [(row["photo"], bool(row["error"])) for row in found] == [
        ("people/Rishi/rishi_sunak.jpg", False),
        ("people/gone", True),
    ]
    (outcome,) = rows(facerec("enroll", "nofolder", "--format", "csv").stdout)
    assert (outcome["photo"], outcome["status"]) == ("nofolder", "refused")


def test_an_empty_list_is_told(facerec: Run, samples: Path) -> None:
    assert facerec("enroll", "--name", "R", samples / "rishi_sunak.jpg").returncode == 0
    done = facerec("identify", "-", input="")
    assert (done.returncode, done.stderr) == (0, "No photo was listed on standard input.\n")
