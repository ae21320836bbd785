"""docs/serve.md does what it says, and the files that it names are sound."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facerec_cli.service.jobs import MOST_WAITING
from facerec_cli.service.json_body import MOST
from facerec_cli.service.live import MOST_EVENTS, MOST_VIEWERS
from facerec_cli.service.settings import Limits
from tests.cameras import camera
from tests.docs import ROOT, program
from tests.service.conftest import Serve, Service

TOKEN = "a-token-of-this-test"
PAGE = "docs/serve.md"


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve("--remember-strangers", "1h", token=TOKEN)


def test_the_page_runs_from_its_top_to_its_end(service: Service, samples: Path, tmp_path: Path) -> None:
    sources = {
        "ada.jpg": "jacinda_ardern_2018.jpg",
        "party.jpg": "jacinda_ardern_2022.jpg",
        "street.jpg": "barack_obama.jpg",
    }
    for name, sample in sources.items():
        shutil.copy(samples / sample, tmp_path / name)

    def run(command: list[str], shown: str) -> str:
        asked = shown.replace("http://127.0.0.1:8080/", service.url)
        environment = {**os.environ, "FACEREC_TOKEN": TOKEN, "NO_PROXY": "*"}
        done = subprocess.run(
            [*command, asked], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    decoder = json.JSONDecoder()
    told = run(["bash", "-euc"], program(PAGE, "With curl", "bash"))
    enrolled, end = decoder.raw_decode(told)
    identified, _ = decoder.raw_decode(told[end:].lstrip())
    assert enrolled["person"]["name"] == identified["photos"][0]["faces"][0]["name"] == "Ada Lovelace"
    assert identified["threshold"]["fpir"] == 0.001
    printed = run([sys.executable, "-c"], program(PAGE, "From a program"))
    assert printed.splitlines() == ["party.jpg ['Ada Lovelace']", "street.jpg ['unknown']"]


def test_the_program_that_listens_hears_who_comes(serve: Serve, samples: Path) -> None:
    with camera() as door:
        door.show(samples / "jacinda_ardern_2018.jpg")
        watching = serve("--watch", door.url, token=TOKEN)
        code = program(PAGE, "Live").replace("http://127.0.0.1:8080/", watching.url)
        environment = {**os.environ, "FACEREC_TOKEN": TOKEN, "NO_PROXY": "*", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as listening:
            assert listening.stdout
            assert listening.stdout.readline().startswith(f"1 {door.url} ")
            assert listening.stdout.readline().endswith(" arrived unknown\n")
            listening.kill()


def test_the_table_has_every_route_and_no_other(service: Service) -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    rows = "\n".join(line.split("|")[1] for line in text.splitlines() if re.match(r"\| `(GET|POST)", line))
    paths = service.client.get("/openapi.json").json()["paths"]
    there = {(method.upper(), path.removeprefix("/api/v1")) for path, methods in paths.items() for method in methods}
    rows = rows.replace(
        "`GET`, `PATCH`, `DELETE /people/{person}`",
        "GET /people/{person} PATCH /people/{person} DELETE /people/{person}",
    )
    assert set(re.findall(r"(GET|POST|PATCH|DELETE) (/[\w/{}]+)", rows)) == there


def test_the_limits_are_those_in_force() -> None:
    text, limits = (ROOT / PAGE).read_text(encoding="utf-8"), Limits()
    kilo, mega = 10, 20
    small, together = MOST >> kilo, limits.bytes_in_work >> 30
    for told in (
        f"{limits.photos} photos, {limits.request_bytes >> mega} MB; 8 fields of 8 kB; without photos {small} kB",
        f"| a photo | {limits.photo_bytes >> mega} MB |",
        f"| {limits.seconds} s, and 1 s more for each {limits.least_rate // 1000} kB",
        f"{together} GB arriving or in work; {limits.requests} in work; {limits.connections} connections",
        f"| {MOST_WAITING >> mega} MB; a job",
        f"| live sources | {limits.sources}; {MOST_VIEWERS} who wait",
        f"the last {MOST_EVENTS} of a source, for a day",
    ):
        assert told in text, told


def test_the_unit_is_sound(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    unit = (ROOT / "deploy/facerec.service").read_text(encoding="utf-8")
    copy = tmp_path / "facerec.service"
    copy.write_text(unit.replace("/opt/facerec/bin/facerec", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60, check=False)
    assert "facerec.service" not in done.stderr, done.stderr
