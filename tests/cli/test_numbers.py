"""Distances a hair's breadth from the threshold: the decision can be followed in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from facerec_cli import Identifier, Recognizer, open_gallery
from tests.conftest import Run


@pytest.mark.parametrize("step", [-1e-7, 0.0, 1e-7])
def test_a_decision_can_be_followed_from_what_is_printed(
    step: float, facerec: Run, samples: Path, tmp_path: Path, recognizer: Recognizer
) -> None:
    photo = samples / "jacinda_ardern_2022.jpg"
    assert facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg").returncode == 0
    (face,) = Identifier(recognizer, open_gallery(tmp_path / "database")).identify(photo).faces
    threshold = face.candidates[0].distance + step
    name = "unknown" if step < 0 else "Jacinda Ardern"

    def identify(output_format: str) -> str:
        return facerec("identify", photo, "--threshold", repr(threshold), "--format", output_format).stdout

    (found,) = json.loads(identify("json"))["faces"]
    (row,) = csv.DictReader(io.StringIO(identify("csv")))
    table = identify("table")
    printed = re.findall(r"(?<![\d.x+])\d\.\d+(?! %)", table)
    shown = dict(zip(("distance", "quality", "threshold"), map(float, printed), strict=True))
    for record in (found, row, shown | {"name": name}):
        assert record["name"] == name
        assert float(record["threshold"]) == threshold
        assert (float(record["distance"]) <= threshold) == (name != "unknown")
    assert name in table

    pair = facerec("verify", "--name", "Jacinda Ardern", photo, "--threshold", repr(threshold), "--format", "json")
    verified = json.loads(pair.stdout)
    assert verified["same"] == (verified["distance"] <= verified["threshold"])


def test_a_threshold_from_a_rate_is_said_as_it_is(facerec: Run, samples: Path) -> None:
    assert facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg").returncode == 0
    photo = samples / "jacinda_ardern_2022.jpg"
    (found,) = json.loads(facerec("identify", photo, "--format", "json").stdout)["faces"]
    assert f"at most {found['threshold']}, so that" in facerec("identify", photo).stdout
    assert f"at most {found['threshold']}, so that" in facerec("people", "list").stdout


@pytest.mark.parametrize("option", ["--threshold", "--fpir"])
@pytest.mark.parametrize("number", ["nan", "inf", "-nan"])
def test_what_is_no_number_is_wrong_usage(facerec: Run, option: str, number: str) -> None:
    done = facerec("identify", option, number, "a.jpg")
    assert done.returncode == 2
    assert done.stdout == ""
