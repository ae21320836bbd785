from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from facerec_cli.datasets.unpack import adopt, unpack
from facerec_cli.errors import FetchError


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def archive_of(folder: Path, *entries: tarfile.TarInfo) -> Path:
    path = folder / "archive.tgz"
    with tarfile.open(path, "w:gz") as tar:
        good = entry("top/Ada/Ada_0001.jpg")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"chip"))
        for info in entries:
            tar.addfile(info)
    return path


def accept(folder: Path) -> None:
    assert folder.is_dir()


def test_the_top_folder_becomes_the_target(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    told: list[int] = []
    unpack(archive, tmp_path / "data" / "lfw", accept, told.append)
    assert (tmp_path / "data" / "lfw" / "Ada" / "Ada_0001.jpg").read_bytes() == b"chip"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["lfw"]
    assert 0 < sum(told) <= archive.stat().st_size


@pytest.mark.parametrize(
    "bad",
    [
        entry("../outside.jpg"),
        entry("top/../../outside.jpg"),
        entry("/outside.jpg"),
        entry("top/link", tarfile.SYMTYPE, "../../outside"),
        entry("top/link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("top/hard", tarfile.LNKTYPE, "../outside.jpg"),
        entry("top/device", tarfile.CHRTYPE),
        entry("top/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_what_reaches_outside_is_refused_and_nothing_is_written(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    archive = archive_of(place, bad)
    with pytest.raises(FetchError, match=r"archive\.tgz") as caught:
        unpack(archive, place / "lfw", accept)
    assert "not unpacked" in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "archive.tgz", "b"]


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    for data in (b"", b"no archive at all", archive.read_bytes()[:-30]):
        archive.write_bytes(data)
        with pytest.raises(FetchError, match=r"damaged|folders where one"):
            unpack(archive, tmp_path / "lfw", accept)
        assert [path.name for path in tmp_path.iterdir()] == ["archive.tgz"]


def refuse(folder: Path) -> None:
    raise FetchError(f"{folder.name} is not what was asked for")


def test_wrong_content_is_not_renamed_in(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="top is not what"):
        unpack(archive_of(tmp_path), tmp_path / "lfw", refuse)
    assert [path.name for path in tmp_path.iterdir()] == ["archive.tgz"]


def test_a_folder_is_copied_whole(tmp_path: Path) -> None:
    (tmp_path / "own" / "Ada").mkdir(parents=True)
    (tmp_path / "own" / "Ada" / "1.jpg").write_bytes(b"chip")
    adopt(tmp_path / "own", tmp_path / "data" / "lfw", accept)
    assert (tmp_path / "data" / "lfw" / "Ada" / "1.jpg").read_bytes() == b"chip"
    assert (tmp_path / "own" / "Ada" / "1.jpg").exists()
    with pytest.raises(FetchError, match="own is not what"):
        adopt(tmp_path / "own", tmp_path / "other", refuse)
