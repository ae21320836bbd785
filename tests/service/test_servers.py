"""Services that share who is enrolled, on a PostgreSQL server: known to all at once, away and back again."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.gallery.place import STRANGERS
from tests.conftest import Run
from tests.servers import Server, postgres_server
from tests.service.conftest import Serve, Service, photos
from tests.service.people import enrol, names
from tests.service.test_safety import problem, secure

SECRET = "Zitr0ne"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One that asks for passwords, and can be stopped."""
    with postgres_server(passwords=True) as server:
        yield server


@pytest.fixture
def url(server: Server, facerec: Run) -> str:
    """Of a prepared database, with the password."""
    url = server.create_database(SECRET).replace("@", f":{SECRET}@", 1)
    assert facerec("people", "init", "-db", url).returncode == 0
    return url


def named(service: Service, *paths: Path) -> list[str]:
    answer = service.client.post("/identify", files=photos(*paths))
    answer.raise_for_status()
    return [face["name"] for photo in answer.json()["photos"] for face in photo["faces"]]


def test_whoever_is_enrolled_by_one_is_known_to_the_other_at_once(serve: Serve, url: str, samples: Path) -> None:
    one, other = serve("-db", url), serve("-db", url)
    face = samples / "jacinda_ardern_2022.jpg"
    person = enrol(one, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    assert named(other, face) == ["Jacinda Ardern"]
    assert other.client.patch(f"/people/{person}", json={"name": "Dame Jacinda"}).status_code == 200
    assert named(one, face) == ["Dame Jacinda"]
    assert one.client.delete(f"/people/{person}").status_code == 204
    enrol(one, "Rishi Sunak", samples / "rishi_sunak.jpg")
    assert named(other, face) == ["unknown"]
    assert names(other) == ["Rishi Sunak"]
    for service in (one, other):
        assert SECRET not in service.log.read_text(encoding="utf-8")


def test_a_server_that_goes_away_is_told_and_comes_back(serve: Serve, server: Server, url: str, samples: Path) -> None:
    service = serve("-db", url)
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    face = photos(samples / "jacinda_ardern_2022.jpg")
    client = service.client
    server.stop("immediate")
    try:
        for answer in (
            client.post("/identify", files=face),
            client.get("/people"),
            client.post("/people", data={"name": "Grace"}, files=photos(samples / "rishi_sunak.jpg")),
            client.get("/health/ready"),
        ):
            problem(answer, 503, "database-away")
            secure(answer)
            assert int(answer.headers["Retry-After"]) > 0
            assert SECRET not in answer.text
        assert client.get("/health/live").status_code == client.post("/detect", files=face).status_code == 200
    finally:
        server.start()
    assert named(service, samples / "jacinda_ardern_2022.jpg") == ["Jacinda Ardern"]
    assert enrol(service, "Grace", samples / "rishi_sunak.jpg")
    log = service.log.read_text(encoding="utf-8")
    assert SECRET not in log
    assert "Traceback" not in log


def test_strangers_are_remembered_in_a_folder_of_the_users(
    serve: Serve, url: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    service = serve("-db", url, "--remember-strangers", "30d")
    assert named(service, samples / "barack_obama.jpg") == ["unknown"]
    (group,) = service.client.get("/strangers").json()["groups"]
    (file,) = tmp_path.glob(f"data/facerec/galleries/*/{STRANGERS}")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    answer = service.client.post(f"/strangers/{group['id']}/name", json={"name": "Barack Obama"})
    assert answer.status_code == 201
    assert named(service, samples / "barack_obama.jpg") == ["Barack Obama"]
    service.stop()
    again = serve("-db", f"{url}?search=server", "--remember-strangers", "30d")
    assert again.client.get("/strangers").json()["total"] == 0
    (known,) = again.client.get("/people").json()["people"]
    assert len(again.client.get(f"/people/{known['id']}/sightings").json()["sightings"]) == 1
