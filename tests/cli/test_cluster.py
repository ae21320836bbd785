from __future__ import annotations

import csv
import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.browser import launching
from tests.composed import side_by_side
from tests.conftest import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def album(samples: Path, tmp_path: Path) -> Path:
    """Two people with two photos each, one photo of a third."""
    folder = tmp_path / "album"
    folder.mkdir()
    for photo in [*samples.glob("emmanuel*.jpg"), *samples.glob("jacinda*.jpg"), samples / "barack_obama.jpg"]:
        shutil.copy(photo, folder)
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launching() as start:
        browser = start()
        yield browser
        browser.close()


def clustered(facerec: Run, *options: str | Path) -> list[dict[str, Any]]:
    done = facerec("cluster", "album", "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def faces_of(groups: list[dict[str, Any]]) -> dict[int | None, list[str]]:
    return {group["group"]: sorted(Path(face["photo"]).name for face in group["faces"]) for group in groups}


def names_file(tmp_path: Path, *rows: tuple[int | str, int | str, str]) -> Path:
    with (tmp_path / "names.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("group", "face", "name"), *rows])
    return tmp_path / "names.csv"


def test_people_are_grouped_and_faces_alone_come_last(facerec: Run, album: Path) -> None:
    groups = clustered(facerec)
    assert [group["photos"] for group in groups] == [2, 2, 1]
    assert list(faces_of(groups).values()) == [
        ["emmanuel_macron_2014.jpg", "emmanuel_macron_2025.jpg"],
        ["jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg"],
        ["barack_obama.jpg"],
    ]
    table = facerec("cluster", "album")
    assert "2 people in 5 photos, 1 face alone" in table.stderr
    assert "barack" not in table.stdout


def test_new_photos_join_the_groups_that_are_there(facerec: Run, album: Path, samples: Path, tmp_path: Path) -> None:
    away = tmp_path / "jacinda_ardern_2022.jpg"
    shutil.move(album / away.name, away)
    first = faces_of(clustered(facerec))
    (macron,) = (group for group in first if group)
    shutil.move(away, album / "moved.jpg")
    second = faces_of(clustered(facerec))
    assert second[macron] == first[macron]
    assert ["jacinda_ardern_2018.jpg", "moved.jpg"] in second.values()
    side_by_side(album / "z.jpg", (samples / "emmanuel_macron_2014.jpg", 600), (samples / "rishi_sunak.jpg", 600))
    (album / "moved.jpg").rename(album / "again.jpg")
    third = faces_of(clustered(facerec))
    assert third[macron] == [*first[macron], "z.jpg"]
    assert third.keys() >= second.keys()


def test_what_the_user_joins_or_takes_apart_stays_so(facerec: Run, album: Path, tmp_path: Path) -> None:
    groups = {face["photo"]: group for group in clustered(facerec) for face in group["faces"]}
    macron, ardern = groups["album/emmanuel_macron_2014.jpg"], groups["album/jacinda_ardern_2018.jpg"]
    apart = macron["faces"][1]
    file = names_file(tmp_path, (macron["group"], "", "A"), (ardern["group"], "", "A"), ("", apart["face"], ""))
    done = facerec("cluster", "album", "--enroll", file)
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        found = faces_of(clustered(facerec))
        assert sorted(map(len, found.values())) == [1, 1, 3]
        assert found[min(macron["group"], ardern["group"])] == sorted(
            Path(face["photo"]).name for face in [macron["faces"][0], *ardern["faces"]]
        )


def test_the_database_names_groups_and_naming_enrols(facerec: Run, album: Path, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    groups = clustered(facerec)
    named = {group["name"]: group["group"] for group in groups if group["photos"] == 2}
    assert named.keys() == {"Jacinda Ardern", None}
    file = names_file(tmp_path, (named[None], "", " Emmanuel  Macron "))
    done = facerec("cluster", "album", "--enroll", file)
    assert "Enrolled 2 photos of 1 person in database" in done.stderr
    assert {group["name"] for group in clustered(facerec)} == {"Jacinda Ardern", "Emmanuel Macron", None}
    assert "Emmanuel Macron" in facerec("identify", album / "emmanuel_macron_2025.jpg").stdout
    again = facerec("cluster", "album", "--enroll", file)
    assert "Enrolled 0 photos" in again.stderr


def test_a_page_shows_the_faces_and_is_private(facerec: Run, album: Path, tmp_path: Path) -> None:
    odd = album / "<b>&amp;.jpg"
    (album / "barack_obama.jpg").rename(odd)
    clustered(facerec, "--page", "people.html")
    page = (tmp_path / "people.html").read_text()
    assert stat.S_IMODE((tmp_path / "people.html").stat().st_mode) == 0o600
    assert page.count("data:image/jpeg;base64,") == 5
    assert len(re.findall(r'<section data-group="\d+">', page)) == 2
    assert "&lt;b&gt;&amp;amp;.jpg" in page
    assert "<b>" not in page
    assert not re.search(r"https?:", page)


def test_the_page_saves_what_was_said_on_it(
    facerec: Run,
    album: Path,
    tmp_path: Path,
    chromium: Browser,
) -> None:
    named = facerec("enroll", "--name", "Jacinda Ardern", album / "jacinda_ardern_2018.jpg")
    assert named.returncode == 0
    before = clustered(facerec, "--page", "people.html")
    page = chromium.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto((tmp_path / "people.html").as_uri())
    macron = page.locator("section", has=page.get_by_alt_text("emmanuel_macron_2014"))
    macron.get_by_role("textbox").fill('Emmanuel "E", Macron')
    apart = page.get_by_role("button", name="jacinda_ardern_2022")
    apart.click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save names.csv").click()
    saved.value.save_as(tmp_path / "names.csv")
    page.close()
    assert faults == []
    assert facerec("cluster", "album", "--enroll", "names.csv").returncode == 0
    after = clustered(facerec)
    assert sum(group["name"] == 'Emmanuel "E", Macron' and group["photos"] == 2 for group in after) == 1
    assert len(after) == len(before) + 1


def test_photos_are_sorted_into_a_folder_a_person(facerec: Run, album: Path, samples: Path, tmp_path: Path) -> None:
    facerec("enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    (album / "more").mkdir()
    with Image.open(album / "jacinda_ardern_2018.jpg") as photo:
        photo.resize((photo.width // 2, photo.height // 2)).save(album / "more" / "jacinda_ardern_2018.jpg")
    for _ in range(2):
        clustered(facerec, "--copy-to", "copies", "--link-to", "links")
        copies = sorted(path.name for path in (tmp_path / "copies" / "Jacinda Ardern").iterdir())
        assert copies == ["jacinda_ardern_2018-2.jpg", "jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg"]
        links = sorted((tmp_path / "links" / "Jacinda Ardern").iterdir())
        assert [link.name for link in links] == copies
        assert all(link.is_symlink() and link.is_file() for link in links)
    assert len(list((tmp_path / "copies").iterdir())) == 2


@pytest.mark.parametrize("name", ["..", "../../a/b", "c:\\d", "日" * 90, "group 1"])
def test_no_name_leads_out_of_the_folder(name: str, facerec: Run, album: Path, tmp_path: Path) -> None:
    (macron,) = (group for group in clustered(facerec) if "macron" in group["faces"][0]["photo"])
    clustered(facerec, "--enroll", names_file(tmp_path, (macron["group"], "", name)))
    before = set(tmp_path.rglob("*"))
    clustered(facerec, "--link-to", "deep/er")
    new = [path for path in set(tmp_path.rglob("*")) - before if path.is_symlink()]
    assert sorted(link.name for link in new if "macron" in link.name) == [
        "emmanuel_macron_2014.jpg",
        "emmanuel_macron_2025.jpg",
    ]
    assert {link.parent.parent for link in new} == {tmp_path / "deep" / "er"}


@pytest.mark.parametrize("folder", ["album/people", "album", "link/people"])
def test_photos_are_not_sorted_into_what_is_searched(folder: str, facerec: Run, album: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(album)
    for option in ("--copy-to", "--link-to"):
        done = facerec("cluster", "album", option, folder)
        assert done.returncode == 2
        assert "choose a folder outside" in " ".join(done.stderr.split())
    assert len(list(album.iterdir())) == 5


@pytest.mark.parametrize("text", ["", "name\nAda\n", "group,face,name\nx,,Ada\n", "group,face,name\n99,,Ada\n"])
def test_names_that_are_none_change_nothing(text: str, facerec: Run, album: Path, tmp_path: Path) -> None:
    before = clustered(facerec)
    (tmp_path / "names.csv").write_text(text)
    done = facerec("cluster", "album", "--enroll", "names.csv")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "database").exists()
    assert clustered(facerec) == before
