"""Makes the pictures of pages in docs/, from the sample photos: `python tools/screenshots.py`, or `… people` for one.

`people` is the page of a collection's people; without it the service's pages are made too.

Needs playwright's Python client and Chromium.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
SAMPLES, DOCS = ROOT / "tests/data", ROOT / "docs"
PEOPLE = {
    "Jacinda Ardern": "jacinda_ardern_2018.jpg",
    "Emmanuel Macron": "emmanuel_macron_2014.jpg",
    "Barack Obama": "barack_obama.jpg",
    "Eileen Collins": "eileen_collins_1999.png",
}


FACEREC = [sys.executable, "-m", "facerec_cli"]


def main() -> None:
    """Make them."""
    people()
    if "people" not in sys.argv[1:]:
        service()


def people() -> None:
    """The page of the sample photos' people, one of whom is enrolled."""
    sys.path.insert(0, str(ROOT))
    from tests.composed import side_by_side  # noqa: PLC0415 - found once the root is on the path

    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        album, page_file = Path(place, "album"), Path(place, "people.html")
        album.mkdir()
        for photo in (*SAMPLES.glob("*.jpg"), *SAMPLES.glob("*.png")):
            shutil.copy(photo, album)
        several = ("jacinda_ardern_2022.jpg", "emmanuel_macron_2025.jpg", "rishi_sunak.jpg", "barack_obama.jpg")
        side_by_side(album / "party.jpg", *((SAMPLES / name, 700) for name in several))
        common = ["-db", f"{place}/database"]
        enrolling = [*FACEREC, "enroll", *common, "--name", "Jacinda Ardern", str(SAMPLES / PEOPLE["Jacinda Ardern"])]
        subprocess.run(enrolling, check=True, stdout=subprocess.DEVNULL)
        clustering = [*FACEREC, "cluster", str(album), *common, "--index", f"{place}/index", "--page", str(page_file)]
        subprocess.run(clustering, check=True, stdout=subprocess.DEVNULL)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = opened(browser, page_file.as_uri(), (900, 600), "light")
        page.locator("section", has=page.get_by_alt_text("macron").first).get_by_role("textbox").fill("Emmanuel Macron")
        page.screenshot(path=DOCS / "people.jpg", quality=85, full_page=True)
        browser.close()


def service() -> None:
    """Start a service, look at it, end it."""
    with tempfile.TemporaryDirectory() as place:
        for name, photo in PEOPLE.items():
            command = [*FACEREC, "enroll", "-db", f"{place}/database", "--name", name, str(SAMPLES / photo)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        serving = [*FACEREC, "serve", "-db", f"{place}/database", "--port", "0"]
        with subprocess.Popen(serving, stderr=subprocess.PIPE, text=True) as service, sync_playwright() as driver:
            assert service.stderr
            told = next(line for line in service.stderr if line.startswith("Serving"))
            (url,) = re.findall(r"http://\S+/", told)
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            look(browser, url, Path(place))
            browser.close()
            service.terminate()


def look(browser: Browser, url: str, place: Path) -> None:
    """The view of a photo on a desktop and on a telephone in the dark, and of the people."""
    sys.path.insert(0, str(ROOT))
    from tests.composed import side_by_side  # noqa: PLC0415 - found once the root is on the path

    several = ("jacinda_ardern_2022.jpg", "emmanuel_macron_2025.jpg", "rishi_sunak.jpg")
    party = side_by_side(place / "party.jpg", *((SAMPLES / name, 640) for name in several))
    desktop, phone = (1180, 860), (360, 740)
    for name, size, scheme in (("page", desktop, "light"), ("page-phone", phone, "dark")):
        page = opened(browser, url, size, scheme)
        page.set_input_files("input[type=file]", party)
        page.locator(".face").nth(2).wait_for()
        page.get_by_role("button", name="unknown").click()
        page.wait_for_timeout(500)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(500)
        page.screenshot(path=DOCS / f"{name}.jpg", quality=85)
    page = opened(browser, f"{url}#/people", desktop, "light")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    page.screenshot(
        path=DOCS / "page-people.jpg", quality=85, clip={"x": 0, "y": 0, "width": desktop[0], "height": 420}
    )


def opened(browser: Browser, url: str, size: tuple[int, int], scheme: str) -> Page:
    """A page of its own."""
    page = browser.new_page(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(url)
    return page


if __name__ == "__main__":
    main()
