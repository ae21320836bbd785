"""Videos watched through the installed command: files whole, a live source until it is told to end."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from facerec_cli.drawing.labels import KNOWN_COLOUR, UNKNOWN_COLOUR
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Stream
from tests.cameras import camera
from tests.cli.test_house import on_terminal
from tests.cli.test_interruptions import STOPPED, heed_signals
from tests.conftest import Run
from tests.delivery.hooks import hook
from tests.delivery.records import until
from tests.docs import blocks, parts, program
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
    assert [name for name, line in zip([*NAMES[:2], "unknown 1"], lines, strict=True) if name not in line] == []
    assert caption.startswith("A match is a distance of at most")
    assert "45 frames looked at" in done.stderr


def test_the_page_shows_what_is_told(facerec: Run, film: Path, place: Path) -> None:
    done = facerec("watch", film, cwd=place)
    (shown,) = blocks("docs/watch.md", "text")
    (told, numbers), (lines, expected) = parts(done.stdout + done.stderr), parts(shown)
    assert told == lines
    assert numbers == pytest.approx(expected, rel=0.01, abs=0.02)


def test_the_program_of_the_page_says_a_name_aloud(facerec: Run, film: Path, place: Path, tmp_path: Path) -> None:
    if not shutil.which("jq"):
        pytest.skip("there is no jq")
    for name, script in {
        "ring.sh": program("docs/watch.md", "Telling other programs", "bash"),
        "espeak": f'#!/bin/sh\necho "$@" >> {shlex.quote(str(tmp_path / "said"))}\n',
    }.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    for line in facerec("watch", film, "--format", "json", cwd=place).stdout.splitlines():
        subprocess.run([tmp_path / "ring.sh"], input=line, env=environment, text=True, timeout=30, check=True)
    assert (tmp_path / "said").read_text() == "Emmanuel Macron is at the door\nJacinda Ardern is at the door\n"


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
    assert list(written.parent.iterdir()) == [written]
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


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        ("absent.mp4", [], "absent.mp4 does not exist: "),
        ("text.mp4", [], "text.mp4 is no video that can be read: "),
        (".", [], ". is a folder: "),
        ("rtsp://ada:geheim@127.0.0.1:9/x", [], "rtsp://127.0.0.1:9/x cannot be reached "),
        ("http://ada:geheim@127.0.0.1:9/x", [], "http://127.0.0.1:9/x cannot be reached "),
        ("ftp://ada:geheim@127.0.0.1/x", [], "ftp://127.0.0.1/x is of a kind that is not watched: "),
        ("film.mp4", ["--annotate", "film.mp4"], "film.mp4 is the video that is watched: "),
        ("film.mp4", ["--annotate", "film.gif"], "film.gif is no kind of video that can be written: "),
        ("film.mp4", ["--annotate", "text.mp4/x.mp4"], "text.mp4/x.mp4 cannot be written: "),
        ("film.mp4", ["--on-event", "no-such-program"], "There is no program no-such-program"),
        ("film.mp4", ["-db", "nowhere"], "There is no database at nowhere: "),
    ],
)
def test_what_cannot_be_watched_gets_one_sentence(
    source: str, arguments: list[str], said: str, facerec: Run, film: Path, place: Path
) -> None:
    (place / "text.mp4").write_text("no video")
    if not (place / "film.mp4").exists():
        (place / "film.mp4").symlink_to(film)
    before = sorted(place.iterdir())
    done = facerec("watch", source, *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {said}")
    assert "geheim" not in line
    assert sorted(place.iterdir()) == before


def test_without_a_screen_there_is_no_window(facerec: Run, film: Path, place: Path) -> None:
    for screen in ("", ":4711"):
        under = ["env", "-u", "WAYLAND_DISPLAY", f"DISPLAY={screen}"]
        done = facerec("watch", film, "--show", "--annotate", "shown.mp4", cwd=place, under=under)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: There is no screen") and len(done.stderr.splitlines()) == 1
    assert not (place / "shown.mp4").exists()


@pytest.fixture
def screen() -> Iterator[str]:
    """A screen that nobody sees."""
    if not shutil.which("Xvfb") or not shutil.which("xdotool"):
        pytest.skip("Xvfb and xdotool are a screen and a hand for windows")
    with subprocess.Popen(["Xvfb", "-displayfd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().decode().strip()}"
        server.terminate()


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_in_the_window_ends_it_also_while_the_stream_is_lost(
    key: str, screen: str, facerec_path: str, place: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    with camera() as seen, watching(facerec_path, place, seen.url, "--show", "--format", "json") as process:
        assert process.stdout is not None and process.stderr is not None
        seen.show(samples / "jacinda_ardern_2022.jpg")
        assert json.loads(process.stdout.readline())["name"] == "Jacinda Ardern"
        if key == "Escape":
            seen.close()
            assert "is lost" in process.stderr.readline()
        search = ["xdotool", "search", "--sync", "--name", seen.url, "windowfocus", "key", key]
        subprocess.run(search, check=True, timeout=60)
        rest, said = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert "Seen: Jacinda Ardern" in said


def test_a_terminal_shows_how_far_it_is(facerec_path: str, film: Path, place: Path) -> None:
    shown = on_terminal(facerec_path, "watch", film, cwd=place)
    assert "Watching" in shown and "of 0:00:09" in shown and "frames/s" in shown
    assert "unknown 1" in shown and "Seen: " in shown


def test_nobody_enrolled_is_what_identify_says(facerec: Run, film: Path, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", "Ada", samples / "jacinda_ardern_2018.jpg")
    facerec("people", "remove", "Ada", "--yes")
    done = facerec("watch", film)
    assert done.returncode == 1
    assert done.stderr == facerec("identify", samples / "barack_obama.jpg").stderr != ""


def test_who_reads_no_more_ends_it_quietly(facerec_path: str, film: Path, place: Path) -> None:
    script = f"'{facerec_path}' watch '{film}' --format json --annotate piped.mp4 | head -n 1"
    done = subprocess.run(script, shell=True, cwd=place, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["name"] == NAMES[0]
    assert "Error" not in done.stderr and "Traceback" not in done.stderr


@contextmanager
def watching(facerec_path: str, place: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Watch for the block, with pipes for what is written."""
    process = subprocess.Popen(
        [facerec_path, "watch", *map(str, arguments)],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_arrival_is_told_at_once_and_a_signal_ends_it_whole(
    number: signal.Signals, status: int, facerec_path: str, place: Path, samples: Path, tmp_path: Path
) -> None:
    written = tmp_path / "live.mp4"
    options: list[str | Path] = ["--format", "json", "--departures", "--annotate", written]
    with camera() as seen, watching(facerec_path, place, seen.url, *options) as process:
        assert process.stdout is not None
        seen.show(samples / "jacinda_ardern_2022.jpg")
        arrived = json.loads(process.stdout.readline())
        jsonschema.validate(arrived, {"$ref": "#/$defs/watch", "$defs": SCHEMA["$defs"]})
        assert (arrived["event"], arrived["name"], arrived["source"]) == ("arrived", "Jacinda Ardern", seen.url)
        assert arrived["time"] is not None
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)
        assert process.returncode == status
    (left,) = map(json.loads, rest.splitlines())
    assert (left["event"], left["visit"], left["name"]) == ("left", arrived["visit"], "Jacinda Ardern")
    assert "Seen: Jacinda Ardern for " in said and said.endswith(STOPPED) and "Traceback" not in said
    with Stream(parse_source(str(written))) as stream:
        assert stream.rate == 15
        last = list(stream)[-1].image
    assert (np.abs(last.astype(int) - KNOWN_COLOUR).max(axis=2) < 40).sum() > 500


def test_who_is_there_is_no_news_without_departures(facerec_path: str, place: Path, samples: Path) -> None:
    with hook() as server, camera() as seen:
        options = ["--format", "csv", "--on-event", server.url]
        with watching(facerec_path, place, seen.url, *options) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("event,source,visit,name")
            seen.show(samples / "jacinda_ardern_2022.jpg")
            assert process.stdout.readline().startswith("arrived,")
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert rest == ""
        assert [post.record["event"] for post in server.posts] == ["arrived"]


def test_a_lost_stream_is_told_once_and_found_again(facerec_path: str, place: Path, samples: Path) -> None:
    with camera() as seen, watching(facerec_path, place, seen.url, "--format", "json") as process:
        assert process.stdout is not None and process.stderr is not None
        seen.show(samples / "jacinda_ardern_2022.jpg")
        assert json.loads(process.stdout.readline())["name"] == "Jacinda Ardern"
        seen.close()
        assert process.stderr.readline() == f"{seen.url} is lost; it is sought until it is back.\n"
        with camera(seen.port) as again:
            assert process.stderr.readline() == f"{seen.url} is back.\n"
            again.show(samples / "barack_obama.jpg")
            assert json.loads(process.stdout.readline())["name"] == "unknown"
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert "1 interruption." in said


def test_a_second_signal_ends_it_at_once(facerec_path: str, place: Path, samples: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    program = f"{sys.executable} -c \"open('{begun}', 'w'); import time; time.sleep(25)\""
    with camera() as seen, watching(facerec_path, place, seen.url, "--on-event", program) as process:
        seen.show(samples / "jacinda_ardern_2022.jpg")
        until(begun.exists)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        while not process.stdout.readline().startswith("A match"):  # it waits for the program
            pass
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=8)
        assert process.returncode == 130
    assert said.endswith(STOPPED)


def test_somebody_enrolled_meanwhile_is_known(facerec: Run, facerec_path: str, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    with camera() as seen, watching(facerec_path, tmp_path, seen.url, "--format", "json") as process:
        assert process.stdout is not None
        seen.show(samples / "emmanuel_macron_2025.jpg")
        first = json.loads(process.stdout.readline())
        assert first["name"] == "unknown"
        facerec("enroll", "--name", "Emmanuel Macron", samples / "emmanuel_macron_2014.jpg")
        second = json.loads(process.stdout.readline())
        assert (second["name"], second["visit"]) == ("Emmanuel Macron", first["visit"])
