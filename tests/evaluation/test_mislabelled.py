from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.encoders.metric import Cosine, LearnedL1
from facerec_cli.evaluation import mislabelled
from facerec_cli.evaluation.mislabelled import MOST, Mislabelled, find_mislabelled

METRIC = Cosine()


def at(*degrees: float) -> npt.NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def apart(degrees: float) -> float:
    return 1 - math.cos(math.radians(degrees))


def found(people: list[str], embeddings: npt.NDArray[np.float32], threshold: float = np.inf) -> Mislabelled:
    return find_mislabelled("mine", embeddings, people, np.arange(len(people)), METRIC, threshold)


def test_names_whose_photos_agree_are_ahead_of_two_photos_that_happen_to_be_near() -> None:
    # Ann's two photos are within 10 degrees of Bob's one; of Cyd's, one is at Dot's and the other 80 degrees away.
    people = ["Ann", "Bob", "Ann", "Cyd", "Dot", "Cyd"]
    result = found(people, at(0, 8, 10, 100, 101, 180), threshold=apart(70))
    assert [(pair.first, pair.second) for pair in result.two_names] == [(2, 1), (3, 4)]
    ann, cyd = result.two_names
    assert ann.distance == pytest.approx(apart(2), abs=1e-6)
    assert ann.mean == pytest.approx((apart(8) + apart(2)) / 2, abs=1e-6)
    assert cyd.distance == pytest.approx(apart(1), abs=1e-6)
    assert cyd.mean == pytest.approx((apart(1) + apart(79)) / 2, abs=1e-6)
    # Farther than the threshold on average, it is two photos alone.
    assert [(pair.first, pair.second) for pair in found(people, at(0, 8, 10, 100, 101, 180), apart(50)).two_names] == [
        (2, 1)
    ]


def test_a_photo_nearer_to_another_name_than_to_its_own() -> None:
    # The second of Ann's four is at Bob's, whose own is farther from his other than it: not his fault.
    people = ["Ann", "Ann", "Ann", "Ann", "Bob", "Bob", "Cyd", "Cyd"]
    result = found(people, at(0, 93, 5, 12, 90, 100, 200, 210))
    (one,) = result.one_name
    assert (one.photo, one.typical, one.other) == (1, 2, 4)
    assert one.own == pytest.approx(apart(88), abs=1e-6)
    assert one.distance == pytest.approx(apart(3), abs=1e-6)
    assert (result.model, result.photos) == ("mine", 8)


def test_of_two_photos_the_likelier_one_alone_is_listed() -> None:
    # 90 degrees apart, and others are nearer to both.
    (one,) = found(["Ann", "Ann", "Bob", "Cyd"], at(0, 90, 100, 330)).one_name
    assert (one.photo, one.typical, one.other) == (1, 0, 2)


def test_where_all_is_well_nothing_is_listed() -> None:
    result = found(["Ann", "Ann", "Bob", "Bob", "Cyd"], at(0, 10, 90, 100, 200), threshold=apart(40))
    assert result.two_names == []
    assert result.one_name == []
    assert found(["Ann", "Ann"], at(0, 90)).two_names == []


def test_photos_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    people = [f"{number % 40}" for number in range(150)]
    embeddings = METRIC.scaled(generator.normal(size=(150, 8)).astype(np.float32))
    whole = find_mislabelled("mine", embeddings, people, np.arange(150), METRIC)
    monkeypatch.setattr(mislabelled, "_COMPUTED", 1_000)
    parts = find_mislabelled("mine", embeddings, people, np.arange(150), METRIC)
    assert [(pair.first, pair.second) for pair in whole.two_names] == [(p.first, p.second) for p in parts.two_names]
    assert [(one.photo, one.typical, one.other) for one in whole.one_name] == [
        (one.photo, one.typical, one.other) for one in parts.one_name
    ]
    assert len(whole.two_names) == len(whole.one_name) == MOST


def test_photos_that_are_not_embedded_are_not_looked_at() -> None:
    embeddings = np.vstack([at(0, 10), np.full((1, 2), np.nan, np.float32), at(12)])
    result = find_mislabelled("mine", embeddings, ["Ann", "Ann", "Bob", "Cyd"], np.array([0, 1, 3]), METRIC)
    assert [(pair.first, pair.second) for pair in result.two_names] == [(1, 3)]


def test_any_metric_will_do() -> None:
    metric = LearnedL1(np.array([-3, -3], np.float32), 1.0)
    result = find_mislabelled("mine", at(0, 93, 5, 12, 90), ["Ann"] * 4 + ["Bob"], np.arange(5), metric)
    assert [(one.photo, one.other) for one in result.one_name] == [(1, 4)]
