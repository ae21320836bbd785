"""Videos watched through the installed command: files whole, a live source until it is told to end."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from facerec_cli.drawing.labels import KNOWN_COLOUR, UNKNOWN_COLOUR
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Stream
from tests.cli.test_interruptions import STOPPED, heed_signals
from tests.conftest import Run
from tests.delivery.hooks import hook
from tests.videos import RATE, pan, write_video

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "output.schema.json").read_text(encoding="utf-8"))
NAMES = ["Emmanuel Macron", "Jacinda Ardern", "unknown"]
"""In the order in which they pass through the film."""


@pytest.fixture(scope="module")
def film(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who are enrolled pass by, one after the other, and then somebody who is not."""
    photos = ("emmanuel_macron_2025.jpg", "jacinda_ardern_2022.jpg", "barack_obama.jpg")
    passing = chain.from_iterable(pan(samples / photo, 3) for photo in photos)
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", passing)


@pytest.fixture(scope="module")
def place(facerec_path: str, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two."""
    folder = tmp_path_factory.mktemp("watching")
    for name, photo in zip(NAMES, ("emmanuel_macron_2014.jpg", "jacinda_ardern_2018.jpg"), strict=False):
        subprocess.run([facerec_path, "enroll", "--name", name, samples / photo], cwd=folder, check=True)
    return folder


def test_each_is_named_once(facerec: Run, film: Path, place: Path) -> None:
    done = facerec("watch", film, "--format", "json", cwd=place)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["name"] for record in records] == NAMES
    for record in records:
        jsonschema.validate(record, {"$ref": "#/$defs/watch", "$defs": SCHEMA["$defs"]})
        chip = cv2.imdecode(np.frombuffer(base64.b64decode(record["chip"]), np.uint8), cv2.IMREAD_COLOR)
        assert chip is not None and chip.shape == (112, 112, 3)
        assert (record["event"], record["source"], record["time"]) == ("left", str(film), None)
    assert [record["stranger"] for record in records] == [None, None, 1]
    assert [int(record["position"] / 3) for record in records] == [0, 1, 2]
    assert all(0.5 < record["seconds"] < 3 for record in records)
    assert "90 frames looked at" in done.stderr
    assert "Seen: " in done.stderr and all(name in done.stderr for name in NAMES)


def test_a_table_has_a_line_a_visit(facerec: Run, film: Path, place: Path) -> None:
    done = facerec("watch", film, "--every", "0.2", cwd=place)
    heading, *lines, caption = done.stdout.splitlines()
    assert heading.split() == ["position", "name", "nearest", "distance", "probability", "seen", "for"]
    assert [line.split("  ")[0] for line in lines] == ["0:00:00", "0:00:03", "0:00:06"]
    assert [name in line for name, line in zip(["Emmanuel Macron", "Jacinda Ardern", "unknown 1"], lines, strict=True)]
    assert caption.startswith("A match is a distance of at most")
    assert "45 frames looked at" in done.stderr


def test_csv_says_the_same_flat(facerec: Run, film: Path, place: Path) -> None:
    done = facerec("watch", film, "--format", "csv", cwd=place)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["name"] for row in rows] == NAMES
    assert [row["stranger"] for row in rows] == ["", "", "1"]
    assert all(float(row["width"]) > 30 and float(row["quality"]) > 0.3 for row in rows)


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_an_annotated_video_has_every_frame_with_its_boxes(
    ending: str, facerec: Run, film: Path, place: Path, tmp_path: Path
) -> None:
    written = tmp_path / "out" / f"annotated{ending}"
    assert facerec("watch", film, "--annotate", written, cwd=place).returncode == 0
    assert os.listdir(written.parent) == [written.name]
    with Stream(parse_source(str(written))) as stream:
        assert (stream.size, stream.rate) == ((640, 360), RATE)
        frames = [frame.image for frame in stream]
    assert len(frames) == 9 * RATE
    for middle, colour in zip((1.5, 4.5, 7.5), (KNOWN_COLOUR, KNOWN_COLOUR, UNKNOWN_COLOUR), strict=True):
        near = np.abs(frames[int(middle * RATE)].astype(int) - colour).max(axis=2) < 40
        assert near.sum() > 500, f"no box at {middle} s"
        assert (np.abs(frames[int((middle - 1.4) * RATE)].astype(int) - colour).max(axis=2) < 40).sum() < 100


def test_a_video_of_few_frames_takes_as_long(facerec: Run, film: Path, place: Path, tmp_path: Path) -> None:
    facerec("watch", film, "--annotate", tmp_path / "few.mp4", "--every", "0.5", cwd=place)
    with Stream(parse_source(str(tmp_path / "few.mp4"))) as stream:
        assert (stream.rate, len(list(stream))) == (2, 18)


def test_programs_and_servers_are_told(facerec: Run, film: Path, place: Path, tmp_path: Path) -> None:
    heard = tmp_path / "heard.jsonl"
    program = tmp_path / "hear.py"
    program.write_text(f"import sys\nopen({str(heard)!r}, 'a').write(sys.stdin.read())\n")
    with hook() as server:
        done = facerec(
            *("watch", film, "--format", "json", "--on-event", f"{sys.executable} {program}"),
            *("--on-event", server.url),
            cwd=place,
        )
        assert done.returncode == 0, done.stderr
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert [json.loads(line) for line in heard.read_text().splitlines()] == records
        assert [post.record for post in server.posts] == records


def test_who_cannot_be_told_is_told_about(facerec: Run, film: Path, place: Path) -> None:
    done = facerec("watch", film, "--on-event", "false", cwd=place)
    assert done.returncode == 1
    assert "Warning: " in done.stderr and len(done.stdout.splitlines()) == 5
