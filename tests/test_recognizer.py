from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from facerec_cli import FacerecError, Gallery, Recognizer
from facerec_cli.encoders.bundle import resolve_bundle, write_bundle
from facerec_cli.errors import DatabaseError, ModelError, PhotoError
from facerec_cli.faces.images import decode_photo, read_photo

ENROLLED = {"Emmanuel Macron": "emmanuel_macron_2014.jpg", "Jacinda Ardern": "jacinda_ardern_2018.jpg"}
PROBES = {"emmanuel_macron_2025.jpg": "Emmanuel Macron", "jacinda_ardern_2022.jpg": "Jacinda Ardern"}
STRANGERS = ["barack_obama.jpg", "rishi_sunak.jpg", "eileen_collins_1999.png"]


@pytest.fixture
def gallery(tmp_path: Path, recognizer: Recognizer, samples: Path) -> Gallery:
    gallery = Gallery.open(tmp_path / "database", create=True)
    for name, photo in ENROLLED.items():
        (enrolment,) = recognizer.enroll(gallery, name, [samples / photo])
        assert enrolment.is_new
    return gallery


def test_one_photo_each_is_enough_to_know_people_and_strangers(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    for photo, name in PROBES.items():
        assert [found.name for found in recognizer.identify(gallery, samples / photo)] == [name]
    for photo in STRANGERS:
        assert [found.name for found in recognizer.identify(gallery, samples / photo)] == ["unknown"]


def test_pixels_and_files_give_the_same(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    photo = samples / "jacinda_ardern_2022.jpg"
    (from_file,) = recognizer.identify(gallery, photo, top=2)
    (from_pixels,) = recognizer.identify(gallery, decode_photo(read_photo(photo)), top=2)
    assert from_file.candidates == from_pixels.candidates
    assert [candidate.name for candidate in from_file.candidates] == ["Jacinda Ardern", "Emmanuel Macron"]
    first, second = (candidate.probability for candidate in from_file.candidates)
    assert first is not None and second is not None
    assert first > 0.5 > second


def test_several_faces_are_named_largest_first(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    small = decode_photo(read_photo(samples / "emmanuel_macron_2025.jpg"))[::2, ::2]
    large = decode_photo(read_photo(samples / "jacinda_ardern_2022.jpg"))
    both = np.zeros((900, 1100, 3), np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, 400 : 400 + large.shape[1]] = large
    assert [found.name for found in recognizer.identify(gallery, both)] == ["Jacinda Ardern", "Emmanuel Macron"]
    with pytest.raises(PhotoError, match="2 faces"):
        recognizer.detect_one(both)
    largest = recognizer.detect_one(both, largest=True)
    assert largest.face.box[0] > 400


def test_the_threshold_follows_from_the_people_and_the_rate(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    loose, strict = (recognizer.threshold(gallery, fpir=rate).distance for rate in (0.05, 0.001))
    assert loose > recognizer.threshold(gallery).distance > strict
    assert recognizer.threshold(gallery).comparisons == 2
    before = recognizer.threshold(gallery).distance
    recognizer.enroll(gallery, "Emmanuel Macron", [samples / "emmanuel_macron_2025.jpg"])
    assert recognizer.threshold(gallery).comparisons == 3
    assert recognizer.threshold(gallery).distance < before
    assert recognizer.threshold(gallery, distance=0.25).distance == 0.25
    (found,) = recognizer.identify(gallery, samples / "jacinda_ardern_2022.jpg", threshold=0.1)
    assert found.name == "unknown"
    assert found.threshold == 0.1


def test_nobody_enrolled_says_how_to_enrol(recognizer: Recognizer, tmp_path: Path, samples: Path) -> None:
    gallery = Gallery.open(tmp_path / "empty", create=True)
    with pytest.raises(DatabaseError, match="facerec enroll"):
        recognizer.identify(gallery, samples / "barack_obama.jpg")


def test_verification_of_photos_and_of_an_enrolled_person(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    same = recognizer.verify(samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    assert same.same
    assert same.probability is not None
    assert same.probability > 0.9
    different = recognizer.verify(samples / "jacinda_ardern_2018.jpg", samples / "barack_obama.jpg")
    assert not different.same
    assert different.threshold == same.threshold
    assert recognizer.verify_person(gallery, "Jacinda Ardern", samples / "jacinda_ardern_2022.jpg").same
    assert not recognizer.verify_person(gallery, "Jacinda Ardern", samples / "barack_obama.jpg").same
    strict = recognizer.verify(samples / "barack_obama.jpg", samples / "barack_obama.jpg", fmr=1e-6)
    assert strict.distance == pytest.approx(0, abs=1e-6)
    assert strict.threshold < same.threshold


def test_more_photos_of_a_person_count_as_more_comparisons_in_a_verification(
    recognizer: Recognizer, gallery: Gallery, samples: Path
) -> None:
    probe = samples / "jacinda_ardern_2022.jpg"
    before = recognizer.verify_person(gallery, "Jacinda Ardern", probe)
    recognizer.enroll(gallery, "Jacinda Ardern", [probe])
    assert recognizer.verify_person(gallery, "Jacinda Ardern", probe).threshold < before.threshold


def test_enrolling_reports_every_photo_in_order(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    landscape = tmp_path / "no_face.png"
    shutil.copyfile(samples / "CREDITS.md", tmp_path / "text.jpg")
    from PIL import Image

    Image.new("RGB", (300, 200), (30, 90, 40)).save(landscape)
    photos = [
        ("Jacinda Ardern", samples / "jacinda_ardern_2018.jpg"),
        ("Jacinda Ardern", landscape),
        ("Jacinda Ardern", tmp_path / "text.jpg"),
        ("Jacinda Ardern", tmp_path / "absent.jpg"),
        ("Barack Obama", samples / "barack_obama.jpg"),
        ("Barry", samples / "barack_obama.jpg"),
    ]
    outcomes = list(recognizer.enroll_all(gallery, photos))
    assert [(outcome.name, outcome.photo) for outcome in outcomes] == photos
    assert [outcome.is_new for outcome in outcomes] == [False, False, False, False, True, True]
    errors = [str(outcome.error) if outcome.error else None for outcome in outcomes]
    assert errors[0] is None
    assert "no face" in str(errors[1])
    assert "text.jpg" in str(errors[2])
    assert "does not exist" in str(errors[3])
    lookalike = outcomes[5].lookalike
    assert lookalike is not None
    assert lookalike.name == "Barack Obama"


def test_somebody_enrolled_earlier_is_a_lookalike_too(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    (outcome,) = recognizer.enroll(gallery, "Jay", [samples / "jacinda_ardern_2022.jpg"])
    assert outcome.lookalike is not None
    assert outcome.lookalike.name == "Jacinda Ardern"


def test_a_rebuilt_database_has_the_same_bits(recognizer: Recognizer, gallery: Gallery, samples: Path) -> None:
    recognizer.enroll(gallery, "Jacinda Ardern", [samples / "jacinda_ardern_2022.jpg"])
    names = [person.name for person in gallery.people()]
    templates = [gallery.template(recognizer.digest, name) for name in names]
    embeddings = np.array(gallery.embeddings(recognizer.digest))
    gallery.rebuild()
    recognizer.prepare(gallery)
    assert np.array_equal(gallery.embeddings(recognizer.digest), embeddings)
    assert [person.name for person in gallery.people()] == names
    for name, template in zip(names, templates, strict=True):
        assert np.array_equal(gallery.template(recognizer.digest, name), template)


@pytest.fixture
def other_model(tmp_path: Path) -> Recognizer:
    """A second model: the bundled network with its embedding turned round, so that its digest is another."""
    onnx = pytest.importorskip("onnx")
    bundle = resolve_bundle("pretrained")
    graph = onnx.load_from_string(bundle.encoder_bytes())
    graph.graph.node[-1].output[0] = "positive"
    graph.graph.node.append(onnx.helper.make_node("Neg", ["positive"], ["embeddings"]))
    write_bundle(
        tmp_path / "models" / "turned",
        graph.SerializeToString(),
        embedding_size=bundle.embedding_size,
        metric=bundle.load_metric(),
        calibration=bundle.calibration,
        about={"description": "for a test"},
        others={},
    )
    return Recognizer(tmp_path / "models" / "turned")


def test_another_model_embeds_the_kept_chips_once(
    recognizer: Recognizer, other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    assert len(gallery.pending(other_model.digest)) == 2
    (found,) = other_model.identify(gallery, samples / "jacinda_ardern_2022.jpg")
    assert found.name == "Jacinda Ardern"
    assert gallery.pending(other_model.digest) == []
    # What one model enrols is pending for the other, and known to it after.
    other_model.enroll(gallery, "Barack Obama", [samples / "barack_obama.jpg"])
    assert [face.name for face in gallery.pending(recognizer.digest)] == ["Barack Obama"]
    (found,) = recognizer.identify(gallery, samples / "barack_obama.jpg")
    assert found.name == "Barack Obama"


def test_a_missing_chip_is_told_and_the_others_are_embedded(
    other_model: Recognizer, gallery: Gallery, samples: Path
) -> None:
    lost = gallery.faces("Emmanuel Macron")[0]
    Path(gallery.location, lost.chip).unlink()
    (problem,) = other_model.prepare(gallery)
    assert "Emmanuel Macron" in problem
    (found,) = other_model.identify(gallery, samples / "jacinda_ardern_2022.jpg", top=5)
    assert [candidate.name for candidate in found.candidates] == ["Jacinda Ardern"]


def test_an_unknown_model_lists_those_that_exist() -> None:
    with pytest.raises(ModelError, match="those there are"):
        Recognizer("saved_worst")


def test_a_damaged_encoder_is_told_when_it_is_needed(tmp_path: Path, samples: Path) -> None:
    folder = shutil.copytree(resolve_bundle("pretrained").folder, tmp_path / "damaged")
    with (folder / "encoder.onnx").open("r+b") as file:
        file.seek(100_000)
        file.write(b"damage")
    recognizer = Recognizer(folder)
    detections = recognizer.detect(samples / "barack_obama.jpg")
    with pytest.raises(FacerecError, match="not the file that its model"):
        recognizer.embed([detections[0].chip])


def test_extraction_goes_on_past_bad_photos(
    recognizer: Recognizer, gallery: Gallery, samples: Path, tmp_path: Path
) -> None:
    photos = [samples / "jacinda_ardern_2022.jpg", tmp_path / "absent.jpg", samples / "barack_obama.jpg"] * 9
    limit = recognizer.threshold(gallery)
    results = list(recognizer.name_all(gallery, recognizer.extract_all(photos), limit))
    assert [result.photo for result in results] == photos
    names = [[face.name for face in result.faces] if not result.error else None for result in results]
    assert names == [["Jacinda Ardern"], None, ["unknown"]] * 9
