from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.browser import Launch, launching

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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


@pytest.fixture(scope="module")
def remembering(serve: Serve) -> Service:
    """A service that remembers strangers, for the tests of a module."""
    return serve("--remember-strangers", "30d")


@pytest.fixture
def deserted(remembering: Service) -> Service:
    """A service where nobody is enrolled, or remembered."""
    for person in remembering.client.get("/people").json()["people"]:
        remembering.client.delete(f"/people/{person['id']}").raise_for_status()
    remembering.client.delete("/strangers").raise_for_status()
    return remembering


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


OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")  # two of them at once are refused
def launch() -> Iterator[Launch]:
    with launching() as start:
        yield start


@pytest.fixture(scope="module")
def chromium(launch: Launch) -> Iterator[Browser]:
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open the page of a service; when the test ends, it has met no fault, and asked nobody but that service."""
    contexts, faults, asked = [], list[str](), list[tuple[str, str]]()

    def open_(
        service: Service,
        *,
        size: tuple[int, int] = (1280, 900),
        scheme: str = "light",
        expected: str = r"^$",
        browser: Browser = chromium,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: _note(faults, told.type, told.text, expected))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.append((service.url, request.url)))
        page.goto(service.url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for ours, url in asked if not url.startswith((ours, f"blob:{ours}"))] == []


def _note(faults: list[str], kind: str, text: str, expected: str) -> None:
    if kind in ("error", "warning") and not re.search(expected, text):
        faults.append(text)


def photos(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """Photos as httpx sends them in a form."""
    return [("photos", (path.name, path.read_bytes())) for path in paths]
