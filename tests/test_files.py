"""Whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from facerec_cli import files
from facerec_cli.files import clear_strays, finish_folders, new_file, new_folder, refusal, sync_folder, write_file
from facerec_cli.locks import locked


class Stopped(Exception):
    """Something that ends the work."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_place_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with new_file(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
        assert beside.parent == path.parent
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file"]


def test_a_file_that_is_not_finished_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(Stopped), new_file(path) as beside:
        beside.write_text("half")
        raise Stopped
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with new_file(path) as one, new_file(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert names(tmp_path) == ["file"]


def test_a_folder_takes_its_place_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with new_folder(path) as beside:
        (beside / "inner").mkdir()
        (beside / "inner" / "file").write_text("first")
        assert not path.exists()
    with new_folder(path) as beside:
        (beside / "other").write_text("second")
        assert (path / "inner" / "file").read_text() == "first"
    assert names(path) == ["other"]
    assert names(path.parent) == ["folder"]


def test_a_folder_that_is_not_finished_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old")
    with pytest.raises(Stopped), new_folder(path) as beside:
        (beside / "file").write_text("half")
        raise Stopped
    assert (path / "file").read_text() == "old"
    assert names(tmp_path) == ["folder"]


@pytest.fixture
def without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot exchange two folders in one step."""
    monkeypatch.setattr(files, "_exchanged", lambda one, other: False)


@pytest.mark.usefixtures("without_exchange")
def test_the_old_folder_comes_back_if_the_new_one_cannot_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old")
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"), new_folder(path) as beside:
        (beside / "file").write_text("new")
    assert (path / "file").read_text() == "old"
    assert names(tmp_path) == ["folder"]


@pytest.mark.usefixtures("without_exchange")
def test_a_folder_is_replaced_where_folders_cannot_be_exchanged(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        with new_folder(tmp_path / "folder") as beside:
            (beside / "file").write_text(text)
        assert (tmp_path / "folder" / "file").read_text() == text
        assert names(tmp_path) == ["folder"]


def test_what_killed_writers_left_goes_with_the_next_and_nothing_else_does(tmp_path: Path) -> None:
    for stray in (".folder-abcd1234", ".folder-0123_xyz"):
        (tmp_path / stray / "new").mkdir(parents=True)
        (tmp_path / stray / "new" / "file").write_text("half")
    (tmp_path / ".folder-00000000").mkdir()
    # Other folders' strays, and what looks like one and is somebody's own.
    for kept in (".other-abcd1234/new", ".folder-original/photos", ".folder-abcd12345/new", "folder-abcd1234/new"):
        (tmp_path / kept).mkdir(parents=True)
    (tmp_path / ".folder-a_link_b").symlink_to(tmp_path / ".other-abcd1234")
    before = set(names(tmp_path)) - {".folder-abcd1234", ".folder-0123_xyz", ".folder-00000000"}
    with new_folder(tmp_path / "folder"):
        pass
    assert set(names(tmp_path)) == before | {"folder"}


def test_what_another_fills_is_left_alone(tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as one:
        (one / "file").write_text("one")
        with new_folder(tmp_path / "folder") as other:
            (other / "file").write_text("other")
        assert one.is_dir()
    assert (tmp_path / "folder" / "file").read_text() == "one"
    assert names(tmp_path) == ["folder"]


def between_renames(folder: Path) -> Path:
    """What a kill between the two renames leaves."""
    place = folder.with_name(f".{folder.name}-abcd1234")
    for which in ("new", "old"):
        (place / which).mkdir(parents=True)
        (place / which / "file").write_text(which)
    return place


def test_a_reader_finishes_what_was_killed_between_two_renames(tmp_path: Path) -> None:
    between_renames(tmp_path / "folder")
    finish_folders(tmp_path)
    assert (tmp_path / "folder" / "file").read_text() == "new"
    # A folder that somebody deleted since does not come back.
    (tmp_path / "folder").rename(tmp_path / "elsewhere")
    finish_folders(tmp_path)
    assert not (tmp_path / "folder").exists()
    with new_folder(tmp_path / "folder"):
        pass
    assert names(tmp_path) == ["elsewhere", "folder"]


def test_a_reader_leaves_it_to_who_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_INSTANT", 0.1)
    place = between_renames(tmp_path / "folder")
    with locked(place / "lock", timeout=0):
        finish_folders(tmp_path)
    assert not (tmp_path / "folder").exists()


def test_where_nothing_can_be_locked_folders_are_written_and_nobody_s_are_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", without)
    (tmp_path / ".folder-abcd1234" / "new").mkdir(parents=True)
    for text in ("one", "two"):
        with new_folder(tmp_path / "folder") as beside:
            (beside / "file").write_text(text)
    assert (tmp_path / "folder" / "file").read_text() == "two"
    assert names(tmp_path) == [".folder-abcd1234", "folder"]


def test_what_stood_there_may_be_a_file_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to a folder").symlink_to("elsewhere")
    for name in ("file", "link", "to a folder"):
        with new_folder(tmp_path / name):
            pass
        assert (tmp_path / name).is_dir()
        assert not (tmp_path / name).is_symlink()
    assert names(tmp_path) == ["elsewhere", "file", "link", "to a folder"]


@pytest.mark.usefixtures("without_exchange")
def test_an_old_folder_that_cannot_come_back_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old")
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == path:
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="Input/output"), new_folder(path) as beside:
        (beside / "file").write_text("new")
    assert [kept.read_text() for kept in tmp_path.glob(".folder-*/old/file")] == ["old"]


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_folders_is_no_error(
    refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def refuse(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(refused, os.strerror(refused))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    write_file(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_folder_that_breaks_when_it_is_flushed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full", "free some space"),
        (OSError(errno.EFBIG, "File too large"), "the disk is full", "free some space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your share of the disk is used up", "free some space"),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "too many files are open",
            "close other programs, or raise the limit on open files",
        ),
        (
            OSError(errno.EACCES, "Permission denied"),
            "it is not readable and writable for you",
            "change its permissions",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error", "check the disk"),
    ],
)
def test_what_the_disk_refuses_is_said_in_words(error: OSError, reason: str, remedy: str) -> None:
    assert refusal(error) == (reason, remedy)


@pytest.mark.parametrize("count", [1, 1_200])
def test_a_folder_of_any_files_is_flushed(count: int, tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as beside:
        (beside / "link to nowhere").symlink_to("nowhere")
        for number in range(count):
            (beside / str(number)).touch(0o400)
    assert len(names(tmp_path / "folder")) == count + 1


def test_strays_of_a_long_name_are_known_too(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 251}.jpg"
    with pytest.raises(Stopped), new_file(path) as beside:
        beside.with_name(f"{beside.name}0").write_bytes(b"left")
        raise Stopped
    assert len(names(tmp_path)) == 1
    clear_strays(path)
    assert names(tmp_path) == []
