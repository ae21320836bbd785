"""The page in a real browser: what a live source shows, who came and went, and sources that are added and removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cameras import Camera, camera
from tests.service.conftest import OpenPage, Serve, Service
from tests.service.people import enrol, see

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = playwright.expect

TOKEN = "a-token-of-this-test"
SOON = 20_000
"""Milliseconds for what takes a look at some frames."""


@pytest.fixture
def door() -> Iterator[Camera]:
    with camera() as there:
        yield there


@pytest.fixture(scope="module")
def service(serve: Serve, samples: Path) -> Service:
    service = serve("--remember-strangers", "1d", token=TOKEN)
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2022.jpg")
    return service


@pytest.fixture
def unwatched(service: Service) -> Service:
    """A service that knows one person, and watches nothing."""
    for source in service.client.get("/live").json()["sources"]:
        service.client.delete(f"/live/{source['id']}").raise_for_status()
    service.client.delete("/strangers").raise_for_status()
    return service


def opened(open_page: OpenPage, service: Service, **options: object) -> Page:
    page = open_page(service, expected="status of 40[14]", **options)
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Who is it?").wait_for()
    return page


def visits(page: Page) -> Locator:
    return page.get_by_role("list", name="Who came and went").get_by_role("listitem")


def is_shown(page: Page) -> bool:
    """Whether the live picture is one."""
    return bool(page.locator(".stage img.photo").evaluate("image => image.naturalWidth === 640"))


def widths_while_it_moves(page: Page) -> tuple[int, list[int]]:
    """How many live pictures are shown, up to ten, and their widths each time that one is looked at."""
    shown, widths = page.evaluate(
        """async (most) => {
          const end = performance.now() + most;
          const widths = new Set();
          const pictures = new Set();
          while (pictures.size < 10 && performance.now() < end) {
            const image = document.querySelector(".stage img.photo");
            pictures.add(image.src);
            widths.add(image.naturalWidth);
            await new Promise((resume) => setTimeout(resume));
          }
          return [pictures.size, [...widths]];
        }""",
        SOON,
    )
    return shown, widths


def test_a_camera_is_added_seen_and_removed(
    unwatched: Service, open_page: OpenPage, door: Camera, samples: Path
) -> None:
    door.show(samples / "jacinda_ardern_2018.jpg")
    page = opened(open_page, unwatched)
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
    page.get_by_role("button", name="Add a source").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Camera or address").fill("http://name:geheim@" + door.url.removeprefix("http://"))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name=door.url)).to_be_visible()
    expect(visits(page)).to_contain_text(["Jacinda Ardern"], timeout=SOON)
    expect(page.get_by_text("Now there: Jacinda Ardern")).to_be_visible()
    expect(page.get_by_role("img", name=f"{door.url}: Jacinda Ardern")).to_be_visible()
    assert is_shown(page)
    assert "geheim" not in page.content()
    assert widths_while_it_moves(page) == (10, [640])
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()

    page.get_by_role("button", name="Watch it no more").click()
    dialog.get_by_role("button", name="Watch it no more").click()
    expect(page.get_by_role("heading", name="Nothing is watched yet")).to_be_visible()
    assert unwatched.client.get("/live").json()["sources"] == []


def test_a_stranger_is_told_and_can_be_named(
    unwatched: Service, open_page: OpenPage, door: Camera, samples: Path
) -> None:
    unwatched.client.post("/live", json={"source": door.url}).raise_for_status()
    page = opened(open_page, unwatched)
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_text("Nobody so far.")).to_be_visible()
    expect(page.get_by_text("Nobody is there now.")).to_be_visible()
    door.show(samples / "barack_obama.jpg")
    row = visits(page).filter(has_text="Unknown")
    expect(row).to_contain_text("still there", timeout=SOON)
    door.show(None)
    expect(row).to_contain_text(re.compile(r"for \d+ s"), timeout=SOON)
    row.get_by_role("link", name="Name them").click()
    page.get_by_label("Who is this?").fill("Barack Obama")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("heading", name="This is Barack Obama")).to_be_visible()

    door.show(samples / "barack_obama.jpg")
    page.get_by_role("link", name="Live").click()
    expect(visits(page).filter(has_text="Barack Obama")).to_be_visible(timeout=SOON)


def test_a_camera_that_is_lost_comes_back(unwatched: Service, open_page: OpenPage, door: Camera) -> None:
    unwatched.client.post("/live", json={"source": door.url}).raise_for_status()
    page = opened(open_page, unwatched)
    page.get_by_role("link", name="Live").click()
    state = page.get_by_role("region", name="Live picture").get_by_role("status")
    expect(state).to_have_text("Live", timeout=SOON)
    door.close()
    expect(state).to_have_text("Lost", timeout=SOON)
    expect(page.get_by_text("sought until it is back")).to_be_visible()
    with camera(door.port):
        expect(state).to_have_text("Live", timeout=SOON)
        expect(page.get_by_text("lost once")).to_be_visible()


def test_of_several_sources_one_is_shown(unwatched: Service, open_page: OpenPage, door: Camera) -> None:
    with camera() as hall:
        for one in (door, hall):
            unwatched.client.post("/live", json={"source": one.url}).raise_for_status()
        page = opened(open_page, unwatched)
        page.get_by_role("link", name="Live").click()
        sources = page.get_by_role("navigation", name="Sources")
        expect(sources.get_by_role("link")).to_have_text([re.compile(door.url), re.compile(hall.url)])
        sources.get_by_role("link", name=hall.url).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=hall.url)).to_be_visible()
        expect(sources.get_by_role("link", name=hall.url)).to_have_attribute("aria-current", "true")
        hall_id = page.url.rpartition("/")[2]
        unwatched.client.delete(f"/live/{hall_id}").raise_for_status()
        expect(page.get_by_text("That source is not watched any more.")).to_be_visible()
        expect(page.get_by_role("heading", name=door.url)).to_be_visible()


def test_where_nothing_can_be_changed_it_is_shown_alone(
    serve: Serve, service: Service, open_page: OpenPage, door: Camera, samples: Path
) -> None:
    door.show(samples / "jacinda_ardern_2018.jpg")
    page = open_page(serve("--read-only", "--watch", door.url, database=service.database))
    page.get_by_role("link", name="Live").click()
    expect(visits(page)).to_contain_text(["Jacinda Ardern"], timeout=SOON)
    for name in ("Add a source", "Watch it no more"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (360, 740)], ids=["desktop", "phone"])
def test_axe_finds_no_fault(
    unwatched: Service, open_page: OpenPage, door: Camera, samples: Path, scheme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()

    def faults(page: Page) -> list[str]:
        found = axe.run(page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]

    page = opened(open_page, unwatched, size=size, scheme=scheme)
    see(page, "#/live")
    page.get_by_role("heading", name="Nothing is watched yet").wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Add a source").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    door.show(samples / "rishi_sunak.jpg")
    for source in (door.url, "99"):
        unwatched.client.post("/live", json={"source": source}).raise_for_status()
    page.reload()
    expect(visits(page)).to_contain_text(["Unknown"], timeout=SOON)
    assert faults(page) == []
    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.get_by_role("navigation", name="Sources").get_by_role("link", name="camera 99").click()
    expect(page.get_by_text("camera 99 gives no picture")).to_be_visible(timeout=SOON)
    assert faults(page) == []


def test_the_oldest_of_many_visits_goes(unwatched: Service, open_page: OpenPage) -> None:
    page = opened(open_page, unwatched)
    shown = page.evaluate(
        """async () => {
          const { visitList } = await import("./visits.js");
          const list = visitList({ canName: false });
          const told = { name: "Ada", stranger: null, time: null, seconds: 1, chip: "" };
          const rows = () => [...list.element.querySelectorAll("li")];
          for (let visit = 1; visit <= 301; visit += 1) list.hear({ event: "arrived", visit, ...told });
          const before = rows().length;
          list.hear({ event: "left", visit: 1, ...told });
          return [before, rows().length, ...rows().slice(0, 2).map((row) => row.textContent.includes("still there"))];
        }"""
    )
    assert shown == [300, 300, False, True]
