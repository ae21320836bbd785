from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.cli.fetch import command
from facerec_cli.datasets import fetching
from facerec_cli.datasets.fetching import Fetched
from facerec_cli.datasets.lfw import PAIRS, everybody, people_files, photo_name
from facerec_cli.errors import SourcesError
from tests.conftest import Run
from tests.datasets.server import Server, serving

REAL = Path(__file__).parents[3] / "shared" / "data" / "lfw"


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with LFW's 13,233 names; each photo is a few bytes."""
    path = tmp_path_factory.mktemp("lfw") / "lfw-deepfunneled.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for person in everybody():
            for number in range(1, person.photos + 1):
                info = tarfile.TarInfo(f"lfw-deepfunneled/{photo_name(person.name, number)}")
                info.size = 4
                tar.addfile(info, io.BytesIO(b"chip"))
    return path


@pytest.fixture
def server(archive: Path) -> Iterator[Server]:
    with serving() as server:
        server.files["/lfw-deepfunneled.tgz"] = archive.read_bytes()
        if REAL.is_dir():
            server.files |= {f"/{file.name}": (REAL / file.name).read_bytes() for file in PAIRS}
        yield server


def test_the_people_files_are_the_published_ones() -> None:
    files = people_files()  # checks the SHA-256 of each
    assert sorted(files) == ["people.txt", "peopleDevTest.txt", "peopleDevTrain.txt"]
    if REAL.is_dir():
        for name, content in files.items():
            assert content == (REAL / name).read_bytes()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"LFW's pairs files are not in {REAL}, and nobody may ship them")
def test_fetching_lfw_from_a_mirror(facerec: Run, server: Server, tmp_path: Path) -> None:
    options = ["fetch", "lfw-deepfunneled", "--mirror", server.url, "--data", "data"]
    refused = facerec(*options)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert server.log == []
    done = facerec(*options, "--yes")
    assert done.returncode == 0, done.stderr
    assert "for research" in done.stderr
    assert "13,233 photos of 5,749 people" in done.stderr
    data = tmp_path / "data"
    assert len(list((data / "lfw-deepfunneled").glob("*/*.jpg"))) == 13_233
    for file in PAIRS:
        assert hashlib.sha256((data / file.name).read_bytes()).hexdigest() == file.sha256
    requests = len(server.log)
    again = facerec(*options)
    assert again.returncode == 0
    assert "nothing to fetch" in again.stderr
    assert "for research" not in again.stderr
    assert len(server.log) == requests


def test_what_a_source_lacks_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = SourcesError("pairs.txt could not be fetched", "try again later")
    lacking = Fetched(tmp_path / "lfw", is_there=True, was_there=False, failures=[failure])
    monkeypatch.setattr(fetching, "fetch_lfw", lambda *_, **__: lacking)
    assert command.main(["lfw", "--data", str(tmp_path), "--yes"], standalone_mode=False) == 1
    assert capsys.readouterr().err == (
        "Error: pairs.txt could not be fetched: try again later, name another source with --mirror, or give a copy "
        f"that you have with --from.\n{tmp_path / 'lfw'}: 13,233 photos of 5,749 people.\n"
    )


def test_a_wrong_folder_is_one_sentence(facerec: Run, server: Server, tmp_path: Path) -> None:
    (tmp_path / "own" / "Aaron_Eckhart").mkdir(parents=True)
    done = facerec("fetch", "--mirror", server.url, "--from", "own", "--yes")
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if "own is not LFW" in line]
    assert error.endswith("fetch it from another source.")
    assert not (tmp_path / "data" / "lfw").exists()


def test_listing(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "lfw").mkdir(parents=True)
    lines = facerec("fetch", "--list").stdout.splitlines()
    assert "181 MB" in lines[1]
    assert "data/lfw" in lines[1]
    assert "no" in lines[2].split()


def test_lists_of_urls(facerec: Run, server: Server, samples: Path, tmp_path: Path) -> None:
    content = (samples / "barack_obama.jpg").read_bytes()
    server.files["/obama.jpg"] = content
    md5 = hashlib.md5(content).hexdigest()
    for name, number in (("dev.txt", 1), ("eval.txt", 2)):
        (tmp_path / name).write_text(
            f"Barack Obama\t{number}\t{server.url}/obama.jpg\t222,164,462,493\t{md5}\n"
            f"Barack Obama\t{number + 10}\t{server.url}/absent.jpg\t0,0,9,9\t{md5}\n"
        )
    done = facerec("fetch", "list", "dev.txt", "eval.txt", "--data", "pubfig")
    assert done.returncode == 0, done.stderr
    assert "2 photos fetched to pubfig, 0 there already, 2 dead, 0 with another MD5, 0 unreadable." in done.stderr
    assert len(list((tmp_path / "pubfig" / "Barack Obama").iterdir())) == 2


def test_wrong_usage(facerec: Run) -> None:
    assert facerec("fetch", "list").returncode == 2
    assert facerec("fetch", "lfw", "list.txt").returncode == 2
    assert facerec("fetch", "cifar").returncode == 2
    assert facerec("fetch", "--jobs", "0").returncode == 2
