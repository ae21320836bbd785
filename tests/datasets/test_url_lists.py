from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from facerec_cli.datasets.url_lists import ListedPhoto, fetch_listed, read_list
from facerec_cli.errors import FetchError
from tests.datasets.server import Fault, Server, serving


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
    outcomes: dict[int, str] = {}
    counts = fetch_listed(listed, tmp_path, lambda one, outcome: outcomes.__setitem__(listed.index(one), outcome))
    assert counts == {"fetched": 1, "dead": 3, "mismatched": 1, "unreadable": 1}
    assert [outcomes[number] for number in range(6)] == ["fetched", "dead", "mismatched", "unreadable", "dead", "dead"]
    with Image.open(tmp_path / "Barack Obama" / "0001.jpg") as crop:
        assert crop.size == (240, 329)
    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_a_second_run_fetches_only_what_is_missing(server: Server, tmp_path: Path) -> None:
    listed = [photo(server, "/obama.jpg", number) for number in range(1, 4)]
    assert fetch_listed(listed[:2], tmp_path) == {"fetched": 2}
    assert fetch_listed(listed, tmp_path) == {"fetched": 1, "there already": 2}
    assert len(server.log) == 3


def test_a_link_that_stutters_is_tried_again(server: Server, tmp_path: Path) -> None:
    server.faults["/obama.jpg"] = [Fault(status=503)]
    assert fetch_listed([photo(server, "/obama.jpg")], tmp_path) == {"fetched": 1}


def test_a_rectangle_outside_the_photo_is_no_crop(server: Server, tmp_path: Path) -> None:
    listed = photo(server, "/obama.jpg")
    outside = ListedPhoto(listed.person, 1, listed.url, (5000, 5000, 5100, 5100), listed.md5)
    assert fetch_listed([outside], tmp_path) == {"unreadable": 1}


def test_reading_a_list(tmp_path: Path) -> None:
    path = tmp_path / "dev_urls.txt"
    path.write_text(
        "# PubFig Dataset v1.2\n#\tperson\timagenum\turl\trect\tmd5sum\n\n"
        "Abhishek Bachan\t1\thttp://example.org/a b.jpg\t1,2,31,42\tE533DA02DA465CE3094B5B29157B084D\n"
    )
    assert read_list(path) == [
        ListedPhoto(
            "Abhishek Bachan", 1, "http://example.org/a b.jpg", (1, 2, 31, 42), "e533da02da465ce3094b5b29157b084d"
        )
    ]


@pytest.mark.parametrize(
    "line",
    [
        "one two three",
        "Ada\t1\turl\t1,2,3\tmd5",
        "Ada\tone\turl\t1,2,3,4\tmd5",
        "../Ada\t1\turl\t1,2,3,4\tmd5",
        "..\t1\turl\t1,2,3,4\tmd5",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"# comment\n{line}\n")
    with pytest.raises(FetchError, match=r"list\.txt, line 2"):
        read_list(path)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="absent"):
        read_list(tmp_path / "absent.txt")
