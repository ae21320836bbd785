"""Strangers over HTTP: identified, shown in groups, named, forgotten; nothing of it where they are not remembered."""

from __future__ import annotations

import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from facerec_cli.faces.images import pixels
from facerec_cli.gallery.place import STRANGERS
from tests.composed import side_by_side
from tests.service.conftest import Serve, Service, photos

ARDERN = ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg")


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve("--remember-strangers", "30d")


@pytest.fixture
def client(service: Service) -> httpx.Client:
    """Of a service that knows and remembers nobody."""
    client = service.client
    assert client.delete("/strangers").status_code == 204
    for person in client.get("/people").json()["people"]:
        assert client.delete(f"/people/{person['id']}").status_code == 204
    return client


def identify(client: httpx.Client, *paths: Path, **options: float) -> list[dict[str, Any]]:
    """The faces of photos."""
    answer = client.post("/identify", params=options, files=photos(*paths))
    assert answer.status_code == 200, answer.text
    return [face for photo in answer.json()["photos"] for face in photo["faces"]]


def groups(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/strangers").json()["groups"]
    return found


def test_a_group_is_named_and_then_known(client: httpx.Client, samples: Path) -> None:
    first, second, obama = identify(client, *(samples / name for name in (*ARDERN, "barack_obama.jpg")))
    assert {first["name"], second["name"], obama["name"]} == {"unknown"}
    assert first["stranger"] == second["stranger"] != obama["stranger"]
    told = client.get("/strangers").json()
    assert (told["total"], told["next"], told["kept"]) == (2, None, 30 * 86_400)
    group = told["groups"][0]
    assert (group["id"], group["seen"]) == (first["stranger"], 2)
    assert {face["source"] for face in group["faces"]} == set(ARDERN)
    chip = client.get(f"/strangers/{group['id']}/faces/{group['faces'][0]['id']}/chip")
    assert (chip.headers["content-type"], pixels(chip.content).shape) == ("image/jpeg", (112, 112, 3))
    named = client.post(f"/strangers/{group['id']}/name", json={"name": " Jacinda Ardern"})
    assert named.status_code == 201
    person, outcomes, sightings = (named.json()[key] for key in ("person", "outcomes", "sightings"))
    assert (person["name"], person["photos"]) == ("Jacinda Ardern", 2)
    assert {one["status"] for one in outcomes} == {"enrolled"}
    assert {one["source"] for one in sightings} == set(ARDERN)
    assert [one["id"] for one in groups(client)] == [obama["stranger"]]
    assert client.get(f"/strangers/{group['id']}/faces/{group['faces'][0]['id']}/chip").status_code == 404
    assert client.post(f"/strangers/{group['id']}/name", json={"name": "Ada"}).status_code == 404
    (known,) = identify(client, samples / ARDERN[0])
    assert (known["name"], known["stranger"]) == ("Jacinda Ardern", None)
    assert client.get(f"/people/{person['id']}/sightings").json() == {"sightings": sightings}
    assert client.patch(f"/people/{person['id']}", json={"name": "Dame Jacinda"}).status_code == 200
    assert client.get(f"/people/{person['id']}/sightings").json() == {"sightings": sightings}


def test_sightings_go_with_who_is_merged_and_gone(client: httpx.Client, service: Service, samples: Path) -> None:
    (face,) = identify(client, samples / ARDERN[0])
    named = client.post(f"/strangers/{face['stranger']}/name", json={"name": "Jacinda Ardern"})
    person = named.json()["person"]["id"]
    other = client.post("/people", data={"name": "Other"}, files=photos(samples / ARDERN[1])).json()["person"]["id"]
    assert client.post(f"/people/{person}/merge", json={"into": other}).status_code == 200
    (sighting,) = client.get(f"/people/{other}/sightings").json()["sightings"]
    assert sighting["source"] == ARDERN[0]
    assert client.delete(f"/people/{other}").status_code == 204
    assert ARDERN[0].encode() not in (service.database / STRANGERS).read_bytes()


def test_a_group_can_be_somebody_enrolled(client: httpx.Client, samples: Path) -> None:
    (face,) = identify(client, samples / ARDERN[0])
    enrolled = client.post("/people", data={"name": "Jacinda Ardern"}, files=photos(samples / ARDERN[0]))
    named = client.post(f"/strangers/{face['stranger']}/name", json={"name": "Jacinda Ardern"})
    assert (named.status_code, named.json()["outcomes"][0]["status"]) == (200, "already enrolled")
    assert named.json()["person"] == enrolled.json()["person"]


def test_what_cannot_be_named_stays(client: httpx.Client, samples: Path) -> None:
    (face,) = identify(client, samples / ARDERN[0])
    for name in ("", "unknown", "x" * 201):
        refused = client.post(f"/strangers/{face['stranger']}/name", json={"name": name})
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:facerec:problem:name")
    assert [group["seen"] for group in groups(client)] == [1]
    assert client.get("/people").json()["total"] == 0


def test_strangers_are_forgotten_one_by_one_and_all_at_once(
    client: httpx.Client, service: Service, samples: Path
) -> None:
    (ardern, obama) = identify(client, samples / ARDERN[0], samples / "barack_obama.jpg")
    assert client.delete(f"/strangers/{ardern['stranger']}").status_code == 204
    assert client.delete(f"/strangers/{ardern['stranger']}").status_code == 404
    assert [group["id"] for group in groups(client)] == [obama["stranger"]]
    assert client.delete("/strangers").status_code == 204
    assert groups(client) == []
    assert b"barack_obama.jpg" not in (service.database / STRANGERS).read_bytes()
    (again,) = identify(client, samples / "barack_obama.jpg")
    assert again["stranger"] not in (ardern["stranger"], obama["stranger"])


def test_pages_of_strangers_meet(client: httpx.Client, samples: Path, tmp_path: Path) -> None:
    crowd = side_by_side(
        tmp_path / "crowd.jpg",
        *((samples / name, 700) for name in (ARDERN[0], "barack_obama.jpg", "rishi_sunak.jpg")),
    )
    faces = identify(client, crowd, samples / ARDERN[1])
    assert len({face["stranger"] for face in faces}) == 3
    seen, after = [], None
    while True:
        page = client.get("/strangers", params={"limit": 1} | ({"after": after} if after else {})).json()
        seen += [group["seen"] for group in page["groups"]]
        after = page["next"]
        assert page["total"] == 3
        if after is None:
            break
    assert seen == [2, 1, 1]
    for wrong in ({"after": "x"}, {"after": "-1"}, {"limit": 0}, {"limit": 201}):
        assert client.get("/strangers", params=wrong).status_code == 422


def test_who_is_asked_about_strictly_is_no_stranger(client: httpx.Client, samples: Path) -> None:
    client.post("/people", data={"name": "Jacinda Ardern"}, files=photos(samples / ARDERN[0]))
    (face,) = identify(client, samples / ARDERN[1], threshold=0.0)
    assert (face["name"], face["stranger"]) == ("unknown", None)
    assert groups(client) == []


def test_they_are_kept_when_the_service_ends(serve: Serve, samples: Path) -> None:
    service = serve("--remember-strangers", "1d")
    (face,) = identify(service.client, samples / ARDERN[0])
    service.process.kill()
    service.process.wait(60)
    again = serve("--remember-strangers", "1d", database=service.database)
    assert [(group["id"], group["seen"]) for group in groups(again.client)] == [(face["stranger"], 1)]
    assert not stat.S_IMODE((service.database / STRANGERS).stat().st_mode) & 0o077


def test_they_are_forgotten_in_time_also_while_nobody_asks(serve: Serve, samples: Path) -> None:
    service = serve("--remember-strangers", "2s")
    file = service.database / STRANGERS
    (face,) = identify(service.client, samples / "barack_obama.jpg")
    assert face["stranger"] is not None
    for _ in range(600):
        if b"barack_obama.jpg" not in file.read_bytes():
            break
        time.sleep(0.1)
    else:
        pytest.fail("it is still remembered")
    assert groups(service.client) == []


def test_faces_are_named_also_where_nobody_can_be_remembered(serve: Serve, samples: Path) -> None:
    service = serve("--remember-strangers", "1d")
    with closing(sqlite3.connect(service.database / STRANGERS)) as file:
        file.execute("DROP TABLE faces")
    (face,) = identify(service.client, samples / ARDERN[0])
    assert (face["name"], face["stranger"]) == ("unknown", None)
    assert "Strangers could not be remembered" in service.log.read_text(encoding="utf-8")


def test_nothing_is_remembered_unasked(serve: Serve, samples: Path) -> None:
    service = serve()
    (face,) = identify(service.client, samples / ARDERN[0])
    assert face["stranger"] is None
    for answer in (
        service.client.get("/strangers"),
        service.client.delete("/strangers"),
        service.client.post("/strangers/1/name", json={"name": "Ada"}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:facerec:problem:not-found")
    assert not list(service.database.glob(f"{STRANGERS}*"))
