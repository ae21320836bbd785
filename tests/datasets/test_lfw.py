from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from facerec_cli.datasets.lfw import (
    PROTOCOL_FILES,
    Pair,
    everybody,
    is_lfw,
    photo_name,
    protocol_file,
    protocol_files,
    read_pairs,
    read_people,
)
from facerec_cli.errors import IncompleteLfwError


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the protocol files, as they were published: making them checks the SHA-256 of each."""
    folder = tmp_path_factory.mktemp("protocols")
    for name, content in protocol_files().items():
        (folder / name).write_bytes(content)
    return folder


def written(folder: Path, text: str) -> Path:
    path = folder / "protocol.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_photo_names_have_four_digits() -> None:
    assert photo_name("Abel_Pacheco", 1) == "Abel_Pacheco/Abel_Pacheco_0001.jpg"
    assert photo_name("George_W_Bush", 530) == "George_W_Bush/George_W_Bush_0530.jpg"


# ------------------------------------------------------------------ small files


def test_people_of_one_fold(tmp_path: Path) -> None:
    assert read_people(written(tmp_path, "2\nAda_Lovelace\t3\nAlan_Turing\t1\n")) == [
        {"Ada_Lovelace": 3, "Alan_Turing": 1}
    ]


def test_people_of_several_folds(tmp_path: Path) -> None:
    text = "3\n2\nAda_Lovelace\t3\nAlan_Turing\t1\n1\nGrace_Hopper\t12\n0\n"
    assert read_people(written(tmp_path, text)) == [{"Ada_Lovelace": 3, "Alan_Turing": 1}, {"Grace_Hopper": 12}, {}]


@pytest.mark.parametrize("text", ["1\nAda_Lovelace\t3\n", "1\r\nAda_Lovelace\t3\r\n", "1\n\nAda_Lovelace  3\n\n\n"])
def test_line_ends_and_empty_lines_do_not_matter(text: str, tmp_path: Path) -> None:
    path = tmp_path / "protocol.txt"
    path.write_bytes(text.encode())
    assert read_people(path) == [{"Ada_Lovelace": 3}]


def test_pairs_of_one_fold(tmp_path: Path) -> None:
    text = "2\nAda\t1\t4\nAlan\t2\t3\nAda\t1\tAlan\t2\nAlan\t10\tGrace\t1\n"
    assert read_pairs(written(tmp_path, text)) == [
        [
            Pair("Ada/Ada_0001.jpg", "Ada/Ada_0004.jpg", same=True),
            Pair("Alan/Alan_0002.jpg", "Alan/Alan_0003.jpg", same=True),
            Pair("Ada/Ada_0001.jpg", "Alan/Alan_0002.jpg", same=False),
            Pair("Alan/Alan_0010.jpg", "Grace/Grace_0001.jpg", same=False),
        ]
    ]


def test_pairs_of_several_folds(tmp_path: Path) -> None:
    text = "2\t1\nAda\t1\t2\nAda\t1\tAlan\t1\nAlan\t1\t2\nAlan\t3\tGrace\t1\n"
    first, second = read_pairs(written(tmp_path, text))
    assert [pair.same for pair in first] == [pair.same for pair in second] == [True, False]
    assert first[1] == Pair("Ada/Ada_0001.jpg", "Alan/Alan_0001.jpg", same=False)
    assert second[0] == Pair("Alan/Alan_0001.jpg", "Alan/Alan_0002.jpg", same=True)


@pytest.mark.parametrize("lines", [3, 5])
def test_another_number_of_pairs_than_promised_is_refused(lines: int, tmp_path: Path) -> None:
    with pytest.raises(IncompleteLfwError, match=f"has {lines} pairs, its first line promises 4") as raised:
        read_pairs(written(tmp_path, "2\n" + "Ada\t1\t2\n" * lines))
    assert "protocol.txt" in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"0\n",
        b"10\t0\n",
        b"-1\n",
        b"many\n",
        b"1\nAda\t1\n",
        b"1\nAda\t1\ttwo\nAda\t1\tAlan\t1\n",
        b"1\nAda\t1\t2\nAda\t1\tAlan\t1\t2\n",
        b"\xff\xfe1\n",
        b"\x89PNG\r\n\x1a\n",
        b"<!doctype html><title>404 Not Found</title>",
    ],
)
def test_what_is_no_pairs_file_is_one_sentence_that_names_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "protocol.txt"
    path.write_bytes(content)
    with pytest.raises(IncompleteLfwError) as raised:
        read_pairs(path)
    text = str(raised.value)
    assert str(path) in text
    assert not text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("name", ["missing.txt", "folder"])
def test_a_pairs_file_that_cannot_be_read_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IncompleteLfwError) as raised:
        read_pairs(tmp_path / name)
    assert str(tmp_path / name) in str(raised.value)


def test_protocol_files_lie_beside_the_photos_or_among_them(tmp_path: Path) -> None:
    photos = tmp_path / "lfw"
    photos.mkdir()
    (photos / "pairs.txt").touch()
    assert protocol_file(photos, "pairs.txt") == photos / "pairs.txt"
    (tmp_path / "pairs.txt").touch()
    assert protocol_file(photos, "pairs.txt") == tmp_path / "pairs.txt"


def test_a_protocol_file_that_is_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").mkdir()
    with pytest.raises(IncompleteLfwError, match=r"pairs\.txt") as raised:
        protocol_file(tmp_path / "lfw", "pairs.txt")
    assert str(tmp_path) in str(raised.value)


# ------------------------------------------------------------------ whether photos are LFW's


def test_lfw_is_known_by_its_names() -> None:
    photos = [photo_name(person.name, number) for person in everybody() for number in range(1, person.photos + 1)]
    assert len(photos) == 13_233
    assert is_lfw(photos)
    assert is_lfw(photos[5000:5001])
    assert is_lfw(reversed(photos))


@pytest.mark.parametrize(
    "other",
    [
        "Aaron_Eckhart/Aaron_Eckhart_0002.jpg",
        "Aaron_Eckhart/Aaron_Eckhart_0000.jpg",
        "Aaron_Eckhart/Aaron_Eckhart_1.jpg",
        "Aaron_Eckhart/Aaron_Eckhart_0001.png",
        "Aaron_Eckhart/Aaron_Peirsol_0001.jpg",
        "Aaron_Eckhart_0001.jpg",
        "lfw/Aaron_Eckhart/Aaron_Eckhart_0001.jpg",
        "Ada_Lovelace/Ada_Lovelace_0001.jpg",
    ],
)
def test_one_photo_more_is_not_lfw(other: str) -> None:
    assert is_lfw(["Aaron_Eckhart/Aaron_Eckhart_0001.jpg"])
    assert not is_lfw(["Aaron_Eckhart/Aaron_Eckhart_0001.jpg", other])


# ------------------------------------------------------------------ the real files


def test_no_protocol_file_needs_the_network(published: Path) -> None:
    assert {path.name for path in published.iterdir()} == set(PROTOCOL_FILES)
    assert (published / "pairs.txt").read_bytes().startswith(b"10\t300\nAbel_Pacheco\t1\t4\n")


def test_view_1_splits_people_and_not_photos(published: Path) -> None:
    (train,) = read_people(published / "peopleDevTrain.txt")
    (test,) = read_people(published / "peopleDevTest.txt")
    assert (len(train), len(test)) == (4_038, 1_711)
    assert train.keys().isdisjoint(test.keys())
    assert (sum(train.values()), sum(test.values())) == (9_525, 3_708)


def test_view_2_has_ten_folds_of_all_people(published: Path) -> None:
    folds = read_people(published / "people.txt")
    assert len(folds) == 10
    assert sum(map(len, folds)) == 5_749
    people = {person: photos for fold in folds for person, photos in fold.items()}
    assert len(people) == 5_749
    assert sum(people.values()) == 13_233
    assert max(people, key=lambda person: people[person]) == "George_W_Bush"
    assert people["George_W_Bush"] == 530
    # The gallery and the strangers of the open-set protocol.
    photos = Counter(people.values())
    assert photos[1] == 4_069
    assert len(people) - photos[1] == 1_680
    assert sum(people.values()) - len(people) == 7_484


def test_both_views_have_the_same_people(published: Path) -> None:
    view_1 = {
        person: photos
        for name in ("peopleDevTrain.txt", "peopleDevTest.txt")
        for person, photos in read_people(published / name)[0].items()
    }
    assert view_1 == {
        person: photos for fold in read_people(published / "people.txt") for person, photos in fold.items()
    }


@pytest.mark.parametrize(
    ("name", "folds", "half"), [("pairs.txt", 10, 300), ("pairsDevTrain.txt", 1, 1_100), ("pairsDevTest.txt", 1, 500)]
)
def test_pairs_are_half_genuine_and_half_impostor(name: str, folds: int, half: int, published: Path) -> None:
    found = read_pairs(published / name)
    assert len(found) == folds
    for fold in found:
        assert [pair.same for pair in fold] == [True] * half + [False] * half
        for pair in fold:
            assert (Path(pair.first).parent == Path(pair.second).parent) == pair.same
            assert pair.first != pair.second


@pytest.mark.parametrize(
    ("pairs", "people"),
    [
        ("pairs.txt", "people.txt"),
        ("pairsDevTrain.txt", "peopleDevTrain.txt"),
        ("pairsDevTest.txt", "peopleDevTest.txt"),
    ],
)
def test_every_fold_pairs_its_own_people_alone(pairs: str, people: str, published: Path) -> None:
    for fold, owned in zip(read_pairs(published / pairs), read_people(published / people), strict=True):
        photos = {photo_name(person, number) for person, count in owned.items() for number in range(1, count + 1)}
        assert {photo for pair in fold for photo in (pair.first, pair.second)} <= photos
