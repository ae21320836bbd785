from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets.folder import people_in, photos_in
from facerec_cli.errors import PhotoError


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path) -> list[tuple[str, str]]:
    return sorted((name, photo.relative_to(folder).as_posix()) for name, photo in people_in(folder))


def test_photos_in_finds_pictures_at_any_depth_and_nothing_hidden(tmp_path: Path) -> None:
    wanted = ["b.JPG", "a.png", "Ada/2.webp", "Ada/1.jpeg", "Ada/at home/x.tiff", "Zoë/y.bmp"]
    others = [".hidden.jpg", ".cache/z.jpg", "Ada/.trash/z.jpg", "notes.txt", "Ada/list.csv", "jpg", "photo.jpg.part"]
    for name in wanted + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = photos_in(tmp_path)
    assert sorted(found) == sorted(tmp_path / name for name in wanted)
    assert [path.name for path in found if path.parent == tmp_path / "Ada"] == ["1.jpeg", "2.webp"]
    assert [path.name for path in found if path.parent == tmp_path] == ["a.png", "b.JPG"]


def test_photos_in_an_empty_folder_is_an_empty_list(tmp_path: Path) -> None:
    assert photos_in(tmp_path) == []


def test_a_sub_folder_is_a_person_with_all_its_photos(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada Lovelace/1.jpg", "Ada Lovelace/2.png", "Alan Turing/a.webp")
    assert found(folder) == [
        ("Ada Lovelace", "Ada Lovelace/1.jpg"),
        ("Ada Lovelace", "Ada Lovelace/2.png"),
        ("Alan Turing", "Alan Turing/a.webp"),
    ]


def test_a_photo_in_the_folder_itself_is_a_person_named_by_its_file(tmp_path: Path) -> None:
    assert found(touched(tmp_path, "Ada Lovelace.jpg", "Dr. Turing.PNG")) == [
        ("Ada Lovelace", "Ada Lovelace.jpg"),
        ("Dr. Turing", "Dr. Turing.PNG"),
    ]


def test_both_ways_mix(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada.jpg", "Ada/more.jpg", "Ζωή/ζ.jpg")
    assert found(folder) == [("Ada", "Ada.jpg"), ("Ada", "Ada/more.jpg"), ("Ζωή", "Ζωή/ζ.jpg")]


def test_a_photo_further_down_belongs_to_the_first_sub_folder(tmp_path: Path) -> None:
    assert found(touched(tmp_path, "Ada/1833/spring/1.jpg")) == [("Ada", "Ada/1833/spring/1.jpg")]


def test_a_persons_photos_come_together_and_in_order(tmp_path: Path) -> None:
    folder = touched(tmp_path, "b/2.jpg", "b/1.jpg", "a/2.jpg", "a/1.jpg")
    assert [photo.relative_to(folder).as_posix() for _, photo in people_in(folder)] == [
        "a/1.jpg",
        "a/2.jpg",
        "b/1.jpg",
        "b/2.jpg",
    ]


def test_hidden_files_and_other_files_are_nobody(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada/1.jpg", "Ada/notes.txt", ".thumbnails/1.jpg", ".x.jpg", "README.md", "Nobody/a.csv")
    assert found(folder) == [("Ada", "Ada/1.jpg")]


def test_a_folder_given_relatively_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(tmp_path, "people/Ada/1.jpg")
    monkeypatch.chdir(tmp_path / "people")
    assert people_in(Path()) == [("Ada", Path("Ada/1.jpg"))]


def test_a_folder_without_a_photo_is_an_error_that_names_it(tmp_path: Path) -> None:
    touched(tmp_path, "Ada/notes.txt")
    with pytest.raises(PhotoError, match="holds no photo") as raised:
        people_in(tmp_path)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("name", ["missing", "file.jpg"])
def test_what_is_no_folder_is_not_called_an_empty_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.jpg").touch()
    with pytest.raises(PhotoError) as raised:
        people_in(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)
    assert "holds no photo" not in str(raised.value)


def test_a_sub_folder_that_cannot_be_read_is_an_error_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched(tmp_path, "Ada/1.jpg", "Alan/1.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "Alan":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    # By hand, because root may read every folder.
    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PhotoError, match="cannot be read") as raised:
        people_in(tmp_path)
    assert str(tmp_path) in str(raised.value)
