"""Who is trained on and who is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import everybody, mislabelled, photo_name, protocol_files, read_pairs
from facerec_cli.errors import DataError
from facerec_cli.training.data import divide, people_data, people_without_fold, triplet_data, view1_people
from facerec_cli.training.sampling import PhotosByPerson, Triplets
from tests.training.support import chip_set


def people_with(counts: Sequence[int]) -> ChipSet:
    """So many photos a person; each chip says in its first pixel which row it is."""
    people = [f"person {person:02d}" for person, count in enumerate(counts) for _ in range(count)]
    chips = np.zeros((len(people), 112, 112, 3), np.uint8)
    chips[:, 0, 0, 0] = np.arange(len(people))
    return chip_set(chips, people)


@given(st.lists(st.integers(2, 5), min_size=6, max_size=12), st.floats(0.3, 0.5), st.integers(0, 99))
def test_nobody_is_trained_on_and_held_out(counts: list[int], share: float, seed: int) -> None:
    chips = people_with(counts)
    data = people_data(chips, chips.people, share, seed, "people")
    assert isinstance(data.source, PhotosByPerson)
    assert not set(data.trained) & data.held_out.keys()
    assert set(data.trained) | data.held_out.keys() == set(chips.people)
    trained, paired = set(data.source.rows.tolist()), set(data.pairs.first.tolist()) | set(data.pairs.second.tolist())
    assert {chips.people[row] for row in trained} == set(data.trained)
    assert {chips.people[row] for row in paired} <= data.held_out.keys()
    same = [chips.people[one] == chips.people[other] for one, other in zip(data.pairs.first, data.pairs.second)]  # noqa: B905
    assert same == data.pairs.same.tolist()


def test_the_unseen_chips_are_those_of_the_pairs() -> None:
    data = divide(people_with([3] * 8), 0.5, 0)
    shown = data.unseen.chips[:, 0, 0, 0]
    assert shown[data.unseen.pairs.first].tolist() == data.pairs.first.tolist()
    assert shown[data.unseen.pairs.second].tolist() == data.pairs.second.tolist()


def test_people_who_are_not_named_and_photos_without_a_face_take_no_part() -> None:
    chips = people_with([3] * 9)
    has_face = chips.has_face.copy()
    has_face[[0, 3, 4, 5]] = False  # a photo of person 00, and all of person 01
    chips = replace(chips, has_face=has_face)
    data = people_data(chips, set(chips.people) - {"person 08"}, 0.5, 0, "people")
    assert set(data.trained) | data.held_out.keys() == {f"person {number:02d}" for number in (0, 2, 3, 4, 5, 6, 7)}
    assert not {0, 3, 4, 5, 24, 25, 26} & set(data.source.rows.tolist())


@pytest.mark.parametrize(
    ("counts", "problem", "remedy"),
    [
        ([5], "1 person cannot be split", "add photos"),
        ([1] * 20, "one of them with two photos$", "add people"),
        ([2, 2], "2 people leave 1 held out .* and that takes two", "add people"),
    ],
    ids=["one person", "single photos", "too few"],
)
def test_people_who_are_not_enough_are_one_sentence(counts: list[int], problem: str, remedy: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        divide(people_with(counts), 0.9, 0)
    assert remedy in caught.value.remedy


def test_what_takes_part_has_a_name(tmp_path: Path) -> None:
    assert divide(people_with([3] * 8), 0.5, 0).description == "12 photos of 4 people of people"
    assert divide(triplets_in(tmp_path, 10), 0.7, 0).description == f"7 triplets of {tmp_path.name}"


def test_of_lfw_the_tested_people_stay_out() -> None:
    test = {person.name for person in everybody() if person.view1 == "test"}
    assert len(view1_people()) == 4_038 and not view1_people() & test
    folds = [people_without_fold(fold) for fold in range(1, 11)]
    assert {len(everybody()) - len(fold) for fold in folds} == {601, 555, 552, 560, 567, 527, 597, 580, 609}
    assert set.intersection(*folds) == set()


def test_of_lfw_photos_under_a_wrong_name_teach_nothing_and_tell_nothing() -> None:
    photos = [photo_name(person.name, number + 1) for person in everybody() for number in range(person.photos)]
    wrong = mislabelled()
    assert len(wrong) == 40 and wrong <= set(photos)
    some = [photo for photo in photos if photo < "D"]
    people = [photo.partition("/")[0] for photo in some]
    chips = replace(chip_set(np.zeros((len(some), 1, 1, 3), np.uint8), people), photos=some, is_lfw=True)
    left_out = {row for row, photo in enumerate(chips.photos) if photo in wrong}
    for split in (0.5, 0.9):
        data = divide(chips, split, 0)
        held_out = {row for rows in data.held_out.values() for row in rows}
        assert len(left_out) > 5 and not left_out & (held_out | set(data.source.rows.tolist()))
        assert "Anja_Paerson" not in data.trained and "Colin_Powell" in [*data.trained, *data.held_out]


def test_the_people_of_a_fold_are_those_of_its_pairs(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_bytes(protocol_files()["pairs.txt"])
    for fold, found in enumerate(read_pairs(pairs), start=1):
        shown = {photo.partition("/")[0] for pair in found for photo in (pair.first, pair.second)}
        assert len(shown) > 100
        assert not shown & people_without_fold(fold)


# ------------------------------------------------------------------ triplets


def triplets_in(folder: Path, count: int) -> ChipSet:
    people = [name for name in ("anchor", "positive", "negative") for _ in range(count)]
    chips = chip_set(np.zeros((len(people), 112, 112, 3), np.uint8), people, folder)
    photos = [f"{name}/{number}.jpg" for name in ("anchor", "positive", "negative") for number in range(count)]
    for photo in photos:
        (folder / photo).parent.mkdir(exist_ok=True)
        (folder / photo).touch()
    return replace(chips, photos=photos)


def test_triplets_are_divided_and_their_pairs_held_out(tmp_path: Path) -> None:
    chips = triplets_in(tmp_path, 10)
    data = divide(chips, 0.7, 0)
    assert isinstance(data.source, Triplets) and data.source.rows.shape == (7, 3)
    assert all((row[1] - row[0], row[2] - row[0]) == (10, 20) for row in data.source.rows)
    assert data.pairs.same.tolist() == [True] * 3 + [False] * 3
    assert set(data.pairs.first.tolist()).isdisjoint(data.source.rows[:, 0].tolist())
    assert (data.pairs.second - data.pairs.first).tolist() == [10] * 3 + [20] * 3
    assert data.trained == [] and data.held_out == {}


def test_a_triplet_with_a_faceless_photo_is_left_out(tmp_path: Path) -> None:
    chips = triplets_in(tmp_path, 4)
    has_face = chips.has_face.copy()
    has_face[5] = False  # the second positive
    data = triplet_data(replace(chips, has_face=has_face), 0.5, 0)
    rows = {*data.pairs.first.tolist(), *data.pairs.second.tolist(), *data.source.rows.ravel().tolist()}
    assert rows == set(range(12)) - {1, 5, 9}
    has_face[:3] = False
    with pytest.raises(DataError, match=r"Of the 4 triplets of .* 1 show three faces"):
        triplet_data(replace(chips, has_face=has_face), 0.5, 0)
