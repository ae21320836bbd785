from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_cli.cli.fetch import command
from facerec_cli.datasets import fetching
from facerec_cli.datasets.fetching import Fetched
from facerec_cli.datasets.lfw import ARCHIVES, PROTOCOL_FILES, everybody, photo_name
from facerec_cli.errors import SourcesError, TermsError
from tests.conftest import Run
from tests.datasets.server import Server, serving
from tests.datasets.socks_proxy import socks

NAMES = [photo_name(person.name, number) for person in everybody() for number in range(1, person.photos + 1)]
"""LFW's 13,233; each photo is a few bytes here."""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def test_fetching_lfw_from_a_mirror(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name in NAMES:
            info = tarfile.TarInfo(f"lfw-deepfunneled/{name}")
            info.size = 4
            tar.addfile(info, io.BytesIO(b"chip"))
    archive = server.files["/lfw-deepfunneled.tgz"] = packed.getvalue()
    remote = replace(ARCHIVES["lfw-deepfunneled"], sha256=hashlib.sha256(archive).hexdigest(), size=len(archive))
    monkeypatch.setitem(ARCHIVES, "lfw-deepfunneled", remote)
    monkeypatch.chdir(tmp_path)

    def fetch(*options: str) -> int:
        arguments = ["lfw-deepfunneled", "--mirror", server.url, "--data", "data", *options]
        return int(command.main(arguments, standalone_mode=False))

    with pytest.raises(TermsError):
        fetch()
    assert server.log == []
    capsys.readouterr()
    assert fetch("--yes") == 0
    told = capsys.readouterr().err
    assert "for research" in told
    assert "13,233 photos of 5,749 people" in told
    data = tmp_path / "data"
    assert len(list((data / "lfw-deepfunneled").glob("*/*.jpg"))) == 13_233
    for name, sha256 in PROTOCOL_FILES.items():
        assert hashlib.sha256((data / name).read_bytes()).hexdigest() == sha256
    requests = len(server.log)
    assert fetch() == 0
    told = capsys.readouterr().err
    assert "nothing to fetch" in told
    assert "for research" not in told
    assert len(server.log) == requests


def test_lfw_as_kaggle_packs_it_and_a_mac_repacks_it(facerec: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for name in NAMES:
            archive.writestr(f"lfw-deepfunneled/lfw-deepfunneled/{name}", b"chip")
        for name in ("pairs.csv", "lfw-deepfunneled/.DS_Store", f"__MACOSX/lfw-deepfunneled/._{Path(NAMES[0]).name}"):
            archive.writestr(name, b"x")
    # No host of this name answers: nothing is to be asked of the network.
    done = facerec("fetch", "lfw-deepfunneled", "--from", "archive.zip", "--mirror", "http://nobody.invalid")
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    assert "13,233 photos of 5,749 people" in done.stderr
    data = tmp_path / "data"
    assert {path.name for path in data.iterdir()} == {"lfw-deepfunneled", *PROTOCOL_FILES}
    assert sorted(path.relative_to(data / "lfw-deepfunneled").as_posix() for path in data.rglob("*.jpg")) == sorted(
        NAMES
    )


def test_terms_need_consent(facerec: Run, tmp_path: Path) -> None:
    refused = facerec("fetch", "lfw-deepfunneled", "--mirror", "http://nobody.invalid")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert list((tmp_path / "data").iterdir()) == []


def test_what_a_source_lacks_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = SourcesError("lfw.tgz could not be fetched", "try again later")
    lacking = Fetched(tmp_path / "lfw", is_there=False, was_there=False, failures=[failure])
    monkeypatch.setattr(fetching, "fetch_lfw", lambda *_, **__: lacking)
    assert command.main(["lfw", "--data", str(tmp_path), "--yes"], standalone_mode=False) == 1
    assert capsys.readouterr().err == (
        "Error: lfw.tgz could not be fetched: try again later, name another source with --mirror, or give a copy "
        "that you have with --from.\n"
    )


@pytest.mark.parametrize("kind", ["folder", "pipe", "page"])
def test_a_wrong_copy_is_one_sentence(kind: str, facerec: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    if kind == "folder":
        (own / "Aaron_Eckhart").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(own)
    else:
        own.write_text("<html>log in to the network</html>")
    done = facerec("fetch", "--from", "own", "--yes")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    told = {"folder": "own is not LFW", "pipe": "own is no regular file", "page": "own is no tar or zip archive"}
    assert error.startswith(f"Error: {told[kind]}")
    assert not (tmp_path / "data" / "lfw").exists()


def test_listing(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "lfw").mkdir(parents=True)
    lines = facerec("fetch", "--list").stdout.splitlines()
    assert "181 MB" in lines[1]
    assert "data/lfw" in lines[1]
    assert "no" in lines[2].split()


@pytest.fixture
def line(server: Server, samples: Path) -> Callable[[int], str]:
    """A list's line for a photo that is there."""
    content = server.files["/obama.jpg"] = (samples / "barack_obama.jpg").read_bytes()
    md5 = hashlib.md5(content).hexdigest()
    return lambda number: f"Barack Obama\t{number}\t{server.url}/obama.jpg\t222,164,462,493\t{md5}\n"


def test_lists_of_urls(facerec: Run, line: Callable[[int], str], tmp_path: Path) -> None:
    for name, number in (("dev.txt", 1), ("eval.txt", 2)):
        (tmp_path / name).write_text(line(number) + line(number + 10).replace("obama.jpg", "absent.jpg"))
    done = facerec("fetch", "list", "dev.txt", "eval.txt", "--data", "pubfig", "--allow-private")
    assert done.returncode == 0, done.stderr
    assert "2 photos fetched to pubfig, 0 there already, 2 dead, 0 with another MD5, 0 unreadable" in done.stderr
    assert len(list((tmp_path / "pubfig" / "Barack Obama").iterdir())) == 2


def test_lines_that_cannot_be_used_are_told_and_the_rest_is_done(
    facerec: Run, line: Callable[[int], str], tmp_path: Path
) -> None:
    bad = [
        re.sub(":[0-9]+/", ":99999/", line(1)),
        line(1).replace("Barack Obama", "B" * 300),
        line(1).replace("Barack Obama", "B\0"),
        line(1).replace("222,", "2" * 5_000 + ","),
        "nonsense\n",
    ]
    (tmp_path / "list.txt").write_text("".join(bad) + line(1))
    done = facerec("fetch", "list", "absent.txt", "list.txt", "--data", "pubfig", "--allow-private")
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert len(told) == 7
    for number in range(1, 6):
        assert any(f"Error: list.txt, line {number}, cannot be used, " in one for one in told)
    assert any("absent.txt cannot be read" in one for one in told)
    assert "1 photo fetched to pubfig" in told[-1]


def test_a_list_that_gives_nothing_is_an_error(facerec: Run, line: Callable[[int], str], tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text(line(1))
    (tmp_path / "dead.txt").write_text(line(2).replace("obama.jpg", "absent.jpg"))
    done = facerec("fetch", "list", "good.txt", "dead.txt", "--data", "pubfig", "--allow-private")
    assert done.returncode == 1
    assert "Error: Nothing that dead.txt lists could be fetched" in done.stderr
    assert "good.txt" not in done.stderr


def test_lists_reach_private_addresses_only_when_told_to(
    facerec: Run, server: Server, line: Callable[[int], str], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text(line(1))
    refused = facerec("fetch", "list", "list.txt")
    assert refused.returncode == 1
    assert "127.0.0.1 is not on the public network" in refused.stderr
    assert "--mirror" in refused.stderr
    assert "--allow-private" in refused.stderr
    assert server.log == []
    done = facerec("fetch", "list", "list.txt", "--mirror", server.url)
    assert done.returncode == 0, done.stderr


def test_lists_by_a_socks_proxy(
    facerec: Run, server: Server, line: Callable[[int], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.txt").write_text(line(1).replace(server.url, "http://photos.test"))
    monkeypatch.setenv("NO_PROXY", "")
    host, port = server.url.removeprefix("http://").split(":")
    with socks({"photos.test": (host, int(port))}) as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy}")
        done = facerec("fetch", "list", "list.txt")
    assert done.returncode == 0, done.stderr
    assert asked == ["photos.test"]
    monkeypatch.setenv("ALL_PROXY", f"socks://{proxy}")
    for arguments in (["list", "list.txt"], ["lfw", "--yes"]):
        done = facerec("fetch", *arguments)
        assert done.returncode == 1
        assert re.search("^Error: ALL_PROXY begins with socks://.*: write socks5://", done.stderr, re.M)


def test_wrong_usage(facerec: Run) -> None:
    assert facerec("fetch", "list").returncode == 2
    assert facerec("fetch", "lfw", "list.txt").returncode == 2
    assert facerec("fetch", "cifar").returncode == 2
    assert facerec("fetch", "--jobs", "0").returncode == 2
