from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.composed import side_by_side
from tests.conftest import Run

EXACT = ["identify", "-db", "database", "-m", "pretrained", "-i"]


@pytest.fixture
def enrolled(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """A folder with a database of two people."""
    for name, photo in [("Emmanuel Macron", "emmanuel_macron_2014.jpg"), ("Jacinda Ardern", "jacinda_ardern_2018.jpg")]:
        done = facerec("enroll", "--name", name, samples / photo)
        assert done.returncode == 0, done.stderr
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_whole_way_as_the_readme_writes_it(facerec: Run, enrolled: Path, samples: Path) -> None:
    photos = ["emmanuel_macron_2025.jpg", "jacinda_ardern_2022.jpg", "barack_obama.jpg", "eileen_collins_1999.png"]
    done = facerec(*EXACT, *(samples / photo for photo in photos))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for line, name in zip(lines[1:], ["Emmanuel Macron", "Jacinda Ardern", "unknown", "unknown"], strict=False):
        assert re.split(r"\s{2,}", line)[1] == name
    assert "2 people enrolled" in done.stdout


def test_options_may_follow_the_photos_of_i(facerec: Run, enrolled: Path, samples: Path) -> None:
    one, other, third = samples / "barack_obama.jpg", samples / "rishi_sunak.jpg", samples / "jacinda_ardern_2022.jpg"
    done = facerec("identify", "-i", one, other, "--format", "csv", "-i", third, "-db", "database")
    assert [Path(row["photo"]).name for row in rows(done.stdout)] == [one.name, other.name, third.name]


def test_folders_and_standard_input(facerec: Run, enrolled: Path, samples: Path) -> None:
    folder = facerec("identify", "-r", samples, "--format", "csv")
    assert len(rows(folder.stdout)) == 7
    listed = "\n".join(str(path) for path in sorted(samples.glob("*_20*.jpg")))
    piped = facerec("identify", "-", "--format", "csv", input=listed)
    assert [row["name"] for row in rows(piped.stdout)] == ["Emmanuel Macron"] * 2 + ["Jacinda Ardern"] * 2
    refused = facerec("identify", samples)
    assert refused.returncode == 1
    assert "is a folder" in refused.stderr


def test_one_bad_photo_is_told_and_the_others_are_done(facerec: Run, enrolled: Path, samples: Path) -> None:
    (enrolled / "text.jpg").write_text("no picture")
    Image.new("RGB", (64, 64)).save(enrolled / "black.png")
    done = facerec("identify", "absent.jpg", "text.jpg", "black.png", samples / "jacinda_ardern_2022.jpg")
    assert done.returncode == 1
    assert "absent.jpg does not exist" in done.stderr
    assert "text.jpg is damaged or not a picture" in done.stderr
    assert "Traceback" not in done.stderr
    assert "(no face)" in done.stdout
    assert "Jacinda Ardern" in done.stdout


def test_top_lists_the_nearest_people_in_every_format(facerec: Run, enrolled: Path, samples: Path) -> None:
    photo = samples / "jacinda_ardern_2022.jpg"
    (line,) = facerec("identify", photo, "--top", "5", "--format", "json").stdout.splitlines()
    (face,) = json.loads(line)["faces"]
    names = ["Jacinda Ardern", "Emmanuel Macron"]
    assert [candidate["name"] for candidate in face["candidates"]] == names
    table = rows(facerec("identify", photo, "--top", "5", "--format", "csv").stdout)
    assert [(row["rank"], row["candidate"]) for row in table] == [("1", names[0]), ("2", names[1])]
    assert names[1] in facerec("identify", photo, "--top", "2").stdout


def test_rates_and_thresholds(facerec: Run, enrolled: Path, samples: Path) -> None:
    photo = samples / "jacinda_ardern_2022.jpg"

    def threshold(*options: str) -> float:
        return float(rows(facerec("identify", photo, "--format", "csv", *options).stdout)[0]["threshold"])

    assert threshold("--fpir", "0.1") > threshold() > threshold("--fpir", "0.0001")
    assert threshold("--threshold", "0.3") == 0.3
    for wrong in (["--fpir", "0"], ["--fpir", "1"], ["--threshold", "-1"], ["--top", "0"]):
        assert facerec("identify", photo, *wrong).returncode == 2


def test_annotated_copies(facerec: Run, enrolled: Path, samples: Path) -> None:
    before = (samples / "jacinda_ardern_2022.jpg").read_bytes()
    done = facerec("identify", samples / "jacinda_ardern_2022.jpg", "--annotate", "out")
    assert done.returncode == 0
    with Image.open(enrolled / "out" / "jacinda_ardern_2022.jpg") as copy:
        assert copy.size == (689, 900)
    assert (samples / "jacinda_ardern_2022.jpg").read_bytes() == before


def test_an_unknown_model_lists_the_models(facerec: Run, enrolled: Path, samples: Path) -> None:
    done = facerec("identify", "-db", "database", "-m", "saved_best", "-i", "img1.jpg", "img2.jpg")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "'saved_best'" in sentence
    assert "those there are (pretrained)" in sentence


def test_without_a_database_or_people_it_says_how_to_enrol(facerec: Run, samples: Path, tmp_path: Path) -> None:
    done = facerec("identify", samples / "barack_obama.jpg")
    assert done.returncode == 1
    assert "facerec enroll" in done.stderr
    (tmp_path / "database").mkdir()
    done = facerec("identify", samples / "barack_obama.jpg")
    assert done.returncode == 1
    assert "Nobody is enrolled in database" in done.stderr


def test_enrolling_a_folder_of_people(facerec: Run, samples: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    (people / "Emmanuel Macron").mkdir(parents=True)
    for photo in samples.glob("emmanuel*.jpg"):
        shutil.copy(photo, people / "Emmanuel Macron")
    shutil.copy(samples / "barack_obama.jpg", people / "Barack Obama.jpg")
    (people / "notes.txt").write_text("no photo")
    done = facerec("enroll", people)
    assert done.returncode == 0
    assert "Enrolled 3 photos of 2 people" in done.stderr
    assert "photos/s" in done.stderr
    listed = rows(facerec("people", "list", "--format", "csv").stdout)
    assert {row["name"]: row["photos"] for row in listed} == {"Emmanuel Macron": "2", "Barack Obama": "1"}
    again = facerec("enroll", people)
    assert again.returncode == 0
    assert again.stderr.count("already enrolled") == 3
    assert "Enrolled 0 photos" in again.stderr


def test_refusals_say_why_and_the_rest_is_enrolled(facerec: Run, samples: Path, tmp_path: Path) -> None:
    side_by_side(tmp_path / "both.jpg", (samples / "barack_obama.jpg", 900), (samples / "rishi_sunak.jpg", 900))
    Image.new("RGB", (200, 200), "green").save(tmp_path / "grass.png")
    done = facerec("enroll", "--name", "Somebody", "both.jpg", "grass.png", samples / "eileen_collins_1999.png")
    assert done.returncode == 1
    assert "both.jpg shows 2 faces" in done.stderr
    assert "--largest" in done.stderr
    assert "grass.png shows no face" in done.stderr
    assert "Enrolled 1 photo of 1 person" in done.stderr
    assert facerec("enroll", "--name", "Biggest", "both.jpg", "--largest").returncode == 0


def test_what_people_have_is_enrolled_with_a_word_about_it(facerec: Run, samples: Path, tmp_path: Path) -> None:
    ardern = [samples / f"jacinda_ardern_{year}.jpg" for year in (2018, 2022)]
    folder = tmp_path / "people" / "Jacinda Ardern"
    folder.mkdir(parents=True)
    side_by_side(folder / "bystander.jpg", (ardern[0], 700), (samples / "rishi_sunak.jpg", 300))
    side_by_side(folder / "two.jpg", (samples / "barack_obama.jpg", 700), (ardern[1], 700))
    shutil.copy(samples / "barack_obama.jpg", folder / "wrong.jpg")
    shutil.copy(ardern[1], folder / "z.jpg")
    done = facerec("enroll", "people", "--format", "csv")
    assert done.returncode == 0
    bystander, two, wrong, alone = rows(done.stdout)
    assert re.fullmatch(
        r".*bystander\.jpg shows 2 faces; the largest, \d\.\d times the other, was taken", bystander["note"]
    )
    assert "the one that recurs in the photos of Jacinda Ardern was taken" in two["note"]
    assert [row["unlike_distance"] != "" for row in (bystander, two, wrong, alone)] == [False, False, True, False]
    assert f"Warning: {bystander['note']}.\n" in done.stderr
    told = re.search(
        r"wrong\.jpg does not look like the other photos of Jacinda Ardern \(distance (0\.\d+)\)", done.stderr
    )
    assert told
    assert float(told[1]) == pytest.approx(float(wrong["unlike_distance"]), abs=1e-3)
    done = facerec("verify", folder / "bystander.jpg", ardern[1])
    assert "same person" in done.stdout
    assert "the largest" in done.stderr


def test_wrong_usage(facerec: Run, samples: Path, tmp_path: Path) -> None:
    assert facerec("enroll").returncode == 2
    assert facerec("enroll", samples / "barack_obama.jpg").returncode == 2
    assert facerec("identify").returncode == 2
    assert facerec("verify", samples / "barack_obama.jpg").returncode == 2
    assert facerec("nonsense").returncode == 2
    (tmp_path / "nobody").mkdir()
    done = facerec("enroll", "nobody")
    assert done.returncode == 1
    assert "holds no photo" in done.stderr


def test_verify(facerec: Run, enrolled: Path, samples: Path) -> None:
    one, other = samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg"
    assert "same person" in facerec("verify", one, other).stdout
    assert "different people" in facerec("verify", one, samples / "barack_obama.jpg").stdout
    assert rows(facerec("verify", "-i", one, other, "--format", "csv").stdout)[0]["same"] == "True"
    assert "same person" in facerec("verify", "--name", "Jacinda Ardern", other).stdout
    done = facerec("verify", "--name", "Nobody", other)
    assert done.returncode == 1
    assert "Nobody named 'Nobody'" in done.stderr


def _start_enrolling(facerec_path: str, folder: Path, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [facerec_path, "enroll", str(folder), "--format", "json"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _variants(samples: Path, folder: Path, count: int) -> Path:
    """Many different photos of the sample people: each with another brightness of its lower edge."""
    folder.mkdir()
    photos = [Image.open(path).convert("RGB").resize((160, 200)) for path in sorted(samples.glob("*.jpg"))]
    for number in range(count):
        photo = photos[number % len(photos)].copy()
        photo.paste((number % 256, number // 256, 0), (0, 198, 160, 200))
        photo.save(folder / f"person {number}.png")
    return folder


@pytest.mark.parametrize("round_number", range(10))
def test_killed_at_any_moment_what_was_reported_is_there(
    round_number: int, facerec_path: str, samples: Path, tmp_path: Path
) -> None:
    folder = _variants(samples, tmp_path / "people", 120)
    reported: set[str] = set()
    # Five kills a round, each a little later than the one before, all into one database; every other one counts from
    # the first photo reported, so that there is one however slow the machine.
    for kill in range(5):
        process = _start_enrolling(facerec_path, folder, tmp_path)
        assert process.stdout is not None
        first = process.stdout.readline() if kill % 2 else ""
        time.sleep((0 if first else 0.25) + 0.13 * kill + 0.041 * round_number)
        process.send_signal(signal.SIGKILL)
        output = first + process.stdout.read()
        process.wait()
        complete = [line for line in output.splitlines() if line.endswith("}")]
        reported |= {json.loads(line)["name"] for line in complete if '"refused"' not in line}
    done = subprocess.run(
        [facerec_path, "people", "list", "--format", "csv"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert reported
    assert reported <= {row["name"] for row in rows(done.stdout)}


def _heed_interrupts() -> None:
    """Undo what a shell without job control does to its background: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_keeps_what_was_finished(facerec_path: str, samples: Path, tmp_path: Path) -> None:
    folder = _variants(samples, tmp_path / "people", 400)
    with (tmp_path / "errors.txt").open("w+") as errors:
        process = subprocess.Popen(
            [facerec_path, "enroll", folder, "--format", "json"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509
        )
        # One reader for the whole of it: communicate() would lose what readline() had buffered.
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        reported = {json.loads(line)["name"] for line in [first, *process.stdout]}
        assert process.wait(timeout=60) == 130
        errors.seek(0)
        said = errors.read()
    assert "Stopped; what was finished is kept." in said
    assert "Traceback" not in said
    listed = subprocess.run(
        [facerec_path, "people", "list", "--format", "csv"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    names = {row["name"] for row in rows(listed.stdout)}
    assert reported <= names
    assert len(names) < 400


def test_four_enrolments_at_once_lose_nothing(facerec_path: str, facerec: Run, samples: Path, tmp_path: Path) -> None:
    writers = []
    for number in range(4):
        folder = _variants(samples, tmp_path / f"part{number}", 12)
        for photo in folder.iterdir():
            photo.rename(photo.with_name(f"{number}-{photo.name}"))
        writers.append(_start_enrolling(facerec_path, folder, tmp_path))
    answers = []
    while any(writer.poll() is None for writer in writers):
        if (tmp_path / "database" / "gallery.h5").exists():
            answers.append(facerec("people", "list", "--format", "csv"))
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    assert all(answer.returncode == 0 for answer in answers), [answer.stderr for answer in answers]
    assert len(rows(facerec("people", "list", "--format", "csv").stdout)) == 48


def test_a_reader_that_stops_early_hears_no_complaint(facerec_path: str, enrolled: Path, samples: Path) -> None:
    script = f"'{facerec_path}' identify -r '{samples}' --format csv | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=enrolled, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("photo,")
    assert done.stderr == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable")
def test_what_cannot_be_written_is_told(facerec: Run, enrolled: Path, samples: Path, tmp_path: Path) -> None:
    made = subprocess.run(["chattr", "+i", enrolled / "database" / "faces"], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("this file system has no immutable folders")
    try:
        done = facerec("enroll", "--name", "Barack Obama", samples / "barack_obama.jpg")
    finally:
        subprocess.run(["chattr", "-i", enrolled / "database" / "faces"], check=True)
    assert done.returncode == 1
    assert "permissions" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(rows(facerec("people", "list", "--format", "csv").stdout)) == 2
