from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.calibration import Calibration
from facerec_cli.encoders.metric import Cosine
from facerec_cli.gallery.base import EnrolledFace, Record
from facerec_cli.recognition import checking
from facerec_cli.recognition.belonging import Belonging, Shown
from facerec_cli.recognition.checking import unlike

PEOPLE = np.linalg.qr(np.random.default_rng(19).normal(size=(128, 12)))[0].T.astype(np.float32)
"""Embeddings of twelve people who have nothing in common."""


@pytest.fixture(scope="module")
def belonging() -> Belonging:
    calibration = resolve_bundle("pretrained").calibration
    assert isinstance(calibration, Calibration)
    return Belonging(Cosine(), calibration.people)


def photo(*people: int) -> Shown:
    """A photo of some people, each a little different every time."""
    noise = np.random.default_rng(len(people)).normal(size=(len(people), 128), scale=0.02)
    return Shown(Cosine().scaled(PEOPLE[list(people)] + noise.astype(np.float32)))


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        ([(0, 1), (2, 0)], [0, 1]),
        ([(0, 1), (0,)], [0, 0]),
        ([(0, 1), (2, 0), (3, 4, 0)], [0, 1, 2]),
        ([(0, 1), (1, 0)], [None, None]),  # a couple
        ([(0, 1), (1, 0), (0,)], [0, 1, 0]),  # and one of the two alone
        ([(0, 1), (2, 3)], [None, None]),
        ([(0, 1), (2, 0), (3, 4)], [0, 1, None]),
        ([(0, 1), (2, 0), (3, 4), (5, 6)], [None, None, None, None]),  # in one of three others
        ([(0, 0), (0,)], [None, 0]),  # a picture of them in the picture
        ([(0, 1)], [None]),
    ],
)
def test_the_face_that_recurs_is_found_where_it_is_clear(
    belonging: Belonging, photos: list[tuple[int, ...]], expected: list[int | None]
) -> None:
    assert belonging.recurring([photo(*people) for people in photos]) == expected


def test_what_is_enrolled_counts_as_so_many_photos(belonging: Belonging) -> None:
    enrolled = Shown(PEOPLE[:1], 5)
    assert belonging.recurring([photo(1, 0), enrolled]) == [1, 0]
    assert belonging.recurring([photo(1, 0), photo(1), photo(1), enrolled])[0] == 1


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ((0, 0, 0), [False] * 3),
        ((0, 1), [True, True]),
        ((0, 0, 1), [False, False, True]),
        ((0, 0, 1, 1), [True] * 4),
        ((0, 0, 0, 1, 1), [False] * 3 + [True] * 2),
        ((0,), [False]),
    ],
)
def test_a_photo_unlike_most_others_is_found(
    belonging: Belonging, people: tuple[int, ...], expected: list[bool]
) -> None:
    unlike = belonging.unlike(photo(*people).embeddings)
    assert [distance is not None for distance in unlike] == expected
    assert all(distance is None or 0.8 < distance < 1.2 for distance in unlike)


def test_a_photo_is_held_against_what_is_enrolled(belonging: Belonging) -> None:
    faces = photo(0, 1).embeddings
    near, far = belonging.unlike(faces, [Shown(PEOPLE[:1], 3)])
    assert near is None
    assert far is not None
    assert belonging.unlike(faces[:1], [Shown(PEOPLE[1:2])])[0] is not None


def test_very_many_photos_are_compared_in_parts(belonging: Belonging, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = photo(0, 0, 0, 0, 1, 0).embeddings
    when = datetime(2026, 1, 1, tzinfo=timezone.utc)
    records = [
        Record(EnrolledFace(number, "Ada", "", "", "", 0.9, when), embedding)
        for number, embedding in enumerate(embeddings, start=1)
    ]
    whole = unlike(belonging, records)
    assert whole.keys() == {5}
    monkeypatch.setattr(checking, "_TOGETHER", 3)
    assert unlike(belonging, records).keys() == {5}
    assert unlike(belonging, [replace(record, embedding=None) for record in records]) == {}
