"""--ray on the real command: joined to a cluster on the loopback, and starting Ray itself; and photos by URL."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Run

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster


@pytest.fixture
def people(samples: Path, tmp_path: Path) -> Path:
    """A folder of people, one of whom has a photo that is none."""
    folder = tmp_path / "people"
    for photo in samples.glob("*.jpg"):
        person = folder / photo.stem.rpartition("_")[0]
        person.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, person)
    (folder / "barack" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return folder


def timeless(text: str) -> str:
    """What a command said, without how long it took."""
    return re.sub(r", \d+\.\d s(, \d+\.\d photos/s)?", "", text)


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (("enroll", "people", "--format", "json"), "database"),
        (("index", "people", "--index", "photos.sqlite3"), "photos.sqlite3"),
        (("evaluate", "--data", "people"), "people.chips.h5"),
        (("models", "calibrate", "--data", "people"), "people.chips.h5"),
    ],
)
def test_a_command_does_and_says_the_same(
    facerec: Run, nodes: Cluster, people: Path, arguments: tuple[str, ...], made: str
) -> None:
    place = people.parent / made
    plain = facerec(*arguments)
    assert place.exists()
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    by_ray = facerec(*arguments, "--ray", nodes.address)
    assert place.exists()
    assert timeless(by_ray.stderr) == timeless(plain.stderr)
    assert (by_ray.returncode, by_ray.stdout) == (plain.returncode, plain.stdout)
    assert "broken.jpg" in plain.stderr


def test_without_an_address_ray_is_started_for_the_work_alone(facerec: Run, people: Path) -> None:
    pytest.importorskip("ray")
    done = facerec("enroll", people, "--ray")
    error, summary = done.stderr.splitlines()
    assert "broken.jpg is damaged" in error
    assert summary.startswith("Enrolled 6 photos of 4 people in database")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_finished_is_kept_when_it_is_stopped(
    facerec: Run, facerec_path: str, nodes: Cluster, samples: Path, tmp_path: Path, number: int, status: int
) -> None:
    (folder := tmp_path / "people").mkdir()
    photo = (samples / "barack_obama.jpg").read_bytes()
    for copy in range(1_000):
        (folder / f"{copy}.jpg").write_bytes(photo + str(copy).encode())
    with (tmp_path / "errors.txt").open("w+") as errors:
        process = subprocess.Popen(
            [facerec_path, "enroll", folder, "--format", "json", "--ray", nodes.address],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        reported = {json.loads(line)["name"] for line in [first, *process.stdout] if line.endswith("}\n")}
        assert process.wait(timeout=60) == status
        errors.seek(0)
        said = errors.read().splitlines()
    assert said[-1] == "Stopped; what was finished is kept."
    assert all(line.startswith("Warning: ") for line in said[:-1])
    listed = facerec("people", "list", "--format", "json").stdout.splitlines()
    names = {json.loads(line)["name"] for line in listed}
    assert reported <= names
    assert len(names) < 1_000


def test_a_cluster_that_is_not_there_is_told(facerec: Run, people: Path) -> None:
    pytest.importorskip("ray")
    done = facerec("enroll", people, "--ray", "127.0.0.1:1")
    assert done.returncode == 1
    assert re.fullmatch(r"Error: The Ray cluster 127\.0\.0\.1:1 cannot be joined \(.*\): check its .*\.\n", done.stderr)
    assert not (people.parent / "database").exists()


def test_what_is_no_address_is_told(facerec: Run, people: Path) -> None:
    done = facerec("enroll", "--ray", people)
    assert done.returncode == 2
    assert f"'{people}' is no address of a cluster" in done.stderr


def test_ray_that_is_missing_is_told(facerec: Run, people: Path, tmp_path: Path) -> None:
    (tmp_path / "site" / "ray").mkdir(parents=True)
    (tmp_path / "site" / "ray" / "__init__.py").write_text("raise ImportError('No module named ray', name='ray')\n")
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = facerec("enroll", people, "--ray", under=["env", f"PYTHONPATH={path}"])
    assert done.returncode == 1
    assert "pip install 'facerec[ray]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_people_come_by_url(facerec: Run, people: Path) -> None:
    pytest.importorskip("fsspec")
    plain = facerec("enroll", people, "--format", "json", "-db", "plain")
    by_url = facerec("enroll", f"file://{people}", "--format", "json", "-db", "other/plain")
    assert by_url.stdout.replace("file://", "") == plain.stdout
    assert by_url.stderr.replace("file://", "").splitlines()[:-1] == (plain.stderr.splitlines()[:-1])
    named = facerec("enroll", f"file://{people}/barack", "--name", "Barack Obama")
    assert "Enrolled 1 photo of 1 person" in named.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("file:///no/such/folder",), "Error: file:///no/such/folder does not exist: check the URL.\n"),
        (("foo://bucket/people",), "Error: foo://bucket/people cannot be read (Protocol not known: foo): "),
        (("file://{people}/barack/barack_obama.jpg",), "Whose photo is file://"),
        (("ftp://ada:se%20cret@127.0.0.1:1/people",), "A URL with a password would be shown"),
        (("s3://bucket/people", "--from-regions"), "--from-regions reads photos and their sidecars in folders"),
    ],
)
def test_urls_that_lead_nowhere_are_told(facerec: Run, people: Path, arguments: tuple[str, ...], said: str) -> None:
    pytest.importorskip("fsspec")
    done = facerec("enroll", *(argument.format(people=people) for argument in arguments))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "cret" not in done.stderr
