"""Who is enrolled, over HTTP: listed, enrolled, renamed, merged, removed, checked."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any
from unicodedata import normalize

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facerec_cli import Recognizer, open_gallery
from facerec_cli.faces.images import pixels
from facerec_cli.gallery.base import Person, clean_name
from facerec_cli.service.people import person_of, search
from tests.composed import side_by_side
from tests.gallery.faces import COMPARISON, face, unit
from tests.gallery.memory import MemoryGallery
from tests.service.conftest import Serve, Service, photos

ARDERN = ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg")


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve()


@pytest.fixture
def client(service: Service) -> httpx.Client:
    """Of a service where nobody is enrolled."""
    for person in service.client.get("/people").json()["people"]:
        assert service.client.delete(f"/people/{person['id']}").status_code == 204
    return service.client


def enrol(client: httpx.Client, name: str, *paths: Path, **fields: str) -> httpx.Response:
    return client.post("/people", data={"name": name, **fields}, files=photos(*paths))


def enrolled(client: httpx.Client, name: str, *paths: Path) -> int:
    """Enrol somebody; returns the id."""
    answer = enrol(client, name, *paths)
    assert answer.status_code == 201, answer.text
    person: int = answer.json()["person"]["id"]
    return person


def problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    told: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, told["status"], told["type"]) == (status, status, f"urn:facerec:problem:{kind}")
    assert told["detail"].endswith(".")
    return told


def test_somebody_is_enrolled_shown_and_known(client: httpx.Client, samples: Path) -> None:
    answer = enrol(client, "  Jacinda  Ardern ", *(samples / name for name in ARDERN))
    assert answer.status_code == 201
    told = answer.json()
    assert {(one["name"], one["status"], one["error"]) for one in told["outcomes"]} == {
        ("Jacinda Ardern", "enrolled", None)
    }
    person = told["person"]
    assert (person["name"], person["photos"]) == ("Jacinda Ardern", 2)
    assert client.get("/people").json() == {"people": [person], "next": None, "total": 1}
    shown = client.get(f"/people/{person['id']}").json()
    faces = shown.pop("faces")
    assert shown == person
    assert [face["source"] for face in faces] == list(ARDERN)
    chips = [client.get(f"/people/{person['id']}/photos/{face['id']}/chip") for face in faces]
    for chip in (client.get(f"/people/{person['id']}/chip"), *chips):
        assert chip.headers["content-type"] == "image/jpeg"
        assert chip.headers["cache-control"] == "no-store"
        assert pixels(chip.content).shape == (112, 112, 3)
        assert b"Ardern" not in chip.content
    again = enrol(client, "Jacinda Ardern", samples / ARDERN[0])
    assert (again.status_code, again.json()["outcomes"][0]["status"]) == (200, "already enrolled")
    found = client.post("/identify", files=photos(samples / "jacinda_ardern_2022.jpg")).json()
    assert [face["name"] for face in found["photos"][0]["faces"]] == ["Jacinda Ardern"]


def test_photos_that_cannot_be_used_say_why(client: httpx.Client, samples: Path, tmp_path: Path) -> None:
    nobody, broken = tmp_path / "nobody.png", tmp_path / "broken.jpg"
    Image.new("RGB", (200, 200), "green").save(nobody)
    broken.write_bytes(b"no photo")
    told = problem(enrol(client, "Ada", nobody), 422, "photo")
    assert told["detail"] == told["outcomes"][0]["error"]
    assert told["detail"].startswith("nobody.png shows no face: ")
    told = problem(enrol(client, "Ada", nobody, broken), 422, "photo")
    assert [one["status"] for one in told["outcomes"]] == ["refused", "refused"]
    assert client.get("/people").json()["total"] == 0
    some = enrol(client, "Ada", broken, samples / ARDERN[0])
    assert some.status_code == 201
    assert [one["status"] for one in some.json()["outcomes"]] == ["refused", "enrolled"]


@pytest.mark.parametrize("name", ["", " ", "unknown", "a\nb", "x" * 201, "\u202eAda"])
def test_what_is_no_name_is_refused(client: httpx.Client, samples: Path, name: str) -> None:
    problem(enrol(client, name, samples / ARDERN[0]), 422, "name")


def test_a_name_is_text_and_never_a_path(client: httpx.Client, service: Service, samples: Path) -> None:
    name, source = "../../<script>alert(1)</script>", "../../../etc/passwd.jpg"
    files = [("photos", (source, (samples / ARDERN[0]).read_bytes()))]
    answer = client.post("/people", data={"name": name}, files=files)
    assert answer.status_code == 201
    person = answer.json()["person"]
    assert person["name"] == name
    (shown,) = client.get(f"/people/{person['id']}").json()["faces"]
    assert shown["source"] == "passwd.jpg"
    (chip,) = service.database.rglob("*.jpg")
    assert chip.parent.parent == service.database / "faces"


def test_a_point_says_whose_face_is_enrolled(client: httpx.Client, samples: Path, tmp_path: Path) -> None:
    two = side_by_side(tmp_path / "two.jpg", (samples / "barack_obama.jpg", 700), (samples / ARDERN[0], 700))
    told = problem(enrol(client, "Barack Obama", two), 422, "photo")
    assert "say which face is meant" in told["detail"]
    faces = client.post("/detect", files=photos(two)).json()["photos"][0]["faces"]
    x, y, width, height = min(face["box"] for face in faces)
    person = enrol(client, "Barack Obama", two, at=f"{x + width / 2},{y + height / 2}").json()["person"]
    found = client.post("/identify", files=photos(two, samples / "barack_obama.jpg")).json()["photos"]
    assert {face["name"] for face in found[0]["faces"]} == {"Barack Obama", "unknown"}
    assert [face["name"] for face in found[1]["faces"]] == ["Barack Obama"]
    problem(enrol(client, "Nobody", two, at="0,0"), 422, "photo")
    for wrong in ("", "1", "1,2,3", "a,b", "nan,1", "-1,5", "1e3,1", "9" * 400 + ",1"):
        problem(enrol(client, "Nobody", two, at=wrong), 422, "invalid")
    problem(enrol(client, "Nobody", two, samples / ARDERN[0], at="1,1"), 422, "invalid")
    place = f"/people/{person['id']}/photos"
    more = client.post(place, data={"at": "0,0"}, files=photos(samples / "barack_obama.jpg"))
    problem(more, 422, "photo")
    more = client.post(place, params={"largest": True}, files=photos(samples / "barack_obama.jpg"))
    assert (more.status_code, more.json()["person"]["photos"]) == (201, 2)


def test_an_id_stays_when_a_name_changes(client: httpx.Client, samples: Path) -> None:
    person = enrolled(client, "Jacinda Ardern", samples / ARDERN[0])
    enrolled(client, "Barack Obama", samples / "barack_obama.jpg")
    renamed = client.patch(f"/people/{person}", json={"name": "Dame Jacinda"})
    assert (renamed.status_code, renamed.json()["id"], renamed.json()["name"]) == (200, person, "Dame Jacinda")
    assert client.patch(f"/people/{person}", json={"name": "Dame Jacinda "}).json() == renamed.json()
    problem(client.patch(f"/people/{person}", json={"name": "Barack Obama"}), 409, "name-taken")
    problem(client.patch(f"/people/{person}", json={"name": "unknown"}), 422, "name")
    problem(client.patch(f"/people/{person}", json={}), 422, "invalid")
    found = client.post("/identify", files=photos(samples / ARDERN[1])).json()
    assert found["photos"][0]["faces"][0]["name"] == "Dame Jacinda"


def test_two_who_are_one_are_merged(client: httpx.Client, samples: Path) -> None:
    one, other = (enrolled(client, f"Ardern {path[15:19]}", samples / path) for path in ARDERN)
    (pair,) = client.get("/people/lookalikes").json()["pairs"]
    assert (pair["person"], pair["other_person"]) == (one, other)
    assert pair["distance"] <= pair["threshold"]
    (finding,) = client.get("/people/check").json()["findings"]
    assert (finding["finding"], finding["person"], finding["other_person"]) == ("alike", one, other)
    merged = client.post(f"/people/{one}/merge", json={"into": other})
    assert (merged.status_code, merged.json()["id"], merged.json()["photos"]) == (200, other, 2)
    problem(client.get(f"/people/{one}"), 404, "unknown-person")
    problem(client.post(f"/people/{one}/merge", json={"into": other}), 404, "unknown-person")
    problem(client.post(f"/people/{other}/merge", json={"into": one}), 404, "unknown-person")
    problem(client.post(f"/people/{other}/merge", json={"into": other}), 422, "invalid")
    found = client.post("/identify", files=photos(samples / ARDERN[0])).json()
    assert found["photos"][0]["faces"][0]["name"] == "Ardern 2022"
    assert client.get("/people/lookalikes").json() == {"pairs": []}


def test_somebody_is_forgotten_photo_by_photo(client: httpx.Client, service: Service, samples: Path) -> None:
    person = enrolled(client, "Jacinda Ardern", *(samples / name for name in ARDERN))
    first, second = (face["id"] for face in client.get(f"/people/{person}").json()["faces"])
    problem(client.delete(f"/people/{person}/photos/{second + 99}"), 404, "not-found")
    assert client.delete(f"/people/{person}/photos/{first}").status_code == 204
    problem(client.get(f"/people/{person}/photos/{first}/chip"), 404, "not-found")
    assert client.get(f"/people/{person}").json()["photos"] == 1
    found = client.post("/identify", files=photos(samples / ARDERN[0])).json()
    assert found["photos"][0]["faces"][0]["name"] == "Jacinda Ardern"
    assert client.delete(f"/people/{person}/photos/{second}").status_code == 204
    problem(client.get(f"/people/{person}"), 404, "unknown-person")
    problem(client.delete(f"/people/{person}"), 404, "unknown-person")
    assert not list(service.database.rglob("*.jpg"))
    assert client.get("/people/check").json() == {"findings": []}
    problem(client.get("/people/lookalikes"), 409, "nobody-enrolled")


def test_a_photo_that_does_not_belong_is_found(client: httpx.Client, samples: Path) -> None:
    person = enrolled(client, "Jacinda Ardern", *(samples / name for name in ARDERN), samples / "barack_obama.jpg")
    (finding,) = client.get("/people/check").json()["findings"]
    assert (finding["finding"], finding["person"], finding["photo"]) == ("unlike", person, "barack_obama.jpg")
    assert client.delete(f"/people/{person}/photos/{finding['face']}").status_code == 204
    assert client.get("/people/check").json() == {"findings": []}


def test_a_lost_chip_is_told_without_its_place(client: httpx.Client, service: Service, samples: Path) -> None:
    person = enrolled(client, "Jacinda Ardern", samples / ARDERN[0])
    (chip,) = service.database.rglob("*.jpg")
    chip.unlink()
    told = problem(client.get(f"/people/{person}/chip"), 404, "not-found")
    findings = client.get("/people/check")
    assert [finding["finding"] for finding in findings.json()["findings"]] == ["lost"]
    for text in (told["detail"], findings.text):
        assert str(service.database) not in text and "faces/" not in text


def test_pages_and_searches(client: httpx.Client, service: Service, recognizer: Recognizer) -> None:
    names = [*(f"Äda {number}" for number in range(7)), "Bob"]
    faces = [face(name, unit(*range(128)), row) for row, name in enumerate(names)]
    open_gallery(service.database).add(recognizer.comparison, faces)
    found: list[str] = []
    after = 0
    while after is not None:
        page = client.get("/people", params={"limit": 3, "after": after}).json()
        found += [person["name"] for person in page["people"]]
        after = page["next"]
        assert page["total"] == 8
    assert found == names
    page = client.get("/people", params={"search": "äDA", "limit": 5}).json()
    assert (len(page["people"]), page["total"]) == (5, 7)
    rest = client.get("/people", params={"search": "äDA", "limit": 5, "after": page["next"]}).json()
    assert ([person["name"] for person in rest["people"]], rest["next"]) == (names[5:7], None)
    assert client.get("/people", params={"search": "nobody"}).json() == {"people": [], "next": None, "total": 0}
    for wrong in ({"limit": 0}, {"limit": 501}, {"after": -1}, {"after": 2**63}, {"search": "x" * 201}):
        problem(client.get("/people", params=wrong), 422, "invalid")


@pytest.mark.parametrize(
    ("body", "kind", "status", "problem_kind"),
    [
        (b"", "application/json", 422, "invalid"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"name": 7}', "application/json", 422, "invalid"),
        (b'{"name": "Ada", "more": 1}', "application/json", 422, "invalid"),
        (b'{"name": "\\ud800"}', "application/json", 422, "invalid"),
        (b"[" * 10_000, "application/json", 422, "invalid"),
        (b'{"name": "\xff"}', "application/json", 422, "invalid"),
        (b'{"name": "Ada"}', "text/plain", 415, "media-type"),
        (b'{"name": "Ada"}', "", 415, "media-type"),
        (b'{"name": "' + b"x" * 20_000 + b'"}', "application/json", 413, "too-large"),
    ],
)
def test_json_is_what_it_should_be(
    client: httpx.Client, samples: Path, body: bytes, kind: str, status: int, problem_kind: str
) -> None:
    person = enrolled(client, "Jacinda Ardern", samples / ARDERN[0])
    answer = client.patch(f"/people/{person}", content=body, headers={"Content-Type": kind})
    problem(answer, status, problem_kind)
    assert client.get(f"/people/{person}").json()["name"] == "Jacinda Ardern"


@pytest.mark.parametrize("place", ["0", "9007199254740992", "-1", "x", "1.5", "9" * 5_000])
def test_ids_are_bounded(client: httpx.Client, place: str) -> None:
    status, kind = (422, "invalid") if place in ("0", "9007199254740992") else (404, "not-found")
    problem(client.get(f"/people/{place}"), status, kind)
    problem(client.delete(f"/people/{place}/photos/{place}"), status, kind)


@pytest.mark.parametrize(
    ("method", "place", "allowed"),
    [
        ("PUT", "people", "GET, POST"),
        ("PATCH", "people/check", "GET"),
        ("POST", "people/1", "DELETE, GET, PATCH"),
        ("OPTIONS", "people/1/merge", "POST"),
        ("GET", "jobs/0123456789abcdef/photos", "POST"),
    ],
)
def test_what_can_be_done_is_told(client: httpx.Client, method: str, place: str, allowed: str) -> None:
    answer = client.request(method, place)
    problem(answer, 405, "method")
    assert answer.headers["allow"] == allowed


def test_nobody_has_an_id_that_was_never_given(client: httpx.Client, samples: Path) -> None:
    person = enrolled(client, "Jacinda Ardern", samples / ARDERN[0])
    for place in (person - 1 or person + 5, person + 1, 2**53 - 1):
        problem(client.get(f"/people/{place}"), 404, "unknown-person")
        problem(client.get(f"/people/{place}/sightings"), 404, "unknown-person")
    assert client.get(f"/people/{person}/sightings").json() == {"sightings": []}


PEOPLE = ["Ada", "ADA Byron", "Bob", "Stra\u00dfe", "STRASSE", "\u00c5sa", "A\u030asa B"]


@given(st.sampled_from(["", "a", "ADA", "ss", "\u00e5s", "a\u030a", "zz"]), st.integers(1, 4))
def test_pages_are_of_all_whose_name_has_the_part(part: str, limit: int) -> None:
    gallery = MemoryGallery()
    gallery.add(COMPARISON, [face(clean_name(name), unit(1, row), row) for row, name in enumerate(PEOPLE)])
    snapshot = gallery.snapshot()
    found: list[Person] = []
    more = True
    while more:
        page, more, total = search(snapshot, part, found[-1].id if found else 0, limit)
        assert len(page) <= limit and (page or not found)
        found += page
    plain = normalize("NFC", part).casefold()
    assert found == [person for person in snapshot.people() if plain in person.name.casefold()]
    assert total == len(found)
    for person in found:
        assert person_of(snapshot, person.id) == person


def test_what_was_answered_is_there_after_a_kill(serve: Serve, recognizer: Recognizer, samples: Path) -> None:
    """Twenty enrolments in flight, and the service is killed: the database is whole, and so is every one answered."""
    service = serve()
    content, place = (samples / ARDERN[0]).read_bytes(), count(1)

    def enrol_one(number: int) -> str | None:
        name = f"person {number}"
        files = [("photos", (f"{number}.jpg", content + bytes([number])))]
        try:
            answer = service.client.post("/people", data={"name": name}, files=files)
        except httpx.TransportError:
            return None
        if answer.status_code == 201 and next(place) == 3:
            os.kill(service.process.pid, signal.SIGKILL)
        return name if answer.status_code == 201 else None

    with ThreadPoolExecutor(20) as pool:
        answered = set(filter(None, pool.map(enrol_one, range(20))))
    service.process.wait(60)
    assert 0 < len(answered) < 20
    gallery = open_gallery(service.database)
    snapshot = gallery.snapshot()
    there = {person.name for person in snapshot.people()}
    assert answered <= there
    for record in snapshot.records(recognizer.comparison.digest):
        assert record.embedding is not None
        assert np.array_equal(record.embedding, recognizer.embed_enrolled([gallery.read_chip(record.face)])[0])
    again = serve(database=service.database)
    assert again.client.get("/people").json()["total"] == len(there)
    files = photos(samples / ARDERN[1])
    assert again.client.post("/people", data={"name": "another"}, files=files).status_code == 201
    named = {path.relative_to(service.database).as_posix() for path in service.database.rglob("*.jpg")}
    assert named == {face.chip for name in there | {"another"} for face in gallery.snapshot().faces(name)}
