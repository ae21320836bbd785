from __future__ import annotations

import base64
import csv
import io
import json
import math
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance, ImageOps

from facerec_cli.datasets.lfw import everybody, photo_name
from facerec_cli.defaults import DEFAULT_MODEL
from facerec_cli.encoders.bundle import (
    BUNDLED,
    CALIBRATION_PEOPLE,
    TRAINING_PEOPLE,
    Bundle,
    read_bundle,
    write_bundle,
)
from facerec_cli.faces.quality import Quality
from tests.conftest import LFW, Run, needs_lfw

MEASURED = ["value", "low", "high", "difference", "difference_low", "difference_high"]
COLUMNS = ["protocol", "photos", "column", "group", "measure", "model", *MEASURED]


def small(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB").resize((160, 200))


@pytest.fixture(scope="session")
def people(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people: three with several photos, two with one; a photo of Barack Obama's is of somebody else.

    Photos 4 + 3 + 6, and two strangers: 10 probes, and 6 + 3 + 15 genuine pairs. The wrong photo is one probe, which
    finds nobody, as its person is not enrolled, and is in three of the pairs.
    """
    folder = tmp_path_factory.mktemp("evaluated") / "people"
    obama, ardern, macron = folder / "Barack Obama", folder / "Jacinda Ardern", folder / "Emmanuel Macron"
    for person in (obama, ardern, macron):
        person.mkdir(parents=True)
    photo = small(samples / "barack_obama.jpg")
    photo.save(obama / "1.png")
    ImageOps.mirror(photo).save(obama / "2.png")
    ImageEnhance.Brightness(photo).enhance(0.7).save(obama / "3.png")
    ImageOps.mirror(small(samples / "rishi_sunak.jpg")).save(obama / "4, of somebody else.png")
    for year in (2018, 2022):
        small(samples / f"jacinda_ardern_{year}.jpg").save(ardern / f"{year}.png")
    ImageOps.mirror(small(samples / "jacinda_ardern_2022.jpg")).save(ardern / "mirrored.png")
    for year in (2014, 2025):
        photo = small(samples / f"emmanuel_macron_{year}.jpg")
        photo.save(macron / f"{year}.png")
        ImageOps.mirror(photo).save(macron / f"{year} mirrored.png")
        ImageEnhance.Brightness(photo).enhance(1.2).save(macron / f"{year} bright.png")
    small(samples / "rishi_sunak.jpg").save(folder / "Rishi Sunak.png")
    small(samples / "eileen_collins_1999.png").save(folder / "Eileen Collins.png")
    return folder


@pytest.fixture(scope="session")
def evaluated(facerec_path: str, people: Path) -> subprocess.CompletedProcess[str]:
    """Their evaluation, as JSON."""
    return subprocess.run(
        [facerec_path, "evaluate", "--data", people, "--format", "json"],
        cwd=people.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def bundle(folder: Path, **lists: str) -> Bundle:
    """The bundled model's encoder under another name, with lists of people in it."""
    made = read_bundle(BUNDLED / DEFAULT_MODEL)
    names = {"trained": TRAINING_PEOPLE, "calibrated": CALIBRATION_PEOPLE}
    return write_bundle(
        folder,
        made.encoder_bytes(),
        embedding_size=made.embedding_size,
        metric=made.load_metric(),
        calibration=made.calibration,
        about=made.about,
        others={names[key]: people.encode() for key, people in lists.items()},
    )


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def values(text: str) -> dict[tuple[str, str], Any]:
    """JSON lines of one model as numbers by protocol and measure."""
    return {(row["protocol"], row["measure"]): row["value"] for row in records(text)}


def assert_refused(done: subprocess.CompletedProcess[str], *about: str) -> None:
    """One sentence, no result, no traceback."""
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Error: ")
    assert sentence.endswith(".")
    assert "did not expect" not in sentence
    for part in about:
        assert part in sentence


# ------------------------------------------------------------------ the numbers


def test_what_is_printed_in_each_format_is_the_same(
    facerec: Run, people: Path, evaluated: subprocess.CompletedProcess[str]
) -> None:
    assert evaluated.returncode == 0, evaluated.stderr
    rows = records(evaluated.stdout)
    assert [list(row) for row in rows] == [COLUMNS] * len(rows)
    assert {row["protocol"] for row in rows} == {"pairs", "identification"}
    assert {row["model"] for row in rows} == {"pretrained"}

    table = facerec("evaluate", "--data", people)
    assert table.returncode == 0, table.stderr
    header, *body = [re.split(r"\s{2,}", line) for line in table.stdout.splitlines()]
    assert header == ["protocol", "measure", "pretrained"]
    assert [line[:2] for line in body] == [[row["protocol"], row["measure"]] for row in rows]
    for line, row in zip(body, rows, strict=True):
        if row["value"] is None:
            assert line[2] == "n/a"
        else:
            shown = [float(number) for number in re.findall(r"\d+\.\d+", line[2])]
            scale = 1 if row["measure"] == "AUC" else 100
            assert shown == pytest.approx([row[name] * scale for name in ("value", "low", "high")], abs=0.006)

    separated = facerec("evaluate", "--data", people, "--format", "csv")
    assert separated.returncode == 0, separated.stderr
    reader = csv.DictReader(io.StringIO(separated.stdout))
    assert reader.fieldnames == COLUMNS
    assert list(reader) == [{key: "" if cell is None else str(cell) for key, cell in row.items()} for row in rows]


def test_the_numbers_are_those_counted_by_hand(evaluated: subprocess.CompletedProcess[str]) -> None:
    found = values(evaluated.stdout)
    assert found["identification", "rank-1"] == pytest.approx(9 / 10, abs=1e-6)
    assert found["identification", "people found at the calibrated FPIR 0.01"] == pytest.approx(9 / 10, abs=1e-6)
    assert found["identification", "strangers named at the calibrated FPIR 0.01"] == 0
    assert found["pairs", "1 - FNMR at the calibrated 0.001"] == pytest.approx(21 / 24, abs=1e-6)
    assert found["pairs", "1 - FNMR at FMR 0.001"] is None
    assert "identification: 1:N open set: 3 people enrolled from one photo, 10 probes, 2 strangers" in evaluated.stderr
    assert "pairs: all pairs of 5 of 5 people: 24 genuine pairs, 10 impostor pairs" in evaluated.stderr
    assert "not enough impostors for FMR 0.001" in evaluated.stderr
    assert "20-way one-shot" in evaluated.stderr  # too few people for that one: told, and the others done


def test_every_value_lies_in_its_interval(evaluated: subprocess.CompletedProcess[str]) -> None:
    rows = [row for row in records(evaluated.stdout) if row["value"]]
    assert len(rows) >= 5
    for row in rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["difference"] is row["difference_low"] is row["difference_high"] is None
    (found,) = [row for row in rows if row["measure"] == "rank-1"]
    assert found["low"] < found["value"] < found["high"]


def test_one_protocol_alone(facerec: Run, people: Path) -> None:
    done = facerec("evaluate", "--data", people, "--protocol", "identification", "--format", "json")
    assert done.returncode == 0
    assert {row["protocol"] for row in records(done.stdout)} == {"identification"}
    assert "pairs:" not in done.stderr
    assert facerec("evaluate", "--data", people, "--protocol", "nonsense").returncode == 2


def test_each_number_of_photos_has_rows_of_its_own(facerec: Run, people: Path, tmp_path: Path) -> None:
    asked = ["evaluate", "--data", people, "--protocol", "identification", "--photos", "2,1,2"]
    done = facerec(*asked, "--format", "json", "--report", "report")
    assert done.returncode == 0, done.stderr
    rows = records(done.stdout)
    ranks = {row["photos"]: row["value"] for row in rows if row["measure"] == "rank-1"}
    # Four photos, three and six, of which the first two are enrolled: seven probes, and one of them of somebody else.
    assert ranks == {1: pytest.approx(6 / 7, abs=1e-6), 2: pytest.approx(6 / 7, abs=1e-6)}
    assert {row["protocol"] for row in rows} == {"identification"}
    assert (
        "identification, 2 photos: 1:N open set: 3 people enrolled from 2 photos, 7 probes, 2 strangers" in done.stderr
    )
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert {name: found["photos"] for name, found in metrics["protocols"].items()} == {
        "identification": 1,
        "identification, 2 photos": 2,
    }
    pictures = {path.name for path in (tmp_path / "report" / "pictures").iterdir()}
    assert {"identification-open-set.png", "identification-2-photos-open-set.png"} <= pictures
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<img ", page)) == len(pictures)
    table = facerec(*asked)
    assert {re.split(r"\s{2,}", line)[0] for line in table.stdout.splitlines()[1:]} == {
        "identification",
        "identification, 2 photos",
    }


def test_more_photos_than_there_are_is_one_sentence_and_the_rest_is_measured(facerec: Run, people: Path) -> None:
    asked = ["evaluate", "--data", people, "--protocol", "identification", "--format", "json", "--photos"]
    done = facerec(*asked, "1,9")
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert "two people with 10 photos or more to identify from 9 photos" in error
    assert {row["photos"] for row in records(done.stdout)} == {1}
    assert_refused(facerec(*asked, "9"), "two people with 10 photos")


@pytest.mark.parametrize("photos", ["", "0", "1,", "-1", "1;3", "one", "1.5", "1,9999999999"])
def test_photos_that_are_no_numbers_are_wrong_usage(facerec: Run, people: Path, photos: str) -> None:
    done = facerec("evaluate", "--data", people, "--photos", photos)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "'--photos'" in done.stderr


def test_the_second_time_nothing_is_computed_and_the_numbers_are_the_same(
    facerec: Run, people: Path, tmp_path: Path
) -> None:
    shutil.copytree(people, tmp_path / "people")
    first = facerec("evaluate", "--data", "people", "--protocol", "identification", "--format", "json")
    before = (tmp_path / "people.chips.h5").stat()
    second = facerec("evaluate", "--data", "people", "--protocol", "identification", "--format", "json")
    assert first.returncode == second.returncode == 0
    assert (tmp_path / "people.chips.h5").stat().st_mtime_ns == before.st_mtime_ns
    assert second.stdout == first.stdout


# ------------------------------------------------------------------ several models


def test_a_copy_of_a_model_differs_by_exactly_nothing(facerec: Run, people: Path, tmp_path: Path) -> None:
    shutil.copytree(BUNDLED / DEFAULT_MODEL, tmp_path / "models" / "copy")
    done = facerec("evaluate", "-m", "pretrained", "copy", "--data", people, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = records(done.stdout)
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert (first["protocol"], first["measure"]) == (second["protocol"], second["measure"])
        assert [first[name] for name in ("value", "low", "high")] == [second[name] for name in ("value", "low", "high")]
        assert first["difference"] is None
        nothing = None if second["value"] is None else 0
        assert [second[name] for name in MEASURED[3:]] == [nothing] * 3
    assert sum(row["difference"] == 0 for row in rows) >= 5


def test_models_that_call_themselves_alike_are_told_apart(facerec: Run, people: Path, tmp_path: Path) -> None:
    # A copied folder's model.json still has the first one's name, as after `facerec models calibrate`.
    shutil.copytree(BUNDLED / DEFAULT_MODEL, tmp_path / "models" / "copy")
    asked = ["evaluate", "-m", "pretrained", "copy", "--data", people, "--protocol", "identification"]
    assert len({row["model"] for row in records(facerec(*asked, "--format", "json").stdout)}) == 2
    assert facerec(*asked, "--report", "report").returncode == 0
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert len(metrics["protocols"]["identification"]["measures"]["rank-1"]) == 2


def test_models_stand_side_by_side(facerec: Run, people: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "other")
    done = facerec("evaluate", "-m", "pretrained", "other", "--data", people, "--protocol", "identification")
    assert done.returncode == 0, done.stderr
    header, *body = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert header == ["protocol", "measure", "pretrained", "other", "other - pretrained"]
    (rank,) = [line for line in body if line[1] == "rank-1"]
    assert rank[2].startswith("90.00 % [")
    assert rank[3] == rank[2]
    assert rank[4] == "+0.00 points [+0.00, +0.00]"


def test_a_model_named_twice_is_measured_once(facerec: Run, people: Path) -> None:
    asked = ["evaluate", "--data", people, "--protocol", "identification", "--format", "json"]
    rows = records(facerec(*asked, "-m", "pretrained", "pretrained").stdout)
    assert len({row["measure"] for row in rows}) == len(rows) > 3


def test_an_unknown_model_is_one_sentence(facerec: Run, people: Path) -> None:
    assert_refused(facerec("evaluate", "-m", "pretrained", "nobody", "--data", people), "'nobody'", "pretrained")


# ------------------------------------------------------------------ people that models have seen


def test_people_that_a_model_was_trained_on_are_left_out(facerec: Run, people: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "trained", trained="Barack Obama\nRishi Sunak\nSomebody Else\n")
    done = facerec("evaluate", "-m", "trained", "--data", people, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "pairs: all pairs of 3 of 3 people: 18 genuine pairs, 3 impostor pairs" in done.stderr
    assert "2 people enrolled from one photo, 7 probes, 1 strangers" in done.stderr
    # The wrong photo goes with its person.
    assert values(done.stdout)["identification", "rank-1"] == 1
    assert values(done.stdout)["pairs", "1 - FNMR at the calibrated 0.001"] == 1


def test_what_one_model_has_seen_no_model_is_measured_on(facerec: Run, people: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "trained", trained="Barack Obama\n")
    done = facerec("evaluate", "-m", "pretrained", "trained", "--data", people, "--protocol", "identification")
    assert done.returncode == 0, done.stderr
    assert "2 people enrolled from one photo, 7 probes, 2 strangers" in done.stderr


def test_nobody_whom_the_model_has_not_seen_is_one_sentence(facerec: Run, people: Path, tmp_path: Path) -> None:
    names = ["Barack Obama", "Eileen Collins", "Emmanuel Macron", "Jacinda Ardern", "Rishi Sunak"]
    bundle(tmp_path / "models" / "trained", trained="\n".join(names))
    assert_refused(facerec("evaluate", "-m", "trained", "--data", people), str(people), "has not seen")


def test_a_changed_list_of_people_is_one_sentence(facerec: Run, people: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "trained", trained="Barack Obama\n")
    (tmp_path / "models" / "trained" / TRAINING_PEOPLE).write_text("Nobody\n", encoding="utf-8")
    assert_refused(facerec("evaluate", "-m", "trained", "--data", people), TRAINING_PEOPLE)


def test_what_a_threshold_promises_is_not_measured_on_people_it_was_calibrated_on(
    facerec: Run, people: Path, tmp_path: Path
) -> None:
    bundle(tmp_path / "models" / "calibrated", calibrated="Barack Obama\nEileen Collins\n")
    done = facerec("evaluate", "-m", "calibrated", "--data", people, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = values(done.stdout)
    assert "pairs: all pairs of 3 of 3 people: 18 genuine pairs" in done.stderr
    # Ranks need no threshold: all people count. The threshold's share is of the others, without the wrong photo.
    assert found["identification", "rank-1"] == pytest.approx(9 / 10, abs=1e-6)
    assert found["identification", "people found at the calibrated FPIR 0.01"] == 1
    assert "on 2 people enrolled, 7 probes and 1 strangers that it was not calibrated on" in done.stderr


@pytest.mark.parametrize("left", [[], ["Rishi Sunak"]])
def test_a_model_calibrated_on_the_very_folder_is_measured_where_that_does_not_matter(
    left: list[str], facerec: Run, people: Path, tmp_path: Path
) -> None:
    names = {"Barack Obama", "Eileen Collins", "Emmanuel Macron", "Jacinda Ardern", "Rishi Sunak"}
    bundle(tmp_path / "models" / "calibrated", calibrated="\n".join(sorted(names - set(left))))
    done = facerec("evaluate", "-m", "calibrated", "--data", people, "--format", "json")
    assert "did not expect" not in done.stderr
    assert done.returncode == 0
    found = values(done.stdout)
    assert found["identification", "rank-1"] == pytest.approx(9 / 10, abs=1e-6)
    assert found.get(("identification", "people found at the calibrated FPIR 0.01")) is None


# ------------------------------------------------------------------ groups


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.csv"
    path.write_text(
        "person,sex\nBarack Obama,men\nEmmanuel Macron,men\nRishi Sunak,men\nJacinda Ardern,women\nNobody,women\n"
    )
    return path


def test_results_are_told_by_group(facerec: Run, people: Path, groups: Path, tmp_path: Path) -> None:
    asked = ["evaluate", "--data", people, "--groups", groups]
    done = facerec(*asked, "--format", "json", "--report", "report")
    assert done.returncode == 0, done.stderr
    assert f"Warning: 1 person of {groups} not in people, or without a face: Nobody." in done.stderr
    assert "By sex: 4 people of 5 in men (3), women (1)." in done.stderr
    rows = records(done.stdout)
    everybody = [row for row in rows if row["group"] is None]
    assert {row["column"] for row in everybody} == {None}
    assert {row["measure"] for row in everybody} >= {"rank-1", "AUC"}
    found = {(row["protocol"], row["group"], row["measure"]): row for row in rows if row["column"] == "sex"}
    values_of = {key: row["value"] for key, row in found.items()}
    # Of Obama's three probes one is somebody else; Macron has five, Ardern two.
    assert values_of["identification", "men", "people found at the calibrated FPIR 0.01"] == pytest.approx(
        7 / 8, abs=1e-6
    )
    assert values_of["identification", "women", "people found at the calibrated FPIR 0.01"] == 1
    assert values_of["identification", "men", "strangers named at the calibrated FPIR 0.01"] == 0
    assert values_of["identification", "women", "strangers named at the calibrated FPIR 0.01"] is None
    # Of 6 + 15 genuine pairs of the men, the wrong photo is in three.
    assert values_of["pairs", "men", "FNMR at the calibrated 0.001"] == pytest.approx(3 / 21, abs=1e-6)
    assert values_of["pairs", "women", "FNMR at the calibrated 0.001"] == 0
    assert values_of["pairs", "women", "FMR at the calibrated 0.001, within the group"] is None
    assert values_of["pairs", "women", "FMR at the calibrated 0.001, against everybody"] == 0
    low_to_high = found["identification", "men", "people found at the calibrated FPIR 0.01"]
    assert low_to_high["low"] < low_to_high["value"] < low_to_high["high"]
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    for (protocol, group, measure), row in found.items():
        stored = metrics["protocols"][protocol]["by_group"]["sex"][group][measure]["pretrained"]
        assert (stored["value"], stored["interval_95"]) == (row["value"], [row["low"], row["high"]])
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<h3>by sex</h3>") == 2
    table = facerec(*asked)
    assert "sex men: FNMR at the calibrated 0.001" in table.stdout
    assert "sex women: people found at the calibrated FPIR 0.01" in table.stdout


@pytest.mark.parametrize(
    ("text", "about"),
    [
        (None, "No such file"),
        ("name,group\nRishi Sunak,men\n", "no column person"),
        ("person,group\nSomebody Else,men\n", "none of its persons"),
        ("person,group\nRishi Sunak\n", "line 2 has one cell"),
    ],
)
def test_what_is_no_file_of_groups_is_one_sentence(
    facerec: Run, people: Path, groups: Path, text: str | None, about: str
) -> None:
    groups.unlink() if text is None else groups.write_text(text)
    assert_refused(facerec("evaluate", "--data", people, "--groups", groups), str(groups), about)


@pytest.mark.parametrize(
    ("option", "protocol"), [("--groups", "view1"), ("--groups", "one-shot"), ("--photos", "pairs")]
)
def test_an_option_that_a_protocol_has_no_use_for_is_wrong_usage(
    facerec: Run, people: Path, groups: Path, option: str, protocol: str
) -> None:
    value = groups if option == "--groups" else "1,3"
    done = facerec("evaluate", "--data", people, "--protocol", protocol, option, value)
    assert done.returncode == 2
    assert option in done.stderr


# ------------------------------------------------------------------ the report


def test_the_report_holds_all_of_it(facerec: Run, people: Path, tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "<other>")
    asked = ["evaluate", "-m", "pretrained", "<other>", "--data", people, "--report", "out/report", "--format", "json"]
    done = facerec(*asked)
    assert done.returncode == 0, done.stderr
    assert "Wrote out/report/report.html." in done.stderr
    report = tmp_path / "out" / "report"
    assert {path.name for path in report.iterdir()} == {"report.html", "metrics.json", "pictures"}

    metrics = json.loads((report / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["data"], metrics["photos"]) == ("people", 15)
    rows = records(done.stdout)
    for row in rows:
        stored = metrics["protocols"][row["protocol"]]["measures"][row["measure"]][row["model"]]
        assert stored["value"] == row["value"]
        assert stored["interval_95"] == [row["low"], row["high"]]
        if row["model"] == "<other>":
            assert stored["difference"]["value"] == row["difference"]
    quality = metrics["protocols"]["pairs"]["error_by_quality"]["pretrained"]
    assert list(quality) == [field.name for field in fields(Quality)]

    pictures = sorted((report / "pictures").iterdir())
    assert {"pairs-roc.png", "pairs-det.png", "identification-open-set.png"} <= {path.name for path in pictures}
    for word in ("distances", "hardest-genuine", "hardest-impostor"):
        assert any(word in path.name for path in pictures)
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 100

    page = (report / "report.html").read_text(encoding="utf-8")
    inside = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert sorted(base64.b64decode(data) for data in inside) == sorted(path.read_bytes() for path in pictures)
    assert len(re.findall(r"<img ", page)) == len(inside)
    assert not re.search(r"https?:|<script|<link", page)
    assert "&lt;other&gt;" in page
    assert "<other>" not in page
    for row in rows:
        assert row["measure"] in page


def test_a_photo_of_somebody_else_is_named_and_shown(facerec: Run, people: Path, tmp_path: Path) -> None:
    done = facerec("evaluate", "--data", people, "--protocol", "identification", "--report", "report")
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if "somebody else than the name says" in line]
    wrong = "Barack Obama/4, of somebody else.png"
    assert told.endswith(f"1 of the likeliest: {wrong}.")
    found = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))["mislabelled"]
    (one,) = found["one_name_two_persons"]
    assert (one["photo"], one["nearest_photo"]) == (wrong, "Rishi Sunak.png")
    assert one["nearest_distance"] < 0.1
    assert one["distance_to_own"] > 0.7
    assert wrong in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "report" / "pictures" / "mislabelled-one-name.png").is_file()


def test_one_person_under_two_names_is_named(facerec: Run, people: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(people, tmp_path / "people"))
    (folder / "Barack Obama" / "4, of somebody else.png").unlink()
    (folder / "Prime Minister").mkdir()
    (folder / "Jacinda Ardern" / "2022.png").rename(folder / "Prime Minister" / "2022.png")
    done = facerec("evaluate", "--data", "people", "--protocol", "identification")
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if "one person under two names" in line]
    assert told.endswith("1 of the likeliest: Jacinda Ardern and Prime Minister.")


def test_a_report_that_cannot_be_written_is_told_before_the_work(facerec: Run, people: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert_refused(facerec("evaluate", "--data", people, "--report", "file/report"), "file/report", "--report")
    assert facerec("evaluate", "--data", people, "--report", "file").returncode == 2


def test_without_an_evaluation_there_is_no_report(facerec: Run, tmp_path: Path) -> None:
    assert_refused(facerec("evaluate", "--data", "missing", "--report", "report"), "missing")
    assert not (tmp_path / "report" / "report.html").exists()
    assert not (tmp_path / "report" / "metrics.json").exists()


# ------------------------------------------------------------------ data that cannot serve


@pytest.mark.parametrize("protocol", ["view1", "view2"])
def test_lfws_protocols_are_for_lfw(protocol: str, facerec: Run, people: Path) -> None:
    assert_refused(facerec("evaluate", "--data", people, "--protocol", protocol), "is not LFW", protocol, "--protocol")


def test_too_few_people_for_one_shot_trials_is_one_sentence(facerec: Run, people: Path) -> None:
    assert_refused(facerec("evaluate", "--data", people, "--protocol", "one-shot"), str(people), "20-way")


@pytest.mark.parametrize("protocol", ["all", "pairs", "identification"])
def test_a_folder_with_one_person_is_one_sentence(protocol: str, facerec: Run, people: Path, tmp_path: Path) -> None:
    shutil.copytree(people / "Jacinda Ardern", tmp_path / "one" / "Jacinda Ardern")
    assert_refused(facerec("evaluate", "--data", "one", "--protocol", protocol), str(tmp_path / "one"), "two people")


def test_people_with_one_photo_each_are_too_few_photos(facerec: Run, people: Path, tmp_path: Path) -> None:
    (tmp_path / "single").mkdir()
    for photo in people.glob("*.png"):
        shutil.copy(photo, tmp_path / "single")
    assert_refused(facerec("evaluate", "--data", "single"), str(tmp_path / "single"), "two photos")


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_photos_is_one_sentence(name: str, facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_refused(facerec("evaluate", "--data", name), str(tmp_path / name))


def test_without_data_the_default_folder_is_named(facerec: Run) -> None:
    assert_refused(facerec("evaluate"), "data/lfw")


def test_photos_that_cannot_be_used_are_told_and_the_rest_is_measured(
    facerec: Run, people: Path, evaluated: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(people, tmp_path / "people"))
    (folder / "Barack Obama" / "text.jpg").write_text("no picture")
    Image.new("RGB", (200, 200), "green").save(folder / "Barack Obama" / "grass.png")
    done = facerec("evaluate", "--data", "people", "--format", "json", "--report", "report")
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert str(folder / "Barack Obama" / "text.jpg") in error
    (warning,) = [line for line in done.stderr.splitlines() if "no face" in line]
    assert "Barack Obama/grass.png" in warning
    assert "Traceback" not in done.stderr
    assert values(done.stdout) == values(evaluated.stdout)
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["faceless"] == ["Barack Obama/grass.png"]
    (problem,) = metrics["unreadable"]
    assert error.startswith(f"Error: {problem}: ")
    assert "Barack Obama/grass.png" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


# ------------------------------------------------------------------ LFW


@pytest.fixture
def little_lfw(samples: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """A few photos under names of LFW, with pairs files of their own beside them, and the people of pairsDevTest.

    Of the seven test pairs whose photos are here, one is labelled wrongly.
    """
    folder = tmp_path / "lfw"
    side = {
        side: [person.name for person in everybody() if person.view1 == side and person.photos >= 4]
        for side in ("train", "test")
    }
    one, other, third = side["test"][:3]
    first, second = side["train"][:2]

    def save(photo: Image.Image, person: str, number: int) -> None:
        path = folder / photo_name(person, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.save(path, quality=95)

    for person, sample in ((one, "barack_obama.jpg"), (other, "jacinda_ardern_2018.jpg"), (third, "rishi_sunak.jpg")):
        save(small(samples / sample), person, 1)
        save(ImageOps.mirror(small(samples / sample)), person, 2)
    save(ImageEnhance.Brightness(small(samples / "rishi_sunak.jpg")).enhance(0.8), one, 3)
    for person, sample in ((first, "emmanuel_macron_2014.jpg"), (second, "eileen_collins_1999.png")):
        save(small(samples / sample), person, 1)
        save(ImageOps.mirror(small(samples / sample)), person, 2)
    save(small(samples / "emmanuel_macron_2025.jpg"), first, 3)
    (tmp_path / "pairsDevTest.txt").write_text(
        f"4\n{one}\t1\t2\n{one}\t1\t3\n{other}\t1\t2\n{other}\t1\t4\n"
        f"{one}\t1\t{other}\t1\n{one}\t2\t{other}\t2\n{one}\t1\t{third}\t1\n{other}\t1\t{third}\t2\n"
    )
    (tmp_path / "pairsDevTrain.txt").write_text(
        f"2\n{first}\t1\t3\n{second}\t1\t2\n{first}\t1\t{second}\t1\n{first}\t3\t{second}\t2\n"
    )
    return folder, [one, other, third]


def test_view_1_tells_of_pairs_whose_photos_are_absent_and_measures_the_others(
    facerec: Run, little_lfw: tuple[Path, list[str]]
) -> None:
    folder, (_, other, _) = little_lfw
    done = facerec("evaluate", "--data", folder, "--protocol", "view1", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert values(done.stdout)["view1", "accuracy"] == pytest.approx(6 / 7, abs=1e-6)
    (note,) = [line for line in done.stderr.splitlines() if "left out" in line]
    assert note.startswith("view1: 1 pair")
    assert photo_name(other, 4) in note


def test_view_1_is_not_measured_on_people_a_model_was_trained_on(
    facerec: Run, little_lfw: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, (one, *_) = little_lfw
    bundle(tmp_path / "models" / "trained", trained=f"{one}\n")
    asked = ["evaluate", "-m", "trained", "--data", folder]
    assert_refused(facerec(*asked, "--protocol", "view1"), one, "trained", "--protocol")
    done = facerec(*asked, "--format", "json")
    assert done.returncode == 0
    assert "Warning: A model was trained on" in done.stderr
    assert {row["protocol"] for row in records(done.stdout)} == {"pairs", "identification"}


@pytest.mark.parametrize("content", [None, "no pairs", "4\nSomebody\t1\t2\n", "1\nZoe\t1\t2\nZoe\t1\tYve\t1\n"])
def test_pairs_files_that_do_not_serve_are_one_sentence(
    content: str | None, facerec: Run, little_lfw: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder, _ = little_lfw
    (tmp_path / "pairsDevTest.txt").unlink()
    if content is not None:
        (tmp_path / "pairsDevTest.txt").write_text(content)
    done = facerec("evaluate", "--data", folder, "--protocol", "view1")
    assert_refused(done, "facerec fetch", str(tmp_path))


@pytest.mark.slow
@needs_lfw
def test_view_1_of_lfw_itself(facerec_path: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [facerec_path, "evaluate", "--data", LFW, "--protocol", "view1", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "view1: LFW View 1: 1,000 pairs of pairsDevTest, threshold from pairsDevTrain." in done.stderr
    assert "left out" not in done.stderr
    found = {row["measure"]: row for row in records(done.stdout)}
    assert found["accuracy"]["value"] > 0.99
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]
    assert found["AUC"]["value"] > 0.995
    assert math.isclose(found["equal error rate"]["value"], 1 - found["accuracy"]["value"], abs_tol=0.01)
