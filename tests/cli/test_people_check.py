"""What a person should look at among the people enrolled."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run


@pytest.fixture
def database(facerec: Run, samples: Path, tmp_path: Path) -> Path:
    """A person with a photo of somebody else among theirs, one with a dark photo, and one under two names."""
    dark = (np.asarray(Image.open(samples / "rishi_sunak.jpg").convert("RGB")) * 0.1).astype(np.uint8)
    Image.fromarray(dark).save(tmp_path / "dark.png")
    ardern = [f"jacinda_ardern_{year}.jpg" for year in (2018, 2022)]
    people: dict[str, list[str | Path]] = {
        "Jacinda Ardern": [*ardern, "barack_obama.jpg"],
        "Rishi Sunak": [tmp_path / "dark.png"],
        "Macron": ["emmanuel_macron_2014.jpg"],
        "Emmanuel Macron": ["emmanuel_macron_2025.jpg"],
    }
    for name, photos in people.items():
        assert facerec("enroll", "--name", name, *(samples / photo for photo in photos)).returncode == 0
    return tmp_path / "database"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_what_needs_a_look_is_listed(facerec: Run, database: Path) -> None:
    done = facerec("people", "check", "--format", "csv")
    assert done.returncode == 0
    unlike, poor, alike = rows(done.stdout)
    assert (unlike["finding"], unlike["name"], unlike["photo"]) == ("unlike", "Jacinda Ardern", "barack_obama.jpg")
    assert float(unlike["distance"]) > 0.8
    assert (database / unlike["chip"]).is_file()
    assert (poor["finding"], poor["name"], poor["complaint"]) == ("poor", "Rishi Sunak", "it is very dark")
    assert (alike["finding"], {alike["name"], alike["other"]}) == ("alike", {"Macron", "Emmanuel Macron"})
    assert done.stderr == (
        "Looked at 6 photos of 4 people: 1 photo unlike the others of the name, 1 photo of poor quality, "
        "no photo without a chip, 1 pair of names who may be one person.\n"
    )
    assert "barack_obama.jpg" in facerec("people", "check").stdout


def test_what_was_listed_is_mended_and_then_nothing_is_found(facerec: Run, database: Path) -> None:
    (sha256,) = (row["sha256"] for row in rows(facerec("people", "check", "--format", "csv").stdout)[:1])
    assert facerec("people", "remove", "Jacinda Ardern", "--photo", sha256, "--yes").returncode == 0
    assert facerec("people", "remove", "Rishi Sunak", "--yes").returncode == 0
    assert facerec("people", "merge", "Macron", "Emmanuel Macron").returncode == 0
    done = facerec("people", "check", "--format", "json")
    assert done.stdout == ""
    assert done.stderr.endswith(
        "4 photos of 2 people: no photo unlike the others of the name, no photo of poor quality, "
        "no photo without a chip, no pair of names who may be one person.\n"
    )


def test_a_lost_chip_is_told_and_the_rest_is_looked_at(facerec: Run, database: Path) -> None:
    for chip in (database / "faces").glob("rishi*/*.jpg"):
        chip.unlink()
    kinds = [row["finding"] for row in rows(facerec("people", "check", "--format", "csv").stdout)]
    assert kinds == ["unlike", "lost", "alike"]


def test_nobody_enrolled_is_told(facerec: Run, tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    done = facerec("people", "check")
    assert done.returncode == 1
    assert "Nobody is enrolled" in done.stderr
