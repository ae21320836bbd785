from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facerec_cli.datasets import url_lists
from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.url_lists import ListedPhoto, fetch_listed, read_list
from facerec_cli.datasets.workplace import workplace
from facerec_cli.errors import FetchError, FetchFolderError
from tests.datasets.server import Fault, Server, serving

FAST = Settings(timeout=0.3, pause=0.01)


@pytest.fixture
def server(samples: Path) -> Iterator[Server]:
    with serving() as server:
        server.files["/obama.jpg"] = (samples / "barack_obama.jpg").read_bytes()
        server.files["/text.jpg"] = b"no picture"
        yield server


def photo(server: Server, path: str, number: int = 1, person: str = "Barack Obama", md5: str = "") -> ListedPhoto:
    md5 = md5 or hashlib.md5(server.files.get(path, b"")).hexdigest()
    return ListedPhoto(person, number, server.url + path, (222, 164, 462, 493), md5)


def test_photos_come_are_verified_and_cropped(server: Server, tmp_path: Path) -> None:
    listed = [
        photo(server, "/obama.jpg", 1),
        photo(server, "/absent.jpg", 2),
        photo(server, "/obama.jpg", 3, md5="0" * 32),
        photo(server, "/text.jpg", 4),
        ListedPhoto("Nobody", 1, "http://no.such.host.invalid/a.jpg", (0, 0, 9, 9), "0" * 32),
        ListedPhoto("Nobody", 2, "no url", (0, 0, 9, 9), "0" * 32),
    ]
    outcomes: dict[int, str | FetchError] = {}
    counts = fetch_listed(listed, tmp_path, lambda one, outcome: outcomes.__setitem__(listed.index(one), outcome))
    assert counts == {"fetched": 1, "dead": 3, "mismatched": 1, "unreadable": 1}
    assert [outcomes[number] for number in range(6)] == ["fetched", "dead", "mismatched", "unreadable", "dead", "dead"]
    with Image.open(tmp_path / "Barack Obama" / "0001.jpg") as crop:
        assert crop.size == (240, 329)
    assert [path.name for path in tmp_path.rglob("*")] == ["Barack Obama", "0001.jpg"]


def test_a_second_run_fetches_only_what_is_missing(server: Server, tmp_path: Path) -> None:
    listed = [photo(server, "/obama.jpg", number) for number in range(1, 4)]
    assert fetch_listed(listed[:2], tmp_path) == {"fetched": 2}
    assert fetch_listed(listed, tmp_path) == {"fetched": 1, "there already": 2}
    assert len(server.log) == 3


def test_a_link_that_stutters_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.faults["/obama.jpg"] = [Fault(status=503)]
    assert fetch_listed([photo(server, "/obama.jpg")], tmp_path) == {"fetched": 1}


def test_a_byte_now_and_then_keeps_no_photo_alive(server: Server, tmp_path: Path) -> None:
    server.faults["/obama.jpg"] = [Fault(drip=0.05)]
    listed = [photo(server, "/obama.jpg", 1), photo(server, "/text.jpg", 2)]
    assert fetch_listed(listed, tmp_path, settings=FAST) == {"dead": 1, "unreadable": 1}
    server.settle()
    assert server.sent("/obama.jpg") < 100


def test_a_photo_without_an_end_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_lists, "LARGEST", 10_000)
    server.faults["/obama.jpg"] = [Fault(unsized=True)]
    assert fetch_listed([photo(server, "/obama.jpg")], tmp_path, settings=FAST) == {"dead": 1}


@pytest.mark.parametrize(
    "target",
    ["/loop", "javascript:alert(1)", "file:///etc/passwd", "ftp://h/", "http://127.0.0.1:99999/", "http://[::1"],
)
def test_a_redirect_to_nowhere_is_a_dead_link(target: str, server: Server, tmp_path: Path) -> None:
    server.redirects |= {"/moved": target, "/loop": "/loop"}
    listed = [photo(server, "/moved", 1), photo(server, "/obama.jpg", 2)]
    assert fetch_listed(listed, tmp_path, settings=FAST) == {"dead": 1, "fetched": 1}


def test_a_rectangle_outside_the_photo_is_no_crop(server: Server, tmp_path: Path) -> None:
    listed = photo(server, "/obama.jpg")
    outside = ListedPhoto(listed.person, 1, listed.url, (5000, 5000, 5100, 5100), listed.md5)
    assert fetch_listed([outside], tmp_path) == {"unreadable": 1}


def test_a_person_who_cannot_be_written_spares_the_others(server: Server, tmp_path: Path) -> None:
    (tmp_path / "Taken").touch()
    listed = [
        photo(server, "/obama.jpg", 1, "Taken"),
        photo(server, "/obama.jpg", 1, "x" * 255 + "y"),
        photo(server, "/obama.jpg", 1, "Barack Obama"),
    ]
    outcomes: dict[str, str | FetchError] = {}
    counts = fetch_listed(listed, tmp_path, lambda one, outcome: outcomes.__setitem__(one.person, outcome))
    assert counts == {"refused": 2, "fetched": 1}
    assert f"{tmp_path}/Taken/0001.jpg cannot be written" in str(outcomes["Taken"])


def test_a_full_disk_ends_it_with_one_sentence(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(beside: Path, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(url_lists, "move_in", full)
    with pytest.raises(FetchFolderError, match="the disk is full"):
        fetch_listed([photo(server, "/obama.jpg", number) for number in range(99)], tmp_path)
    assert not list(tmp_path.rglob("*.*"))
    assert len(server.log) < 99


def test_one_process_fetches_at_a_time_and_what_a_killed_one_left_is_cleared(server: Server, tmp_path: Path) -> None:
    with workplace(tmp_path / ".lists.fetching"), pytest.raises(FetchFolderError, match="is being fetched to, process"):
        fetch_listed([photo(server, "/obama.jpg")], tmp_path)
    (tmp_path / ".lists.fetching").mkdir()
    (tmp_path / ".lists.fetching" / "left.jpg").touch()
    assert fetch_listed([photo(server, "/obama.jpg")], tmp_path) == {"fetched": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["Barack Obama"]


MD5 = "e533da02da465ce3094b5b29157b084d"
GOOD = f"Ada\t1\thttp://example.org/a.jpg\t1,2,31,42\t{MD5}"


def test_reading_a_list(tmp_path: Path) -> None:
    path = tmp_path / "dev_urls.txt"
    path.write_bytes(
        b"\xef\xbb\xbf# PubFig Dataset v1.2\n#\tperson\timagenum\turl\trect\tmd5sum\r\n\r\n"
        b"Abhishek Bachan\t1\thttp://example.org/a b.jpg\t-1,2,31,42\tE533DA02DA465CE3094B5B29157B084D\r\n"
    )
    found = read_list(path)
    assert found.photos == [ListedPhoto("Abhishek Bachan", 1, "http://example.org/a b.jpg", (-1, 2, 31, 42), MD5)]
    assert found.refused == []


@pytest.mark.parametrize(
    "line",
    [
        "one two three",
        GOOD.replace("1,2,31,42", "1,2,3"),
        GOOD.replace("1,2,31,42", f"1,2,3,{'9' * 5_000}"),
        GOOD.replace("1,2,31,42", "1,2,3,²"),
        GOOD.replace("\t1\t", "\tone\t"),
        GOOD.replace("\t1\t", f"\t{'9' * 5_000}\t"),
        GOOD.replace("\t1\t", "\t-1\t"),
        GOOD.replace(MD5, "md5"),
        GOOD.replace("Ada", "../Ada"),
        GOOD.replace("Ada", ".."),
        GOOD.replace("Ada", ".lists.fetching"),
        GOOD.replace("Ada", "A\\da"),
        GOOD.replace("Ada", "A" * 300),
        GOOD.replace("Ada", "Ä" * 150),
        GOOD.replace("Ada", "A\0da"),
        GOOD.replace("Ada", "A\x1b[2Jda"),
        GOOD.replace("example.org", "example.org:99999"),
        GOOD.replace("example.org", "example.org:port"),
        GOOD.replace("example.org", ""),
        GOOD.replace("http://", ""),
        GOOD.replace("http://", "ftp://"),
        GOOD.replace("http://", "javascript:"),
        GOOD.replace("http://example.org", "http://[::1"),
        GOOD.replace("a.jpg", "\x07.jpg"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_rest_is_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"# comment\n{line}\n{GOOD}\n")
    found = read_list(path)
    assert [one.person for one in found.photos] == ["Ada"]
    (error,) = found.refused
    assert str(error).startswith(f"{path}, line 2, cannot be used, ")
    assert str(error).isprintable()


def test_a_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(GOOD.replace("Ada", "Zoë").encode("latin-1") + b"\n" + GOOD.encode())
    found = read_list(path)
    assert len(found.photos) == 1
    assert "line 1, cannot be used, it is not UTF-8" in str(found.refused[0])


@given(st.binary(min_size=1).filter(lambda content: content.strip() and b"\n" not in content and content[:1] != b"#"))
def test_any_line_is_a_photo_or_a_sentence(content: bytes) -> None:
    fields = GOOD.encode().split(b"\t")
    for column in range(len(fields)):
        line = b"\t".join([*fields[:column], content, *fields[column + 1 :]])
        try:
            assert url_lists._read_line(line).person
        except ValueError as error:
            assert type(error) is ValueError
            assert "it" in str(error)


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("# nothing\n")
    for name in ("absent", "pipe", "empty", "."):
        with pytest.raises(FetchError) as caught:
            read_list(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
