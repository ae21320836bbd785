from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.encoders.calibration import Calibration, Curve, Source
from facerec_cli.encoders.metric import Cosine
from facerec_cli.errors import ReportError, UnsupportedPhotoError
from facerec_cli.evaluation.intervals import Estimate
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import Protocol
from facerec_cli.evaluation.mislabelled import Mislabelled, OneName, TwoNames
from facerec_cli.evaluation.pairs import Pairs, ScoredPairs
from facerec_cli.evaluation.protocols import Exclusions, all_pairs, identification
from facerec_cli.evaluation.report import check_report, metrics_of, quality_errors, write_report
from facerec_cli.evaluation.results import Evaluation, written
from facerec_cli.faces.quality import Quality

pytest.importorskip("matplotlib")

from facerec_cli.evaluation import plots

NAN = float("nan")
PNG = b"\x89PNG\r\n\x1a\n"
METRIC = Cosine()
CURVE = Curve((0.1, 0.001), (0.8, 0.5), 30.0)
CALIBRATION = Calibration(CURVE, CURVE, None, None, Source("mine", 1))
# The third has the first one's name once that is made fit for a file's.
MODELS = ["a/../b", "<b>", "a____b"]


def chip_set(folder: Path, photos: Sequence[str], quality: Mapping[str, Sequence[float]] | None = None) -> ChipSet:
    count = len(photos)
    values = quality or {field.name: np.linspace(1, 2, count).tolist() for field in fields(Quality)}
    return ChipSet(
        folder=folder,
        photos=list(photos),
        people=[photo.rpartition("/")[0] for photo in photos],
        chips=np.zeros((count, 112, 112, 3), np.uint8),
        scores=np.ones(count, np.float32),
        quality={name: np.array(value, np.float32) for name, value in values.items()},
        has_face=np.ones(count, np.bool_),
        faceless=["Ada/<b>&.jpg"],
        unreadable=[UnsupportedPhotoError("Ada/7.jpg is not a photo", "give one")],
        is_lfw=False,
    )


def some_people(folder: Path) -> ChipSet:
    """Five people with three photos, Ada's first one with a name of markup; three people with one photo."""
    photos = [f"{name}/{number}.jpg" for name in ("Ada", "Bea", "Cyd", "Dot", "Eve") for number in (1, 2, 3)]
    photos[0] = "Ada/<b>.jpg"
    return chip_set(folder, [*photos, "Fay/1.jpg", "Gus/1.jpg", "<i>/1.jpg"])


def faces(chips: ChipSet, spread: float) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(0)
    names = sorted(set(chips.people))
    centres = generator.normal(size=(len(names), 16)) / 4
    found = centres[[names.index(name) for name in chips.people]]
    found = found + generator.normal(scale=spread, size=found.shape)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def looks(embeddings: npt.NDArray[np.float32]) -> Looks:
    """Embeddings that are enrolled as they are asked about."""
    return Looks(embeddings, embeddings)


def compared(
    chips: ChipSet, models: list[str], protocols: list[Protocol], calibration: Calibration | None = CALIBRATION
) -> Evaluation:
    evaluation = Evaluation(chips, models)
    for protocol in protocols:
        for place in range(len(models)):
            embeddings = faces(chips, 0.05 + 0.2 * place)
            evaluation.add(protocol, protocol.measure(looks(embeddings), METRIC, calibration))
    return evaluation


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    chips = some_people(tmp_path_factory.mktemp("data") / "my <people>")
    return compared(chips, MODELS, [all_pairs(chips, Exclusions()), identification(chips, Exclusions())])


@pytest.fixture(scope="module")
def report(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "report"
    write_report(folder, evaluation)
    return folder


def strictly(text: str) -> Any:
    """JSON as its standard has it, which knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


# ------------------------------------------------------------------ written


# 0, 0.01 … 0.4: the interval is 0.01 to 0.39.
REPLICATES = np.arange(41) / 100


@pytest.mark.parametrize(
    ("measure", "value", "signed", "text"),
    [
        ("accuracy", 0.2, False, "20.00 % [1.00, 39.00]"),
        ("1 - FNMR at FMR 0.001", 0.98765, False, "98.77 % [1.00, 39.00]"),
        ("AUC", 0.2, False, "0.2000 [0.0100, 0.3900]"),
        ("accuracy", 0.2, True, "+20.00 points [+1.00, +39.00]"),
        ("accuracy", -0.012, True, "-1.20 points [+1.00, +39.00]"),
        ("AUC", -0.2, True, "-0.2000 [+0.0100, +0.3900]"),
        ("AUC", 0.2, True, "+0.2000 [+0.0100, +0.3900]"),
        ("accuracy", NAN, False, "n/a"),
        ("AUC", NAN, True, "n/a"),
    ],
)
def test_numbers_are_written_for_people(measure: str, value: float, signed: bool, text: str) -> None:
    assert written(measure, Estimate(value, REPLICATES), signed=signed) == text


def test_no_difference_is_written_as_none() -> None:
    estimate = Estimate(0.5, REPLICATES)
    assert written("accuracy", estimate.minus(estimate), signed=True) == "+0.00 points [+0.00, +0.00]"


# ------------------------------------------------------------------ quality_errors


def ten_pairs(threshold: float) -> ScoredPairs:
    """Ten genuine pairs of photos 0-1, 2-3 …, at distances 0, 0.1 … 0.9, then an impostor pair of 0 and 19."""
    first, second = np.append(np.arange(0, 20, 2), 0), np.append(np.arange(1, 20, 2), 19)
    same = np.append(np.ones(10, np.bool_), False)
    person = np.append(np.arange(10), 0)
    other = np.append(np.arange(10), 9)
    distances = np.append(np.arange(10) / 10, 2).astype(np.float32)
    return ScoredPairs(Pairs(first, second, person, other, same), distances, threshold)


def test_errors_against_quality_worked_by_hand(tmp_path: Path) -> None:
    # Sharpness 20, 19 … 1 by photo: the worse of a pair is its second photo, 19, 17 … 1. Yaw 0, 1 … 19: the worse
    # one is turned more, 1, 3 … 19.
    falling, rising = np.arange(20, 0, -1).tolist(), np.arange(20).tolist()
    quality = {"sharpness": falling, "yaw": rising}
    chips = chip_set(tmp_path, [f"{row // 2}/{row}.jpg" for row in range(20)], quality)
    found = quality_errors(ten_pairs(0.65), chips)
    assert list(found) == ["sharpness", "yaw"]
    # Missed: the three pairs at 0.7, 0.8 and 0.9, whose sharpness is 5, 3 and 1 and whose yaw is 15, 17 and 19.
    assert found["sharpness"] == [
        {"from": 1, "to": 3, "pairs": 2, "fnmr": 1},
        {"from": 5, "to": 7, "pairs": 2, "fnmr": 0.5},
        {"from": 9, "to": 11, "pairs": 2, "fnmr": 0},
        {"from": 13, "to": 15, "pairs": 2, "fnmr": 0},
        {"from": 17, "to": 19, "pairs": 2, "fnmr": 0},
    ]
    assert [(group["from"], group["to"], group["fnmr"]) for group in found["yaw"]] == [
        (1, 3, 0),
        (5, 7, 0),
        (9, 11, 0),
        (13, 15, 0.5),
        (17, 19, 1),
    ]


def test_fewer_pairs_than_groups_make_fewer_groups(tmp_path: Path) -> None:
    pairs = Pairs(np.array([0, 2]), np.array([1, 3]), np.arange(2), np.arange(2), np.ones(2, np.bool_))
    chips = chip_set(tmp_path, ["A/0.jpg", "A/1.jpg", "B/0.jpg", "B/1.jpg"], {"size": [40, 30, 20, 10]})
    found = quality_errors(ScoredPairs(pairs, np.array([0.1, 0.9], np.float32), 0.5), chips)
    assert found["size"] == [
        {"from": 10, "to": 10, "pairs": 1, "fnmr": 1},
        {"from": 30, "to": 30, "pairs": 1, "fnmr": 0},
    ]


def test_without_a_threshold_there_are_no_errors_to_tell(tmp_path: Path) -> None:
    chips = chip_set(tmp_path, [f"{row // 2}/{row}.jpg" for row in range(20)], {"size": np.arange(20).tolist()})
    # Pairs of one person at a distance of up to 0.9: "none of them is missed" would be untrue.
    found = quality_errors(ten_pairs(NAN), chips)
    assert not any(group["fnmr"] == 0 for groups in found.values() for group in groups)


# ------------------------------------------------------------------ metrics.json


def test_metrics_are_json_with_null_where_the_data_cannot_say(evaluation: Evaluation) -> None:
    metrics = metrics_of(evaluation)
    assert strictly(json.dumps(metrics)) == metrics
    assert metrics["data"] == "my <people>"
    assert metrics["photos"] == 18
    assert metrics["faceless"] == ["Ada/<b>&.jpg"]
    assert metrics["unreadable"] == ["Ada/7.jpg is not a photo"]
    assert list(metrics["protocols"]) == ["pairs", "identification"]
    found = metrics["protocols"]["identification"]
    assert found["standard_error"] == dict.fromkeys(MODELS)
    assert found["error_by_quality"] == {}
    # Three strangers: not three of them at 10 %.
    unknown = {"value": None, "interval_95": [None, None]}
    assert found["measures"]["1 - FNIR at FPIR 0.1"] == {
        "a/../b": unknown,
        "<b>": unknown | {"difference": unknown},
        "a____b": unknown | {"difference": unknown},
    }
    assert "not enough strangers for FPIR 0.1" in found["notes"]
    # What a model's own threshold is belongs to the model.
    promises = [note for note in found["notes"] if "the calibrated FPIR" in note]
    assert [note.partition(": ")[0] for note in promises] == MODELS


def test_metrics_hold_what_was_estimated(evaluation: Evaluation) -> None:
    metrics = metrics_of(evaluation)
    for protocol in evaluation.protocols:
        first, second, _ = evaluation.results[protocol.name]
        measures = metrics["protocols"][protocol.name]["measures"]
        assert list(measures) == list(first.numbers)
        for measure, both in measures.items():
            if both["a/../b"]["value"] is None:
                continue
            low, high = first.numbers[measure].interval
            assert both["a/../b"]["value"] == pytest.approx(first.numbers[measure].value, abs=1e-6)
            assert both["a/../b"]["interval_95"] == pytest.approx([low, high], abs=1e-6)
            difference = second.numbers[measure].minus(first.numbers[measure])
            assert both["<b>"]["difference"]["value"] == pytest.approx(difference.value, abs=1e-6)
            assert both["<b>"]["difference"]["interval_95"] == pytest.approx(difference.interval, abs=1e-6)
            # The first model is what the others are held against.
            assert "difference" not in both["a/../b"]
    assert measures["rank-1"]["a/../b"]["value"] == 1
    quality = metrics["protocols"]["pairs"]["error_by_quality"]["<b>"]
    assert list(quality) == [field.name for field in fields(Quality)]
    # Fifteen genuine pairs in five groups.
    assert [group["pairs"] for group in quality["size"]] == [3] * 5


def test_measures_are_those_that_every_model_has(tmp_path: Path) -> None:
    chips = some_people(tmp_path)
    protocol = all_pairs(chips, Exclusions())
    evaluation = Evaluation(chips, ["calibrated", "not"])
    for calibration in (CALIBRATION, None):
        evaluation.add(protocol, protocol.measure(looks(faces(chips, 0.1)), METRIC, calibration))
    assert not any("calibrated" in measure for measure in evaluation.estimates(protocol))
    assert "AUC" in evaluation.estimates(protocol)
    strictly(json.dumps(metrics_of(evaluation)))


def test_a_note_is_said_once(evaluation: Evaluation) -> None:
    for protocol in evaluation.protocols:
        notes = evaluation.notes(protocol)
        assert len(notes) == len(set(notes))
        assert sum("for FMR 0.001" in note or "for FPIR 0.001" in note for note in notes) == 1


# ------------------------------------------------------------------ the report


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_all_there(report: Path) -> None:
    assert sorted(path.name for path in report.iterdir()) == ["metrics.json", "pictures", "report.html"]
    # Nothing is beside it, whatever the models are called.
    assert list(report.parent.iterdir()) == [report]
    pictures = {path.name for path in (report / "pictures").iterdir()}
    assert {"pairs-roc.png", "pairs-det.png", "identification-open-set.png"} <= pictures
    assert {
        f"pairs-2-_b_-{kind}.png" for kind in ("distances", "hardest-genuine", "hardest-impostor", "quality")
    } <= pictures
    for picture in (report / "pictures").iterdir():
        assert picture.is_file()
        assert picture.read_bytes().startswith(PNG)


def test_models_of_like_names_have_pictures_of_their_own(report: Path) -> None:
    # Three of all models, and four of each.
    assert len(list((report / "pictures").iterdir())) == 3 + 3 * 4


def test_the_file_of_metrics_is_json(report: Path, evaluation: Evaluation) -> None:
    assert strictly((report / "metrics.json").read_text(encoding="utf-8")) == metrics_of(evaluation)


def test_the_page_needs_no_other_file(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    sources = [
        value for name, value in page.attributes if name in ("src", "href", "data", "action", "srcset", "poster")
    ]
    pictures = {path.read_bytes() for path in (report / "pictures").iterdir()}
    prefix = "data:image/png;base64,"
    assert all(source.startswith(prefix) for source in sources)
    # Each picture is in it: three of all models, and four of each.
    shown = [base64.b64decode(source.removeprefix(prefix)) for source in sources]
    assert set(shown) >= pictures
    assert page.tags.count("img") == len(set(shown)) == 3 + 3 * 4
    assert not {"script", "link", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    for outside in ("url(", "@import", "http:", "https:", "//"):
        # base64 has slashes.
        assert outside not in "".join(part.partition('"')[2] for part in text.split(prefix))


def test_names_are_text_and_not_markup(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    known = {"html", "meta", "title", "style", "h1", "p", "details", "summary", "ul", "li"}
    known |= {"h2", "h3", "table", "tr", "th", "td", "figure", "img", "figcaption"}
    assert set(page.tags) <= known
    assert "facerec: a/../b · <b> · a____b on my <people>" in page.text
    # A photo without a face, a column, and a caption.
    assert "Ada/<b>&.jpg" in page.text
    assert "<b> − a/../b" in page.text
    assert "pairs, <b>: the ten hardest genuine pairs" in page.text
    assert "<b>" not in text


def test_the_page_says_what_was_measured(report: Path, evaluation: Evaluation) -> None:
    page = Page((report / "report.html").read_text(encoding="utf-8"))
    assert "18 photos of 8 people; 1 show no face, 1 cannot be read." in page.text
    for protocol in evaluation.protocols:
        assert protocol.description in page.text
        for note in evaluation.notes(protocol):
            assert note in page.text
        for measure, estimates in evaluation.estimates(protocol).items():
            assert measure in page.text
            for estimate in estimates:
                assert written(measure, estimate) in page.text
            assert written(measure, estimates[1].minus(estimates[0]), signed=True) in page.text
    assert "n/a" in page.text


def test_what_may_be_mislabelled_is_listed_and_shown(tmp_path: Path) -> None:
    chips = some_people(tmp_path / "data")
    evaluation = compared(chips, ["mine"], [all_pairs(chips, Exclusions())])
    evaluation.mislabelled = Mislabelled("mine", 18, [TwoNames(0, 17, 0.1, 0.25)], [OneName(3, 4, 0, 0.9, 0.2)])
    write_report(tmp_path / "report", evaluation)
    listed = strictly((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))["mislabelled"]
    assert listed == {
        "model": "mine",
        "photos": 18,
        "two_names_one_person": [
            {"people": ["Ada", "<i>"], "photos": ["Ada/<b>.jpg", "<i>/1.jpg"], "distance": 0.1, "mean_distance": 0.25}
        ],
        "one_name_two_persons": [
            {
                "person": "Bea",
                "photo": "Bea/1.jpg",
                "distance_to_own": 0.9,
                "own_photo": "Bea/2.jpg",
                "nearest_person": "Ada",
                "nearest_photo": "Ada/<b>.jpg",
                "nearest_distance": 0.2,
            }
        ],
    }
    page = Page((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))
    for text in ("perhaps mislabelled", "Ada/<b>.jpg", "<i>/1.jpg", "0.250", "Bea/1.jpg", "0.900", "0.200"):
        assert text in page.text
    assert not {"b", "i"} & set(page.tags)
    names = {path.name for path in (tmp_path / "report" / "pictures").iterdir()}
    assert {"mislabelled-two-names.png", "mislabelled-one-name.png"} <= names
    assert page.tags.count("img") == len(names)
    # A report that goes with a model shows nobody.
    write_report(tmp_path / "other", evaluation, with_photos=False)
    assert not any("mislabelled" in path.name for path in (tmp_path / "other" / "pictures").iterdir())


def test_a_model_without_calibration_is_reported_too(tmp_path: Path) -> None:
    chips = some_people(tmp_path)
    evaluation = compared(chips, ["mine"], [all_pairs(chips, Exclusions()), identification(chips, Exclusions())], None)
    metrics = strictly(json.dumps(metrics_of(evaluation)))
    measures = {name: list(found["measures"]) for name, found in metrics["protocols"].items()}
    assert measures["pairs"] == ["AUC", "equal error rate", *(f"1 - FNMR at FMR {rate}" for rate in (0.1, 0.01, 0.001))]
    assert measures["identification"] == ["rank-1", *(f"1 - FNIR at FPIR {rate}" for rate in (0.1, 0.01, 0.001))]
    (result,) = evaluation.results["pairs"]
    assert result.scored is not None
    assert plots.distances(result.scored).startswith(PNG)


# ------------------------------------------------------------------ pictures


def scored(chips: ChipSet) -> ScoredPairs:
    found = all_pairs(chips, Exclusions()).measure(looks(faces(chips, 0.1)), METRIC, CALIBRATION).scored
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["<b>", "$^$", "a_b^c$", "_hidden"])
def test_any_name_can_stand_in_a_picture(tmp_path: Path, name: str) -> None:
    photos = [f"{person}/{name}{number}.jpg" for person in ("Ada", "Bea", "Cyd") for number in (1, 2)]
    chips = chip_set(tmp_path, photos)
    with warnings.catch_warnings():
        # What matplotlib warns of, people see on their terminal.
        warnings.simplefilter("error")
        assert plots.hardest(scored(chips), chips, same=True).startswith(PNG)
        assert plots.roc_curves({name: scored(chips)}).startswith(PNG)


def test_a_name_in_any_script_can_stand_in_a_picture(tmp_path: Path) -> None:
    chips = chip_set(tmp_path, [f"{person}/王 {number}.jpg" for person in ("Ada", "Bea") for number in (1, 2)])
    assert plots.hardest(scored(chips), chips, same=False).startswith(PNG)


def test_equal_distances_can_be_pictured(tmp_path: Path) -> None:
    chips = some_people(tmp_path)
    pairs = scored(chips)
    equal = ScoredPairs(pairs.pairs, np.full_like(pairs.distances, 0.5), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for picture in (
            plots.roc_curves({"mine": equal}),
            plots.det_curves({"mine": equal}),
            plots.distances(equal),
        ):
            assert picture.startswith(PNG)


# ------------------------------------------------------------------ bad places


def test_a_report_that_can_be_written_is_checked_without_a_trace_of_harm(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    check_report(folder)
    assert not folder.exists()
    folder.mkdir()
    check_report(folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, evaluation: Evaluation) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "report"):
        with pytest.raises(ReportError, match=r"^The report cannot be written to "):
            check_report(folder)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(tmp_path / "file", Evaluation(evaluation.chips, MODELS))
