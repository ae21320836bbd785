from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import everybody, photo_name
from facerec_cli.encoders.calibration import Calibration, Curve, Source, fmr_for
from facerec_cli.encoders.metric import Cosine
from facerec_cli.errors import (
    DataError,
    IncompleteLfwError,
    TooFewPhotosError,
    UnsuitableModelError,
    UnsuitableProtocolError,
)
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import VerificationProtocol, title
from facerec_cli.evaluation.pairs import MOST_PEOPLE, MOST_PHOTOS, Pairs
from facerec_cli.evaluation.protocols import (
    PROTOCOLS,
    Exclusions,
    all_pairs,
    identification,
    identifications,
    one_shot,
    view1,
    view2,
)
from facerec_cli.faces.quality import Quality

METRIC = Cosine()
NOBODY = Exclusions()
Embeddings = npt.NDArray[np.float32]
# Thresholds: 0.5 at FMR 0.001, and a straight line through 0.8 at 0.1: 0.15 a decade.
CURVE = Curve((0.1, 0.001), (0.8, 0.5), 30.0)
CALIBRATION = Calibration(CURVE, CURVE, None, None, Source("mine", 1))

TEST = [person.name for person in everybody() if person.photos >= 3 and person.view1 == "test"][:24]
TRAIN = [person.name for person in everybody() if person.photos >= 3 and person.view1 == "train"][:8]
SINGLE = [person.name for person in everybody() if person.photos == 1][:6]


def chip_set(folder: Path, counts: dict[str, int], *, is_lfw: bool = False) -> ChipSet:
    """People with so many photos each, all black."""
    people = [name for name, count in counts.items() for _ in range(count)]
    numbers = [number for count in counts.values() for number in range(1, count + 1)]
    photos = [
        photo_name(name, number) if is_lfw else f"{name}/{number}.jpg"
        for name, number in zip(people, numbers, strict=True)
    ]
    count = len(photos)
    return ChipSet(
        folder=folder,
        photos=photos,
        people=people,
        chips=np.zeros((count, 112, 112, 3), np.uint8),
        scores=np.ones(count, np.float32),
        quality={field.name: np.ones(count, np.float32) for field in fields(Quality)},
        has_face=np.ones(count, np.bool_),
        faceless=[],
        unreadable=[],
        is_lfw=is_lfw,
    )


def chip_set_without(chips: ChipSet, person: str) -> ChipSet:
    counts = {name: chips.people.count(name) for name in dict.fromkeys(chips.people) if name != person}
    return chip_set(chips.folder, counts, is_lfw=chips.is_lfw)


def faces(chips: ChipSet, seed: int = 0, spread: float = 0.1) -> Embeddings:
    """Photos around each person's own direction."""
    generator = np.random.default_rng(seed)
    names = sorted(set(chips.people))
    centres = generator.normal(size=(len(names), 32)) / 32**0.5
    found = np.stack([centres[names.index(name)] for name in chips.people])
    found += generator.normal(scale=spread, size=found.shape)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def looks(embeddings: npt.NDArray[np.float32]) -> Looks:
    """Embeddings that are enrolled as they are asked about."""
    return Looks(embeddings, embeddings)


def at(*degrees: float) -> Embeddings:
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def apart(degrees: float) -> float:
    return 1 - math.cos(math.radians(degrees))


def genuine(name: str) -> str:
    return f"{name}\t1\t2"


def impostor(one: str, other: str) -> str:
    return f"{one}\t1\t{other}\t1"


def around(names: Sequence[str]) -> list[str]:
    """A genuine pair of each person, then as many impostor pairs, each with the next."""
    return [genuine(name) for name in names] + [
        impostor(one, other) for one, other in zip(names, [*names[1:], names[0]], strict=True)
    ]


def write_pairs(path: Path, *folds: list[str]) -> None:
    size = len(folds[0]) // 2
    header = f"{len(folds)}\t{size}" if len(folds) > 1 else f"{size}"
    path.write_text("\n".join([header, *(line for fold in folds for line in fold)]) + "\n", encoding="utf-8")


@pytest.fixture
def lfw(tmp_path: Path) -> ChipSet:
    """A part of LFW with its pairs: rows of test people, then of people with one photo, then of development people."""
    write_pairs(tmp_path / "pairsDevTest.txt", around(TEST))
    write_pairs(tmp_path / "pairsDevTrain.txt", around(TRAIN))
    write_pairs(tmp_path / "pairs.txt", around(TEST[:8]), around(TEST[8:16]), around(TEST[16:24]))
    counts = dict.fromkeys(TEST, 3) | dict.fromkeys(SINGLE, 1) | dict.fromkeys(TRAIN, 3)
    return chip_set(tmp_path / "lfw", counts, is_lfw=True)


@pytest.fixture
def mine(tmp_path: Path) -> ChipSet:
    """Somebody's own folder: 24 people with one to three photos, A to X."""
    counts = {chr(ord("A") + place): 1 + place % 3 for place in range(24)}
    return chip_set(tmp_path / "mine", counts)


def people_of(chips: ChipSet, rows: npt.NDArray[np.int64]) -> set[str]:
    return {chips.people[row] for row in rows.tolist()}


def is_a_clause(error: BaseException) -> bool:
    text = str(error)
    return not text.endswith(".") and "\n" not in text and ". " not in text


# ------------------------------------------------------------------ weights


def test_a_pair_s_weight_worked_by_hand() -> None:
    # A genuine pair of person 0, one of person 2, impostor pairs of 0 and 2, and of 0 and 1.
    people = np.array([[0, 0], [2, 2], [0, 2], [0, 1]])
    rows = np.arange(4)
    pairs = Pairs(rows, rows, people[:, 0], people[:, 1], np.array([True, True, False, False]))
    assert pairs.weights(None) is None
    weights = pairs.weights(np.array([2.0, 0.0, 3.0]))
    assert weights is not None
    # Person 1 was not drawn.
    assert weights.tolist() == [2, 3, 2 * 3, 0]


# ------------------------------------------------------------------ View 1


def view1_of_four(tmp_path: Path) -> ChipSet:
    """Two people to report on, whose rows are 0 to 3, and two to choose the threshold on, rows 4 to 7."""
    write_pairs(tmp_path / "pairsDevTest.txt", [genuine(TEST[0]), impostor(TEST[0], TEST[1])])
    write_pairs(tmp_path / "pairsDevTrain.txt", [genuine(TRAIN[0]), impostor(TRAIN[0], TRAIN[1])])
    counts = {TEST[0]: 2, TEST[1]: 2, TRAIN[0]: 2, TRAIN[1]: 2}
    return chip_set(tmp_path / "lfw", counts, is_lfw=True)


def test_view1_worked_by_hand(tmp_path: Path) -> None:
    chips = view1_of_four(tmp_path)
    protocol = view1(chips, NOBODY)
    assert protocol.rows().tolist() == [0, 1, 2, 4, 5, 6]
    # Development: one person's photos 20 degrees apart, 60 from the other's: the threshold lies half-way.
    result = protocol.measure(looks(at(0, 30, 50, 0, 0, 20, 60, 0)), METRIC, CALIBRATION)
    assert result.scored is not None
    assert result.scored.threshold == pytest.approx((apart(20) + apart(60)) / 2)
    # Reported: 30 degrees is below it (0.134 of 0.280), 50 above (0.357): both right.
    assert result.numbers["accuracy"].value == 1
    assert result.numbers["AUC"].value == 1
    # 40 degrees, 0.234, is called the same: one of two.
    assert protocol.measure(looks(at(0, 30, 40, 0, 0, 20, 60, 0)), METRIC, None).numbers["accuracy"].value == 0.5


def test_view1_s_threshold_comes_from_development_pairs_alone(lfw: ChipSet) -> None:
    protocol = view1(lfw, NOBODY)
    reported = np.flatnonzero(np.isin(lfw.people, TEST))
    development = np.flatnonzero(np.isin(lfw.people, TRAIN))
    embeddings = faces(lfw)
    first = protocol.measure(looks(embeddings), METRIC, None)
    assert first.scored is not None
    generator = np.random.default_rng(1)
    for _ in range(3):
        other = embeddings.copy()
        other[reported] = embeddings[generator.permutation(reported)]
        changed = protocol.measure(looks(other), METRIC, CALIBRATION)
        assert changed.scored is not None
        assert changed.scored.threshold == first.scored.threshold
        assert not np.array_equal(changed.scored.distances, first.scored.distances)
    moved = embeddings.copy()
    moved[development] = embeddings[development[::-1]][:, ::-1] * 0.5
    changed = protocol.measure(looks(moved), METRIC, None)
    assert changed.scored is not None
    assert changed.scored.threshold != first.scored.threshold
    assert np.array_equal(changed.scored.distances, first.scored.distances)


def test_view1_counts_its_pairs(lfw: ChipSet) -> None:
    protocol = view1(lfw, NOBODY)
    assert protocol.description == "LFW View 1: 48 pairs of pairsDevTest, threshold from pairsDevTrain"
    assert protocol.people == 24
    assert protocol.notes == []
    assert people_of(lfw, protocol.rows()) == {*TEST, *TRAIN}


def test_view1_s_threshold_comes_from_nobody_who_was_trained_on(lfw: ChipSet) -> None:
    trained = frozenset(TRAIN[:3])
    protocol = view1(lfw, Exclusions(trained=trained))
    assert protocol.development is not None
    chosen = people_of(lfw, protocol.development.first) | people_of(lfw, protocol.development.second)
    left_single = {name for name in SINGLE if {person.name: person.view1 for person in everybody()}[name] == "train"}
    assert chosen == set(TRAIN[3:]) | left_single
    assert not people_of(lfw, protocol.rows()) & trained
    # Genuine pairs: 3 of each of five people.
    assert protocol.development.same.sum() == 5 * 3
    assert math.isfinite(protocol.measure(looks(faces(lfw)), METRIC, None).numbers["accuracy"].value)


def test_view1_counts_the_people_of_its_threshold(lfw: ChipSet) -> None:
    protocol = view1(lfw, Exclusions(trained=frozenset(TRAIN[:3])))
    assert protocol.development is not None
    present = people_of(lfw, protocol.development.first) | people_of(lfw, protocol.development.second)
    expected = f"all pairs of the {len(present)} people of peopleDevTrain that were not trained on"
    assert protocol.description == f"LFW View 1: 48 pairs of pairsDevTest, threshold from {expected}"


def test_both_classes_weigh_the_same_in_view1_s_threshold(tmp_path: Path) -> None:
    view1_of_four(tmp_path)
    counts = {TEST[0]: 2, TEST[1]: 2, TRAIN[1]: 2, TRAIN[2]: 1, TRAIN[3]: 1, TRAIN[4]: 1}
    # One genuine pair, 50 degrees apart, and six impostor pairs: 30, 25 and 55 degrees, and three of over 100.
    protocol = view1(chip_set(tmp_path / "lfw", counts, is_lfw=True), Exclusions(trained=frozenset(TRAIN[:1])))
    assert protocol.development is not None
    assert protocol.development.same.tolist() == [True] + [False] * 6
    result = protocol.measure(looks(at(0, 0, 0, 0, 0, 50, 170, 200, 225)), METRIC, None)
    assert result.scored is not None
    # Pair by pair it were best to match none, 6 of 7; a threshold that matches the genuine pair is right on 5 of 7. But
    # 1/2 * 1 + 1/2 * 4/6 = 5/6 of both classes is more than 1/2 * 0 + 1/2 * 1.
    assert result.scored.threshold == pytest.approx((apart(50) + apart(55)) / 2)


def test_view1_has_nobody_to_choose_a_threshold_on(lfw: ChipSet) -> None:
    everyone = frozenset(person.name for person in everybody() if person.view1 == "train")
    with pytest.raises(UnsuitableModelError, match="Nobody of peopleDevTrain is left") as caught:
        view1(lfw, Exclusions(trained=everyone))
    assert caught.value.remedy == "train on fewer of them"


# ------------------------------------------------------------------ View 2


def test_view2_worked_by_hand(tmp_path: Path) -> None:
    write_pairs(
        tmp_path / "pairs.txt",
        [genuine(TEST[0]), impostor(TEST[0], TEST[1])],
        [genuine(TEST[2]), impostor(TEST[2], TEST[3])],
    )
    chips = chip_set(tmp_path / "lfw", dict.fromkeys(TEST[:4], 2), is_lfw=True)
    protocol = view2(chips, NOBODY)
    assert protocol.people == 4
    assert protocol.rows().tolist() == [0, 1, 2, 4, 5, 6]
    # Fold 0: genuine 10 degrees, impostor 30; its threshold 0.075 is of 22 degrees. Fold 1: 25 and 80; 0.46, of 57.
    # By fold 1's threshold fold 0's impostor is the same: 1 of 2. By fold 0's, fold 1's genuine pair is not: 1 of 2.
    result = protocol.measure(looks(at(0, 10, 30, 0, 0, 25, 80, 0)), METRIC, CALIBRATION)
    assert result.numbers["accuracy"].value == pytest.approx(0.5)
    assert result.standard_error == pytest.approx(0)
    # Fold 1's impostor at 28 degrees: its threshold is of 26.5 and fold 0's impostor is told apart, 2 of 2. By fold 0's
    # threshold both of fold 1 are different, 1 of 2. The deviation of 1 and 1/2 is sqrt(1/8), over sqrt(2) 1/4.
    result = protocol.measure(looks(at(0, 10, 30, 0, 0, 25, 28, 0)), METRIC, None)
    assert result.numbers["accuracy"].value == pytest.approx(0.75)
    assert result.standard_error == pytest.approx(0.25)


def test_view2_counts_its_pairs(lfw: ChipSet) -> None:
    protocol = view2(lfw, NOBODY)
    assert protocol.description.startswith("LFW View 2: 48 pairs of pairs.txt in 3 folds")
    assert protocol.people == 24
    assert people_of(lfw, protocol.rows()) == set(TEST)
    assert protocol.folds is not None
    assert np.bincount(protocol.folds).tolist() == [16, 16, 16]
    result = protocol.measure(looks(faces(lfw, spread=0.02)), METRIC, CALIBRATION)
    assert (result.numbers["accuracy"].value, result.standard_error) == (1, 0)
    # 24 impostor pairs: not three of them at 10 %.
    assert result.notes == [f"not enough impostors for FMR {rate}" for rate in ("0.1", "0.01", "0.001")]
    assert math.isnan(result.numbers["1 - FNMR at FMR 0.1"].value)
    # What calibration promises is not held to on LFW's own pairs.
    assert not any("calibrated" in name for name in result.numbers)


# ------------------------------------------------------------------ who was trained on


@pytest.mark.parametrize("make", [view1, view2])
def test_pairs_of_people_who_were_trained_on_are_refused(
    lfw: ChipSet, make: Callable[[ChipSet, Exclusions], object]
) -> None:
    seen = Exclusions(trained=frozenset([TEST[3], TEST[5], "Nobody_Else"]))
    with pytest.raises(
        UnsuitableProtocolError, match=r"trained on 2 of the people of View .* cannot be reported there$"
    ) as caught:
        make(lfw, seen)
    assert min(TEST[3], TEST[5]) in str(caught.value)


def test_a_fold_of_view2_by_itself(lfw: ChipSet) -> None:
    protocol = PROTOCOLS["view2"](lfw, NOBODY)
    assert isinstance(protocol, VerificationProtocol)
    embeddings = faces(lfw)
    for number, people in ((1, TEST[:8]), (2, TEST[8:16]), (3, TEST[16:24])):
        fold = protocol.fold(number)
        assert people_of(lfw, fold.rows()) == set(people)
        assert len(fold.pairs.same) == 16
        distances = fold.pairs.distances(embeddings, METRIC)
        threshold = float(np.median(distances))
        accuracy, auc = fold.at(threshold, embeddings, METRIC)
        assert accuracy == np.mean((distances <= threshold) == fold.pairs.same)
        nearer = distances[fold.pairs.same][:, None] < distances[~fold.pairs.same]
        assert auc == pytest.approx(nearer.mean())


def test_view2_does_not_mind_whom_its_pairs_do_not_name(lfw: ChipSet) -> None:
    protocol = view2(lfw, Exclusions(trained=frozenset(TRAIN), calibrated=frozenset(TEST)))
    assert not people_of(lfw, protocol.rows()) & set(TRAIN)


@pytest.mark.parametrize("name", ["identification", "pairs", "one-shot"])
def test_nobody_who_was_trained_on_takes_part(lfw: ChipSet, name: str) -> None:
    trained = frozenset([*TEST[::5], *TRAIN[:4], SINGLE[0]])
    everyone = people_of(lfw, PROTOCOLS[name](lfw, NOBODY).rows())
    part = people_of(lfw, PROTOCOLS[name](lfw, Exclusions(trained=trained)).rows())
    # A person of training who takes part, or anybody else who does not.
    assert trained <= everyone
    assert part == everyone - trained


def test_nobody_who_was_calibrated_on_is_where_the_threshold_is_reported_on(lfw: ChipSet) -> None:
    seen = Exclusions(trained=frozenset(TRAIN[:2]), calibrated=frozenset([*TEST[:5], SINGLE[1]]))
    everyone = set(lfw.people)
    promised = identification(lfw, seen)
    unseen = promised.unseen
    assert unseen is not None
    held = np.concatenate([unseen.enrolled.ravel(), unseen.probes, unseen.strangers])
    assert people_of(lfw, held) == everyone - seen.trained - seen.calibrated
    assert people_of(lfw, all_pairs(lfw, seen).rows()) == everyone - seen.trained - seen.calibrated
    # Where no threshold is at stake they take part.
    assert people_of(lfw, promised.rows()) == everyone - seen.trained
    # Weights are by the same person in both.
    numbers = {
        lfw.people[row]: int(number)
        for row, number in zip(promised.split.probes, promised.split.probe_person, strict=True)
    }
    again = {lfw.people[row]: int(number) for row, number in zip(unseen.probes, unseen.probe_person, strict=True)}
    assert again.items() <= numbers.items()
    assert promised.people == len(everyone - seen.trained)


def test_the_promise_is_measured_on_them_alone(tmp_path: Path) -> None:
    # Four people, two photos each, at 0, 90, 180 and 270 degrees; the first two were calibrated on, never found.
    chips = chip_set(tmp_path / "mine", dict.fromkeys(["Ada", "Bea", "Cyd", "Dot"], 2))
    embeddings = at(0, 89, 90, 1, 180, 181, 270, 271)
    protocol = identification(chips, Exclusions(calibrated=frozenset(["Ada", "Bea"])))
    result = protocol.measure(looks(embeddings), METRIC, CALIBRATION)
    assert result.numbers["rank-1"].value == 0.5
    assert result.numbers["people found at the calibrated FPIR 0.01"].value == 1
    # Without its own person each is 90 degrees from the nearest, distance 1.
    assert result.numbers["strangers named at the calibrated FPIR 0.01"].value == 0
    # Two people: FMR 1 - 0.99^0.5 = 0.0050126; 0.5 + 0.15 * log10(0.0050126 / 0.001) = 0.605.
    assert any("threshold 0.605, on 2 people enrolled, 2 probes and 2 strangers" in note for note in result.model_notes)
    everybody_takes_part = identification(chips, NOBODY).measure(looks(embeddings), METRIC, CALIBRATION)
    assert everybody_takes_part.numbers["people found at the calibrated FPIR 0.01"].value == 0.5
    assert everybody_takes_part.numbers["strangers named at the calibrated FPIR 0.01"].value == 0.5


@pytest.mark.parametrize("left", [[], ["D"]])
def test_where_everybody_was_calibrated_on_the_rest_is_still_said(mine: ChipSet, left: list[str]) -> None:
    # D has one photo: a stranger, but nobody is enrolled.
    seen = Exclusions(calibrated=frozenset(mine.people) - set(left))
    result = identification(mine, seen).measure(looks(faces(mine)), METRIC, CALIBRATION)
    assert result.numbers["rank-1"].value > 0.9
    for measure in ("people found at the calibrated FPIR 0.01", "strangers named at the calibrated FPIR 0.01"):
        assert measure not in result.numbers or math.isnan(result.numbers[measure].value)


def test_one_person_alone_keeps_no_promise_about_strangers(tmp_path: Path) -> None:
    # Only Ada was not calibrated on; she has two photos, and there is nobody to be a stranger to her.
    chips = chip_set(tmp_path / "mine", dict.fromkeys(["Ada", "Bea", "Cyd"], 2))
    seen = Exclusions(calibrated=frozenset(["Bea", "Cyd"]))
    result = identification(chips, seen).measure(looks(at(0, 1, 90, 91, 180, 181)), METRIC, CALIBRATION)
    named = result.numbers.get("strangers named at the calibrated FPIR 0.01")
    assert named is None or math.isnan(named.value)


@pytest.mark.parametrize("name", ["identification", "pairs", "one-shot"])
def test_where_everybody_was_trained_on_there_is_a_clause(mine: ChipSet, name: str) -> None:
    with pytest.raises(UnsuitableModelError) as caught:
        PROTOCOLS[name](mine, Exclusions(trained=frozenset(mine.people)))
    assert str(caught.value) == f"{mine.folder} has nobody whom the model has not seen"
    assert caught.value.remedy == "choose other data"


# ------------------------------------------------------------------ pairs


def test_pairs_worked_by_hand(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 2, "Bea": 1, "Cyd": 3})
    protocol = all_pairs(chips, NOBODY)
    # 1 + 0 + 3 genuine pairs, 3 * 2 / 2 impostor pairs.
    assert protocol.description == (
        "all pairs of 3 of 3 people: 4 genuine pairs, 3 impostor pairs of one photo a person"
    )
    assert protocol.people == 3
    pairs = protocol.pairs
    owner = np.array(chips.people)
    assert pairs.same.sum() == 4
    assert (owner[pairs.first[pairs.same]] == owner[pairs.second[pairs.same]]).all()
    assert (pairs.first[pairs.same] != pairs.second[pairs.same]).all()
    assert (owner[pairs.first[~pairs.same]] != owner[pairs.second[~pairs.same]]).all()
    # One photo a person.
    assert len({*pairs.first[~pairs.same].tolist(), *pairs.second[~pairs.same].tolist()}) == 3
    # Ada at 0 and 10, Bea at 40, Cyd all at 90 degrees. The calibrated threshold 0.5 is that of 60: every genuine pair
    # matches, and the impostors Ada-Bea (30 to 40 degrees) and Bea-Cyd (50), not Ada-Cyd (80 to 90): 2 of 3.
    result = protocol.measure(looks(at(0, 10, 40, 90, 90, 90)), METRIC, CALIBRATION)
    assert result.numbers["1 - FNMR at the calibrated 0.001"].value == 1
    assert result.numbers["FMR at the calibrated 0.001"].value == pytest.approx(2 / 3)
    assert "accuracy" not in result.numbers
    assert not any(
        "calibrated" in name for name in protocol.measure(looks(at(0, 10, 40, 90, 90, 90)), METRIC, None).numbers
    )


def test_nobody_with_hundreds_of_photos_decides(tmp_path: Path) -> None:
    protocol = all_pairs(chip_set(tmp_path / "mine", {"Ada": 40, "Bea": 1}), NOBODY)
    assert MOST_PHOTOS == 10
    assert protocol.pairs.same.sum() == 10 * 9 / 2


def test_of_very_many_people_some_are_drawn(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {f"Person {number:04}": 2 for number in range(MOST_PEOPLE + 50)})
    protocol = all_pairs(chips, NOBODY)
    assert protocol.description.startswith("all pairs of 600 of 650 people: 600 genuine pairs, 179,700 impostor pairs")
    assert len(people_of(chips, protocol.rows())) == 600
    assert protocol.people == 600


def test_pairs_come_in_the_order_of_their_distance(mine: ChipSet) -> None:
    result = all_pairs(mine, NOBODY).measure(looks(faces(mine)), METRIC, None)
    assert result.scored is not None
    assert (np.diff(result.scored.distances) >= 0).all()
    assert result.scored.pairs.distances(faces(mine), METRIC) == pytest.approx(result.scored.distances)
    assert math.isnan(result.scored.threshold)


# ------------------------------------------------------------------ identification


def test_identification_worked_by_hand(tmp_path: Path) -> None:
    # Ada and Bea are enrolled at 0 and 90 degrees; Cyd and Dot have one photo.
    chips = chip_set(tmp_path / "mine", {"Ada": 3, "Cyd": 1, "Bea": 2, "Dot": 1})
    protocol = identification(chips, NOBODY)
    assert protocol.description == (
        "1:N open set: 2 people enrolled from one photo, 3 probes, 2 strangers (people with one photo)"
    )
    assert protocol.notes == []
    assert protocol.split.enrolled.tolist() == [[0], [4]]
    assert protocol.split.probes.tolist() == [1, 2, 5]
    assert protocol.split.strangers.tolist() == [3, 6]
    # Ada's probes at 10 and 60, Bea's at 85 degrees; Cyd at 40, Dot at 200.
    result = protocol.measure(looks(at(0, 10, 60, 40, 90, 85, 200)), METRIC, CALIBRATION)
    assert result.searches is not None
    assert result.searches.right.tolist() == [True, False, True]
    assert result.searches.distance == pytest.approx([apart(10), apart(30), apart(5)], abs=1e-6)
    assert result.searches.stranger == pytest.approx([apart(40), apart(110)], abs=1e-6)
    assert result.numbers["rank-1"].value == pytest.approx(2 / 3)
    # At 0.605, as two people are enrolled, both of the three that are right are found, and Cyd, at 0.234, is named.
    assert result.numbers["people found at the calibrated FPIR 0.01"].value == pytest.approx(2 / 3)
    assert result.numbers["strangers named at the calibrated FPIR 0.01"].value == pytest.approx(1 / 2)
    assert math.isnan(result.numbers["1 - FNIR at FPIR 0.1"].value)
    assert "not enough strangers for FPIR 0.1" in result.notes


def test_without_people_of_one_photo_each_probe_is_a_stranger_to_the_others(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 2, "Bea": 3})
    protocol = identification(chips, NOBODY)
    assert protocol.description == "1:N open set: 2 people enrolled from one photo, 3 probes, 3 stranger searches"
    assert protocol.notes == [
        "everybody is enrolled: each probe is searched again without its own person, as a stranger"
    ]
    # Enrolled at 0 and 90; Ada's probe at 10 is 80 from Bea, Bea's at 85 and 70 are as far from Ada.
    result = protocol.measure(looks(at(0, 10, 90, 85, 70)), METRIC, None)
    assert result.searches is not None
    assert result.searches.distance == pytest.approx([apart(10), apart(5), apart(20)], abs=1e-6)
    assert result.searches.stranger == pytest.approx([apart(80), apart(85), apart(70)], abs=1e-6)
    assert result.searches.stranger_person.tolist() == result.searches.person.tolist()


def test_photos_a_person_are_compared_on_the_same_people_probes_and_strangers(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 4, "Bea": 4, "Cyd": 2, "Dot": 1})
    one, three = (make() for make in identifications(chips, NOBODY, (1, 3)))
    assert (one.photos, three.photos) == (1, 3)
    assert (title(one), title(three)) == ("identification", "identification, 3 photos")
    assert three.description == (
        "1:N open set: 2 people enrolled from 3 photos, 2 probes, 3 strangers (people with up to 3 photos, 2 people)"
    )
    assert one.description == three.description.replace("from 3 photos", "from one photo")
    assert three.split.enrolled.tolist() == [[0, 1, 2], [4, 5, 6]]
    assert one.split.enrolled.tolist() == [[0], [4]]
    for protocol in (one, three):
        assert protocol.split.probes.tolist() == [3, 7]
        assert protocol.split.strangers.tolist() == [8, 9, 10]
        assert len(set(protocol.split.stranger_person.tolist())) == 2
    # Three photos of Ada, at 0, 30 and 60 degrees, make a template at 30; Bea's first is at 120, her template at 150.
    embeddings = at(0, 30, 60, 70, 120, 150, 180, 160, 200, 210, 300)
    by_one, by_three = (protocol.measure(looks(embeddings), METRIC, CALIBRATION) for protocol in (one, three))
    assert by_one.searches is not None and by_three.searches is not None
    assert by_one.searches.right.tolist() == [False, True]
    assert by_one.searches.distance == pytest.approx([apart(50), apart(40)], abs=1e-6)
    assert by_three.searches.right.tolist() == [True, True]
    assert by_three.searches.distance == pytest.approx([apart(40), apart(10)], abs=1e-6)
    assert by_three.searches.stranger == pytest.approx([apart(50), apart(60), apart(90)], abs=1e-6)
    # A template of three counts as 1 + log2 3 comparisons.
    limits = [CALIBRATION.people.threshold(fmr_for(0.01, 2 * (1 + math.log2(k)))) for k in (1, 3)]
    for result, limit in zip((by_one, by_three), limits, strict=True):
        assert any(f"threshold {limit:.3f}, on 2 people enrolled" in note for note in result.model_notes)


def test_more_photos_than_two_people_have_are_refused_and_the_others_are_measured(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 9, "Bea": 4, "Cyd": 2, "Dot": 2})
    one, three, four = identifications(chips, NOBODY, (1, 3, 4))
    assert one().split.probes.tolist() == three().split.probes.tolist() == [3, 4, 5, 6, 7, 8, 12]
    with pytest.raises(TooFewPhotosError, match=r"needs two people with 5 photos or more to identify from 4 photos$"):
        four()
    # Where Bea was trained on, nobody has a second person of three photos.
    one, three = identifications(chips, Exclusions(trained=frozenset(["Bea"])), (1, 3))
    assert len(one().split.enrolled) == 3
    with pytest.raises(TooFewPhotosError, match="4 photos or more"):
        three()


# ------------------------------------------------------------------ one-shot


def test_one_shot_counts_its_people(mine: ChipSet) -> None:
    protocol = one_shot(mine, NOBODY)
    assert protocol.description == "20-way one-shot, 400 trials among 24 people, one support photo each"
    assert protocol.people == 24
    assert protocol.measure(looks(faces(mine, spread=0.01)), METRIC, None).numbers["accuracy"].value == 1
    constant = np.tile(at(0), (len(mine.photos), 1))
    assert protocol.measure(looks(constant), METRIC, None).numbers["accuracy"].value == 0


def test_too_few_people_for_one_shot(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 2, "Bea": 2})
    with pytest.raises(DataError) as caught:
        one_shot(chips, NOBODY)
    assert str(caught.value) == (
        f"{chips.folder} does not serve 20-way one-shot trials, 2 people, 2 of them with two photos, are too few"
    )
    assert caught.value.remedy == "add people"


# ------------------------------------------------------------------ bad data


@pytest.mark.parametrize("counts", [{"Ada": 5}, {"Ada": 1, "Bea": 1, "Cyd": 1}, {"Ada": 1}])
@pytest.mark.parametrize("name", ["pairs", "identification", "one-shot"])
def test_one_person_or_nobody_with_two_photos_is_a_clause(tmp_path: Path, counts: dict[str, int], name: str) -> None:
    chips = chip_set(tmp_path / "mine", counts)
    with pytest.raises(DataError) as caught:
        PROTOCOLS[name](chips, NOBODY)
    assert is_a_clause(caught.value)
    assert str(chips.folder) in str(caught.value)


def test_photos_without_a_face_take_no_part(tmp_path: Path) -> None:
    chips = chip_set(tmp_path / "mine", {"Ada": 3, "Bea": 2, "Cyd": 2})
    # Ada's second photo and both of Cyd's show no face.
    chips.has_face[[1, 5, 6]] = False
    assert identification(chips, NOBODY).rows().tolist() == [2, 4]
    assert identification(chips, NOBODY).enrolled().tolist() == [0, 3]
    assert set(all_pairs(chips, NOBODY).rows().tolist()) <= {0, 2, 3, 4}


@pytest.mark.parametrize("name", ["view1", "view2"])
def test_what_is_not_lfw_has_none_of_its_protocols(mine: ChipSet, name: str) -> None:
    with pytest.raises(UnsuitableProtocolError) as caught:
        PROTOCOLS[name](mine, NOBODY)
    assert is_a_clause(caught.value)
    assert f"{mine.folder} is not LFW, and {name} is defined on LFW alone" in str(caught.value)


@pytest.mark.parametrize("name", ["view1", "view2"])
def test_pairs_files_that_are_not_here_are_named(tmp_path: Path, name: str) -> None:
    chips = chip_set(tmp_path / "lfw", dict.fromkeys(TEST, 2), is_lfw=True)
    with pytest.raises(IncompleteLfwError, match=r"^pairs\w*\.txt is not in .*[^.]$"):
        PROTOCOLS[name](chips, NOBODY)


def test_pairs_of_absent_photos_are_told_and_the_rest_is_done(lfw: ChipSet) -> None:
    absent = photo_name(TEST[2], 2)
    lfw.has_face[lfw.photos.index(absent)] = False
    for make in (view1, view2):
        protocol = make(lfw, NOBODY)
        # The genuine pair of that person alone.
        (note,) = protocol.notes
        assert "left out" in note
        assert absent in note
        assert "47 pairs" in protocol.description
        assert math.isfinite(protocol.measure(looks(faces(lfw)), METRIC, None).numbers["accuracy"].value)


def test_a_person_who_is_absent_spoils_three_pairs(lfw: ChipSet) -> None:
    protocol = view2(chip_set_without(lfw, TEST[2]), NOBODY)
    # The genuine pair, and the impostor pairs with the two neighbours.
    assert protocol.notes == [f"3 pairs are left out: {photo_name(TEST[2], 1)} is not here or shows no face"]
    assert protocol.description.startswith("LFW View 2: 45 pairs of pairs.txt in 3 folds")
    # Nobody is counted who is not there.
    assert protocol.people == 23


def test_an_absent_development_photo_is_told_too(lfw: ChipSet) -> None:
    protocol = view1(chip_set_without(lfw, TRAIN[0]), NOBODY)
    (note,) = protocol.notes
    assert note.startswith("3 pairs are left out")
    assert photo_name(TRAIN[0], 1) in note
    assert "48 pairs of pairsDevTest" in protocol.description


def test_a_fold_whose_photos_are_all_absent_leaves_the_others(lfw: ChipSet) -> None:
    counts = {name: 3 for name in dict.fromkeys(lfw.people) if name not in TEST[:8]}
    counts |= dict.fromkeys(SINGLE, 1)
    protocol = view2(chip_set(lfw.folder, counts, is_lfw=True), NOBODY)
    assert len(protocol.pairs.same) == 32
    assert any(note.startswith("16 pairs are left out") for note in protocol.notes)


def test_no_photo_of_any_pair_is_a_clause(lfw: ChipSet) -> None:
    chips = chip_set(lfw.folder, dict.fromkeys(SINGLE, 1), is_lfw=True)
    for make in (view1, view2):
        with pytest.raises(IncompleteLfwError) as caught:
            make(chips, NOBODY)
        assert str(caught.value) == f"No pair's photos are in {chips.folder}"


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_embeddings_that_are_not_numbers_are_refused(lfw: ChipSet, name: str, which: int) -> None:
    # The last row is of a development photo in View 1.
    protocol = PROTOCOLS[name](lfw, NOBODY)
    embeddings = faces(lfw)
    embeddings[protocol.rows()[which]] = np.nan
    with pytest.raises(UnsuitableModelError, match="not numbers") as caught:
        protocol.measure(looks(embeddings), METRIC, CALIBRATION)
    assert is_a_clause(caught.value)


def test_a_stranger_s_embedding_that_is_not_a_number_is_refused(lfw: ChipSet) -> None:
    protocol = identification(lfw, NOBODY)
    for row in (protocol.split.strangers[0], protocol.split.probes[0]):
        embeddings = faces(lfw)
        embeddings[row] = np.nan
        with pytest.raises(UnsuitableModelError, match="not numbers"):
            protocol.measure(looks(embeddings), METRIC, None)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_other_rows_are_not_looked_at(lfw: ChipSet, name: str) -> None:
    # Only rows() are embedded as they are asked about, and enrolled() as they are enrolled; all others are left empty.
    protocol = PROTOCOLS[name](lfw, NOBODY)
    whole = looks(faces(lfw))
    part = Looks(*(np.full_like(whole.probes, np.nan) for _ in range(2)))
    for rows, embeddings in ((protocol.rows(), part.probes), (protocol.enrolled(), part.enrolled)):
        assert (np.diff(rows) > 0).all()
        embeddings[rows] = faces(lfw)[rows]
    found, expected = (protocol.measure(each, METRIC, CALIBRATION) for each in (part, whole))
    first = next(iter(expected.numbers))
    assert found.numbers.keys() == expected.numbers.keys()
    assert math.isfinite(expected.numbers[first].value)
    for measure, estimate in expected.numbers.items():
        assert np.array_equal(found.numbers[measure].replicates, estimate.replicates, equal_nan=True)
