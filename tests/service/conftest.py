from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")


@dataclass(frozen=True)
class Service:
    """A running `facerec serve`."""

    url: str
    process: subprocess.Popen[bytes]
    database: Path
    log: Path
    client: httpx.Client

    def stop(self) -> int:
        """End it in good order; returns its exit status."""
        self.process.terminate()
        return self.process.wait(60)


Serve = Callable[..., Service]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, facerec_path: str) -> Iterator[Serve]:
    """Start the installed command on a free port; what was started ends with the module."""
    started: list[Service] = []

    def start(*options: str | Path, database: Path | None = None, token: str | None = None) -> Service:
        place = tmp_path_factory.mktemp("service")
        database, log = database or place / "database", place / "log"
        command = [facerec_path, "serve", "-db", str(database), "--port", "0", *map(str, options)]
        environment = {**os.environ, "TERM": "dumb"} | ({"FACEREC_TOKEN": token} if token else {})
        with log.open("wb") as errors:
            process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stderr=errors, env=environment)
        url = _address(process, log)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=f"{url}api/v1", headers=headers, timeout=60, verify=False, trust_env=False)
        service = Service(url, process, database, log, client)
        started.append(service)
        return service

    yield start
    for service in started:
        service.client.close()
        if service.process.poll() is None:
            service.stop()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        found = re.search(r"Serving .* at (https?://\S+/):", log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"the service did not start: {log.read_text(encoding='utf-8')}")


def photos(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """Photos as httpx sends them in a form."""
    return [("photos", (path.name, path.read_bytes())) for path in paths]
