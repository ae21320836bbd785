"""What fails: a service that cannot start says why, and one that runs tells clients no more than they should know."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import filelock
import httpx
import pytest
from fastapi import FastAPI

from facerec_cli.errors import DatabaseError
from facerec_cli.service.guard import Guard
from facerec_cli.service.handlers import handle_problems
from facerec_cli.service.settings import Settings
from tests.conftest import Run
from tests.service.conftest import Serve, Service, photos
from tests.service.test_safety import problem, secure

NAME = "Ada Lovelace"


@pytest.fixture
def service(serve: Serve, samples: Path) -> Service:
    """With one person enrolled."""
    service = serve()
    enrolled = service.client.post("/people", data={"name": NAME}, files=photos(samples / "rishi_sunak.jpg"))
    assert enrolled.status_code == 201
    return service


def remove(database: Path) -> None:
    shutil.rmtree(database)


def damage(database: Path) -> None:
    (database / "gallery.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 40)


def cut(database: Path) -> None:
    data = (database / "gallery.h5").read_bytes()
    (database / "other.h5").write_bytes(data[: len(data) // 2])
    (database / "other.h5").replace(database / "gallery.h5")


def replace_by_a_file(database: Path) -> None:
    shutil.rmtree(database)
    database.write_text("no folder")


@pytest.mark.parametrize("spoil", [remove, damage, cut, replace_by_a_file])
def test_a_database_that_is_lost_is_told_without_its_place(
    service: Service, samples: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(service.database)
    form = photos(samples / "jacinda_ardern_2022.jpg")
    client = service.client
    answers = [
        client.get("/people"),
        client.get("/people/1"),
        client.get("/people/1/chip"),
        client.get("/service"),
        client.get("/calibration"),
        client.get("/health/ready"),
        client.post("/identify", files=form),
        client.post("/people", data={"name": "Grace Hopper"}, files=form),
        client.patch("/people/1", json={"name": "Grace Hopper"}),
    ]
    for answer in answers:
        secure(answer)
        assert str(service.database.parent) not in answer.text
        assert answer.status_code < 500 or problem(answer, 500, "database")
    assert answers[5].status_code == answers[6].status_code == 500
    assert client.get("/health/live").status_code == client.post("/detect", files=form).status_code == 200
    log = service.log.read_text(encoding="utf-8")
    assert "Traceback" not in log
    assert not re.search("ada|lovelace|hopper|jacinda", log, re.IGNORECASE)


def test_an_enrolment_waits_for_another_program_and_nobody_else_does(service: Service, samples: Path) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        with filelock.FileLock(service.database / ".lock"):
            form = photos(samples / "barack_obama.jpg")
            enrolled = elsewhere.submit(service.client.post, "/people", data={"name": "Grace"}, files=form)
            known = service.client.post("/identify", files=photos(samples / "rishi_sunak.jpg"))
            assert known.json()["photos"][0]["faces"][0]["name"] == NAME
            assert not enrolled.done()
        assert enrolled.result().status_code == 201


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_is_told_and_what_was_there_stays(
    tmp_path: Path, serve: Serve, service: Service, facerec_path: str, samples: Path
) -> None:
    service.stop()
    full = tmp_path / "facerec"
    full.write_text(f'#!/bin/bash\nulimit -f 1\nexec "{facerec_path}" "$@" 2> >(cat >&2)\n')
    full.chmod(0o755)
    log = tmp_path / "log"
    with log.open("wb") as errors:
        command = [str(full), "serve", "-db", str(service.database), "--port", "0"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
    try:
        while not (found := re.search(r"at (http://\S+/):", log.read_text(encoding="utf-8"))):
            assert process.poll() is None, log.read_text(encoding="utf-8")
        with httpx.Client(base_url=f"{found[1]}api/v1", trust_env=False, timeout=60) as client:
            form = photos(samples / "barack_obama.jpg")
            refused = client.post("/people", data={"name": "Grace"}, files=form)
            problem(refused, 500, "database")
            known = client.post("/identify", files=photos(samples / "rishi_sunak.jpg")).json()
            assert known["photos"][0]["faces"][0]["name"] == NAME
            assert client.get("/people").json()["total"] == 1
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [RuntimeError("/srv/secret of Ada"), DatabaseError("/srv/secret is lost", "look")])
def test_what_nobody_expected_is_told_without_a_word_of_it(error: Exception) -> None:
    app = FastAPI()
    handle_problems(app)

    @app.get("/api/v1/fails")
    async def fails() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(app, Settings()), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/api/v1/fails")

    answer = anyio.run(ask)
    problem(answer, 500, "internal" if isinstance(error, RuntimeError) else "database")
    secure(answer)
    assert "secret" not in answer.text and "Ada" not in answer.text


def refusal(facerec: Run, *options: str | Path, status: int = 1, **more: str) -> str:
    """What the command says, in one sentence, when it cannot serve."""
    done = facerec("serve", *options, **more)
    assert done.returncode == status, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_others_reach_nothing_without_a_token(facerec: Run, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEREC_TOKEN", raising=False)
    said = refusal(facerec, "--host", host, "--port", "0", status=2)
    assert host in said and "--token" in said and "FACEREC_TOKEN" in said


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--token", "two words"], "token"),
        (["--token", ""], "token"),
        (["--certfile", "README"], "both"),
        (["--keyfile", "README"], "both"),
        (["--remember-strangers", "soon"], "30d"),
        (["--remember-strangers", "1d", "--read-only"], "--read-only"),
        (["--port", "65536"], "65535"),
    ],
)
def test_options_that_make_no_sense_are_refused(facerec: Run, tmp_path: Path, options: list[str], part: str) -> None:
    (tmp_path / "README").write_text("no certificate")
    assert part in refusal(facerec, *options, status=2)


def test_an_address_that_is_taken_or_nobodys_is_named(facerec: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(facerec, "--port", port)
        assert port in said and "choose another" in said
    assert "192.0.2.1" in refusal(facerec, "--host", "192.0.2.1", "--token", "t", "--port", "0")
    assert "nothing.invalid" in refusal(facerec, "--host", "nothing.invalid", "--token", "t", "--port", "0")


def test_a_certificate_that_is_none_is_named(facerec: Run, tmp_path: Path) -> None:
    for name in ("certificate.pem", "key.pem"):
        (tmp_path / name).write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    said = refusal(facerec, "--certfile", "certificate.pem", "--keyfile", "key.pem", "--port", "0")
    assert "certificate" in said and "PEM" in said


def test_a_service_that_only_reads_makes_no_database(facerec: Run, tmp_path: Path) -> None:
    assert "database" in refusal(facerec, "--read-only", "--port", "0", "-db", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert "no-such" in refusal(facerec, "-m", "no-such", "--port", "0")


def test_the_extra_is_named_where_it_is_not_installed(tmp_path: Path) -> None:
    program = "import sys; sys.modules['fastapi'] = None; from facerec_cli.__main__ import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "facerec[serve]" in done.stderr and "Traceback" not in done.stderr
