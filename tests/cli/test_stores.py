"""People on a PostgreSQL server, from the command line: the same answers as from a folder, and no password anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facerec_cli import open_gallery
from tests.conftest import Run
from tests.gallery.faces import OTHER_COMPARISON, face, unit
from tests.servers import Server, postgres_server
from tests.videos import pan, write_video

PASSWORD = "Zitr0ne/äh"
ENCODED = "Zitr0ne%2F%C3%A4h"
ARDERN, MACRON = "Jacinda Ardern", "Emmanuel Macron"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that asks for passwords."""
    with postgres_server(passwords=True) as server:
        yield server


@pytest.fixture
def url(guarded: Server) -> str:
    """Of an empty database, with its user's password."""
    return guarded.create_database(PASSWORD).replace("@", f":{ENCODED}@", 1)


Quiet = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def quiet(facerec: Run) -> Quiet:
    """Run the command, with --debug too where it fails: the password is never told."""

    def run(*arguments: str | Path, status: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
        done = facerec(*arguments, **options)
        told = [done]
        if status:
            told.append(facerec("--debug", *arguments, **options))
        for one in told:
            for secret in (PASSWORD, ENCODED, "Zitr0ne"):
                assert secret not in one.stdout + one.stderr, arguments
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def enrol(facerec: Run, samples: Path, database: str | Path) -> None:
    for name, photo in {ARDERN: "jacinda_ardern_2018.jpg", MACRON: "emmanuel_macron_2014.jpg"}.items():
        assert facerec("enroll", "-db", database, "--name", name, samples / photo).returncode == 0


def answers(run: Quiet, *arguments: str | Path) -> list[dict[str, object]]:
    lines = run(*arguments, "--format", "json").stdout.splitlines()
    # When somebody was enrolled, and how a store names a chip, are its own.
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("enrolled", "chip")} for line in lines
    ]


def test_a_server_answers_as_a_folder_does(quiet: Quiet, facerec: Run, url: str, samples: Path, tmp_path: Path) -> None:
    shown = url.replace(f":{ENCODED}", "")
    assert quiet("people", "init", "-db", url).stderr.startswith(f"{shown}: applied 0001")
    assert quiet("people", "init", "-db", url).stderr == f"{shown} is up to date.\n"
    assert quiet("people", "list", "-db", url).stderr.startswith(f"Nobody is enrolled in {shown}: ")
    film = write_video(tmp_path / "film.mp4", pan(samples / "jacinda_ardern_2022.jpg"))
    (tmp_path / "photos").mkdir()
    for photo in ("jacinda_ardern_2022.jpg", "barack_obama.jpg"):
        (tmp_path / "photos" / photo).write_bytes((samples / photo).read_bytes())
    for database in (url, "folder"):
        done = quiet("enroll", "-db", database, "--name", ARDERN, samples / "jacinda_ardern_2018.jpg")
        assert f"Enrolled 1 photo of 1 person in {database.replace(f':{ENCODED}', '')}, " in done.stderr
    for name, photo in {MACRON: "emmanuel_macron_2014.jpg", "Rishi": "rishi_sunak.jpg"}.items():
        for database in (url, "folder"):
            quiet("enroll", "-db", database, "--name", name, samples / photo)
    for arguments in (
        ("identify", "-r", samples, "--top", "3", "--no-index"),
        ("find", ARDERN, "photos"),
        ("cluster", "photos"),
        ("tag", "--dry-run", "photos"),
        ("verify", "--name", ARDERN, samples / "jacinda_ardern_2022.jpg"),
        ("watch", film),
        ("people", "list"),
        ("people", "show", ARDERN),
        ("people", "check"),
        ("people", "lookalikes"),
        ("people", "export"),
    ):
        assert answers(quiet, *arguments, "-db", url) == answers(quiet, *arguments, "-db", "folder"), arguments
    quiet("blur", "photos", "--keep", ARDERN, "--out", "blurred", "-db", url)
    for database in (url, "folder"):
        quiet("people", "rename", "Rishi", "Rishi Sunak", "-db", database)
        quiet("enroll", "-db", database, "--name", "Jacinda", samples / "jacinda_ardern_2022.jpg")
        quiet("people", "merge", "Jacinda", ARDERN, "-db", database)
        quiet("people", "remove", ARDERN, "--photo", "jacinda_ardern_2018.jpg", "--yes", "-db", database)
        quiet("people", "remove", MACRON, "--yes", "-db", database)
    assert answers(quiet, "people", "export", "-db", url) == answers(quiet, "people", "export", "-db", "folder")
    assert quiet("people", "rebuild", "-db", url, status=1).stderr == (
        f"Error: {shown} is no folder, and has no index of its own to rebuild: name a folder.\n"
    )


def test_people_go_to_a_server_and_back_bit_by_bit(quiet: Quiet, url: str, samples: Path, tmp_path: Path) -> None:
    enrol(quiet, samples, "first")
    done = quiet("people", "copy", "first", url)
    shown = url.replace(f":{ENCODED}", "")
    copied, compared = done.stderr.splitlines()
    assert copied.startswith(f"Copied 2 photos from first to {shown}, ")
    assert compared.startswith(f"{shown} holds 2 photos of 2 people, all as they are in first: SHA-256 ")
    quiet("people", "copy", url, "second")
    first, second = (
        {path.relative_to(tmp_path / place): path.read_bytes() for path in sorted((tmp_path / place).rglob("*.jpg"))}
        for place in ("first", "second")
    )
    assert len(first) == 2
    assert first == second
    one, other = (quiet("people", "export", "-db", place).stdout for place in ("first", "second"))
    assert one == other
    assert "Copied 0 photos" in quiet("people", "copy", "first", url).stderr
    enrol_again = quiet("people", "copy", "first", "first", status=1)
    assert enrol_again.stderr.startswith("Error: first is where these people are already: ")


def test_the_server_may_search_in_place_of_the_process(quiet: Quiet, url: str, samples: Path) -> None:
    enrol(quiet, samples, url)
    asked = ("identify", samples / "jacinda_ardern_2022.jpg", samples / "barack_obama.jpg", "-db")
    expected = answers(quiet, *asked, url)
    assert "applied the index for search=hnsw." in quiet("people", "migrate", "-db", f"{url}?search=hnsw").stderr
    for search in ("server", "hnsw"):
        assert answers(quiet, *asked, f"{url}?search={search}") == expected


def test_a_copy_that_lacks_a_lost_chip_ends_with_status_1(quiet: Quiet, samples: Path, tmp_path: Path) -> None:
    enrol(quiet, samples, "first")
    next((tmp_path / "first").rglob("faces/jacinda*/*.jpg")).unlink()
    done = quiet("people", "copy", "first", "second", status=1)
    assert re.search(r"Error: The chip first/faces/\S+ of Jacinda Ardern is missing", done.stderr)
    assert "second holds 1 photo of 1 person, all as they are in first: SHA-256 " in done.stderr


def test_ctrl_c_keeps_what_was_copied(quiet: Quiet, facerec_path: str, tmp_path: Path) -> None:
    # By another model, so that each takes its time.
    faces = [face(f"Person {number}", unit(1, number), number) for number in range(400)]
    open_gallery(tmp_path / "first", create=True).add(OTHER_COMPARISON, faces)
    copying = subprocess.Popen(
        [facerec_path, "people", "copy", "first", "second"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    target = open_gallery(tmp_path / "second", create=True)
    while not target.snapshot().photo_counts() and copying.poll() is None:
        time.sleep(0.05)
    copying.send_signal(signal.SIGINT)
    _, said = copying.communicate(timeout=60)
    assert (copying.returncode, said) == (130, "Stopped; what was finished is kept.\n")
    there = sum(person.photos for person in target.snapshot().people())
    assert 0 < there < 400
    assert f"Copied {400 - there} photos from first to second, " in quiet("people", "copy", "first", "second").stderr


def test_what_is_there_besides_is_said(quiet: Quiet, samples: Path) -> None:
    enrol(quiet, samples, "first")
    quiet("enroll", "-db", "second", "--name", "Barack Obama", samples / "barack_obama.jpg")
    done = quiet("people", "copy", "first", "second")
    assert done.stderr.splitlines()[-1] == "second holds 1 photo and 1 person besides."


@pytest.mark.parametrize("arguments", [["init"], ["migrate"]])
def test_a_folder_has_nothing_to_prepare(arguments: list[str], quiet: Quiet) -> None:
    done = quiet("people", *arguments, "-db", "folder", status=1)
    assert "folder" in done.stderr
    assert not Path("folder").exists()


def test_what_a_server_refuses_is_told_without_the_password(
    quiet: Quiet, url: str, guarded: Server, samples: Path
) -> None:
    quiet("people", "init", "-db", url)
    host = f"127.0.0.1:{guarded.port}"
    for wrong in (
        url.replace(ENCODED, f"{ENCODED}x"),
        url.replace(host, "127.0.0.1:1"),
        url.replace("/gallery", "/no_gallery"),
        url.replace("postgresql://", "mysql://"),
        url.replace(host, f"{host}x"),
        f"{url}?schema=other",
        f"{url}?search=telepathy",
        f"{url}?no_such_parameter=1",
    ):
        for arguments in (
            ("identify", samples / "rishi_sunak.jpg", "-db", wrong),
            ("people", "list", "-db", wrong),
            ("serve", "--read-only", "--port", "0", "-db", wrong),
        ):
            done = quiet(*arguments, status=1)
            assert done.stderr.startswith("Error: "), wrong
            assert len(done.stderr.splitlines()) == 1, done.stderr


def test_without_the_extra_a_sentence_says_how_to_get_it(tmp_path: Path, url: str) -> None:
    (tmp_path / "psycopg.py").write_text("raise ModuleNotFoundError(\"No module named 'psycopg'\", name='psycopg')")
    called = ["facerec", "people", "list", "-db", url]
    script = f"import sys; from facerec_cli.cli import main; sys.argv = {called!r}; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1
    assert "pip install 'facerec[postgres]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Zitr0ne" not in done.stderr
