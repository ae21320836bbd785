"""Many at once: each has the right answer, or is told to come again, and memory stays bounded."""

from __future__ import annotations

import io
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from facerec_cli.service.engine import LARGE
from tests.service.conftest import Serve, Service, photos
from tests.service.test_safety import memory

AT_ONCE = 200
NAMES = {
    "jacinda_ardern_2022.jpg": "Jacinda Ardern",
    "emmanuel_macron_2025.jpg": "Emmanuel Macron",
    "rishi_sunak.jpg": "unknown",
    "barack_obama.jpg": "unknown",
}
"""Photos, and who is found in them."""


@pytest.fixture(scope="module")
def service(serve: Serve, samples: Path) -> Service:
    service = serve()
    for name, photo in (("Jacinda Ardern", "jacinda_ardern_2018.jpg"), ("Emmanuel Macron", "emmanuel_macron_2014.jpg")):
        assert service.client.post("/people", data={"name": name}, files=photos(samples / photo)).status_code == 201
    return service


def identify(service: Service, samples: Path) -> Callable[[str], httpx.Response]:
    """Asks about a photo on a connection of its own."""

    def ask(name: str) -> httpx.Response:
        url = f"{service.url}api/v1/identify"
        return httpx.post(url, files=photos(samples / name), timeout=300, trust_env=False)

    return ask


def test_two_hundred_at_once_are_answered_rightly_or_told_to_come_again(service: Service, samples: Path) -> None:
    asked = [name for name in NAMES for _ in range(AT_ONCE // len(NAMES))]
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(identify(service, samples), asked))
    counts = Counter(answer.status_code for answer in answers)
    assert counts[200] >= 64 and set(counts) <= {200, 503}, counts
    for name, answer in zip(asked, answers, strict=True):
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["type"] == "urn:facerec:problem:busy"
        else:
            (photo,) = answer.json()["photos"]
            assert (photo["photo"], [face["name"] for face in photo["faces"]]) == (name, [NAMES[name]])
    assert memory(service) < 1.5e9
    assert service.client.post("/identify", files=photos(samples / "rishi_sunak.jpg")).status_code == 200


def test_who_comes_again_when_told_is_answered(service: Service, samples: Path) -> None:
    ask = identify(service, samples)

    def persist(name: str) -> str:
        while (answer := ask(name)).status_code == 503:
            time.sleep(int(answer.headers["retry-after"]))
        return str(answer.json()["photos"][0]["faces"][0]["name"])

    asked = list(NAMES) * 25
    with ThreadPoolExecutor(len(asked)) as clients:
        assert list(clients.map(persist, asked)) == [NAMES[name] for name in asked]


@pytest.fixture(scope="module")
def large(samples: Path) -> bytes:
    """A photo that takes seconds: one face many times."""
    with Image.open(samples / "rishi_sunak.jpg") as photo:
        one = np.asarray(photo.convert("RGB"))
    file = io.BytesIO()
    Image.fromarray(np.tile(one, (7, 8, 1))).save(file, "JPEG", quality=90)
    assert one.shape[0] * 7 * one.shape[1] * 8 > LARGE
    return file.getvalue()


def test_a_large_photo_holds_no_small_one_up(service: Service, samples: Path, large: bytes) -> None:
    def ask_large(_number: int) -> httpx.Response:
        form = [("photos", ("large.jpg", large))]
        return httpx.post(f"{service.url}api/v1/identify", files=form, timeout=300, trust_env=False)

    with ThreadPoolExecutor(8) as clients:
        slow = [clients.submit(ask_large, number) for number in range(4)]
        while taken_on(service) < len(slow):
            time.sleep(0.01)
        small = clients.submit(identify(service, samples), "barack_obama.jpg")
        wait([*slow, small], return_when=FIRST_COMPLETED)
        assert small.result().status_code == 200
        assert sum(one.done() for one in slow) < len(slow)
        answers = [one.result() for one in slow]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(answers[0].json()["photos"][0]["faces"]) > 20


def taken_on(service: Service) -> float:
    """Requests that are being answered."""
    (found,) = re.findall(r"^facerec_requests_in_work (\S+)$", service.client.get("/metrics").text, re.MULTILINE)
    return float(found)


def test_an_end_amid_many_answers_those_that_are_in_work(serve: Serve, service: Service, samples: Path) -> None:
    ending = serve(database=service.database)
    with ThreadPoolExecutor(20) as clients:
        asked = [clients.submit(identify(ending, samples), "jacinda_ardern_2022.jpg") for _ in range(20)]
        while taken_on(ending) < 20:
            assert not all(one.done() for one in asked)
        assert ending.stop() == 0
        for one in asked:
            assert one.result().json()["photos"][0]["faces"][0]["name"] == "Jacinda Ardern"
