from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli.datasets import archives
from facerec_cli.datasets.unpack import unpack
from facerec_cli.errors import FetchError, FetchFolderError
from facerec_cli.files import refusal

PHOTOS = ["Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Alan/Alan_0001.jpg"]


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def new_tar(path: Path) -> tarfile.TarFile:
    """A tar archive to write to, compressed as its name says."""
    return tarfile.open(path, f"w:{path.suffix[1:].removesuffix('tar')}")  # type: ignore[call-overload,no-any-return]


def tar_of(path: Path, top: str = "top/", *more: tarfile.TarInfo) -> Path:
    """A tar archive of three photos below a top folder, and more entries."""
    with new_tar(path) as tar:
        for name in PHOTOS:
            good = entry(top + name)
            good.size = len(name)
            tar.addfile(good, io.BytesIO(name.encode()))
        for info in more:
            tar.addfile(info)
    return path


def zip_of(path: Path, top: str = "top/", *more: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in PHOTOS:
            archive.writestr(top + name, name)
        for info in more:
            archive.writestr(info, b"/etc/passwd")
    return path


def folder_of(path: Path, top: str = "top/") -> Path:
    for name in PHOTOS:
        (path / top / name).parent.mkdir(parents=True, exist_ok=True)
        (path / top / name).write_text(name)
    return path


SOURCES: Mapping[str, Callable[..., Path]] = {
    "tar": tar_of,
    "gz": tar_of,
    "bz2": tar_of,
    "xz": tar_of,
    "zip": zip_of,
    "folder": folder_of,
}


def take(source: Path, data: Path) -> list[str]:
    """Unpack to a folder ``lfw`` in another; the photos that came."""
    place = data / "place"
    place.mkdir(parents=True)
    checked: list[str] = []

    def check(photos: Iterable[str]) -> None:
        checked.extend(photos)

    try:
        unpack(source, data / "lfw", place, check)
    finally:
        assert list(place.iterdir()) == []
        place.rmdir()
    there = sorted(path.relative_to(data / "lfw").as_posix() for path in data.rglob("*") if path.is_file())
    assert there == sorted(checked)
    for name in PHOTOS:
        assert (data / "lfw" / name).read_text() == name
    return there


def refused(source: Path, data: Path) -> str:
    """Why a source is refused, which leaves nothing."""
    with pytest.raises(FetchError) as caught:
        take(source, data)
    assert list(data.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("top", ["", "top/", "lfw/lfw/", "a/b/c/d/e/"])
def test_photos_are_found_wherever_they_are(kind: str, top: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path / f"source.{kind}", top)
    assert take(source, tmp_path / "data") == PHOTOS


@pytest.mark.parametrize("kind", SOURCES)
def test_what_systems_add_and_what_is_no_photo_is_left(kind: str, tmp_path: Path) -> None:
    own = folder_of(tmp_path / "own")
    for name in (
        *("top/Ada/._Ada_0001.jpg", "top/Ada/.DS_Store", "__MACOSX/top/Ada/._Ada_0001.jpg", "top/Ada/Thumbs.db"),
        *("top/Ada/@eaDir/Ada_0001.jpg/THUMB.jpg", "#recycle/Eve/Eve_0001.jpg", "pairs.csv", "top/cover.txt"),
    ):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_bytes(b"x")
    source = own
    if kind == "zip":
        source = tmp_path / "source.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path in own.rglob("*"):
                archive.write(path, path.relative_to(own))
    elif kind != "folder":
        source = tmp_path / f"source.{kind}"
        with new_tar(source) as tar:
            tar.add(own, ".")
    assert take(source, tmp_path / "data") == PHOTOS


def test_zip_entries_that_windows_named(tmp_path: Path) -> None:
    source = tmp_path / "source.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for name in PHOTOS:
            archive.writestr(f"top\\{name}".replace("/", "\\"), name)
    assert take(source, tmp_path / "data") == PHOTOS


def test_a_folder_s_links_are_followed_once(tmp_path: Path) -> None:
    own = folder_of(tmp_path / "own")
    (own / "top" / "Ada").rename(tmp_path / "Ada")
    (own / "top" / "Ada").symlink_to(tmp_path / "Ada")
    (own / "top" / "round").symlink_to(own)
    (own / "top" / "Alan" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(own / "top" / "Alan" / "pipe.jpg")
    (own / "top" / "Alan" / "Alan_0001.jpg").chmod(0o400)
    assert take(own, tmp_path / "data") == PHOTOS


def test_two_sets_in_one_source_are_told_apart(tmp_path: Path) -> None:
    own = folder_of(folder_of(tmp_path / "own", "lfw/"), "lfw-funneled/")
    assert "has photos both in" in refused(own, tmp_path / "data")


OUTSIDE = ["../outside.jpg", "top/../../outside.jpg", "/outside.jpg", "..\\outside.jpg", "C:/outside.jpg"]


@pytest.mark.parametrize(
    "bad",
    [
        *map(entry, OUTSIDE),
        entry("top/link", tarfile.SYMTYPE, "../../outside"),
        entry("top/link", tarfile.SYMTYPE, "Ada"),
        entry("top/link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("top/hard", tarfile.LNKTYPE, "../outside.jpg"),
        entry("top/hard", tarfile.LNKTYPE, "top/Ada/Ada_0001.jpg"),
        entry("top/device", tarfile.CHRTYPE),
        entry("top/pipe", tarfile.FIFOTYPE),
        entry(f"top/{PHOTOS[0]}"),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_a_tar_archive_that_reaches_outside_is_refused(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    why = refused(tar_of(tmp_path / "archive.gz", "top/", bad), tmp_path / "a" / "b")
    assert "archive.gz was not taken, it has " in why
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "archive.gz", "b"]


@pytest.mark.parametrize("name", [*OUTSIDE, "link", "device", "secret"])
def test_a_zip_archive_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    bad = zipfile.ZipInfo(name)
    bad.external_attr = {"link": 0o120777, "device": 0o020666}.get(name, 0o100644) << 16
    source = zip_of(tmp_path / "archive.zip", "top/", bad)
    if name == "secret":
        # The bit that says encrypted, in the entry's header and in the list of entries.
        content = bytearray(source.read_bytes())
        content[content.rindex(b"PK\x03\x04") + 6] |= 1
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
        source.write_bytes(content)
    why = refused(source, tmp_path / "a" / "b")
    assert "archive.zip is encrypted" in why if name == "secret" else "archive.zip was not taken, it has " in why
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "archive.zip", "b"]


@pytest.mark.parametrize("kind", ["gz", "xz", "zip"])
def test_an_archive_that_unpacks_to_too_much_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    source = tmp_path / f"archive.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("top/Ada/Ada_0001.jpg", bytes(1_000_001))
    else:
        with new_tar(source) as tar:
            info = entry("top/Ada/Ada_0001.jpg")
            info.size = 1_000_001
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert source.stat().st_size < 10_000
    assert "it holds more than" in refused(source, tmp_path / "data")


def test_an_archive_of_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 2)
    for kind, make in SOURCES.items():
        source = make(tmp_path / f"source.{kind}")
        assert "or 2 files" in refused(source, tmp_path / "data" / kind)


def test_a_zip_entry_that_lies_about_its_size_is_damaged(tmp_path: Path) -> None:
    source = tmp_path / "archive.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/Ada/Ada_0001.jpg", bytes(1_000_000))
    content = source.read_bytes()
    source.write_bytes(content.replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "is damaged" in refused(source, tmp_path / "data")


def test_a_header_that_asks_for_memory_is_damage(tmp_path: Path) -> None:
    source = tmp_path / "archive.gz"
    with new_tar(source) as tar:
        info = entry("pax", tarfile.XHDTYPE)
        info.size = 50_000_000
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    assert "is damaged (a header of 50,000," in refused(source, tmp_path / "data")


@pytest.mark.parametrize("kind", ["tar", "gz", "bz2", "xz", "zip"])
def test_a_damaged_archive_is_said_to_be(kind: str, tmp_path: Path) -> None:
    whole = SOURCES[kind](tmp_path / f"archive.{kind}").read_bytes()
    source = tmp_path / "archive"
    for why, content in {
        "is empty": b"",
        "is no tar or zip archive": b"<html>log in to the network</html>",
        "is damaged": whole[:600] if kind == "tar" else whole[: len(whole) // 2],
    }.items():
        source.write_bytes(content)
        assert f"{source} {why}" in refused(source, tmp_path / "data" / why)


def test_a_wrong_checksum_at_the_end_is_damage(tmp_path: Path) -> None:
    source = tar_of(tmp_path / "archive.gz")
    content = source.read_bytes()
    source.write_bytes(content[:-8] + bytes(8))
    assert "CRC check failed" in refused(source, tmp_path / "data")
    source.write_bytes(content[:-8])
    assert "is damaged" in refused(source, tmp_path / "data")


@pytest.mark.parametrize("kind", ["tar", "zip"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_is_one_sentence_or_none(
    kind: str, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    source = SOURCES[kind](folder / f"archive.{kind}")
    content = bytearray(source.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    source.write_bytes(content)
    place = folder / "place"
    place.mkdir()
    try:
        unpack(source, folder / "lfw", place, lambda photos: None)
    except FetchError as error:
        assert str(source) in str(error) or isinstance(error, FetchFolderError)
    assert {path.name for path in folder.iterdir()} <= {source.name, "lfw", "place"}


@pytest.mark.parametrize("kind", SOURCES)
def test_wrong_content_is_not_renamed_in(kind: str, tmp_path: Path) -> None:
    def refuse(photos: Iterable[str]) -> None:
        raise FetchError(f"{sorted(photos)} are not what was asked for")

    place = tmp_path / "place"
    place.mkdir()
    source = SOURCES[kind](tmp_path / f"source.{kind}")
    with pytest.raises(FetchError, match=r"Ada_0001\.jpg.* are not what"):
        unpack(source, tmp_path / "lfw", place, refuse)
    assert list(place.iterdir()) == []
    assert not (tmp_path / "lfw").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refused(tmp_path / "pipe", tmp_path / "data")


def test_how_far_it_is_is_told(tmp_path: Path) -> None:
    for kind in ("tar", "gz", "zip"):
        source = SOURCES[kind](tmp_path / f"source.{kind}")
        told: list[int] = []
        (tmp_path / kind).mkdir()
        unpack(source, tmp_path / f"to-{kind}", tmp_path / kind, lambda photos: None, told.append)
        assert 0 < sum(told) <= source.stat().st_size


LIMITED = """
import resource, sys
from pathlib import Path
from facerec_cli.datasets.unpack import unpack
from facerec_cli.errors import FetchError
resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))
source, target, place = map(Path, sys.argv[1:])
try:
    unpack(source, target, place, lambda photos: None)
except FetchError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", SOURCES)
def test_a_limit_on_a_file_s_size_is_one_sentence_and_nothing_is_left(kind: str, tmp_path: Path) -> None:
    source, place, target = SOURCES[kind](tmp_path / f"source.{kind}"), tmp_path / "place", tmp_path / "lfw"
    place.mkdir()
    command = [sys.executable, "-c", LIMITED, str(source), str(target), str(place)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == f"{target} cannot be written, {refusal(OSError(27, 'File too large')).reason}\n"
    assert list(place.iterdir()) == []
    assert not target.exists()
