"""The page in a real browser: photos come, faces are named, by pointer, keyboard and camera."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.browser import Launch
from tests.composed import side_by_side
from tests.service.conftest import OpenPage, Serve, Service, photos

if TYPE_CHECKING:
    from playwright.sync_api import Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
expect = playwright.expect

PEOPLE = {
    "Jacinda Ardern": "jacinda_ardern_2018.jpg",
    "Emmanuel Macron": "emmanuel_macron_2014.jpg",
    "Barack Obama": "barack_obama.jpg",
}


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory, facerec_path: str, samples: Path) -> Path:
    place = tmp_path_factory.mktemp("enrolled") / "database"
    for name, photo in PEOPLE.items():
        command = [facerec_path, "enroll", "-db", str(place), "--name", name, str(samples / photo)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return place


@pytest.fixture
def database(enrolled: Path, tmp_path: Path) -> Path:
    """Three people, for one test alone."""
    return Path(shutil.copytree(enrolled, tmp_path / "database"))


@pytest.fixture(scope="module")
def service(serve: Serve, enrolled: Path) -> Service:
    """Three people, whom no test changes."""
    return serve(database=enrolled)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """Two who are enrolled, by other photos, and one who is not."""
    place = tmp_path_factory.mktemp("group") / "group.jpg"
    names = ("jacinda_ardern_2022.jpg", "emmanuel_macron_2025.jpg", "rishi_sunak.jpg")
    return side_by_side(place, *((samples / name, 500) for name in names))


def put(page: Page, *paths: Path) -> None:
    """Photos, as a click on the button and a choice bring them."""
    page.locator("input[type=file]").set_input_files(paths)


def test_the_first_person_is_enrolled_where_they_stand(serve: Serve, open_page: OpenPage, samples: Path) -> None:
    service = serve()
    page = open_page(service)
    expect(page.get_by_role("heading", name="Nobody is enrolled yet")).to_be_visible()

    put(page, samples / "rishi_sunak.jpg", samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    page.get_by_role("button", name="jacinda_ardern_2018.jpg").click()
    page.get_by_role("button", name="Face 1 of 1: unknown").click()
    page.get_by_label("Who is this?").fill("Jacinda <b>Ardern</b>")
    page.get_by_role("button", name="Enrol", exact=True).click()

    name = page.get_by_role("button", name="Face 1 of 1: Jacinda <b>Ardern</b>, distance 0.0")
    expect(name).to_be_visible()
    expect(page.get_by_role("button", name="jacinda_ardern_2022.jpg: Jacinda <b>Ardern</b>")).to_be_visible()
    expect(page.get_by_role("button", name="rishi_sunak.jpg: 1 unknown")).to_be_visible()
    assert [one["name"] for one in service.client.get("/people").json()["people"]] == ["Jacinda <b>Ardern</b>"]


def test_of_several_people_the_face_that_was_chosen_is_enrolled(
    serve: Serve, open_page: OpenPage, database: Path, group: Path, samples: Path
) -> None:
    page = open_page(serve(database=database))
    put(page, group, samples / "rishi_sunak.jpg")
    for name in ("Jacinda Ardern", "Emmanuel Macron"):
        expect(page.get_by_role("button", name=re.compile(rf"^Face \d of 3: {name}, distance 0\.\d"))).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^Face \d of 3: unknown")).click()
    card = page.get_by_role("region", name="Face", exact=True)
    expect(card).to_contain_text("Nobody near enough")
    expect(card.get_by_role("list", name="Nearest people").get_by_role("listitem")).to_have_count(3)

    card.get_by_label("Who is this?").fill("Rishi Sunak")
    card.get_by_role("button", name="Enrol").click()
    expect(page.get_by_role("button", name=re.compile(r"^Face \d of 3: Rishi Sunak"))).to_be_visible()
    expect(page.get_by_role("button", name="rishi_sunak.jpg: Rishi Sunak")).to_be_visible()

    page.get_by_role("button", name="Emmanuel Macron 1").click()
    expect(page.get_by_role("list", name="Photos").get_by_role("button")).to_have_count(1)


def test_the_slider_decides_anew_without_asking(
    service: Service, open_page: OpenPage, samples: Path, tmp_path: Path
) -> None:
    page = open_page(service)
    put(page, _between(service, samples, tmp_path / "blurred.jpg"))
    face = page.get_by_role("button", name="Face 1 of 1")
    expect(face).to_be_visible()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    slider = page.get_by_role("slider", name="Strangers named")
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^10 %, distance "))
    expect(page.get_by_text("so that about 10 % of strangers are named")).to_be_visible()
    expect(face).to_have_accessible_name(re.compile("^Face 1 of 1: Jacinda Ardern, distance"))
    page.keyboard.press("Home")
    expect(page.get_by_text("so that about 0.1 % of strangers are named")).to_be_visible()
    expect(face).to_have_accessible_name(re.compile("^Face 1 of 1: unknown, nearest Jacinda Ardern at"))
    assert asked == []


def test_by_keyboard_alone(serve: Serve, open_page: OpenPage, database: Path, group: Path) -> None:
    page = open_page(serve(database=database))
    page.get_by_role("button", name="Choose photos").wait_for()
    _tab_to(page, "Choose photos")
    with page.expect_file_chooser() as chooser:
        # Chromium is told to hand the chooser over by another channel than of keys: an answer says that it knows.
        page.evaluate("0")
        page.keyboard.press("Enter")
    chooser.value.set_files(group)
    page.get_by_role("button", name=re.compile("^Face 3 of 3")).wait_for()
    _tab_to(page, "unknown")
    page.keyboard.press("Enter")
    field = page.get_by_role("combobox", name="Who is this?")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile(r"^Face \d of 3: unknown"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    page.keyboard.type("obam")
    page.get_by_role("option", name="Barack Obama").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value("Barack Obama")
    field.fill("")
    expect(field).to_be_focused()
    page.keyboard.type("Rishi Sunak")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=re.compile(r"^Face \d of 3: Rishi Sunak"))).to_be_focused()


def test_what_cannot_be_used_or_shown_says_so(
    service: Service, open_page: OpenPage, samples: Path, tmp_path: Path
) -> None:
    landscape, text, tiff = tmp_path / "landscape.jpg", tmp_path / "text.jpg", tmp_path / "scan.tiff"
    Image.fromarray(np.tile(np.arange(240, dtype=np.uint8), (160, 1))).save(landscape)
    text.write_text("no picture")
    Image.open(samples / "jacinda_ardern_2022.jpg").save(tiff)
    page = open_page(service)
    put(page, landscape, text, tiff)
    expect(page.get_by_text("No face was found in this photo.")).to_be_visible()
    page.get_by_role("button", name="text.jpg: Not readable").click()
    expect(page.get_by_text("damaged or not a picture")).to_be_visible()
    page.get_by_role("button", name="scan.tiff: Jacinda Ardern").click()
    expect(page.get_by_text("This browser cannot show this photo")).to_be_visible()
    expect(page.get_by_role("button", name="Face 1 of 1: Jacinda Ardern")).to_be_visible()


def test_photos_are_dropped_and_pasted(service: Service, open_page: OpenPage, samples: Path) -> None:
    page = open_page(service)
    page.get_by_role("heading", name="Show a photo").wait_for()
    _hand_over(page, "drop", samples / "barack_obama.jpg")
    expect(page.get_by_role("button", name="Face 1 of 1: Barack Obama")).to_be_visible()
    _hand_over(page, "paste", samples / "emmanuel_macron_2025.jpg")
    expect(page.get_by_role("button", name="Face 1 of 1: Emmanuel Macron")).to_be_visible()
    page.get_by_role("link", name="People").click()
    page.get_by_role("heading", name="People", level=1).wait_for()
    page.go_back()
    expect(page.get_by_role("button", name="barack_obama.jpg: Barack Obama")).to_be_visible()


def test_the_token_is_asked_for_until_it_is_right(serve: Serve, open_page: OpenPage, enrolled: Path) -> None:
    page = open_page(serve(database=enrolled, token="a-secret"), expected="401")
    dialog = page.get_by_role("dialog", name="This service asks for its token")
    dialog.get_by_label("Token").fill("a guess")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("That is not the token of this service.")).to_be_visible()
    dialog.get_by_label("Token").fill("a-secret")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Who is it?")).to_be_visible()
    expect(dialog).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Show a photo")).to_be_visible()


def test_a_service_that_only_identifies_offers_nothing_else(
    serve: Serve, open_page: OpenPage, enrolled: Path, group: Path
) -> None:
    page = open_page(serve("--read-only", database=enrolled))
    expect(page.get_by_text("This service only identifies")).to_be_visible()
    put(page, group)
    page.get_by_role("button", name=re.compile(r"^Face \d of 3: unknown")).click()
    expect(page.get_by_role("region", name="Face", exact=True)).to_contain_text("Nobody near enough")
    expect(page.get_by_label("Who is this?")).to_have_count(0)
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(0)
    page.goto(f"{page.url.split('#')[0]}#/people")
    expect(page.get_by_role("heading", name="Who is it?")).to_be_visible()


def test_a_service_that_went_away_is_waited_for(
    serve: Serve, open_page: OpenPage, enrolled: Path, samples: Path
) -> None:
    service = serve(database=enrolled)
    page = open_page(service, expected="ERR_CONNECTION_REFUSED")
    page.get_by_role("heading", name="Show a photo").wait_for()
    service.stop()
    put(page, samples / "barack_obama.jpg")
    expect(page.get_by_text("The service does not answer.")).to_be_visible()
    serve("--port", service.url.rstrip("/").rpartition(":")[2], database=enrolled)
    expect(page.get_by_role("button", name="Face 1 of 1: Barack Obama")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("The service does not answer.")).to_have_count(0)


def test_a_busy_service_is_asked_again(service: Service, open_page: OpenPage, samples: Path) -> None:
    page = open_page(service, expected="503")
    answers = [{"status": 503, "headers": {"Retry-After": "1"}, "json": {"type": "urn:facerec:problem:busy"}}]
    page.route("**/identify?*", lambda route: route.fulfill(**answers.pop()) if answers else route.continue_())
    put(page, samples / "barack_obama.jpg")
    expect(page.get_by_text("The service is busy.")).to_be_visible()
    expect(page.get_by_role("button", name="Face 1 of 1: Barack Obama")).to_be_visible()
    expect(page.get_by_text("The service is busy.")).to_have_count(0)


def test_the_camera_names_who_is_before_it(
    serve: Serve, open_page: OpenPage, launch: Launch, database: Path, samples: Path, tmp_path: Path
) -> None:
    film = _film(tmp_path / "film.mjpeg", samples / "rishi_sunak.jpg")
    browser = launch(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    page = open_page(serve(database=database), browser=browser)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Face 1 of 1: unknown").click()
    page.get_by_label("Who is this?").fill("Rishi Sunak")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("button", name="Face 1 of 1: Rishi Sunak")).to_be_visible()
    page.get_by_role("button", name="Camera", exact=True).click()
    camera = page.get_by_role("region", name="Camera")
    expect(camera.get_by_role("button", name="Face 1 of 1: Rishi Sunak")).to_be_visible()
    page.get_by_role("link", name="People").click()
    page.get_by_role("heading", name="People", level=1).wait_for()
    page.close()
    browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (360, 740)], ids=["desktop", "phone"])
def test_axe_finds_no_fault(
    serve: Serve, service: Service, open_page: OpenPage, group: Path, samples: Path, scheme: str, size: tuple[int, int]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()

    def faults(page: Page) -> list[str]:
        found = axe.run(page).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in ("serious", "critical")]

    page = open_page(service, size=size, scheme=scheme)
    page.get_by_role("heading", name="Show a photo").wait_for()
    assert faults(page) == []
    put(page, group, samples / "CREDITS.md")
    page.get_by_role("button", name="CREDITS.md: Not readable").wait_for()
    page.get_by_role("button", name=re.compile(r"^Face \d of 3: unknown")).click()
    assert faults(page) == []
    page.get_by_role("button", name=re.compile(r"^Face \d of 3: Jacinda Ardern")).click()
    assert faults(page) == []
    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page = open_page(serve(token="a-secret"), size=size, scheme=scheme, expected="401")
    page.get_by_role("dialog").wait_for()
    assert faults(page) == []


def _between(service: Service, samples: Path, place: Path) -> Path:
    """A photo of Jacinda Ardern so blurred that she is near enough at 10 % of strangers named, and not at 0.1 %."""
    steps = service.client.get("/calibration").json()["steps"]
    with Image.open(samples / "jacinda_ardern_2022.jpg") as photo:
        for radius in range(2, 60):
            photo.filter(ImageFilter.GaussianBlur(radius)).save(place)
            answer = service.client.post("/identify", files=photos(place)).json()
            (face,) = answer["photos"][0]["faces"]
            nearest = face["candidates"][0]
            if (
                steps[0]["threshold"] < nearest["distance"] < steps[-1]["threshold"]
                and nearest["name"] == "Jacinda Ardern"
            ):
                return place
    raise AssertionError("no blur brings the photo between")


def _tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until what has the focus has a name with this in it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        label = page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
        if name in label:
            return
    raise AssertionError(f"the Tab key does not come to {name}")


def _hand_over(page: Page, event: str, path: Path) -> None:
    """A file dropped on the page, or pasted: Playwright has neither."""
    page.evaluate(
        """([event, name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(content)], name, { type: "image/jpeg" }));
            const about = { bubbles: true, cancelable: true };
            const happened = event === "drop"
              ? new DragEvent("drop", { ...about, dataTransfer: transfer })
              : new ClipboardEvent("paste", { ...about, clipboardData: transfer });
            document.body.dispatchEvent(happened);
        }""",
        [event, path.name, list(path.read_bytes())],
    )


def _film(place: Path, photo: Path) -> Path:
    """A photo as a film of the camera: frames of Motion JPEG."""
    with Image.open(photo) as picture:
        frame = Image.new("RGB", (640, 480), "grey")
        still = picture.convert("RGB").resize((picture.width * 480 // picture.height, 480))
        frame.paste(still, ((640 - still.width) // 2, 0))
    frame.save(place.with_suffix(".jpg"), quality=92, subsampling=2)
    place.write_bytes(place.with_suffix(".jpg").read_bytes() * 4)
    return place
