from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets import fetching, lfw
from facerec_cli.datasets.download import NoWatcher, Settings
from facerec_cli.datasets.fetching import Fetched, fetch_lfw
from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.errors import FetchError, FetchFolderError, SourcesError, TermsError
from tests.datasets.server import Server, serving
from tests.docs import program

PAIRS = b"the pairs"
SETTINGS = Settings(jobs=2, timeout=2, attempts=2, pause=0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """LFW as if it had 40 people and one pairs file, which are served."""
    people, files = lfw.everybody()[:40], lfw.people_files()
    monkeypatch.setattr(lfw, "everybody", lambda: people)
    monkeypatch.setattr(fetching, "people_files", lambda: files)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for person in people:
            for number in range(1, person.photos + 1):
                info = tarfile.TarInfo(f"lfw/{lfw.photo_name(person.name, number)}")
                info.size = 4
                tar.addfile(info, io.BytesIO(b"chip"))
    with serving() as server:
        server.files |= {"/lfw.tgz": archive.getvalue(), "/pairs.txt": PAIRS}
        pairs = RemoteFile("pairs.txt", (f"{server.url}/pairs.txt",), hashlib.sha256(PAIRS).hexdigest())
        monkeypatch.setattr(fetching, "PAIRS", (pairs,))
        monkeypatch.setattr(fetching, "ARCHIVES", {"lfw": RemoteFile("lfw.tgz", (f"{server.url}/lfw.tgz",))})
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
    assert sorted(log.begun) == ["lfw.tgz", "pairs.txt", "unpacking"]
    assert len(list(fetched.folder.iterdir())) == 40
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        "lfw", "lfw.tgz", "pairs.txt", "people.txt", "peopleDevTrain.txt", "peopleDevTest.txt", ".lfw-terms-accepted"
    }  # fmt: skip
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
        mirror.files["/below/pairs.txt"] = PAIRS
        assert fetch(tmp_path, mirror=f"{mirror.url}/below/").is_there
        assert {request.path for request in mirror.log} == {"/below/lfw.tgz", "/below/pairs.txt"}
    assert server.log == []


def test_what_a_source_lacks_is_told_and_the_rest_is_there(server: Server, archive: Path, tmp_path: Path) -> None:
    del server.files["/pairs.txt"]
    fetched = fetch(tmp_path / "data", archive)
    (failure,) = fetched.failures
    assert isinstance(failure, SourcesError)
    assert str(failure).startswith("pairs.txt could not be fetched")
    assert fetched.is_there
    assert (tmp_path / "data" / "people.txt").exists()
    assert len(list(fetched.folder.iterdir())) == 40


def test_without_its_archive_the_folder_is_not_there(server: Server, tmp_path: Path) -> None:
    del server.files["/lfw.tgz"]
    fetched = fetch(tmp_path)
    assert not fetched.is_there
    assert [str(failure).partition(" ")[0] for failure in fetched.failures] == ["lfw.tgz"]
    assert (tmp_path / "pairs.txt").read_bytes() == PAIRS


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
