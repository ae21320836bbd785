"""Bulk enrolment in the background: jobs, their events, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from facerec_cli import Gallery, Photo, Recognizer, open_gallery
from facerec_cli.service import jobs as jobs_module
from facerec_cli.service.jobs import Job, Jobs
from facerec_cli.service.problems import BusyProblem, Problem
from facerec_cli.service.records_people import JobRecord
from facerec_cli.service.routes import jobs as routes
from tests.service.conftest import Serve, Service, photos
from tests.service.events import Event, events

ARDERN = ("jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg")


@pytest.fixture(scope="module")
def service(serve: Serve) -> Service:
    return serve()


def begin(client: httpx.Client) -> str:
    answer = client.post("/jobs")
    assert answer.status_code == 201
    job: str = answer.json()["id"]
    return job


def give(client: httpx.Client, job: str, name: str, *paths: Path) -> httpx.Response:
    return client.post(f"/jobs/{job}/photos", data={"name": name}, files=photos(*paths))


def heard(client: httpx.Client, job: str, last: int | None = None) -> list[Event]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with client.stream("GET", f"/jobs/{job}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return list(events(stream))


def test_a_job_tells_what_becomes_of_each_photo(service: Service, samples: Path, tmp_path: Path) -> None:
    client, broken = service.client, tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    job = begin(client)
    assert give(client, job, " Jacinda Ardern", *(samples / name for name in ARDERN), broken).status_code == 202
    given = give(client, job, "Barack Obama", samples / "barack_obama.jpg").json()
    assert (given["state"], given["received"]) == ("receiving", 4)
    assert client.post(f"/jobs/{job}/finish").status_code == 202
    told = heard(client, job)
    outcomes = [event for event in told if event.kind == "outcome"]
    assert [event.id for event in outcomes] == [1, 2, 3, 4]
    assert {(one.data["photo"], one.data["name"], one.data["status"]) for one in outcomes} == {
        (ARDERN[0], "Jacinda Ardern", "enrolled"),
        (ARDERN[1], "Jacinda Ardern", "enrolled"),
        ("broken.jpg", "Jacinda Ardern", "refused"),
        ("barack_obama.jpg", "Barack Obama", "enrolled"),
    }
    end = told[-1]
    assert (end.kind, told[-2].kind, end.data) == ("end", "progress", told[-2].data)
    counted = {key: end.data[key] for key in ("state", "received", "done", "enrolled", "already", "refused")}
    assert counted == {"state": "done", "received": 4, "done": 4, "enrolled": 3, "already": 0, "refused": 1}
    assert client.get(f"/jobs/{job}").json() == end.data
    assert end.data in client.get("/jobs").json()["jobs"]
    assert client.get("/people").json()["total"] == 2
    again = heard(client, job, last=3)
    assert [event.id for event in again if event.kind == "outcome"] == [4]
    assert [event.kind for event in heard(client, job, last=99)] == ["progress", "end"]
    refused = give(client, job, "Somebody", samples / ARDERN[0])
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:facerec:problem:invalid")


def test_who_listens_hears_a_job_as_it_goes(service: Service, samples: Path) -> None:
    """And whoever goes away stops nothing."""
    client = service.client
    job = begin(client)
    with client.stream("GET", f"/jobs/{job}/events") as stream:
        listening = events(stream)
        first = next(listening)
        assert (first.kind, first.data["state"], first.data["received"]) == ("progress", "receiving", 0)
        give(client, job, "Rishi Sunak", samples / "rishi_sunak.jpg")
        kinds = [next(listening)]
        while kinds[-1].kind != "outcome":
            kinds.append(next(listening))
        assert kinds[-1].data["status"] == "enrolled"
    give(client, job, "Rishi Sunak", samples / "rishi_sunak.jpg")
    client.post(f"/jobs/{job}/finish")
    assert [event.data["status"] for event in heard(client, job) if event.kind == "outcome"] == [
        "enrolled",
        "already enrolled",
    ]


def test_a_job_that_is_stopped_enrols_no_more(service: Service, samples: Path) -> None:
    client = service.client
    job = begin(client)
    content = (samples / ARDERN[0]).read_bytes()
    for part in range(3):
        files = [("photos", (f"{part}-{number}.jpg", content + bytes([part, number]))) for number in range(30)]
        assert client.post(f"/jobs/{job}/photos", data={"name": "Stopped"}, files=files).status_code == 202
    stopped = client.delete(f"/jobs/{job}")
    assert (stopped.status_code, stopped.json()["state"]) == (202, "stopped")
    end = heard(client, job)[-1]
    assert (end.kind, end.data["state"], end.data["received"]) == ("end", "stopped", 90)
    assert end.data["done"] == end.data["enrolled"] < 90
    (person,) = client.get("/people", params={"search": "stopped"}).json()["people"] or [{"photos": 0}]
    assert person["photos"] == end.data["enrolled"]
    assert client.delete(f"/jobs/{job}").json() == end.data


@pytest.mark.parametrize("place", ["0123456789abcdef", "x", "..%2f..", "0123456789ABCDEF"])
def test_there_is_no_other_job(service: Service, samples: Path, place: str) -> None:
    client = service.client
    for answer in (
        client.get(f"/jobs/{place}"),
        client.get(f"/jobs/{place}/events"),
        client.delete(f"/jobs/{place}"),
        client.post(f"/jobs/{place}/finish"),
        give(client, place, "Ada", samples / ARDERN[0]),
    ):
        assert answer.status_code in (404, 405, 422)


def test_a_service_that_ends_waits_for_no_listener(serve: Serve, samples: Path) -> None:
    """And enrols what it has taken on."""
    service = serve()
    job = begin(service.client)
    with service.client.stream("GET", f"/jobs/{job}/events") as stream:
        listening = events(stream)
        next(listening)
        give(service.client, job, "Jacinda Ardern", *(samples / name for name in ARDERN))
        service.process.terminate()
        assert "end" not in [event.kind for event in listening]
    assert service.process.wait(60) == 0
    assert open_gallery(service.database).snapshot().person("Jacinda Ardern").photos == 2


# ---------------------------------------------------------------------- without a service


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Holds a job's thread, so that what waits does."""

    def __init__(self, jobs: Jobs) -> None:
        self.open = threading.Event()
        jobs._worker.submit(self.open.wait)


def through(jobs: Jobs) -> None:
    """Wait until all that waits is enrolled."""
    jobs._worker.submit(lambda: None).result()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return open_gallery(tmp_path / "database", create=True)


@pytest.fixture
def jobs(recognizer: Recognizer, gallery: Gallery, clock: Clock) -> Iterator[Jobs]:
    jobs = Jobs(recognizer, gallery, clock)
    yield jobs
    jobs.close()


@pytest.fixture
def photo(samples: Path) -> Photo:
    return Photo("ardern.jpg", (samples / ARDERN[0]).read_bytes())


def state(job: Job) -> dict[str, Any]:
    told = job.to_json()
    JobRecord.model_validate(told)
    return told


def test_a_job_that_is_left_ends_by_itself_and_is_forgotten(jobs: Jobs, clock: Clock) -> None:
    job = jobs.create()
    clock.now += 599
    assert jobs.get(job.id) is job
    assert state(job)["state"] == "receiving"
    clock.now += 2
    assert jobs.all() == [job]
    assert (state(job)["state"], state(job)["finished"]) == ("done", "2027-01-15T08:10:01Z")
    clock.now += 3_601
    assert jobs.all() == []
    assert jobs.get(job.id) is None


def test_a_silent_listener_hears_that_the_connection_is_alive(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_QUIET", 0.0)
    monkeypatch.setattr(routes, "_LOOKS", 0.0)
    stopping, job = threading.Event(), jobs.create()

    async def listen() -> list[str]:
        told = []
        async for text in routes.told_of(job, jobs, stopping, 0):
            told.append(text)
            if len(told) == 3:
                stopping.set()
        return told

    progress, *comments = anyio.run(listen)
    assert progress.startswith("event: progress\ndata: {")
    assert comments == [": still here\n\n"] * 2


def test_jobs_take_turns(jobs: Jobs, photo: Photo) -> None:
    gate = Gate(jobs)
    one, other = jobs.create(), jobs.create()
    for name in ("A", "B", "C"):
        jobs.add(one, name, [photo])
    jobs.add(other, "D", [photo])
    gate.open.set()
    through(jobs)
    assert [state(job)["enrolled"] for job in (one, other)] == [3, 1]
    people = [person.name for person in jobs._gallery.snapshot().people()]
    assert people == ["A", "D", "B", "C"]


def test_what_waits_is_bounded(jobs: Jobs, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(jobs)
    size = len(photo.content)
    monkeypatch.setattr(jobs_module, "MOST_WAITING", 2 * size)
    one, other = jobs.create(), jobs.create()
    jobs.add(one, "A", [photo, photo])
    with pytest.raises(BusyProblem) as busy:
        jobs.add(other, "B", [photo])
    assert busy.value.headers == {"Retry-After": "5"}
    assert state(other)["received"] == 0
    jobs.stop(one)
    jobs.add(other, "B", [photo])
    gate.open.set()
    through(jobs)
    assert (state(one)["state"], state(one)["done"], state(other)["enrolled"]) == ("stopped", 0, 1)


def test_what_is_told_is_bounded(jobs: Jobs, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MOST_JOBS", 2)
    monkeypatch.setattr(jobs_module, "MOST_TOLD", 2)
    gate = Gate(jobs)
    first, second = jobs.create(), jobs.create()
    with pytest.raises(BusyProblem):
        jobs.create()
    jobs.add(first, "A", [photo, photo])
    with pytest.raises(BusyProblem):
        jobs.add(second, "B", [photo])
    jobs.stop(first)
    jobs.add(second, "B", [photo])
    assert jobs.all() == [second]
    jobs.create()
    gate.open.set()


def test_a_job_that_ended_takes_no_photos(jobs: Jobs, photo: Photo) -> None:
    job = jobs.create()
    jobs.finish(job)
    with pytest.raises(Problem, match="takes no more photos"):
        jobs.add(job, "A", [photo])


def test_what_a_database_refuses_is_told_of_each_photo(jobs: Jobs, gallery: Gallery, photo: Photo) -> None:
    job = jobs.create()
    (Path(gallery.location) / "gallery.h5").write_bytes(b"damaged")
    jobs.add(job, "A", [photo, Photo("other.jpg", photo.content)])
    jobs.finish(job)
    through(jobs)
    assert [(one["photo"], one["status"]) for one in job.outcomes] == [
        ("ardern.jpg", "refused"),
        ("other.jpg", "refused"),
    ]
    assert all(gallery.location not in one["error"] for one in job.outcomes)
    assert state(job)["state"] == "done"


def test_past_its_grace_what_waits_is_stopped(
    recognizer: Recognizer, gallery: Gallery, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_GRACE", 0.0)
    jobs = Jobs(recognizer, gallery)
    gate = Gate(jobs)
    job = jobs.create()
    jobs.add(job, "A", [photo])
    closing = threading.Thread(target=jobs.close)
    closing.start()
    while not job.is_stopped:
        closing.join(0.01)
    gate.open.set()
    closing.join()
    assert (state(job)["state"], state(job)["done"]) == ("stopped", 0)
    assert not list(gallery.snapshot().people())
