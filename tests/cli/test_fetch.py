from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets.lfw import PAIRS, everybody, people_files, photo_name
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
    # The archive is kept: what was unpacked can be unpacked again without a network.
    shutil.rmtree(data / "lfw-deepfunneled")
    assert facerec(*options).returncode == 0
    assert len(server.log) == requests


def test_what_a_dead_mirror_lacks_is_told_and_the_rest_is_there(facerec: Run, tmp_path: Path, archive: Path) -> None:
    with serving() as empty:
        done = facerec("fetch", "lfw-deepfunneled", "--mirror", empty.url, "--from", archive, "--yes")
    assert done.returncode == 1
    assert "pairs.txt could not be fetched" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "data" / "people.txt").exists()
    assert len(list((tmp_path / "data" / "lfw-deepfunneled").iterdir())) == 5_749


def test_an_unpacked_folder_is_taken_and_a_wrong_one_refused(
    facerec: Run, server: Server, tmp_path: Path, archive: Path
) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "own", filter="data")
    own = tmp_path / "own" / "lfw-deepfunneled"
    done = facerec("fetch", "--mirror", server.url, "--from", own, "--yes")
    assert len(list((tmp_path / "data" / "lfw").iterdir())) == 5_749, done.stderr
    (own / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg").unlink()
    done = facerec("fetch", "lfw-funneled", "--mirror", server.url, "--from", own, "--yes")
    assert done.returncode == 1
    assert "is not LFW" in done.stderr
    assert "Aaron_Eckhart" in done.stderr
    assert not (tmp_path / "data" / "lfw-funneled").exists()


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
