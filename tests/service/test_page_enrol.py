"""The page in a real browser: photos of one person, or folders of people, are enrolled, and jobs are followed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from facerec_cli.faces.endings import RAW_SUFFIXES, SUFFIXES
from tests.service.conftest import OpenPage, Service, photos
from tests.service.people import enrol, names, people, see, tile

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = playwright.expect


def drop(page: Page, place: Locator, *paths: Path) -> None:
    """Drop files and folders as a file manager does."""
    box = place.bounding_box()
    assert box
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 5, "y": box["y"] + 5, "data": data})


def test_photos_of_one_person_are_enrolled(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    page = open_page(deserted)
    see(page, "#/people")
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    page.get_by_role("link", name="Enrol people").click()
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(
        [samples / "emmanuel_macron_2014.jpg", samples / "emmanuel_macron_2025.jpg", samples / "CREDITS.md"]
    )
    expect(page.get_by_text("Left out: 1 file that is no photo.")).to_be_visible()
    page.get_by_role("button", name="Enrol 2 photos").click()
    expect(page.get_by_text("Say who is in the photos.")).to_be_visible()
    page.get_by_label("Who is in them?").fill("Emmanuel Macron")
    page.keyboard.press("Enter")
    job = page.get_by_role("listitem").filter(has_text="2 photos enrolled.")
    expect(job.get_by_role("heading", name="Enrolled")).to_be_visible()

    page.reload()
    expect(job).to_be_visible()
    page.get_by_role("link", name="See people").first.click()
    expect(tile(page, "Emmanuel Macron")).to_contain_text("2 photos")
    assert [(one["name"], one["photos"]) for one in people(deserted)] == [("Emmanuel Macron", 2)]


def test_a_folder_of_people_is_enrolled(deserted: Service, open_page: OpenPage, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "friends"
    for name in ("Jacinda Ardern", "Club/2019", ".cache"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "jacinda_ardern_2018.jpg", folder / name)
    shutil.copy(samples / "jacinda_ardern_2022.jpg", folder / "Jacinda Ardern")
    (folder / "Jacinda Ardern" / "broken.jpg").write_bytes(b"no photo")
    shutil.copy(samples / "rishi_sunak.jpg", folder / f"Rishi & {'x' * 20}.jpg")
    (folder / ".DS_Store").write_bytes(b"1")
    (folder / "raw.cr2").write_bytes(b"1")
    (folder / "notes.txt").write_bytes(b"1")

    page = open_page(deserted)
    see(page, "#/enrol")
    page.locator("input[webkitdirectory]").set_input_files(folder)
    plan = page.get_by_role("region", name="What will be enrolled")
    expect(plan.get_by_role("heading", name="5 photos in friends")).to_be_visible()
    expect(plan).to_contain_text(
        "Left out: 2 hidden files, 1 raw photo (export them as JPEG), 1 file that is no photo."
    )
    expect(plan).to_contain_text("Left out: Club. It holds folders with photos and no photo")
    expect(plan.get_by_role("listitem")).to_have_text(["Jacinda Ardern3", f"Rishi & {'x' * 20}1"])
    plan.get_by_role("button", name="Enrol 4 photos").click()

    job = page.get_by_role("listitem").filter(has_text="3 photos enrolled, 1 refused.")
    expect(job.get_by_role("heading", name="Enrolled")).to_be_visible()
    job.get_by_text("1 photo refused").click()
    expect(job).to_contain_text("broken.jpg for Jacinda Ardern")
    assert sorted(names(deserted)) == ["Jacinda Ardern", f"Rishi & {'x' * 20}"]


def test_a_folder_that_is_dropped_is_searched(
    deserted: Service, open_page: OpenPage, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "friends"
    for name in ("Jacinda Ardern/2018", "Jacinda Ardern/.thumbnails"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "jacinda_ardern_2018.jpg", folder / name)
    shutil.copy(samples / "jacinda_ardern_2022.jpg", folder / "Jacinda Ardern")
    page = open_page(deserted)
    see(page, "#/enrol")
    drop(page, page.get_by_text("Drop photos or a folder here"), folder)
    plan = page.get_by_role("region", name="What will be enrolled")
    expect(plan.get_by_role("listitem")).to_have_text(["Jacinda Ardern2"])
    plan.get_by_label("All are of one person").check()
    expect(plan.get_by_label("Who is in them?")).to_have_value("friends")
    plan.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_a_job_is_followed_whoever_began_it(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    job = deserted.client.post("/jobs").json()["id"]
    sunak = photos(samples / "rishi_sunak.jpg")
    deserted.client.post(f"/jobs/{job}/photos", data={"name": "Rishi Sunak"}, files=sunak).raise_for_status()
    page = open_page(deserted)
    see(page, "#/enrol")
    card = page.get_by_role("listitem").filter(has_text="Waiting for photos")
    expect(card).to_contain_text("1 of 1 photo")
    waiting = card.count()
    card.get_by_role("button", name="No more photos").click()
    expect(card).to_have_count(waiting - 1)

    deserted.client.post("/jobs").raise_for_status()
    page.reload()
    card.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stopped").first).to_be_visible()


def test_many_jobs_leave_the_browser_a_connection(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    """A browser has six for a service: a job that is followed must not keep one."""
    enrol(deserted, "Rishi Sunak", samples / "rishi_sunak.jpg")
    begun = [deserted.client.post("/jobs").json()["id"] for _ in range(7)]
    page = open_page(deserted)
    see(page, "#/enrol")
    expect(page.get_by_role("listitem").filter(has_text="Waiting for photos")).to_have_count(len(begun))
    see(page, "#/people")
    expect(page.get_by_role("link", name="Rishi Sunak")).to_be_visible()
    for job in begun:
        deserted.client.delete(f"/jobs/{job}").raise_for_status()


def test_the_page_tries_the_files_that_the_command_line_tries(deserted: Service, open_page: OpenPage) -> None:
    page = open_page(deserted)
    see(page, "#/enrol")
    files: list[FilePayload] = [
        {"name": f"a{suffix.upper()}", "mimeType": "image/jpeg", "buffer": b"1"}
        for suffix in sorted(SUFFIXES | RAW_SUFFIXES)
    ]
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(files)
    plan = page.get_by_role("region", name="What will be enrolled")
    expect(plan.get_by_role("heading", name=f"{len(SUFFIXES)} photos")).to_be_visible()
    expect(plan).to_contain_text(f"Left out: {len(RAW_SUFFIXES)} raw photos (export them as JPEG).")
