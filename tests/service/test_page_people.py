"""The page in a real browser: people are enrolled, found, renamed, merged, removed; strangers get names."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from facerec_cli.datasets.folder import RAW_SUFFIXES, SUFFIXES
from tests.service.conftest import OpenPage, Serve, Service, photos

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = playwright.expect

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TAKEN = "status of 409"
"""Chromium writes every answer of an error's status on its console."""


@pytest.fixture(scope="module")
def running(serve: Serve) -> Service:
    return serve("--remember-strangers", "30d")


@pytest.fixture
def service(running: Service) -> Service:
    """A service where nobody is enrolled, or remembered."""
    for person in people(running):
        running.client.delete(f"/people/{person['id']}").raise_for_status()
    running.client.delete("/strangers").raise_for_status()
    return running


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


def act(page: Page, name: str, action: str) -> None:
    """Choose from a person's menu."""
    tile(page, name).hover()
    page.get_by_role("button", name=f"What to do with {name}", exact=True).click()
    page.get_by_role("menuitem", name=action).click()


def drop(page: Page, place: Locator, *paths: Path) -> None:
    """Drop files and folders as a file manager does."""
    box = place.bounding_box()
    assert box
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 5, "y": box["y"] + 5, "data": data})


def test_photos_of_one_person_are_enrolled(service: Service, open_page: OpenPage, samples: Path) -> None:
    page = open_page(service)
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
    assert [(one["name"], one["photos"]) for one in people(service)] == [("Emmanuel Macron", 2)]


def test_a_folder_of_people_is_enrolled(service: Service, open_page: OpenPage, samples: Path, tmp_path: Path) -> None:
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

    page = open_page(service)
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
    assert sorted(names(service)) == ["Jacinda Ardern", f"Rishi & {'x' * 20}"]


def test_a_folder_that_is_dropped_is_searched(
    service: Service, open_page: OpenPage, samples: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "friends"
    for name in ("Jacinda Ardern/2018", "Jacinda Ardern/.thumbnails"):
        (folder / name).mkdir(parents=True)
        shutil.copy(samples / "jacinda_ardern_2018.jpg", folder / name)
    shutil.copy(samples / "jacinda_ardern_2022.jpg", folder / "Jacinda Ardern")
    page = open_page(service)
    see(page, "#/enrol")
    drop(page, page.get_by_text("Drop photos or a folder here"), folder)
    plan = page.get_by_role("region", name="What will be enrolled")
    expect(plan.get_by_role("listitem")).to_have_text(["Jacinda Ardern2"])
    plan.get_by_label("All are of one person").check()
    expect(plan.get_by_label("Who is in them?")).to_have_value("friends")
    plan.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Choose photos")).to_be_focused()


def test_a_job_is_followed_whoever_began_it(service: Service, open_page: OpenPage, samples: Path) -> None:
    job = service.client.post("/jobs").json()["id"]
    sunak = photos(samples / "rishi_sunak.jpg")
    service.client.post(f"/jobs/{job}/photos", data={"name": "Rishi Sunak"}, files=sunak).raise_for_status()
    page = open_page(service)
    see(page, "#/enrol")
    card = page.get_by_role("listitem").filter(has_text="Waiting for photos")
    expect(card).to_contain_text("1 of 1 photo")
    waiting = card.count()
    card.get_by_role("button", name="No more photos").click()
    expect(card).to_have_count(waiting - 1)

    service.client.post("/jobs").raise_for_status()
    page.reload()
    card.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stopped").first).to_be_visible()


def test_the_page_tries_the_files_that_the_command_line_tries(service: Service, open_page: OpenPage) -> None:
    page = open_page(service)
    see(page, "#/enrol")
    files: list[FilePayload] = [
        {"name": f"a{suffix.upper()}", "mimeType": "image/jpeg", "buffer": b"1"}
        for suffix in sorted(SUFFIXES | RAW_SUFFIXES)
    ]
    page.locator("input[type=file]:not([webkitdirectory])").set_input_files(files)
    plan = page.get_by_role("region", name="What will be enrolled")
    expect(plan.get_by_role("heading", name=f"{len(SUFFIXES)} photos")).to_be_visible()
    expect(plan).to_contain_text(f"Left out: {len(RAW_SUFFIXES)} raw photos (export them as JPEG).")


def test_a_name_is_found_and_changed_where_it_stands(service: Service, open_page: OpenPage, samples: Path) -> None:
    enrol(service, "Barack Obama", samples / "barack_obama.jpg")
    enrol(service, "Rishi", samples / "rishi_sunak.jpg")
    page = open_page(service)
    see(page, "#/people")
    expect(page.get_by_text("2 people enrolled")).to_be_visible()
    page.get_by_role("searchbox", name="Find a name").fill("RISH")
    expect(page.get_by_text("1 name found")).to_be_visible()
    page.get_by_role("searchbox", name="Find a name").fill("nobody so")
    expect(page.get_by_text("No name with “nobody so” in it")).to_be_visible()
    page.get_by_role("button", name="Show everybody").click()

    page.get_by_role("link", name="Rishi").focus()
    page.keyboard.press("F2")
    page.keyboard.type("Nobody")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Rishi", exact=True)).to_be_focused()
    page.keyboard.press("F2")
    page.keyboard.type("Rishi Sunak")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Rishi Sunak", exact=True)).to_be_focused()
    assert names(service) == ["Barack Obama", "Rishi Sunak"]


def test_a_name_that_is_taken_is_told_with_the_offer_to_merge(
    service: Service, open_page: OpenPage, samples: Path
) -> None:
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(service, "Jacinda", samples / "jacinda_ardern_2022.jpg")
    page = open_page(service, expected=TAKEN)
    see(page, "#/people")
    act(page, "Jacinda", "Rename")
    page.get_by_label("New name of Jacinda").fill("Jacinda Ardern")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Merge with Jacinda Ardern").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The photo of Jacinda will be Jacinda Ardern’s, and the name Jacinda goes.")
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(tile(page, "Jacinda Ardern")).to_contain_text("2 photos")
    assert names(service) == ["Jacinda Ardern"]


def test_two_people_are_merged_by_menu_and_by_dragging(service: Service, open_page: OpenPage, samples: Path) -> None:
    enrol(service, "Emmanuel", samples / "emmanuel_macron_2014.jpg")
    enrol(service, "Emmanuel Macron", samples / "emmanuel_macron_2025.jpg")
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(service, "Ms Ardern", samples / "jacinda_ardern_2022.jpg")
    page = open_page(service)
    see(page, "#/people")

    page.get_by_role("link", name="Emmanuel Macron").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Who else are they?").press_sequentially("emm")
    page.get_by_role("option", name="Emmanuel", exact=True).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("figure")).to_have_text([re.compile("^Emmanuel Macron"), re.compile("^Emmanuel1")])
    dialog.get_by_role("button", name="Keep the other name").click()
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(tile(page, "Emmanuel Macron")).to_contain_text("2 photos")
    expect(tile(page, "Emmanuel")).to_have_count(0)

    tile(page, "Ms Ardern").drag_to(tile(page, "Jacinda Ardern"))
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(tile(page, "Jacinda Ardern")).to_contain_text("2 photos")
    expect(page.get_by_text("2 people enrolled")).to_be_visible()
    assert names(service) == ["Emmanuel Macron", "Jacinda Ardern"]


def test_a_removal_can_be_undone_until_it_is_sent(service: Service, open_page: OpenPage, samples: Path) -> None:
    everybody = ["Barack Obama", "Eileen Collins", "Rishi Sunak"]
    for name, photo in zip(everybody, ("barack_obama.jpg", "eileen_collins_1999.png", "rishi_sunak.jpg"), strict=True):
        enrol(service, name, samples / photo)
    page = open_page(service)
    see(page, "#/people")

    page.get_by_role("link", name="Barack Obama").focus()
    page.keyboard.press("Delete")
    expect(tile(page, "Barack Obama")).to_have_count(0)
    expect(page.get_by_role("link", name="Eileen Collins")).to_be_focused()
    assert names(service) == everybody
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("main").get_by_role("list", name="People").get_by_role("link")).to_have_text(everybody)

    act(page, "Barack Obama", "Remove")
    see(page, "#/enrol")
    see(page, "#/people")
    expect(page.get_by_text("2 people enrolled")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    assert becomes(service, everybody[1:])

    act(page, "Rishi Sunak", "Remove")
    page.close()
    assert becomes(service, ["Eileen Collins"])


def test_a_person_has_their_photos(service: Service, open_page: OpenPage, samples: Path) -> None:
    person = enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    page = open_page(service, expected="status of 422")
    see(page, f"#/people/{person}")
    expect(page.get_by_text("1 photo, enrolled since")).to_be_visible()
    page.locator("input[type=file]").set_input_files([samples / "jacinda_ardern_2022.jpg", samples / "CREDITS.md"])
    expect(page.get_by_text("1 photo enrolled, 1 refused")).to_be_visible()
    expect(page.get_by_text("CREDITS.md for Jacinda Ardern")).to_be_visible()
    shown = page.get_by_role("list", name="Photos").get_by_role("listitem")
    expect(shown).to_have_count(2)

    remove = page.get_by_role("button", name="Remove the photo jacinda_ardern_2018.jpg")
    remove.click()
    expect(shown).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(shown).to_have_count(2)
    remove.click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("1 photo, enrolled since")).to_be_visible()

    page.locator("input[type=file]").set_input_files([samples / "CREDITS.md"])
    expect(page.get_by_text("1 refused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("Dame Jacinda")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dame Jacinda")).to_be_visible()
    expect(page).to_have_title("Dame Jacinda · facerec")

    # Without the last photo there is nobody.
    page.get_by_role("button", name="Remove the photo jacinda_ardern_2022.jpg").click()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    assert becomes(service, [])


def test_what_needs_a_look_is_marked_and_listed(service: Service, open_page: OpenPage, samples: Path) -> None:
    macron = [samples / "emmanuel_macron_2014.jpg", samples / "emmanuel_macron_2025.jpg"]
    enrol(service, "Emmanuel Macron", *macron, samples / "barack_obama.jpg")
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(service, "Ms Ardern", samples / "jacinda_ardern_2022.jpg")
    page = open_page(service)
    see(page, "#/people")
    expect(tile(page, "Emmanuel Macron")).to_contain_text("1 to check")
    page.get_by_role("link", name="Check").click()

    pair = page.get_by_role("listitem").filter(has_text="Ms Ardern")
    expect(pair).to_contain_text("Distance 0.")
    unlike = page.get_by_role("listitem").filter(has_text="unlike the others")
    expect(unlike).to_contain_text("barack_obama.jpg")
    expect(unlike.get_by_role("img", name="emmanuel_macron_2014.jpg")).to_be_visible()
    unlike.get_by_role("button", name="Remove the photo").click()
    page.get_by_role("button", name="Close").click()

    pair.get_by_role("button", name="They are two").click()
    expect(page.get_by_text("Nothing needs a look")).to_be_visible()
    see(page, "#/people")
    see(page, "#/people/check")
    expect(page.get_by_text("Nothing needs a look")).to_be_visible()
    page.evaluate("sessionStorage.clear()")
    page.reload()
    pair.get_by_role("button", name="Same person: merge").click()
    page.get_by_role("dialog").get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("Nothing needs a look")).to_be_visible()
    assert [(one["name"], one["photos"]) for one in people(service)] == [("Emmanuel Macron", 2), ("Ms Ardern", 2)]


def test_a_name_is_text_wherever_it_is_shown(service: Service, open_page: OpenPage, samples: Path) -> None:
    person = enrol(service, SCRIPT, samples / "barack_obama.jpg")
    enrol(service, f"{SCRIPT} 2", samples / "rishi_sunak.jpg")
    page = open_page(service)
    see(page, "#/people")
    expect(tile(page, SCRIPT)).to_be_visible()
    act(page, SCRIPT, "Merge into")
    page.get_by_label("Who else are they?").press_sequentially("<img")
    page.get_by_role("option").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(f"The photo of {SCRIPT} will be {SCRIPT} 2’s")
    page.keyboard.press("Escape")
    see(page, f"#/people/{person}")
    expect(page.get_by_role("heading", name=SCRIPT)).to_be_visible()
    expect(page).to_have_title(f"{SCRIPT} · facerec")
    assert page.locator("main script, main img[src=x]").count() == 0


def test_strangers_are_grouped_named_and_forgotten(service: Service, open_page: OpenPage, samples: Path) -> None:
    seen = ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg", "rishi_sunak.jpg", "barack_obama.jpg")
    service.client.post("/identify", files=photos(*(samples / name for name in seen))).raise_for_status()
    page = open_page(service)
    page.get_by_role("link", name="Strangers").click()
    groups = page.get_by_role("main").locator(".stranger")
    expect(groups.get_by_role("heading")).to_have_text(["Seen 2 times", "Seen once", "Seen once"])
    expect(page.get_by_text("Each is forgotten 30 days after it was seen.")).to_be_visible()

    ardern = groups.first
    ardern.get_by_label("Who is this?").fill("Jacinda Ardern")
    page.keyboard.press("Enter")
    expect(ardern.get_by_role("heading")).to_have_text("This is Jacinda Ardern")
    expect(ardern).to_contain_text("Seen 2 times before")
    expect(ardern).to_contain_text("jacinda_ardern_2018.jpg")
    assert names(service) == ["Jacinda Ardern"]

    groups.nth(1).get_by_role("button", name="Forget").click()
    expect(groups).to_have_count(2)
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Forget all").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    expect(page.get_by_text("No strangers")).to_be_visible()
    assert service.client.get("/strangers").json()["total"] == 0


def test_where_somebody_was_seen_stays_with_them(service: Service, open_page: OpenPage, samples: Path) -> None:
    service.client.post("/identify", files=photos(samples / "rishi_sunak.jpg")).raise_for_status()
    page = open_page(service)
    see(page, "#/strangers")
    page.get_by_label("Who is this?").fill("Rishi Sunak")
    page.get_by_role("button", name="Enrol").click()
    page.get_by_role("link", name="See Rishi Sunak").click()
    expect(page.get_by_role("heading", name="Seen before they had a name")).to_be_visible()


def test_a_service_that_only_identifies_shows_nobody(
    service: Service, serve: Serve, open_page: OpenPage, samples: Path
) -> None:
    enrol(service, "Rishi Sunak", samples / "rishi_sunak.jpg")
    page = open_page(serve("--read-only", database=service.database))
    page.locator("main h1").wait_for()
    assert page.get_by_role("link", name="People").count() == 0
    page.evaluate("location.hash = '#/people'")
    expect(page).to_have_url(re.compile("#/identify$"))
