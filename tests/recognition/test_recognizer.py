from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facerec_cli import Gallery, Identifier, Photo, Recognizer, enroll, enroll_all, open_gallery, verify, verify_person
from facerec_cli.encoders.bundle import resolve_bundle, write_bundle
from facerec_cli.encoders.calibration import Calibration, comparisons
from facerec_cli.encoders.encoder import Embeddings, Mirrored, enrolling
from facerec_cli.encoders.metric import Cosine, LearnedL1, Metric
from facerec_cli.errors import (
    FacerecError,
    LostChipError,
    NobodyEnrolledError,
    NoFaceError,
    NotEmbeddedError,
    PhotoError,
    UncalibratedModelError,
    UnknownModelError,
    UnknownPersonError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from facerec_cli.faces.alignment import Chip
from facerec_cli.faces.images import pixels
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.rebuilding import rebuild
from facerec_cli.recognition.threshold import Threshold, enrolled_rule, rule_in
from tests.composed import side_by_side
from tests.gallery.memory import MemoryGallery

ENROLLED = {"Emmanuel Macron": "emmanuel_macron_2014.jpg", "Jacinda Ardern": "jacinda_ardern_2018.jpg"}
PROBES = {"emmanuel_macron_2025.jpg": "Emmanuel Macron", "jacinda_ardern_2022.jpg": "Jacinda Ardern"}
STRANGERS = ["barack_obama.jpg", "rishi_sunak.jpg", "eileen_collins_1999.png"]


def filled(gallery: Gallery, recognizer: Recognizer, samples: Path) -> Gallery:
    for name, photo in ENROLLED.items():
        (enrolment,) = enroll(recognizer, gallery, name, [samples / photo])
        assert enrolment.is_new
    return gallery


@pytest.fixture
def gallery(tmp_path: Path, recognizer: Recognizer, samples: Path) -> Gallery:
    return filled(open_gallery(tmp_path / "database", create=True), recognizer, samples)


def names(gallery: Gallery) -> list[str]:
    return [person.name for person in gallery.snapshot().people()]


def threshold(recognizer: Recognizer, gallery: Gallery, **how: Any) -> Threshold:
    return rule_in(gallery.snapshot(), recognizer.bundle, **how).threshold


@pytest.mark.parametrize("make", [lambda place: open_gallery(place, create=True), lambda _: MemoryGallery()])
def test_one_photo_each_is_enough_to_know_people_and_strangers(
    make: Callable[[Path], Gallery], recognizer: Recognizer, tmp_path: Path, samples: Path
) -> None:
    identifier = Identifier(recognizer, filled(make(tmp_path / "database"), recognizer, samples))
    for photo, name in PROBES.items():
        assert [face.name for face in identifier.identify(samples / photo).faces] == [name]
    for photo in STRANGERS:
        assert [face.name for face in identifier.identify(samples / photo).faces] == ["unknown"]


def test_file_bytes_and_pixels_give_the_same(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    photo = samples / "jacinda_ardern_2022.jpg"
    identifier = Identifier(recognizer, gallery)
    uploaded = Photo("upload.jpg", photo.read_bytes())
    frame = Photo("camera 0, 12:03:01", pixels(photo))
    results = list(
        identifier.identify_all([photo, str(photo), photo.read_bytes(), uploaded, pixels(photo), frame], top=2)
    )
    known = str(photo)
    sources = [known, known, "The photo", "upload.jpg", "The photo", "camera 0, 12:03:01"]
    assert [result.source for result in results] == sources
    (first,) = results[0].faces
    assert [candidate.name for candidate in first.candidates] == ["Jacinda Ardern", "Emmanuel Macron"]
    for result in results:
        (face,) = result.faces
        assert [one.name for one in face.candidates] == [one.name for one in first.candidates]
        for one, other in zip(face.candidates, first.candidates, strict=True):
            assert one.distance == pytest.approx(other.distance, abs=1e-6)
        assert (result.height, result.width) == pixels(photo).shape[:2]
        assert face.face.chip.shape == (112, 112, 3)
        assert face.face.quality.size > 50
    right, wrong = (candidate.probability for candidate in first.candidates)
    assert right is not None and wrong is not None
    assert right > 0.5 > wrong


def test_embeddings_at_hand_are_decided_as_photos_are(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    photos = [samples / "jacinda_ardern_2022.jpg", samples / "barack_obama.jpg"]
    embedded = [recognizer.embed_photo(photo) for photo in photos]
    identifier = Identifier(recognizer, gallery)
    decisions = identifier.decide(np.concatenate([photo.embeddings for photo in embedded]))
    assert [decision.name for decision in decisions] == ["Jacinda Ardern", "unknown"]
    assert [decision.is_known for decision in decisions] == [True, False]
    for result, decision in zip(identifier.decide_photos(embedded), decisions, strict=True):
        assert [(face.name, face.candidates) for face in result.faces] == [(decision.name, decision.candidates)]
    assert identifier.decide(np.empty((0, 128), np.float32)) == []


def test_an_identifier_decides_by_the_moment_it_was_made(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    before = Identifier(recognizer, gallery)
    gallery.remove("Jacinda Ardern")
    photo = samples / "jacinda_ardern_2022.jpg"
    assert before.identify(photo).faces[0].name == "Jacinda Ardern"
    assert Identifier(recognizer, gallery).identify(photo).faces[0].name == "unknown"


def test_several_faces_are_named_largest_first(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    small = pixels(samples / "emmanuel_macron_2025.jpg")[::2, ::2]
    large = pixels(samples / "jacinda_ardern_2022.jpg")
    both = np.zeros((900, 1100, 3), np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, 400 : 400 + large.shape[1]] = large
    result = Identifier(recognizer, gallery).identify(both)
    assert [face.name for face in result.faces] == ["Jacinda Ardern", "Emmanuel Macron"]
    assert recognizer.extract(both).one_face().box[0] > 400


def test_the_threshold_follows_from_the_people_and_the_rate(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    loose, strict = (threshold(recognizer, gallery, rate=rate).distance for rate in (0.05, 0.001))
    before = threshold(recognizer, gallery)
    assert loose > before.distance > strict
    assert (before.comparisons, before.people) == (2, 2)
    enroll(recognizer, gallery, "Emmanuel Macron", [samples / "emmanuel_macron_2025.jpg"])
    after = threshold(recognizer, gallery)
    # A second photo is half a comparison where what people share is taken away.
    assert (after.comparisons, after.people) == (2.5, 2)
    assert after.average < before.average
    assert after.distance < before.distance
    assert threshold(recognizer, gallery, distance=0.25).distance == 0.25
    (face,) = Identifier(recognizer, gallery, threshold=0.1).identify(samples / "jacinda_ardern_2022.jpg").faces
    assert (face.name, face.threshold, face.is_known) == ("unknown", 0.1, False)


def test_a_gallery_is_seen_from_what_its_people_share_whatever_the_threshold(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    snapshot, digest = gallery.snapshot(), recognizer.comparison.digest
    calibration = recognizer.bundle.calibration
    assert calibration is not None and calibration.prior is not None
    cohort = snapshot.cohort(digest)
    centre = calibration.prior.centre(cohort)
    assert centre is not None
    probe = recognizer.embed_photo(samples / "jacinda_ardern_2022.jpg").embeddings
    known = np.stack([snapshot.template(digest, name) for name in ENROLLED])
    expected = Cosine(centre).matrix(probe, known)[0]
    for given_distance in (None, 0.5):
        rule = rule_in(snapshot, recognizer.bundle, distance=given_distance)
        assert rule.comparison.digest == digest
        matches = {match.name: match.distance for match in snapshot.search(rule.comparison, probe, 2)[0]}
        assert [matches[name] for name in ENROLLED] == pytest.approx(expected.tolist(), abs=1e-6)
    found = rule_in(snapshot, recognizer.bundle).threshold
    _, own, average = calibration.gallery(cohort, calibration.fmr_for(0.01, {1: 2}))
    assert own - 1e-3 < found.distance <= own
    assert average - 1e-3 < found.average <= average
    # One person alone has nothing in common with anybody.
    gallery.remove("Emmanuel Macron")
    alone = rule_in(gallery.snapshot(), recognizer.bundle).comparison.metric
    assert isinstance(alone, Cosine) and alone.centre is None


def test_people_enrolled_are_compared_among_each_other_as_they_are(recognizer: Recognizer) -> None:
    calibration = recognizer.bundle.calibration
    assert calibration is not None
    for counts in ({1: 2}, {1: 3, 4: 1}):
        rule = enrolled_rule(recognizer.bundle, counts)
        assert isinstance(rule.comparison.metric, Cosine) and rule.comparison.metric.centre is None
        assert rule.comparison.digest == recognizer.comparison.digest
        assert rule.threshold.comparisons == comparisons(counts, is_centred=False)
        assert rule.threshold.curve == calibration.people
        assert rule.threshold.distance == rule.threshold.average


def test_nobody_enrolled_is_told(recognizer: Recognizer, tmp_path: Path) -> None:
    gallery = open_gallery(tmp_path / "empty", create=True)
    with pytest.raises(NobodyEnrolledError, match="Nobody is enrolled") as raised:
        Identifier(recognizer, gallery)
    assert raised.value.subject == str(tmp_path / "empty")


def test_verification_of_photos_and_of_an_enrolled_person(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    same = verify(recognizer, samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    assert same.same
    assert same.probability is not None
    assert same.probability > 0.9
    different = verify(recognizer, samples / "jacinda_ardern_2018.jpg", samples / "barack_obama.jpg")
    assert not different.same
    assert different.threshold == same.threshold
    assert different.second == str(samples / "barack_obama.jpg")
    assert verify_person(recognizer, gallery, "Jacinda Ardern", samples / "jacinda_ardern_2022.jpg").same
    assert not verify_person(recognizer, gallery, "Jacinda Ardern", samples / "barack_obama.jpg").same
    strict = verify(recognizer, samples / "barack_obama.jpg", samples / "barack_obama.jpg", fmr=1e-6)
    assert strict.distance == pytest.approx(0, abs=1e-6)
    assert strict.threshold < same.threshold
    with pytest.raises(UnknownPersonError):
        verify_person(recognizer, gallery, "Nobody", samples / "barack_obama.jpg")


def test_more_photos_of_a_person_count_as_more_comparisons_in_a_verification(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    probe = samples / "jacinda_ardern_2022.jpg"
    before = verify_person(recognizer, gallery, "Jacinda Ardern", probe)
    enroll(recognizer, gallery, "Jacinda Ardern", [probe])
    assert verify_person(recognizer, gallery, "Jacinda Ardern", probe).threshold < before.threshold


def test_enrolling_reports_every_photo_in_order(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    landscape = tmp_path / "no_face.png"
    shutil.copyfile(samples / "CREDITS.md", tmp_path / "text.jpg")
    Image.new("RGB", (300, 200), (30, 90, 40)).save(landscape)
    photos = [
        ("Jacinda Ardern", samples / "jacinda_ardern_2018.jpg"),
        ("Jacinda Ardern", landscape),
        ("Jacinda Ardern", tmp_path / "text.jpg"),
        ("Jacinda Ardern", tmp_path / "absent.jpg"),
        ("Barack Obama", samples / "barack_obama.jpg"),
        ("Barry", samples / "barack_obama.jpg"),
    ]
    outcomes = list(enroll_all(recognizer, gallery, photos))
    assert [(outcome.name, outcome.source) for outcome in outcomes] == [(name, str(photo)) for name, photo in photos]
    assert [outcome.is_new for outcome in outcomes] == [False, False, False, False, True, True]
    errors = [type(outcome.error) for outcome in outcomes[:4]]
    assert errors == [type(None), NoFaceError, UnsupportedPhotoError, UnreadablePhotoError]
    assert [outcome.status for outcome in outcomes[::2]] == ["already enrolled", "refused", "enrolled"]
    lookalike = outcomes[5].lookalike
    assert lookalike is not None
    assert lookalike.name == "Barack Obama"


def test_uploads_and_frames_are_enrolled_as_files_are(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    path = samples / "barack_obama.jpg"
    upload, frame = Photo("holiday/me.jpg", path.read_bytes()), Photo("frame 12", pixels(path))
    outcomes = enroll(recognizer, gallery, "Barack Obama", [upload, frame, path, frame])
    # The upload and the file are the same bytes, the frame is not.
    assert [outcome.is_new for outcome in outcomes] == [True, True, False, False]
    faces = gallery.snapshot().faces("Barack Obama")
    assert [face.source for face in faces] == ["me.jpg", "frame 12"]


def test_a_file_name_of_another_encoding_is_kept_as_text(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    upload = Photo("Bj\udcf6rn.jpg", (samples / "barack_obama.jpg").read_bytes())
    (outcome,) = enroll(recognizer, gallery, "Barack Obama", [upload])
    assert outcome.is_new
    assert [face.source for face in gallery.snapshot().faces("Barack Obama")] == ["Bj\ufffdrn.jpg"]


def test_somebody_enrolled_earlier_is_a_lookalike_too(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    (outcome,) = enroll(recognizer, gallery, "Jay", [samples / "jacinda_ardern_2022.jpg"])
    assert outcome.lookalike is not None
    assert outcome.lookalike.name == "Jacinda Ardern"


def test_a_rebuilt_database_has_the_same_bits(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    assert isinstance(gallery, Hdf5Gallery)
    enroll(recognizer, gallery, "Jacinda Ardern", [samples / "jacinda_ardern_2022.jpg"])
    digest, before = recognizer.comparison.digest, gallery.snapshot()
    found = rebuild(recognizer, gallery, gallery.survey())
    assert (found.lost, found.strangers, found.problems) == ([], [], [])
    after = gallery.snapshot()
    for old, new in zip(before.records(digest), after.records(digest), strict=True):
        assert old.face.name == new.face.name
        assert old.embedding is not None and new.embedding is not None
        assert np.array_equal(old.embedding, new.embedding)
    assert [person.name for person in after.people()] == [person.name for person in before.people()]
    for person in before.people():
        assert np.array_equal(after.template(digest, person.name), before.template(digest, person.name))


@pytest.fixture
def other_model(tmp_path: Path) -> Recognizer:
    """A second model: the bundled network with its embedding turned round, so that its digest is another."""
    return turned(tmp_path, resolve_bundle("pretrained").calibration)


def turned(place: Path, calibration: Calibration | None, metric: Metric | None = None) -> Recognizer:
    onnx = pytest.importorskip("onnx")
    bundle = resolve_bundle("pretrained")
    graph = onnx.load_from_string(bundle.encoder_bytes())
    graph.graph.node[-1].output[0] = "positive"
    graph.graph.node.append(onnx.helper.make_node("Neg", ["positive"], ["embeddings"]))
    write_bundle(
        place / "models" / "turned",
        graph.SerializeToString(),
        embedding_size=bundle.embedding_size,
        metric=metric or bundle.load_metric(),
        calibration=calibration,
        about={"description": "for a test"},
        others={},
    )
    return Recognizer(place / "models" / "turned")


def test_a_face_is_enrolled_with_its_mirror_image(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    chip = recognizer.extract(samples / "jacinda_ardern_2018.jpg").one_face().chip
    both = recognizer.embed([chip, np.ascontiguousarray(chip[:, ::-1])])
    expected = both.mean(axis=0) / np.linalg.norm(both.mean(axis=0))
    enrolled = recognizer.embed_enrolled([chip])
    assert enrolled.dtype == np.float32
    assert enrolled[0] == pytest.approx(expected, abs=1e-6)
    assert recognizer.embed_enrolled([chip[:, ::-1]])[0] == pytest.approx(expected, abs=1e-6)
    assert not np.allclose(both[0], expected, atol=1e-3)
    # What a database holds is that, of the kept chip, and by a digest that is not the encoder's.
    (record,) = (
        record for record in gallery.snapshot().records(recognizer.comparison.digest) if "Jacinda" in record.face.name
    )
    kept = recognizer.embed_enrolled([gallery.read_chip(record.face)])[0]
    assert record.embedding is not None
    assert np.array_equal(record.embedding, kept)
    assert all(record.embedding is None for record in gallery.snapshot().records(recognizer.bundle.digest))
    thorough = Recognizer("pretrained", thorough=True)
    assert np.array_equal(thorough.embed([chip]), enrolled)
    assert thorough.comparison.digest == recognizer.comparison.digest


def test_where_embeddings_cannot_be_added_up_a_face_is_enrolled_as_it_is(tmp_path: Path, samples: Path) -> None:
    learned = turned(tmp_path, None, LearnedL1(np.full(128, -1, np.float32), 0.5))
    chip = learned.extract(samples / "jacinda_ardern_2018.jpg").one_face().chip
    assert np.array_equal(learned.embed_enrolled([chip]), learned.embed([chip]))
    assert learned.comparison.digest != learned.bundle.digest


class Ends:
    """An encoder whose embedding is a chip's first and last pixels."""

    size = 2

    def encode(self, chips: Sequence[Chip]) -> Embeddings:
        return np.array([[chip[0, 0, 0], chip[0, -1, 0]] for chip in chips], np.float32).reshape(-1, 2)


def test_a_mirrored_embedding_worked_by_hand() -> None:
    chip = np.zeros((112, 112, 3), np.uint8)
    chip[0, 0], chip[0, -1] = 30, 10
    mirrored = enrolling(Ends(), Cosine())
    assert isinstance(mirrored, Mirrored)
    assert mirrored.size == 2
    assert mirrored.encode([chip, chip]) == pytest.approx(np.full((2, 2), np.sqrt(0.5)))
    assert mirrored.encode([]).shape == (0, 2)
    encoder = Ends()
    assert enrolling(encoder, LearnedL1(np.ones(2, np.float32), 0.0)) is encoder


def pending(recognizer: Recognizer, gallery: Gallery) -> list[str]:
    return [face.name for face in gallery.snapshot().pending(recognizer.comparison.digest)]


def test_another_model_embeds_the_kept_chips_once(
    recognizer: Recognizer, other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    assert len(pending(other_model, gallery)) == 2
    told: list[tuple[int, int]] = []
    assert embed_pending(other_model, gallery, lambda done, total: told.append((done, total))).lost == ()
    assert told == [(1, 2), (2, 2)]
    (face,) = Identifier(other_model, gallery).identify(samples / "jacinda_ardern_2022.jpg").faces
    assert face.name == "Jacinda Ardern"
    assert pending(other_model, gallery) == []
    # What one model enrols is pending for the other, and known to it after.
    enroll(other_model, gallery, "Barack Obama", [samples / "barack_obama.jpg"])
    assert pending(recognizer, gallery) == ["Barack Obama"]
    (face,) = Identifier(recognizer, gallery).identify(samples / "barack_obama.jpg").faces
    assert face.name == "Barack Obama"


def test_embedding_that_is_stopped_keeps_what_is_done(
    recognizer: Recognizer, other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    enroll(recognizer, gallery, "Barack Obama", [samples / "barack_obama.jpg"])

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_pending(other_model, gallery, stop)
    assert pending(other_model, gallery) == ["Barack Obama"]


def test_embeddings_are_stored_while_the_work_goes_on(
    other_model: Recognizer, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_cli.recognition.pacing._SECONDS", 0.0)
    left: list[int] = []
    embed_pending(other_model, gallery, lambda _done, _total: left.append(len(pending(other_model, gallery))))
    assert left[0] == 1


def test_a_missing_chip_is_told_and_the_others_are_embedded(
    other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    (lost,) = gallery.snapshot().faces("Emmanuel Macron")
    Path(gallery.location, lost.chip).unlink()
    (problem,) = embed_pending(other_model, gallery).lost
    assert isinstance(problem, LostChipError)
    assert "Emmanuel Macron" in str(problem)
    identifier = Identifier(other_model, gallery)
    assert [str(error) for error in identifier.lost] == [str(problem)]
    (face,) = identifier.identify(samples / "jacinda_ardern_2022.jpg", top=5).faces
    assert [candidate.name for candidate in face.candidates] == ["Jacinda Ardern"]
    with pytest.raises(NotEmbeddedError, match="Emmanuel Macron"):
        verify_person(other_model, gallery, "Emmanuel Macron", samples / "emmanuel_macron_2025.jpg")


def test_where_every_chip_is_lost_there_is_an_error_and_no_answer(
    other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    shutil.rmtree(Path(gallery.location, "faces"))
    identifier = Identifier(other_model, gallery)
    assert len(identifier.lost) == 2
    with pytest.raises(NotEmbeddedError):
        identifier.identify(samples / "jacinda_ardern_2022.jpg")


def test_without_a_calibration_only_a_distance_decides(
    recognizer: Recognizer, gallery: Gallery, tmp_path: Path, samples: Path
) -> None:
    uncalibrated = turned(tmp_path, None)
    with pytest.raises(UncalibratedModelError) as raised:
        Identifier(uncalibrated, gallery)
    assert raised.value.subject == "turned"
    (face,) = Identifier(uncalibrated, gallery, threshold=0.5).identify(samples / "jacinda_ardern_2022.jpg").faces
    assert face.name == "Jacinda Ardern"
    assert face.candidates[0].probability is None
    (outcome,) = enroll(uncalibrated, gallery, "Jay", [samples / "jacinda_ardern_2022.jpg"])
    assert outcome.lookalike is None
    two = side_by_side(tmp_path / "two.jpg", *((samples / f"jacinda_ardern_{year}.jpg", 700) for year in (2018, 2022)))
    others = [samples / "barack_obama.jpg", two]
    assert [(one.status, one.unlike) for one in enroll(uncalibrated, gallery, "Jay", others)] == [
        ("enrolled", None),
        ("refused", None),
    ]


def test_an_unknown_model_lists_those_that_exist() -> None:
    with pytest.raises(UnknownModelError, match="saved_worst") as raised:
        Recognizer("saved_worst")
    assert "pretrained" in raised.value.subject


def test_a_damaged_encoder_is_told_when_it_is_needed(tmp_path: Path, samples: Path) -> None:
    folder = shutil.copytree(resolve_bundle("pretrained").folder, tmp_path / "damaged")
    with (folder / "encoder.onnx").open("r+b") as file:
        file.seek(100_000)
        file.write(b"damage")
    recognizer = Recognizer(folder)
    face = recognizer.extract(samples / "barack_obama.jpg").one_face()
    with pytest.raises(FacerecError, match="not the file that its model"):
        recognizer.embed([face.chip])


def test_identification_goes_on_past_bad_photos(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photos = [samples / "jacinda_ardern_2022.jpg", tmp_path / "absent.jpg", samples / "barack_obama.jpg"] * 9
    identifier = Identifier(recognizer, gallery)
    results = list(identifier.identify_all(photos))
    assert [result.source for result in results] == list(map(str, photos))
    found = [[face.name for face in result.faces] if not result.error else None for result in results]
    assert found == [["Jacinda Ardern"], None, ["unknown"]] * 9
    with pytest.raises(PhotoError):
        identifier.identify(tmp_path / "absent.jpg")


def test_an_endless_stream_of_photos_is_identified_as_it_comes(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    def frames() -> object:
        while True:
            yield Photo("frame", frame)

    frame = pixels(samples / "jacinda_ardern_2022.jpg")
    results = Identifier(recognizer, gallery).identify_all(frames())  # type: ignore[arg-type]
    assert [result.faces[0].name for result in islice(results, 20)] == ["Jacinda Ardern"] * 20


# ------------------------------------------------------------------ devices


def test_auto_goes_by_what_is_expected_when_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int | None]] = []

    def worth_trying(wish: str, faces: int | None) -> list[str]:
        asked.append((wish, faces))
        return []

    monkeypatch.setattr("facerec_cli.encoders.admission.worth_trying", worth_trying)
    recognizer = Recognizer("pretrained", device="auto", at_once=False)
    recognizer.expect(3)
    recognizer.embed([])
    assert asked == [("auto", 3)]


def test_on_another_machine_auto_is_the_cpu_and_a_wish_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    wishes: list[str] = []

    def worth_trying(wish: str, faces: int | None) -> list[str]:
        wishes.append(wish)
        return []

    monkeypatch.setattr("facerec_cli.encoders.admission.worth_trying", worth_trying)
    for device in ("auto", "openvino"):
        there = pickle.loads(pickle.dumps(Recognizer("pretrained", device=device, at_once=False)))
        there.embed([])
    assert wishes == ["cpu", "openvino"]
