"""docs/serve.md does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs import ROOT, program
from tests.recognition.test_docs import PHOTOS
from tests.service.conftest import Serve, Service

PAGE = "docs/serve.md"


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve(token="TOKEN")


def test_the_client_runs(
    service: Service, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, sample in PHOTOS.items():
        shutil.copy(samples / sample, name)
    Path("notes.txt").write_text("no photo")
    exec(program(PAGE, "From Python").replace("http://127.0.0.1:8080/", service.url), {})
    known, unknown, refused = capsys.readouterr().out.splitlines()
    assert (known, unknown) == ("party.jpg ['Ada Lovelace'] ", "street.jpg ['unknown'] ")
    assert refused.startswith("422 notes.txt is ")


def test_every_address_is_in_the_page(service: Service) -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    shown = set(re.findall(r"[/…][\w/{}…]+", page))
    for path in service.client.get("/openapi.json").json()["paths"]:
        short = re.sub(r"\{face\}", "{photo}", re.sub(r"\{(person|job|group)\}", "{id}", path.removeprefix("/api/v1")))
        ends = {short, "…" + short.partition("{id}")[2]}
        assert ends & shown, f"{short} is not in {PAGE}"
