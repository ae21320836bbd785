"""Enrolling what people really have: bystanders, one person's folder, two people under one name."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerec_cli import Gallery, Identifier, Photo, Recognizer, enroll, enroll_all, open_gallery, verify, verify_person
from facerec_cli.errors import DoubtfulFaceError, NoFaceError, SeveralFacesError
from facerec_cli.faces.images import pixels
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.recognition.enrolment import KeptFace, enroll_faces
from facerec_cli.recognition.results import Enrolment
from tests.composed import side_by_side


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return open_gallery(tmp_path / "database", create=True)


def with_ardern(samples: Path, place: Path, year: int, other: str, height: int = 700) -> Path:
    """A photo of Jacinda Ardern beside somebody else, on her right and of much the same size."""
    return side_by_side(place, (samples / other, height), (samples / f"jacinda_ardern_{year}.jpg", 700))


def is_ardern(recognizer: Recognizer, gallery: Gallery, samples: Path, name: str = "Jacinda Ardern") -> bool:
    """Whether all that is enrolled under a name is her."""
    verified = verify_person(recognizer, gallery, name, samples / "jacinda_ardern_2022.jpg")
    return verified.same and verified.distance < 0.45


def outcomes(enrolments: list[Enrolment]) -> list[str]:
    return [enrolment.status for enrolment in enrolments]


def test_a_portrait_with_a_bystander_is_of_the_largest(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photo = with_ardern(samples, tmp_path / "portrait.jpg", 2018, "barack_obama.jpg", 300)
    (enrolment,) = enroll(recognizer, gallery, "Jacinda Ardern", [photo])
    assert enrolment.is_new
    assert enrolment.note is not None
    assert enrolment.note.startswith(f"{photo} shows 2 faces; the largest, ")
    assert enrolment.note.endswith(" times the other, was taken")
    assert is_ardern(recognizer, gallery, samples)
    compared = verify(recognizer, samples / "jacinda_ardern_2022.jpg", photo)
    assert compared.same
    assert compared.note == enrolment.note
    assert verify(recognizer, samples / "jacinda_ardern_2022.jpg", photo, largest=True).note is None


def test_of_several_faces_alike_one_photo_cannot_tell(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photo = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    (refused,) = enroll(recognizer, gallery, "Jacinda Ardern", [photo])
    assert isinstance(refused.error, SeveralFacesError)
    with pytest.raises(SeveralFacesError, match="2 faces"):
        verify(recognizer, photo, photo)
    (taken,) = enroll(recognizer, gallery, "The largest", [photo], largest=True)
    assert taken.is_new
    assert taken.note is None


def test_a_point_of_the_photo_says_who_is_meant(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    """Also in a portrait, of whoever stands behind."""
    for height in (700, 300):
        photo = with_ardern(samples, tmp_path / f"{height}.jpg", 2018, "barack_obama.jpg", height)
        faces = recognizer.extract(photo).faces
        for name, face in zip(("Barack Obama", "Jacinda Ardern"), sorted(faces, key=lambda one: one.box), strict=True):
            x, y, width, side = face.box
            (done,) = enroll(recognizer, gallery, name, [photo], at=(x + width / 3, y + side / 3))
            assert (done.status, done.note) == ("enrolled", None)
    assert is_ardern(recognizer, gallery, samples)
    assert verify_person(recognizer, gallery, "Barack Obama", samples / "barack_obama.jpg").distance < 0.45
    (nobody,) = enroll(recognizer, gallery, "Nobody", [photo], at=(0, 0))
    assert isinstance(nobody.error, NoFaceError)
    assert str(nobody.error) == f"{photo} shows no face at 0, 0"


def test_the_face_that_is_alone_in_another_photo_is_the_persons(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    """Whichever comes first."""
    photo = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    alone = samples / "jacinda_ardern_2022.jpg"
    for name, photos in (("Before", [photo, alone]), ("After", [alone, photo])):
        done = enroll(recognizer, gallery, name, photos)
        assert outcomes(done) == ["enrolled", "enrolled"]
        assert [Path(enrolment.source) for enrolment in done] == photos
        assert [bool(enrolment.note) for enrolment in done] == [photo is one for one in photos]
        assert all(enrolment.unlike is None for enrolment in done)
        assert is_ardern(recognizer, gallery, samples, name)
    (note,) = [enrolment.note for enrolment in done if enrolment.note]
    assert note == f"{photo} shows several faces; the one that recurs in the photos of After was taken"


def test_the_face_that_recurs_in_photos_of_several_is_the_persons(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photos = [
        with_ardern(samples, tmp_path / "one.jpg", 2018, "barack_obama.jpg"),
        with_ardern(samples, tmp_path / "other.jpg", 2022, "rishi_sunak.jpg"),
    ]
    assert outcomes(enroll(recognizer, gallery, "Jacinda Ardern", photos)) == ["enrolled"] * 2
    assert is_ardern(recognizer, gallery, samples)


def test_a_couple_that_recurs_stays_refused(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    couple = ("emmanuel_macron_2014.jpg", 2018), ("emmanuel_macron_2025.jpg", 2022)
    photos = [with_ardern(samples, tmp_path / f"{year}.jpg", year, other) for other, year in couple]
    assert outcomes(enroll(recognizer, gallery, "Jacinda Ardern", photos)) == ["refused"] * 2
    done = enroll(recognizer, gallery, "Jacinda Ardern", [*photos, samples / "jacinda_ardern_2018.jpg"])
    assert outcomes(done) == ["enrolled"] * 3
    assert is_ardern(recognizer, gallery, samples)


def test_somebody_enrolled_is_found_among_several(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    enroll(recognizer, gallery, "Jacinda Ardern", [samples / "jacinda_ardern_2022.jpg"])
    photo = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    (done,) = enroll(recognizer, gallery, "Jacinda Ardern", [photo])
    assert done.is_new
    assert is_ardern(recognizer, gallery, samples)
    (face, other) = Identifier(recognizer, gallery).identify(photo).faces
    assert {face.name, other.name} == {"Jacinda Ardern", "unknown"}
    (stranger,) = enroll(recognizer, gallery, "Rishi Sunak", [photo])
    assert stranger.status == "refused"


def test_people_do_not_decide_for_each_other(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photo = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    work = [
        ("Jacinda Ardern", samples / "jacinda_ardern_2022.jpg"),
        ("Barack Obama", samples / "barack_obama.jpg"),
        ("Barack Obama", photo),
        ("Jacinda Ardern", photo),
    ]
    done = list(enroll_all(recognizer, gallery, work))
    assert outcomes(done) == ["enrolled"] * 4
    assert [enrolment.name for enrolment in done] == [name for name, _ in work]
    assert is_ardern(recognizer, gallery, samples)
    assert verify_person(recognizer, gallery, "Barack Obama", samples / "barack_obama.jpg").distance < 0.3


def test_two_people_under_one_name_are_told(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    """By themselves, among others, and held against what is enrolled."""
    obama, ardern = samples / "barack_obama.jpg", samples / "jacinda_ardern_2018.jpg"
    both = enroll(recognizer, gallery, "Two", [obama, ardern])
    assert outcomes(both) == ["enrolled"] * 2
    assert all(enrolment.unlike is not None and enrolment.unlike > 0.8 for enrolment in both)
    three = enroll(recognizer, gallery, "Three", [ardern, obama, samples / "jacinda_ardern_2022.jpg"])
    assert [enrolment.unlike is not None for enrolment in three] == [False, True, False]
    (alone,) = enroll(recognizer, gallery, "One", [ardern])
    assert alone.unlike is None
    (later,) = enroll(recognizer, gallery, "One", [obama])
    assert later.unlike == both[1].unlike
    (right,) = enroll(recognizer, gallery, "Four", [samples / "emmanuel_macron_2014.jpg"])
    again = enroll(recognizer, gallery, "Four", [samples / f"emmanuel_macron_{year}.jpg" for year in (2014, 2025)])
    assert outcomes(again) == ["already enrolled", "enrolled"]
    assert [enrolment.unlike for enrolment in (right, *again)] == [None] * 3


def test_many_photos_of_one_person_are_settled_a_part_at_a_time(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_cli.recognition.enrolment._TOGETHER", 2)
    two = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    alone = samples / "jacinda_ardern_2022.jpg"
    shutil.copy(samples / "rishi_sunak.jpg", tmp_path / "sunak.jpg")
    done = enroll(recognizer, gallery, "Jacinda Ardern", [alone, samples / "jacinda_ardern_2018.jpg", two])
    assert outcomes(done) == ["enrolled"] * 3
    (odd,) = enroll(recognizer, gallery, "Jacinda Ardern", [tmp_path / "sunak.jpg"])
    assert odd.unlike is not None


def test_clear_photos_of_one_person_do_not_wait_for_each_other(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_cli.recognition.pacing._SECONDS", 0.0)
    monkeypatch.setattr("facerec_cli.recognition.pacing._SHARE", 0)
    two = with_ardern(samples, tmp_path / "two.jpg", 2018, "barack_obama.jpg")
    photos = [two, samples / "jacinda_ardern_2022.jpg", samples / "jacinda_ardern_2018.jpg"]
    outcomes_so_far = enroll_all(recognizer, gallery, [("Jacinda Ardern", photo) for photo in photos])
    first = next(outcomes_so_far)
    assert (first.source, first.status) == (str(photos[1]), "enrolled")
    assert dict(gallery.snapshot().photo_counts()) == {1: 1}
    assert [(done.source, done.status) for done in outcomes_so_far] == [
        (str(photos[2]), "enrolled"),
        (str(two), "enrolled"),
    ]


def kept(recognizer: Recognizer, photo: Path) -> KeptFace:
    """A photo's face as it is kept before it has a name."""
    face = recognizer.extract(photo).one_face()
    return KeptFace(encode_chip(face.chip), Photo("", photo.read_bytes()).sha256, photo.name, face.score)


def test_faces_that_were_kept_are_enrolled_as_their_photos_would_be(
    recognizer: Recognizer, samples: Path, tmp_path: Path
) -> None:
    photos = [samples / f"jacinda_ardern_{year}.jpg" for year in (2018, 2022)]
    by_photo, by_face = (open_gallery(tmp_path / name, create=True) for name in ("photo", "face"))
    enroll(recognizer, by_photo, "Jacinda Ardern", photos)
    faces = [kept(recognizer, photo) for photo in photos]
    done = enroll_faces(recognizer, by_face, " Jacinda Ardern ", faces)
    assert [(one.source, one.name, one.status) for one in done] == [
        (photo.name, "Jacinda Ardern", "enrolled") for photo in photos
    ]
    digest = recognizer.comparison.digest
    for one, other in zip(by_photo.snapshot().records(digest), by_face.snapshot().records(digest), strict=True):
        assert (one.face.sha256, one.face.source, one.face.score) == (
            other.face.sha256,
            other.face.source,
            other.face.score,
        )
        assert one.embedding is not None and other.embedding is not None
        assert np.array_equal(one.embedding, other.embedding)
        assert np.array_equal(by_photo.read_chip(one.face), by_face.read_chip(other.face))
    again = enroll_faces(recognizer, by_face, "Jacinda Ardern", faces)
    assert outcomes(again) == ["already enrolled"] * 2
    (alike,) = enroll_faces(recognizer, by_face, "Somebody", faces[:1])
    assert alike.lookalike is not None
    assert alike.lookalike.name == "Jacinda Ardern"
    (unlike,) = enroll_faces(recognizer, by_face, "Somebody", [kept(recognizer, samples / "barack_obama.jpg")])
    assert unlike.unlike is not None


def test_photos_not_looked_at_when_the_work_is_stopped_have_no_outcome(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    asked = count()
    photos = [samples / "jacinda_ardern_2018.jpg", samples / "barack_obama.jpg", samples / "rishi_sunak.jpg"]
    work = [(photo.stem, photo) for photo in photos]
    done = list(enroll_all(recognizer, gallery, work, is_stopped=lambda: next(asked) >= 2))
    assert outcomes(done) == ["enrolled"] * 2
    assert {person.name for person in gallery.snapshot().people()} == {one.name for one in done}
    assert not list(enroll_all(recognizer, gallery, work, is_stopped=lambda: True))


def negative(photo: Path) -> Photo:
    return Photo(f"negative of {photo.name}", 255 - pixels(photo))


def test_a_face_that_cannot_be_aligned_is_refused(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    """Negatives: where a face is found in one, nothing says that its landmarks are right."""
    photos = [samples / name for name in ("barack_obama.jpg", "eileen_collins_1999.png", "emmanuel_macron_2025.jpg")]
    done = enroll(recognizer, gallery, "Somebody", [negative(photo) for photo in photos], largest=True)
    assert outcomes(done) == ["refused"] * 3
    for enrolment in done:
        assert isinstance(enrolment.error, DoubtfulFaceError)
        assert str(enrolment.error) == f"{enrolment.source} shows a face that cannot be aligned with confidence"
    assert not list(gallery.snapshot().people())


def test_no_negative_passes_silently(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    photos = [negative(photo) for photo in sorted(samples.glob("*.jpg"))]
    for outcome in enroll(recognizer, gallery, "Somebody", photos, largest=True):
        assert outcome.error or (outcome.complaint and "its colours are those of a negative" in outcome.complaint)


def test_a_doubtful_face_is_told_of_when_it_is_verified(recognizer: Recognizer, samples: Path) -> None:
    photo = samples / "barack_obama.jpg"
    verified = verify(recognizer, photo, negative(photo))
    assert verified.note == f"negative of {photo.name} shows a face that cannot be aligned with confidence"


def test_a_doubtful_face_is_nobody_who_recurs(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    Image.fromarray(255 - pixels(samples / "rishi_sunak.jpg")).save(tmp_path / "negative.png")
    poster = tmp_path / "negative.png"
    two = side_by_side(tmp_path / "two.jpg", (poster, 700), (samples / "jacinda_ardern_2018.jpg", 700))
    (refused,) = enroll(recognizer, gallery, "Jacinda Ardern", [two])
    assert isinstance(refused.error, SeveralFacesError)
    done = enroll(recognizer, gallery, "Jacinda Ardern", [two, samples / "jacinda_ardern_2022.jpg"])
    assert outcomes(done) == ["enrolled"] * 2
    assert is_ardern(recognizer, gallery, samples)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photo_that_lies_on_its_side_or_head_is_the_persons(
    turns: int, recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    turned = np.ascontiguousarray(np.rot90(pixels(samples / "jacinda_ardern_2018.jpg"), turns))
    (enrolment,) = enroll(recognizer, gallery, "Jacinda Ardern", [turned])
    assert enrolment.is_new
    assert enrolment.complaint is None
    assert is_ardern(recognizer, gallery, samples)
