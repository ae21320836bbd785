"""The running service keeps to the document that it gives of itself, whatever is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.conftest import Serve, photos

pytest.importorskip("schemathesis", reason="schemathesis is not installed")
TOKEN = "a-token-of-this-test"
# Names and photos have rules that no schema says; a job that was stopped can still be looked at.
NOT_ASKED = "positive_data_acceptance,use_after_free"


@pytest.mark.parametrize("option", ["--remember-strangers=1h", "--read-only"])
def test_whatever_is_sent_the_answer_is_a_documented_one(
    serve: Serve, samples: Path, tmp_path: Path, option: str
) -> None:
    first = serve("--remember-strangers", "1h")
    enrolled = first.client.post("/people", data={"name": "Ada"}, files=photos(samples / "rishi_sunak.jpg"))
    assert enrolled.status_code == 201
    first.client.post("/identify", files=photos(samples / "barack_obama.jpg"))
    first.stop()
    service = serve(option, database=first.database, token=TOKEN)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}api/v1/openapi.json", "--no-color"]
    bounds = ["--seed", "1", "--max-examples", "8", "--no-shrink", "--exclude-checks", NOT_ASKED]
    shown = ["--header", f"Authorization: Bearer {TOKEN}"]
    done = subprocess.run(
        [*command, *bounds, *shown], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0 and "Tested: " in done.stdout, done.stdout + done.stderr
    log = service.log.read_text(encoding="utf-8")
    assert "Traceback" not in log and " 500, " not in log
