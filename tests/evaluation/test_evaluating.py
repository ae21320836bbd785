from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facerec_cli.datasets import chips as chips_module
from facerec_cli.datasets.chips import ChipSet
from facerec_cli.encoders.bundle import (
    BUNDLED,
    CALIBRATION_PEOPLE,
    TRAINING_PEOPLE,
    VALIDATION_PEOPLE,
    Bundle,
    read_bundle,
    write_bundle,
)
from facerec_cli.encoders.calibration import Source
from facerec_cli.encoders.encoder import enrolling
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.errors import DamagedModelError, DataError, UnsuitableModelError, UnsuitableProtocolError
from facerec_cli.evaluation import calibrating
from facerec_cli.evaluation.calibrating import calibrate_model
from facerec_cli.evaluation.evaluating import choose_protocols, embed_rows, evaluate, judges_of_training
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import Protocol
from facerec_cli.evaluation.results import Evaluation
from tests.docs import program


def of_people(folder: Path, counts: dict[str, int]) -> ChipSet:
    """People with so many photos each: noise around a person's own."""
    generator = np.random.default_rng(0)
    people = [name for name, count in counts.items() for _ in range(count)]
    own = {name: generator.integers(0, 200, (112, 112, 3)) for name in counts}
    chips = np.stack([own[name] + generator.integers(0, 40, (112, 112, 3)) for name in people])
    return ChipSet(
        folder=folder,
        photos=[f"{name}/{row}.jpg" for row, name in enumerate(people)],
        people=people,
        chips=chips.astype(np.uint8),
        scores=np.ones(len(people), np.float32),
        quality={},
        has_face=np.ones(len(people), np.bool_),
        faceless=[],
        unreadable=[],
        is_lfw=False,
    )


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> ChipSet:
    """Six people: four with two photos, two with one."""
    counts = {"Ada": 2, "Bea": 2, "Cyd": 2, "Dot": 2, "Eve": 1, "Fay": 1}
    return of_people(tmp_path_factory.mktemp("data") / "people", counts)


def bundle(folder: Path, **lists: str) -> Bundle:
    """The bundled model's encoder under another name, with lists of people in it."""
    bundled = read_bundle(BUNDLED / "pretrained")
    names = {"trained": TRAINING_PEOPLE, "calibrated": CALIBRATION_PEOPLE, "judges": VALIDATION_PEOPLE}
    return write_bundle(
        folder,
        bundled.encoder_bytes(),
        embedding_size=bundled.embedding_size,
        metric=bundled.load_metric(),
        calibration=bundled.calibration,
        about={},
        others={names[key]: people.encode() for key, people in lists.items()},
    )


# ------------------------------------------------------------------ choosing


def test_what_the_data_do_not_serve_is_kept_with_why(few: ChipSet) -> None:
    choice = choose_protocols(few, [read_bundle(BUNDLED / "pretrained")])
    assert [protocol.name for protocol in choice.protocols] == ["pairs", "identification"]
    (refused,) = choice.refused
    assert "20-way one-shot" in str(refused)
    (alone,) = choose_protocols(few, [], "identification").protocols
    assert alone.name == "identification"


def test_what_any_model_has_seen_takes_no_part(few: ChipSet, tmp_path: Path) -> None:
    one, other = bundle(tmp_path / "one", trained="Ada\n"), bundle(tmp_path / "other", trained="Eve\n", judges="Bea\n")
    for protocol in choose_protocols(few, [one, other]).protocols:
        assert {few.people[row] for row in protocol.rows().tolist()} == {"Bea", "Cyd", "Dot", "Fay"}
    assert judges_of_training(few, one) == frozenset()
    assert judges_of_training(few, other) == {"Bea"}
    everybody = bundle(tmp_path / "all", trained="".join(f"{name}\n" for name in few.rows_of))
    with pytest.raises(UnsuitableModelError, match="nobody whom the model has not seen"):
        choose_protocols(few, [everybody])


@pytest.mark.parametrize("name", ["view1", "nonsense"])
def test_a_protocol_that_is_not_there_for_the_data_is_refused(few: ChipSet, name: str) -> None:
    with pytest.raises(UnsuitableProtocolError, match=name):
        choose_protocols(few, [], name)


# ------------------------------------------------------------------ measuring


def test_only_what_is_asked_for_is_embedded(few: ChipSet) -> None:
    told: list[tuple[int, int]] = []
    looks = embed_rows(
        read_bundle(BUNDLED / "pretrained"), few, [1, 4], [4], lambda done, count: told.append((done, count))
    )
    for embeddings, rows in ((looks.probes, [1, 4]), (looks.enrolled, [4])):
        assert embeddings.shape == (10, 128)
        assert embeddings.dtype == np.float32
        assert np.flatnonzero(np.isfinite(embeddings).all(axis=1)).tolist() == rows
        assert np.isnan(np.delete(embeddings, rows, axis=0)).all()
    # With the mirror image, the face is another: the one that enrolment gives.
    assert not np.array_equal(looks.probes[4], looks.enrolled[4])
    model = read_bundle(BUNDLED / "pretrained")
    enrolled = enrolling(load_encoder(model), model.load_metric()).encode([few.chips[4]])[0]
    assert looks.enrolled[4] == pytest.approx(enrolled, abs=1e-6)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_models_are_measured_side_by_side_and_told_of(few: ChipSet, tmp_path: Path) -> None:
    models = {"one": read_bundle(BUNDLED / "pretrained"), "other": bundle(tmp_path / "other")}
    told: list[tuple[int, int]] = []
    measured: list[str] = []

    def show(evaluation: Evaluation, protocol: Protocol) -> None:
        assert len(evaluation.results[protocol.name]) == 2
        measured.append(protocol.name)

    protocols = choose_protocols(few, models.values()).protocols
    evaluation = evaluate(models, few, protocols, lambda done, count: told.append((done, count)), show)
    # Each photo once, and the first of four people once more, as it is enrolled.
    assert told == [(done, 28) for done in range(1, 29)]
    assert measured == ["pairs", "identification"]
    assert (evaluation.models, evaluation.protocols) == (["one", "other"], protocols)
    one, other = evaluation.estimates(protocols[1])["rank-1"]
    assert other.minus(one).value == 0


def test_the_page_s_evaluation(
    few: ChipSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chips_module, "load_chips", lambda folder: few)
    bundle(Path("models") / "saved_best")
    Path("groups.csv").write_text("person,sex\nAda,women\nBea,women\nNobody,men\n")
    page: dict[str, object] = {}
    exec(program("docs/python.md", "Evaluate"), page)
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == {"pairs", "identification"}
    assert any(line.startswith("identification rank-1 [") for line in lines)
    exec(program("docs/python.md", "Evaluate by group"), page)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("sex women {'FNMR at the calibrated 0.001': ")


# ------------------------------------------------------------------ calibrating a model


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChipSet:
    """210 people with one photo, 60 of them with two, whose embeddings are drawn at random."""
    chips = of_people(tmp_path / "crowd", {f"Person {place:03}": 1 + (place < 60) for place in range(210)})

    def drawn(bundle: Bundle, chips: ChipSet, probes: list[int], enrolled: list[int], *_: object) -> Looks:
        generator = np.random.default_rng(1)
        centres = generator.normal(size=(210, bundle.embedding_size))
        number = {name: place for place, name in enumerate(chips.rows_of)}
        found = centres[[number[name] for name in chips.people]]
        found = found + generator.normal(scale=0.3, size=found.shape)
        found = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        places = np.arange(len(found))[:, None]
        return Looks(*(np.where(np.isin(places, rows), found, np.float32(np.nan)) for rows in (probes, enrolled)))

    monkeypatch.setattr(calibrating, "embed_rows", drawn)
    monkeypatch.chdir(tmp_path)
    return chips


def test_a_model_is_calibrated_on_people_it_was_not_trained_on(many: ChipSet, tmp_path: Path) -> None:
    model = bundle(tmp_path / "models" / "mine", trained="Person 000\nPerson 209\n")
    calibrated = calibrate_model(model, many)
    assert calibrated.folder == model.folder
    assert calibrated.digest == model.digest
    assert calibrated.people(TRAINING_PEOPLE) == {"Person 000", "Person 209"}
    assert calibrated.people(CALIBRATION_PEOPLE) == many.rows_of.keys() - {"Person 000", "Person 209"}
    assert calibrated.calibration is not None
    assert calibrated.calibration.source == Source("crowd whom it was not trained on", 208)
    assert read_bundle(model.folder).calibration == calibrated.calibration != model.calibration


def test_a_bundled_model_is_copied_unless_a_folder_is_named(many: ChipSet, tmp_path: Path) -> None:
    bundled = read_bundle(BUNDLED / "pretrained")
    assert calibrate_model(bundled, many).folder == Path("models/pretrained")
    assert calibrate_model(bundled, many, tmp_path / "elsewhere").folder == tmp_path / "elsewhere"
    assert read_bundle(BUNDLED / "pretrained").calibration == bundled.calibration


def test_too_few_people_are_named_and_change_nothing(many: ChipSet, tmp_path: Path) -> None:
    model = bundle(tmp_path / "mine", trained="".join(f"Person {place:03}\n" for place in range(11)))
    with pytest.raises(DataError, match=r"crowd has 199 people to calibrate on, and it takes 200 people$"):
        calibrate_model(model, many)
    assert read_bundle(model.folder) == model


@pytest.mark.parametrize("damage", ["changed", "linked", "missing"])
def test_a_file_that_is_not_the_model_s_is_never_taken_over(damage: str, many: ChipSet, tmp_path: Path) -> None:
    model = bundle(tmp_path / "mine", trained="Person 000\n")
    people = model.folder / TRAINING_PEOPLE
    if damage == "changed":
        people.write_text("Person 001\n")
    else:
        people.rename(tmp_path / "outside")
    if damage == "linked":
        people.symlink_to(tmp_path / "outside")
    before = (model.folder / "model.json").read_bytes()
    with pytest.raises(DamagedModelError, match=TRAINING_PEOPLE):
        calibrate_model(model, many)
    assert (model.folder / "model.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_model_whose_calibration_is_damaged_is_calibrated_anew(many: ChipSet, tmp_path: Path) -> None:
    model = bundle(tmp_path / "mine")
    path = model.folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"calibration": {"fmr": "?"}}))
    assert calibrate_model(read_bundle(model.folder), many).calibration is not None


def test_a_model_in_the_current_folder_is_calibrated_there(
    many: ChipSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle(tmp_path / "mine").folder)
    calibrated = calibrate_model(read_bundle(Path()), many, Path())
    assert (calibrated.folder, calibrated.name) == (tmp_path / "mine", "mine")


def test_the_page_s_calibration(
    many: ChipSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chips_module, "load_chips", lambda folder: many)
    bundle(Path("models") / "saved_best")
    exec(program("docs/python.md", "Calibrate a model"), {})
    folder, threshold = capsys.readouterr().out.split()
    assert folder == "models/saved_best"
    assert 0.5 < float(threshold) < 1
