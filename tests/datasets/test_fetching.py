from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets import fetching, lfw
from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.download import NoWatcher
from facerec_cli.datasets.fetching import Fetched, fetch_lfw
from facerec_cli.datasets.pieces import Pieces, Version
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.errors import FetchError, FetchFolderError, SourcesError, TermsError
from tests.datasets.server import Server, serving
from tests.docs import program

SETTINGS = Settings(jobs=2, timeout=2, attempts=2, pause=0.01)
THERE = {"lfw", *lfw.PROTOCOL_FILES}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """LFW as if it had 40 people, which are served."""
    people, files = lfw.everybody()[:40], lfw.protocol_files()
    monkeypatch.setattr(lfw, "everybody", lambda: people)
    monkeypatch.setattr(fetching, "protocol_files", lambda: files)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for person in people:
            for number in range(1, person.photos + 1):
                info = tarfile.TarInfo(f"lfw/{lfw.photo_name(person.name, number)}")
                info.size = 4
                tar.addfile(info, io.BytesIO(b"chip"))
    archive = packed.getvalue()
    with serving() as server:
        server.files |= {"/lfw.tgz": archive}
        remote = RemoteFile("lfw.tgz", (f"{server.url}/lfw.tgz",), hashlib.sha256(archive).hexdigest(), len(archive))
        monkeypatch.setattr(fetching, "ARCHIVES", {"lfw": remote})
        yield server


@pytest.fixture
def archive(server: Server, tmp_path: Path) -> Path:
    """A copy of the archive that somebody has."""
    path = tmp_path / "mine.tgz"
    path.write_bytes(server.files["/lfw.tgz"])
    return path


def agree(_: str) -> bool:
    return True


def never(_: str) -> bool:
    raise AssertionError("the terms were asked about again")


def fetch(data: Path, own: Path | None = None, mirror: str | None = None) -> Fetched:
    return fetch_lfw("lfw", data, agree, own=own, mirror=mirror, settings=SETTINGS)


class Log(NoWatcher):
    """Remembers which files began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def started(self, name: str, done: int, total: int | None) -> None:
        self.begun.append(name)


def test_everything_comes_and_never_again(server: Server, tmp_path: Path) -> None:
    log = Log()
    fetched = fetch_lfw("lfw", tmp_path / "data", agree, watcher=log, settings=SETTINGS)
    assert fetched == Fetched(tmp_path / "data" / "lfw", is_there=True, was_there=False, failures=[])
    assert log.begun == ["lfw.tgz", "unpacking"]
    assert len(list(fetched.folder.iterdir())) == 40
    assert {path.name for path in (tmp_path / "data").iterdir()} == THERE | {"lfw.tgz", ".lfw-terms-accepted"}
    requests = len(server.log)
    assert fetch_lfw("lfw", tmp_path / "data", never) == Fetched(fetched.folder, True, True, [])
    # The archive is kept: what was unpacked can be unpacked again without a network.
    shutil.rmtree(fetched.folder)
    assert fetch_lfw("lfw", tmp_path / "data", never) == fetched
    assert len(server.log) == requests


def test_terms_that_are_not_consented_to_leave_nothing(server: Server, tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(terms: str) -> bool:
        asked.append(terms)
        return False

    with pytest.raises(TermsError, match=r"consent$"):
        fetch_lfw("lfw", tmp_path, refuse)
    assert asked == [lfw.TERMS]
    assert list(tmp_path.iterdir()) == []
    assert server.log == []


def test_a_mirror_is_asked_first(server: Server, tmp_path: Path) -> None:
    with serving() as mirror:
        mirror.files["/below/lfw.tgz"] = server.files["/lfw.tgz"]
        assert fetch(tmp_path, mirror=f"{mirror.url}/below/").is_there
        assert {request.path for request in mirror.log} == {"/below/lfw.tgz"}
    assert server.log == []


def test_a_copy_of_one_s_own_needs_no_network(server: Server, archive: Path, tmp_path: Path) -> None:
    fetched = fetch_lfw("lfw", tmp_path / "data", never, own=archive)
    assert fetched == Fetched(tmp_path / "data" / "lfw", is_there=True, was_there=False, failures=[])
    assert {path.name for path in (tmp_path / "data").iterdir()} == THERE
    assert server.log == []


def test_protocol_files_that_are_gone_come_back(server: Server, archive: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "data", archive)
    (tmp_path / "data" / "pairs.txt").unlink()
    assert fetch_lfw("lfw", tmp_path / "data", never).was_there
    assert {path.name for path in (tmp_path / "data").iterdir()} == THERE


def test_without_its_archive_the_folder_is_not_there(server: Server, tmp_path: Path) -> None:
    del server.files["/lfw.tgz"]
    fetched = fetch(tmp_path)
    assert not fetched.is_there
    (failure,) = fetched.failures
    assert isinstance(failure, SourcesError)
    assert str(failure).startswith("lfw.tgz could not be fetched")
    assert {path.name for path in tmp_path.iterdir()} == THERE - {"lfw"} | {".lfw-terms-accepted"}


def test_a_page_to_log_in_is_not_kept_and_the_next_run_asks_again(server: Server, tmp_path: Path) -> None:
    archive = server.files["/lfw.tgz"]
    server.files["/lfw.tgz"] = b"<html>log in to the network</html>"
    assert re.search("34 bytes are there", str(fetch(tmp_path).failures[0]))
    assert not list(tmp_path.glob("*lfw.tgz*"))
    server.files["/lfw.tgz"] = archive
    # An older facerec kept such a page.
    (tmp_path / "lfw.tgz").write_bytes(b"<html>log in to the network</html>")
    assert fetch(tmp_path).is_there
    assert (tmp_path / "lfw.tgz").read_bytes() == archive


KILLED = """
import sys
from pathlib import Path
from facerec_cli.datasets import archives, fetching, lfw
archive, data = map(Path, sys.argv[1:])
entries = archives.entries
def stopping(*arguments):
    for number, entry in enumerate(entries(*arguments)):
        if number == 20:
            print("ready", flush=True)
            sys.stdin.read()
        yield entry
fetching.unpack.__globals__["entries"] = stopping
fetching.fetch_lfw("lfw", data, lambda terms: True, own=archive)
"""


def test_one_process_fetches_at_a_time_and_a_killed_one_leaves_nothing(
    server: Server, archive: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-c", KILLED, str(archive), str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(FetchFolderError, match="is being fetched to, process"):
            fetch(data, archive)
        process.kill()
    mine = data / ".lfw-notes"
    mine.touch()
    assert len(list((data / ".lfw.fetching").rglob("*.jpg"))) == 20
    # What was on its way from the network is not needed either.
    Pieces(data / "lfw.tgz").begin(Version("url", 1, None))
    assert fetch(data, archive).is_there
    assert {path.name for path in data.iterdir()} == THERE | {mine.name}


def test_what_a_process_killed_at_its_end_left_is_cleared(server: Server, archive: Path, tmp_path: Path) -> None:
    fetch(tmp_path / "data", archive)
    left = tmp_path / "data" / ".lfw.fetching"
    (left / "photos").mkdir(parents=True)
    (left / "pairs.txt").touch()
    assert fetch_lfw("lfw", tmp_path / "data", never).was_there
    assert {path.name for path in (tmp_path / "data").iterdir()} == THERE


def test_what_is_complete_may_be_read_only(server: Server, archive: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    fetch(data, archive)
    before = data.stat().st_mtime_ns
    assert fetch_lfw("lfw", data, never).was_there
    assert data.stat().st_mtime_ns == before


def test_an_unpacked_folder_is_taken_and_a_wrong_one_refused(archive: Path, tmp_path: Path) -> None:
    own = fetch(tmp_path / "first", archive).folder
    # As on a medium that cannot be written to.
    photo = next(own.glob("*/*.jpg"))
    photo.chmod(0o400)
    assert len(list(fetch(tmp_path / "data", own).folder.iterdir())) == 40
    photo.unlink()
    refused = fetch(tmp_path / "other", own)
    assert not refused.is_there
    assert re.search(rf"is not LFW.*{photo.parent.name}", str(refused.failures[-1]))
    assert not (tmp_path / "other" / "lfw").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_what_may_not_be_looked_at_is_named(server: Server, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(FetchFolderError, match="cannot be written"):
        fetch(closed / "data")
    with pytest.raises(FetchError, match=r"mine\.tgz cannot be read"):
        fetch(tmp_path / "data", closed / "mine.tgz")
    (tmp_path / "own" / "Aaron").mkdir(parents=True, mode=0o300)
    (failure,) = fetch(tmp_path / "data", tmp_path / "own").failures
    assert "own/Aaron cannot be read" in str(failure)


def test_a_copy_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"nowhere\.tgz does not exist"):
        fetch(tmp_path, tmp_path / "nowhere.tgz")


def test_a_place_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetchFolderError, match=r"file/data cannot be written"):
        fetch(tmp_path / "file" / "data")


def test_the_page_s_program(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(program("docs/python.md", "Fetch"), {})
    assert capsys.readouterr().out == "data/lfw\n"
    assert len(list((tmp_path / "data" / "lfw").iterdir())) == 40
