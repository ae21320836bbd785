"""The page in a real browser: people are found, renamed, merged, removed, looked through; strangers get names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.conftest import OpenPage, Serve, Service, photos
from tests.service.people import becomes, enrol, names, people, see, tile

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = playwright.expect

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TAKEN = "status of 409"
"""Chromium writes every answer of an error's status on its console."""


def act(page: Page, name: str, action: str) -> None:
    """Choose from a person's menu."""
    tile(page, name).hover()
    page.get_by_role("button", name=f"What to do with {name}", exact=True).click()
    page.get_by_role("menuitem", name=action).click()


def test_a_name_is_found_and_changed_where_it_stands(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    enrol(deserted, "Barack Obama", samples / "barack_obama.jpg")
    enrol(deserted, "Rishi", samples / "rishi_sunak.jpg")
    page = open_page(deserted)
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
    assert names(deserted) == ["Barack Obama", "Rishi Sunak"]


def test_a_name_that_is_taken_is_told_with_the_offer_to_merge(
    deserted: Service, open_page: OpenPage, samples: Path
) -> None:
    enrol(deserted, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(deserted, "Jacinda", samples / "jacinda_ardern_2022.jpg")
    page = open_page(deserted, expected=TAKEN)
    see(page, "#/people")
    act(page, "Jacinda", "Rename")
    page.get_by_label("New name of Jacinda").fill("Jacinda Ardern")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Merge with Jacinda Ardern").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The photo of Jacinda will be Jacinda Ardern’s, and the name Jacinda goes.")
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(tile(page, "Jacinda Ardern")).to_contain_text("2 photos")
    assert names(deserted) == ["Jacinda Ardern"]


def test_two_people_are_merged_by_menu_and_by_dragging(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    enrol(deserted, "Emmanuel", samples / "emmanuel_macron_2014.jpg")
    enrol(deserted, "Emmanuel Macron", samples / "emmanuel_macron_2025.jpg")
    enrol(deserted, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(deserted, "Ms Ardern", samples / "jacinda_ardern_2022.jpg")
    page = open_page(deserted)
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
    assert names(deserted) == ["Emmanuel Macron", "Jacinda Ardern"]


def test_a_removal_can_be_undone_until_it_is_sent(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    everybody = ["Barack Obama", "Eileen Collins", "Rishi Sunak"]
    for name, photo in zip(everybody, ("barack_obama.jpg", "eileen_collins_1999.png", "rishi_sunak.jpg"), strict=True):
        enrol(deserted, name, samples / photo)
    page = open_page(deserted)
    see(page, "#/people")

    page.get_by_role("link", name="Barack Obama").focus()
    page.keyboard.press("Delete")
    expect(tile(page, "Barack Obama")).to_have_count(0)
    expect(page.get_by_role("link", name="Eileen Collins")).to_be_focused()
    assert names(deserted) == everybody
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("main").get_by_role("list", name="People").get_by_role("link")).to_have_text(everybody)

    act(page, "Barack Obama", "Remove")
    see(page, "#/enrol")
    see(page, "#/people")
    expect(page.get_by_text("2 people enrolled")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    assert becomes(deserted, everybody[1:])

    act(page, "Rishi Sunak", "Remove")
    page.close()
    assert becomes(deserted, ["Eileen Collins"])


def test_who_is_enrolled_again_does_not_go_with_the_removal_before(
    deserted: Service, open_page: OpenPage, samples: Path
) -> None:
    enrol(deserted, "Rishi Sunak", samples / "barack_obama.jpg")
    page = open_page(deserted)
    see(page, "#/people")
    act(page, "Rishi Sunak", "Remove")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    see(page, "#/identify")
    page.locator("input[type=file]").set_input_files([samples / "rishi_sunak.jpg"])
    page.get_by_label("Who is this?").fill("Rishi Sunak")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(page.locator(".toast", has_text="Rishi Sunak is enrolled")).to_be_visible()
    assert [person["photos"] for person in people(deserted)] == [1]
    (face,) = deserted.client.get(f"/people/{people(deserted)[0]['id']}").json()["faces"]
    assert face["source"] == "rishi_sunak.jpg"


def test_a_person_has_their_photos(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    person = enrol(deserted, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    page = open_page(deserted, expected="status of 422")
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
    assert becomes(deserted, [])


def test_what_needs_a_look_is_marked_and_listed(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    macron = [samples / "emmanuel_macron_2014.jpg", samples / "emmanuel_macron_2025.jpg"]
    enrol(deserted, "Emmanuel Macron", *macron, samples / "barack_obama.jpg")
    enrol(deserted, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    enrol(deserted, "Ms Ardern", samples / "jacinda_ardern_2022.jpg")
    page = open_page(deserted)
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
    assert [(one["name"], one["photos"]) for one in people(deserted)] == [("Emmanuel Macron", 2), ("Ms Ardern", 2)]


def test_a_name_is_text_wherever_it_is_shown(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    person = enrol(deserted, SCRIPT, samples / "barack_obama.jpg")
    enrol(deserted, f"{SCRIPT} 2", samples / "rishi_sunak.jpg")
    page = open_page(deserted)
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


def test_strangers_are_grouped_named_and_forgotten(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    seen = ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg", "rishi_sunak.jpg", "barack_obama.jpg")
    deserted.client.post("/identify", files=photos(*(samples / name for name in seen))).raise_for_status()
    page = open_page(deserted)
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
    assert names(deserted) == ["Jacinda Ardern"]

    groups.nth(1).get_by_role("button", name="Forget").click()
    expect(groups).to_have_count(2)
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Forget all").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    expect(page.get_by_text("No strangers")).to_be_visible()
    assert deserted.client.get("/strangers").json()["total"] == 0


def test_who_was_forgotten_is_named_by_the_photo_at_hand(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    page = open_page(deserted, expected="status of 404")
    page.locator("input[type=file]").set_input_files([samples / "rishi_sunak.jpg"])
    expect(page.get_by_role("button", name="Face 1 of 1: unknown")).to_be_visible()
    deserted.client.delete("/strangers").raise_for_status()
    page.get_by_label("Who is this?").fill("Rishi Sunak")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("button", name="Face 1 of 1: Rishi Sunak")).to_be_visible()


def test_where_somebody_was_seen_stays_with_them(deserted: Service, open_page: OpenPage, samples: Path) -> None:
    deserted.client.post("/identify", files=photos(samples / "rishi_sunak.jpg")).raise_for_status()
    page = open_page(deserted)
    see(page, "#/strangers")
    page.get_by_label("Who is this?").fill("Rishi Sunak")
    page.get_by_role("button", name="Enrol").click()
    page.get_by_role("link", name="See Rishi Sunak").click()
    expect(page.get_by_role("heading", name="Seen before they had a name")).to_be_visible()


def test_a_service_that_only_identifies_shows_nobody(
    deserted: Service, serve: Serve, open_page: OpenPage, samples: Path
) -> None:
    enrol(deserted, "Rishi Sunak", samples / "rishi_sunak.jpg")
    page = open_page(serve("--read-only", database=deserted.database))
    page.locator("main h1").wait_for()
    assert page.get_by_role("link", name="People").count() == 0
    page.evaluate("location.hash = '#/people'")
    expect(page).to_have_url(re.compile("#/identify$"))
