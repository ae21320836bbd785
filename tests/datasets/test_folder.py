from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets.folder import search
from facerec_cli.errors import NestedPeopleError, NoPhotosError, UnreadablePhotoError
from facerec_cli.faces.endings import SUFFIXES


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def below(folder: Path, paths: Iterable[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def photos(folder: Path) -> list[str]:
    return below(folder, search(folder).photos)


def people(folder: Path) -> list[tuple[str, str]]:
    return sorted((name, photo.relative_to(folder).as_posix()) for name, photo in search(folder).people)


def left_out(folder: Path) -> dict[str, list[str]]:
    return {reason.name: below(folder, paths) for reason, paths in search(folder).left_out.items()}


# ------------------------------------------------------------------ photos


def test_pictures_are_found_at_any_depth_sorted_by_folder_and_nothing_hidden(tmp_path: Path) -> None:
    wanted = ["a.png", "b.JPG", "Ada/1.jpeg", "Ada/2.webp", "Ada/at home/x.tiff", "Ada-x/1.jpg", "Zoë/y.bmp"]
    others = [".hidden.jpg", ".cache/z.jpg", "Ada/.trash/z.jpg", "notes.txt", "Ada/list.csv", "jpg", "photo.jpg.part"]
    assert photos(touched(tmp_path, *reversed(wanted), *others)) == wanted
    assert left_out(tmp_path) == {"OTHER": ["Ada/list.csv", "jpg", "notes.txt", "photo.jpg.part"]}


def test_what_says_that_it_is_a_photo_is_tried(tmp_path: Path) -> None:
    assert {".heic", ".heif", ".avif", ".gif", ".jfif", ".jpe", ".mpo", ".jp2"} <= SUFFIXES
    names = [f"{number:02}{suffix.upper()}" for number, suffix in enumerate(sorted(SUFFIXES))]
    assert photos(touched(tmp_path, *names)) == names


@pytest.mark.parametrize("name", ["photo", "IMG_1.jpg_original", "scan.", "IMG.JPG~", "Dr. Ada", "7.part"])
@pytest.mark.parametrize("sample", ["barack_obama.jpg", "eileen_collins_1999.png"])
def test_what_has_the_header_of_a_photo_is_one_whatever_its_ending(
    name: str, sample: str, samples: Path, tmp_path: Path
) -> None:
    shutil.copy(samples / sample, tmp_path / name)
    assert photos(tmp_path) == [name]
    assert people(tmp_path) == [(name, name)]


def test_texts_and_videos_have_no_header_of_a_photo(tmp_path: Path) -> None:
    starts = {"BMW.txt": b"BMW owners of the town", "a.mov": b"\0\0\0\x14ftypqt  ", "a.wav": b"RIFF\0\0\0\0WAVE"}
    for name, start in starts.items():
        (tmp_path / name).write_bytes(start + bytes(100))
    assert photos(tmp_path) == []
    assert left_out(tmp_path) == {"OTHER": sorted(starts)}


def test_a_raw_photo_is_counted_and_its_thumbnail_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "1.NEF").write_bytes(b"II*\0" + bytes(100))
    touched(tmp_path, "Ada/1.jpg", "Ada/2.dng")
    assert photos(tmp_path) == ["Ada/1.jpg"]
    assert left_out(tmp_path) == {"RAW": ["Ada/1.NEF", "Ada/2.dng"]}


def test_what_systems_leave_is_neither_searched_nor_counted(tmp_path: Path) -> None:
    folders = [
        *("@eaDir", "@EADIR", "#recycle", "#snapshot", ".thumbnails", ".Trash-1000", "__MACOSX", "$RECYCLE.BIN"),
        *("System Volume Information", ".@__thumb", "@Recycle", ".git"),
    ]
    touched(tmp_path, "Ada/1.jpg", "Ada/._1.jpg", "Ada/Thumbs.db", "Ada/desktop.ini", "Ada/.DS_Store")
    for folder in folders:
        touched(tmp_path, f"{folder}/1.jpg", f"Ada/{folder}/1.jpg/SYNOPHOTO_THUMB_XL.jpg")
    found = search(tmp_path)
    assert (below(tmp_path, found.photos), found.left_out, found.refused) == (["Ada/1.jpg"], {}, [])


def test_a_folder_named_by_the_user_is_searched_whatever_it_is_called(tmp_path: Path) -> None:
    assert photos(touched(tmp_path / "@eaDir" / ".hidden", "1.jpg")) == ["1.jpg"]


def test_folders_without_a_photo_are_counted_once(tmp_path: Path) -> None:
    touched(tmp_path, "Ada/1.jpg", "Deep/er/still/notes.txt", "Ada/scans/list.csv", "Raw/1.nef")
    (tmp_path / "Empty").mkdir()
    assert left_out(tmp_path)["EMPTY"] == ["Ada/scans", "Deep", "Empty", "Raw"]


def test_file_names_of_any_bytes_are_photos(tmp_path: Path) -> None:
    names = [b"Jos\xe9/\xff\xfe.jpg", b"new\nline\t\x1b[2J.jpg", b" .jpg", "한\u202e.jpg".encode()]
    for name in names:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert sorted(os.fsencode(path.relative_to(tmp_path)) for path in search(tmp_path).photos) == sorted(names)


# ------------------------------------------------------------------ links


def test_linked_folders_and_photos_are_followed(tmp_path: Path) -> None:
    touched(tmp_path / "out", "Sunak/1.jpg", "Sunak/more/2.jpg", "x.jpg")
    folder = touched(tmp_path / "p", "Ada/1.jpg")
    (folder / "Sunak").symlink_to(tmp_path / "out" / "Sunak")
    (folder / "Ada" / "2.jpg").symlink_to(tmp_path / "out" / "x.jpg")
    assert people(folder) == [
        ("Ada", "Ada/1.jpg"),
        ("Ada", "Ada/2.jpg"),
        ("Sunak", "Sunak/1.jpg"),
        ("Sunak", "Sunak/more/2.jpg"),
    ]
    (tmp_path / "link").symlink_to(folder)
    assert people(tmp_path / "link") == people(folder)


def test_loops_end_and_are_counted(tmp_path: Path) -> None:
    folder = touched(tmp_path / "p", "a/1.jpg", "b/2.jpg")
    (folder / "a" / "to b").symlink_to(folder / "b")
    (folder / "b" / "to a").symlink_to(folder / "a")
    (folder / "a" / "here").symlink_to(".")
    (folder / "up").symlink_to(tmp_path)
    (folder / "root").symlink_to("/")
    assert photos(folder) == ["a/1.jpg", "b/2.jpg"]
    assert left_out(folder) == {"SEEN": ["a/here", "a/to b", "b/to a", "root", "up"]}


def test_a_folder_behind_two_links_is_searched_once_and_always_under_the_same(tmp_path: Path) -> None:
    touched(tmp_path / "out", "1.jpg", "deep/2.jpg")
    (tmp_path / "out" / "deep" / "back").symlink_to(tmp_path / "out")
    for name in ("z", "m", "a"):
        (tmp_path / "p" / name).mkdir(parents=True)
        (tmp_path / "p" / name / "link").symlink_to(tmp_path / "out")
    found = photos(tmp_path / "p")
    assert len(found) == 2
    assert photos(tmp_path / "p") == found
    assert len(left_out(tmp_path / "p")["SEEN"]) == 3


def test_a_folder_has_its_own_name_and_not_that_of_a_link_to_it(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Robert/1.jpg")
    (folder / "Bob").symlink_to("Robert")
    assert people(folder) == [("Robert", "Robert/1.jpg")]
    assert left_out(folder) == {"SEEN": ["Bob"]}


def test_links_that_lead_nowhere_are_errors(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada/1.jpg")
    (folder / "Gone").symlink_to("/nowhere/at all")
    (folder / "Self").symlink_to("Self")
    found = search(folder)
    assert below(folder, found.photos) == ["Ada/1.jpg"]
    gone, itself = map(str, found.refused)
    assert gone == f"{folder / 'Gone'} is a link that leads nowhere"
    assert itself.startswith(f"{folder / 'Self'} cannot be read (")


def test_pipes_and_sockets_do_not_hold_the_search_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert left_out(tmp_path) == {"OTHER": ["pipe", "socket"]}


# ------------------------------------------------------------------ people


def test_a_sub_folder_is_a_person_with_all_its_photos(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada Lovelace/1.jpg", "Ada Lovelace/2.png", "Alan Turing/a.webp")
    assert people(folder) == [
        ("Ada Lovelace", "Ada Lovelace/1.jpg"),
        ("Ada Lovelace", "Ada Lovelace/2.png"),
        ("Alan Turing", "Alan Turing/a.webp"),
    ]


def test_a_photo_in_the_folder_itself_is_a_person_named_by_its_file(tmp_path: Path) -> None:
    assert people(touched(tmp_path, "Ada Lovelace.jpg", "Dr. Turing.PNG")) == [
        ("Ada Lovelace", "Ada Lovelace.jpg"),
        ("Dr. Turing", "Dr. Turing.PNG"),
    ]


def test_both_ways_mix(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada.jpg", "Ada/more.jpg", "Ζωή/ζ.jpg")
    assert people(folder) == [("Ada", "Ada.jpg"), ("Ada", "Ada/more.jpg"), ("Ζωή", "Ζωή/ζ.jpg")]


def test_a_photo_further_down_belongs_to_the_first_sub_folder(tmp_path: Path) -> None:
    assert people(touched(tmp_path, "Ada/1833/spring/1.jpg")) == [("Ada", "Ada/1833/spring/1.jpg")]


def test_a_persons_photos_come_together_and_in_order(tmp_path: Path) -> None:
    folder = touched(tmp_path, "b/2.jpg", "b/1.jpg", "a/2.jpg", "a/1.jpg")
    assert photos(folder) == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]


def test_a_folder_given_relatively_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(tmp_path, "people/Ada/1.jpg", "people/Deep/er/1.jpg")
    monkeypatch.chdir(tmp_path / "people")
    found = search(Path())
    assert found.people == [("Ada", Path("Ada/1.jpg")), ("Deep", Path("Deep/er/1.jpg"))]
    assert found.nested.keys() == {Path("Deep")}


@pytest.mark.parametrize(
    ("names", "holder"),
    [
        (["people/Obama/1.jpg", "people/Ardern/1.jpg"], "people"),
        (["people/all/Obama/1.jpg", "people/all/Ardern/1.jpg"], "people/all"),
        (["people/a/Obama/1.jpg", "people/b/Ardern/1.jpg"], "people"),
        (["people/Obama/1.jpg"], "people"),
    ],
)
def test_a_folder_of_folders_may_be_several_people(names: list[str], holder: str, tmp_path: Path) -> None:
    folder = touched(tmp_path, *names, "Ada/1.jpg", "Ada/1833/2.jpg", "Zoe.jpg")
    ((place, error),) = search(folder).nested.items()
    assert isinstance(error, NestedPeopleError)
    assert (place, error.subject) == (folder / "people", str(folder / holder))
    assert str(place) in str(error)


# ------------------------------------------------------------------ what cannot be searched


def test_a_folder_without_a_photo_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = search(touched(tmp_path, "Ada/notes.txt"))
    assert not found.photos
    (error,) = found.refused
    assert isinstance(error, NoPhotosError)
    assert str(tmp_path) in str(error)


@pytest.mark.parametrize("name", ["missing", "missing/too", "file.jpg", "file.jpg/x", "long" * 1000])
def test_what_is_no_folder_is_not_called_an_empty_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.jpg").touch()
    (error,) = search(tmp_path / name).refused
    assert isinstance(error, UnreadablePhotoError)
    assert str(tmp_path / name) in str(error)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lets nobody read folders called Alan, not even root."""
    scandir = os.scandir

    def scan(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "Alan":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


@pytest.mark.usefixtures("refusing")
def test_a_sub_folder_that_cannot_be_read_is_an_error_and_the_others_are_searched(tmp_path: Path) -> None:
    found = search(touched(tmp_path, "Ada/1.jpg", "Alan/1.jpg", "Zoe/1.jpg", "Zoe/Alan/2.jpg"))
    assert below(tmp_path, found.photos) == ["Ada/1.jpg", "Zoe/1.jpg"]
    assert [str(error) for error in found.refused] == [
        f"{tmp_path / place} cannot be read (Permission denied)" for place in ("Alan", "Zoe/Alan")
    ]
    assert found.left_out == {}


@pytest.mark.usefixtures("refusing")
def test_a_folder_of_which_nothing_can_be_read_is_not_called_empty(tmp_path: Path) -> None:
    (error,) = search(touched(tmp_path, "Alan/1.jpg")).refused
    assert not isinstance(error, NoPhotosError)


def test_a_path_too_long_for_the_system_is_told_and_ends_nothing(tmp_path: Path) -> None:
    folder = touched(tmp_path, "Ada/1.jpg")
    step = "d" * 200
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir(step, dir_fd=deep)
        deeper = os.open(step, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(os.open("1.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    found = search(folder)
    assert below(folder, found.photos) == ["Ada/1.jpg"]
    (error,) = found.refused
    assert "cannot be read (File name too long)" in str(error)
