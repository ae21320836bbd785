"""Who is enrolled in a service, and where the page shows them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.service.conftest import Service, photos

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def people(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.client.get("/people").json()["people"]
    return found


def names(service: Service) -> list[str]:
    return [person["name"] for person in people(service)]


def enrol(service: Service, name: str, *paths: Path) -> int:
    answer = service.client.post("/people", data={"name": name}, files=photos(*paths))
    answer.raise_for_status()
    return int(answer.json()["person"]["id"])


def becomes(service: Service, wanted: list[str]) -> bool:
    """Whether those of the names are enrolled, or will be soon."""
    for _ in range(100):
        if names(service) == wanted:
            return True
        time.sleep(0.1)
    return False


def see(page: Page, view: str) -> None:
    page.evaluate("hash => { location.hash = hash }", view)
    page.locator("main h1").wait_for()


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_role("link", name=name, exact=True))
