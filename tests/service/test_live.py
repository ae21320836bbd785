"""Live sources over HTTP: watched, lost and found again, seen, heard, added and removed."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from facerec_cli import Recognizer
from facerec_cli.faces.images import pixels
from facerec_cli.recognition import watching
from facerec_cli.service import live
from facerec_cli.service.live import MOST_VIEWERS, LiveSource
from facerec_cli.service.records_live import LiveEvent
from facerec_cli.service.settings import live_source
from tests.cameras import Camera, camera
from tests.conftest import Run
from tests.service.conftest import Serve, Service, photos
from tests.service.events import Event, events
from tests.service.people import enrol
from tests.videos import write_video, zoom

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
def door() -> Iterator[Camera]:
    with camera() as there:
        yield there


@pytest.fixture(scope="module")
def service(serve: Serve, samples: Path) -> Service:
    """One that knows one person, and remembers strangers."""
    service = serve("--remember-strangers", "1d")
    enrol(service, "Jacinda Ardern", samples / "jacinda_ardern_2022.jpg")
    return service


@pytest.fixture
def client(service: Service) -> httpx.Client:
    """Of a service that watches nothing, and remembers nobody."""
    for source in sources(service.client):
        service.client.delete(f"/live/{source['id']}").raise_for_status()
    service.client.delete("/strangers").raise_for_status()
    return service.client


def sources(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/live").json()["sources"]
    return found


def watch(client: httpx.Client, source: str) -> int:
    added = client.post("/live", json={"source": source})
    assert added.status_code == 201, added.text
    return int(added.json()["id"])


def until(ask: Callable[[], Any], seconds: float = 60) -> Any:
    """What is answered once it is something."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, "that did not come"
        time.sleep(0.1)
    return answer


def heard(client: httpx.Client, source: int, last: int = 0) -> list[dict[str, Any]]:
    answer = client.get(f"/live/{source}/events", headers={"Last-Event-ID": str(last)})
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def state(client: httpx.Client, source: int) -> str:
    return str(client.get(f"/live/{source}").json()["state"])


def next_of(listening: Iterator[Event], kind: str) -> Event:
    return next(event for event in listening if event.kind == kind)


def test_who_comes_and_goes_is_told(client: httpx.Client, door: Camera, samples: Path) -> None:
    source = watch(client, door.url)
    with client.stream("GET", f"/live/{source}/events", headers=STREAM) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        listening = events(stream)
        assert next_of(listening, "source").data["id"] == source
        door.show(samples / "jacinda_ardern_2018.jpg")
        arrived = next_of(listening, "arrived")
        assert (arrived.data["name"], arrived.data["stranger"]) == ("Jacinda Ardern", None)
        assert LiveEvent.model_validate(arrived.data).probability
        assert pixels(base64.b64decode(arrived.data["chip"])).shape == (112, 112, 3)
        there = next_of(listening, "source").data
        assert (there["state"], [one["name"] for one in there["present"]]) == ("running", ["Jacinda Ardern"])
        assert (there["width"], there["height"]) == (640, 480)
        door.show(None)
        left = next_of(listening, "left")
    assert (left.data["name"], left.data["visit"]) == ("Jacinda Ardern", arrived.data["visit"])
    assert left.data["time"] == arrived.data["time"]
    assert left.data["seconds"] >= arrived.data["seconds"]
    assert heard(client, source) == [arrived.data, left.data]
    assert heard(client, source, last=arrived.data["id"]) == [left.data]
    assert heard(client, source, last=left.data["id"]) == []
    assert client.get(f"/live/{source}").json()["present"] == []


def test_the_picture_has_boxes_and_is_newer_each_time(client: httpx.Client, door: Camera, samples: Path) -> None:
    door.show(samples / "jacinda_ardern_2018.jpg")
    source = watch(client, door.url)
    until(lambda: client.get(f"/live/{source}").json()["present"])
    first = client.get(f"/live/{source}/picture")
    assert (first.status_code, first.headers["content-type"]) == (200, "image/jpeg")
    assert pixels(first.content).shape == (480, 640, 3)
    assert (pixels(first.content)[:, :, 1].astype(int) - pixels(first.content)[:, :, 0] > 60).sum() > 500, "no box"
    seen = int(first.headers["picture-number"])
    for _ in range(3):
        newer = client.get(f"/live/{source}/picture", params={"after": seen})
        assert int(newer.headers["picture-number"]) > seen
        seen = int(newer.headers["picture-number"])
    # A number that this service never gave is of one before it.
    assert client.get(f"/live/{source}/picture", params={"after": 10**9}).status_code == 200
    assert client.get(f"/live/{source}/picture", params={"after": -1}).status_code == 422


def test_a_source_that_shows_nothing_new_is_waited_for_and_no_longer(client: httpx.Client, door: Camera) -> None:
    door.close()
    source = watch(client, door.url)
    assert client.get(f"/live/{source}/picture").status_code == 204


def test_a_stranger_is_remembered_once_a_visit_and_known_once_named(
    client: httpx.Client, door: Camera, samples: Path
) -> None:
    source = watch(client, door.url)
    door.show(samples / "emmanuel_macron_2014.jpg")
    (arrived,) = until(lambda: heard(client, source))
    assert arrived["name"] == "unknown"
    (group,) = client.get("/strangers").json()["groups"]
    assert (group["id"], group["seen"], group["faces"][0]["source"]) == (arrived["stranger"], 1, door.url)
    assert client.get(f"/live/{source}").json()["present"][0]["stranger"] == group["id"]
    named = client.post(f"/strangers/{group['id']}/name", json={"name": "Emmanuel Macron"})
    assert named.status_code == 201
    again = until(lambda: heard(client, source, last=arrived["id"]))[0]
    assert (again["event"], again["name"], again["visit"]) == ("arrived", "Emmanuel Macron", arrived["visit"])
    client.delete(f"/people/{named.json()['person']['id']}").raise_for_status()


def test_a_source_is_lost_and_found_again(client: httpx.Client, door: Camera) -> None:
    source = watch(client, door.url)
    until(lambda: state(client, source) == "running")
    door.close()
    until(lambda: state(client, source) == "lost")
    assert "sought" in client.get(f"/live/{source}").json()["why"]
    with camera(door.port):
        until(lambda: state(client, source) == "running")
        assert client.get(f"/live/{source}").json()["interruptions"] == 1


def test_a_source_that_is_not_there_yet_is_tried_again(client: httpx.Client, door: Camera) -> None:
    door.close()
    source = watch(client, door.url)
    until(lambda: state(client, source) == "failed")
    assert door.url in client.get(f"/live/{source}").json()["why"]
    with camera(door.port):
        until(lambda: state(client, source) == "running")


def test_nobody_is_told_a_password(client: httpx.Client, service: Service, door: Camera) -> None:
    url = door.url.replace("//", "//somebody:geheim@") + "?pwd=geheim"
    source = watch(client, url)
    assert client.post("/live", json={"source": url}).json()["id"] == source, "it is watched already"
    until(lambda: state(client, source) == "running")
    door.close()
    until(lambda: state(client, source) == "lost")
    failing = watch(client, url.replace("door", "hall"))
    until(lambda: state(client, failing) == "failed")
    assert "geheim" not in client.get("/live").text + service.log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "file:///etc/passwd", "door.mp4", "http://", "rtsp:// x/", "ftp://camera/", "", "-1"]
)
def test_what_is_no_live_source_is_refused(client: httpx.Client, text: str) -> None:
    refused = client.post("/live", json={"source": text})
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2] in ("source", "invalid")) == (422, True)
    assert sources(client) == []


def test_there_are_so_many_sources_and_no_more(client: httpx.Client) -> None:
    most = client.get("/live").json()["most"]
    for number in range(most):
        watch(client, str(100 + number))
    refused = client.post("/live", json={"source": "99"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:facerec:problem:sources")
    first = sources(client)[0]["id"]
    assert client.delete(f"/live/{first}").status_code == 204
    assert client.delete(f"/live/{first}").status_code == 404
    assert watch(client, "99") > most


def test_who_listens_hears_the_end_of_a_source_that_is_removed(client: httpx.Client, door: Camera) -> None:
    source = watch(client, door.url)
    with client.stream("GET", f"/live/{source}/events", headers=STREAM) as stream:
        listening = events(stream)
        next(listening)
        client.delete(f"/live/{source}").raise_for_status()
        assert list(listening)[1:] == []
    assert client.get(f"/live/{source}/events").status_code == 404
    until(lambda: door.viewers == 0)


def test_photos_are_answered_beside_what_is_watched(client: httpx.Client, samples: Path) -> None:
    """Several sources take turns on their own lane."""
    with camera() as first, camera() as second, camera() as third:
        for one in (first, second, third):
            one.show(samples / "jacinda_ardern_2018.jpg")
            watch(client, one.url)
        until(lambda: all(source["present"] for source in sources(client)))
        answer = client.post("/identify", files=photos(samples / "jacinda_ardern_2018.jpg"))
        assert answer.json()["photos"][0]["faces"][0]["name"] == "Jacinda Ardern"
        assert all(source["rate"] > 0 for source in sources(client))


def test_sources_are_named_on_the_command_line(serve: Serve, door: Camera, samples: Path) -> None:
    """Also to a service that is read-only, where no client names any; and it ends though somebody listens and looks."""
    door.show(samples / "jacinda_ardern_2018.jpg")
    first = serve()
    enrol(first, "Jacinda Ardern", samples / "jacinda_ardern_2022.jpg")
    first.stop()
    service = serve("--read-only", "--watch", door.url, database=first.database)
    client = service.client
    (source,) = sources(client)
    assert client.get("/service").json()["sources"] == 1
    (arrived,) = until(lambda: heard(client, source["id"]))
    assert arrived["name"] == "Jacinda Ardern"
    for refused in (client.post("/live", json={"source": "0"}), client.delete(f"/live/{source['id']}")):
        assert (refused.status_code, refused.json()["type"]) == (405, "urn:facerec:problem:method")
    with client.stream("GET", f"/live/{source['id']}/events", headers=STREAM) as stream:
        listening = events(stream)
        next_of(listening, "arrived")
        assert service.stop() == 0
        assert {event.kind for event in listening} <= {"source", "left"}


def test_a_file_of_the_command_line_is_played_once(serve: Serve, samples: Path, tmp_path: Path) -> None:
    film = write_video(tmp_path / "the door.mp4", zoom(samples / "barack_obama.jpg", 3.0))
    client = serve("--watch", str(film)).client
    until(lambda: sources(client)[0]["state"] == "ended")
    (source,) = sources(client)
    assert (source["name"], source["present"]) == ("the door.mp4", [])
    arrived, left = heard(client, source["id"])
    assert (arrived["event"], left["event"]) == ("arrived", "left")
    assert arrived["source"] == "the door.mp4"
    assert arrived["time"]
    assert 1 < left["seconds"] < 4


@pytest.mark.parametrize("named", [["door.mp4"], ["ftp://camera/"], list("123456789")])
def test_what_cannot_be_watched_is_refused_before_anything_begins(facerec: Run, named: list[str]) -> None:
    done = facerec("serve", "--port", "0", *(part for source in named for part in ("--watch", source)))
    assert done.returncode == 2
    assert "Invalid value for '--watch'" in done.stderr


def test_whoever_is_forgotten_is_told_of_no_more(
    client: httpx.Client, service: Service, door: Camera, samples: Path
) -> None:
    person = enrol(service, "Rishi Sunak", samples / "rishi_sunak.jpg")
    source = watch(client, door.url)
    door.show(samples / "rishi_sunak.jpg")
    (arrived,) = until(lambda: heard(client, source))
    assert arrived["name"] == "Rishi Sunak"
    client.delete(f"/people/{person}").raise_for_status()
    assert heard(client, source) == []
    until(lambda: [one["name"] for one in client.get(f"/live/{source}").json()["present"]] == ["unknown"])
    client.delete(f"/live/{source}").raise_for_status()
    source = watch(client, door.url)
    (arrived,) = until(lambda: heard(client, source))
    client.delete(f"/strangers/{arrived['stranger']}").raise_for_status()
    assert heard(client, source) == []


def test_so_many_wait_for_pictures_and_no_more(client: httpx.Client, door: Camera) -> None:
    door.close()
    source = watch(client, door.url)
    with ThreadPoolExecutor(MOST_VIEWERS + 4) as viewers:
        asked = [viewers.submit(client.get, f"/live/{source}/picture") for _ in range(MOST_VIEWERS + 4)]
        assert {one.result().status_code for one in asked} == {204, 503}


def test_a_playlist_reads_no_file_of_the_machine(
    client: httpx.Client, service: Service, samples: Path, tmp_path: Path
) -> None:
    """Whoever names a stream of their own would see it."""
    secret = write_video(tmp_path / "secret.mp4", zoom(samples / "barack_obama.jpg", 1.0))
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n"
    (tmp_path / "www").mkdir()
    for number, place in enumerate((f"file://{secret}", str(secret), f"concat:{secret}")):
        (tmp_path / "www" / f"{number}.m3u8").write_text(f"{head}{place}\n#EXT-X-ENDLIST\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for number in range(3):
            source = watch(client, f"http://127.0.0.1:{server.server_address[1]}/{number}.m3u8")
            until(lambda: sources(client)[-1]["state"] == "failed")
            assert client.get(f"/live/{source}/picture").status_code == 204
        server.shutdown()


# ---------------------------------------------------------------------- without a service


def test_events_are_forgotten_in_time(
    monkeypatch: pytest.MonkeyPatch, recognizer: Recognizer, door: Camera, samples: Path
) -> None:
    door.show(samples / "rishi_sunak.jpg")
    source = LiveSource(1, live_source(door.url))
    looks = partial(watching.watch, recognizer, lambda: None, source="", is_live=True)
    thread = Thread(target=source.run, args=(looks,))
    thread.start()
    until(lambda: source.events(0))
    monkeypatch.setattr(live, "EVENTS_KEPT", 0.0)
    assert source.events(0) == []
    source.stop()
    thread.join(30)
    assert source.to_json()["state"] == "ended"
