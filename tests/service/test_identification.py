"""Identify, verify, detect and embed over HTTP, beside the command line's answers."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import jsonschema
import pytest

from tests.conftest import Run
from tests.service.conftest import Serve, Service, photos

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/output.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, facerec_path: str, samples: Path) -> Path:
    place = tmp_path_factory.mktemp("enrolled") / "database"
    for name, photo in {
        "Jacinda Ardern": "jacinda_ardern_2018.jpg",
        "Emmanuel Macron": "emmanuel_macron_2014.jpg",
    }.items():
        command = [facerec_path, "enroll", "-db", str(place), "--name", name, str(samples / photo)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return place


@pytest.fixture(scope="module")
def service(serve: Serve, database: Path) -> Service:
    return serve(database=database)


def test_a_photo_is_answered_as_the_command_line_answers(
    service: Service, database: Path, facerec: Run, samples: Path
) -> None:
    paths = [samples / "jacinda_ardern_2022.jpg", samples / "rishi_sunak.jpg"]
    answer = service.client.post("/identify", params={"top": 2}, files=photos(*paths))
    assert answer.status_code == 200
    told = facerec("identify", "-db", database, "--top", "2", "--format", "json", *paths).stdout.splitlines()
    for photo, line in zip(answer.json()["photos"], told, strict=True):
        expected = json.loads(line)
        faces = [{key: value for key, value in face.items() if key != "stranger"} for face in photo["faces"]]
        assert faces == expected["faces"]
        jsonschema.validate({"photo": photo["photo"], "faces": faces, "error": photo["error"]}, SCHEMA)
    assert [photo["faces"][0]["name"] for photo in answer.json()["photos"]] == ["Jacinda Ardern", "unknown"]
    assert answer.json()["threshold"]["people"] == 2


def test_an_unusable_photo_says_why_in_its_place(service: Service, samples: Path) -> None:
    files = [("photos", ("notes.txt", b"hello")), *photos(samples / "jacinda_ardern_2022.jpg")]
    refused, identified = service.client.post("/identify", files=files).json()["photos"]
    assert "notes.txt" in refused["error"] and refused["faces"] == [] and refused["width"] == 0
    assert identified["faces"][0]["name"] == "Jacinda Ardern"


def test_a_given_threshold_and_a_rate_decide(service: Service, samples: Path) -> None:
    files = photos(samples / "jacinda_ardern_2022.jpg")
    strict = service.client.post("/identify", params={"threshold": 0.01}, files=files).json()
    assert strict["photos"][0]["faces"][0]["name"] == "unknown"
    assert strict["threshold"] | {"explanation": ""} == {
        "distance": 0.01,
        "fpir": None,
        "people": 2,
        "comparisons": 2.0,
        "explanation": "",
    }
    loose = service.client.post("/identify", params={"fpir": 0.5}, files=files).json()
    assert loose["threshold"]["distance"] > 0.7


def test_with_nobody_enrolled_every_face_is_unknown(serve: Serve, samples: Path) -> None:
    answer = serve().client.post("/identify", files=photos(samples / "rishi_sunak.jpg")).json()
    (face,) = answer["photos"][0]["faces"]
    assert (face["name"], face["distance"], face["threshold"], face["candidates"]) == ("unknown", None, None, [])
    assert answer["threshold"] is None


def test_who_is_enrolled_by_another_program_is_known_at_once(serve: Serve, facerec: Run, samples: Path) -> None:
    service = serve()
    files = photos(samples / "emmanuel_macron_2025.jpg")
    assert service.client.post("/identify", files=files).json()["photos"][0]["faces"][0]["name"] == "unknown"
    facerec("enroll", "-db", service.database, "--name", "E M", samples / "emmanuel_macron_2014.jpg")
    assert service.client.post("/identify", files=files).json()["photos"][0]["faces"][0]["name"] == "E M"
    facerec("people", "remove", "--yes", "-db", service.database, "E M")
    assert service.client.post("/identify", files=files).json()["photos"][0]["faces"][0]["name"] == "unknown"


def test_a_model_that_knows_nobody_yet_embeds_everybody_first(serve: Serve, database: Path, samples: Path) -> None:
    model = Path(__file__).parents[2] / "models/saved_best"
    service = serve("-m", model, database=database)
    files = photos(samples / "jacinda_ardern_2018.jpg")
    answer = service.client.post("/identify", files=files).json()
    assert answer["photos"][0]["faces"][0]["candidates"][0]["name"] == "Jacinda Ardern"
    assert answer["threshold"]["people"] == 2
    assert service.client.post("/verify", files=files, data={"name": "Jacinda Ardern"}).json()["same"]


def test_two_photos_are_compared(service: Service, samples: Path) -> None:
    files = photos(samples / "jacinda_ardern_2018.jpg", samples / "jacinda_ardern_2022.jpg")
    verified = service.client.post("/verify", files=files).json()
    jsonschema.validate(verified, SCHEMA)
    assert verified["same"] and verified["second"] == "jacinda_ardern_2022.jpg"


def test_a_photo_is_compared_with_somebody(service: Service, samples: Path) -> None:
    files = photos(samples / "jacinda_ardern_2022.jpg")
    assert service.client.post("/verify", files=files, data={"name": "Jacinda Ardern"}).json()["same"]
    assert not service.client.post("/verify", files=files, data={"name": "Emmanuel Macron"}).json()["same"]
    nobody = service.client.post("/verify", files=files, data={"name": "Nemo"})
    assert nobody.status_code == 404 and nobody.json()["type"] == "urn:facerec:problem:unknown-person"


def test_faces_are_found_and_embedded(service: Service, samples: Path) -> None:
    files = photos(samples / "rishi_sunak.jpg")
    (found,) = service.client.post("/detect", files=files).json()["photos"][0]["faces"]
    embedded = service.client.post("/embed", files=files).json()
    (face,) = embedded["photos"][0]["faces"]
    assert face.items() >= found.items() and len(face["embedding"]) == 128 and embedded["model"] == "pretrained"


@pytest.mark.parametrize("path", ["health/live", "health/ready", "service", "models", "calibration", "openapi.json"])
def test_the_service_says_what_it_is(service: Service, path: str) -> None:
    assert service.client.get(path).status_code == 200


def test_each_step_of_the_threshold_is_the_one_in_force_at_its_rate(service: Service, samples: Path) -> None:
    told = service.client.get("/calibration").json()
    assert len(told["steps"]) == 41 and told["steps"][0]["fpir"] == 0.001 and told["steps"][-1]["fpir"] == 0.1
    step = told["steps"][7]
    files = photos(samples / "rishi_sunak.jpg")
    in_force = service.client.post("/identify", params={"fpir": step["fpir"]}, files=files).json()["threshold"]
    assert in_force["distance"] == step["threshold"] and in_force["explanation"] == step["explanation"]


def test_what_is_counted_names_nobody(service: Service, samples: Path) -> None:
    service.client.post("/identify", files=photos(samples / "jacinda_ardern_2022.jpg"))
    told = service.client.get("/metrics").text
    assert 'facerec_faces_total{outcome="known"}' in told and 'route="/api/v1/identify"' in told
    assert "Jacinda" not in told + service.log.read_text(encoding="utf-8")


def test_an_end_in_good_order_finishes_what_is_under_way(serve: Serve, samples: Path) -> None:
    service = serve()
    files = photos(*sorted(samples.glob("*.jpg"))) * 5
    with ThreadPoolExecutor(1) as elsewhere:
        answer = elsewhere.submit(service.client.post, "/detect", files=files)
        while "facerec_requests_in_work 1.0" not in httpx.get(f"{service.url}api/v1/metrics").text:
            assert not answer.done()
        assert service.stop() == 0
        assert answer.result().status_code == 200 and len(answer.result().json()["photos"]) == len(files)
