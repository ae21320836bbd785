from __future__ import annotations

import base64
import re
import socket
import ssl
from pathlib import Path

import pytest

from facerec_cli.delivery import outbox
from facerec_cli.delivery.opening import open_delivery
from facerec_cli.errors import DeliveryError, NetworkSettingsError
from tests.delivery.certificates import certificate
from tests.delivery.hooks import Answer, hook
from tests.delivery.records import record, until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE", 0.02)


def test_events_arrive_once_each_in_order_with_what_the_url_says(told: list[str]) -> None:
    with hook() as server:
        url = server.url.replace("//", "//ada:p%40ss@") + "/api/events?key=1"
        delivery = open_delivery(url, "camera 0", told.append)
        for visit in range(5):
            delivery.send(record(visit=visit))
        assert delivery.close(30) == 0
    assert server.visits == [0, 1, 2, 3, 4]
    assert len(set(server.ids)) == 5
    first = server.posts[0]
    assert first.record == record(visit=0)
    assert first.path == "/api/events?key=1"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Basic " + base64.b64encode(b"ada:p@ss").decode()
    assert re.fullmatch('"[0-9a-f-]{36}"', first.headers["idempotency-key"])
    assert first.headers["user-agent"].startswith("facerec/")
    assert told == []


def test_a_receiver_that_fails_for_a_while_gets_the_same_event_again(told: list[str]) -> None:
    with hook(Answer(503), Answer(cut=True), Answer(500), Answer(429)) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record(visit=1))
        delivery.send(record(visit=2))
        assert delivery.close(30) == 0
    assert server.visits == [1, 1, 1, 1, 1, 2]
    assert len(set(server.ids[:5])) == 1
    assert server.ids[5] != server.ids[0]
    assert told == [
        f"{server.url} takes no events now (HTTP 503): they wait, and are sent when it does",
        f"{server.url} takes events again",
    ]


def test_a_receiver_that_asks_to_be_left_alone_is(told: list[str]) -> None:
    with hook(Answer(429, {"Retry-After": "1"}), Answer(503, {"Retry-After": "1"})) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record())
        assert delivery.close(30) == 0
    first, second, third = (post.time for post in server.posts)
    assert second - first >= 1
    assert third - second >= 1


def test_what_a_receiver_refuses_is_told_once_and_not_sent_again(told: list[str]) -> None:
    with hook(Answer(404), Answer(404), Answer(401)) as server:
        delivery = open_delivery(f"{server.url}/api/webhook/secret", "camera 0", told.append)
        for visit in range(4):
            delivery.send(record(visit=visit))
        assert delivery.close(30) == 3
    assert server.visits == [0, 1, 2, 3]
    assert told == [
        f"{server.url} did not take an event (HTTP 404): it is lost",
        f"{server.url} did not take an event (HTTP 401): it is lost",
        f"3 events did not get to {server.url}",
    ]


def test_an_event_at_which_a_receiver_fails_does_not_hold_up_the_next(told: list[str]) -> None:
    with hook(*[Answer(500)] * 6) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record(visit=1))
        delivery.send(record(visit=2))
        assert delivery.close(30) == 1
    assert server.visits == [1] * 6 + [2]
    assert f"{server.url} did not take an event (HTTP 500): it is lost" in told


def test_no_redirect_is_followed(told: list[str]) -> None:
    with hook() as elsewhere, hook(Answer(307, {"Location": f"{elsewhere.url}/token"})) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record(visit=1))
        delivery.send(record(visit=2))
        assert delivery.close(30) == 1
    assert elsewhere.posts == []
    assert server.visits == [1, 2]
    assert f"HTTP 307, it leads to {elsewhere.url}, and" in told[0]
    assert "token" not in told[0]


def test_a_receiver_that_comes_late_gets_what_waited(told: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    delivery = open_delivery(f"http://127.0.0.1:{port}/", "camera 0", told.append)
    delivery.send(record(visit=1))
    delivery.send(record(visit=2))
    until(lambda: told)
    with hook(port=port) as server:
        assert delivery.close(30) == 0
    assert server.visits == [1, 2]
    assert told == [
        f"http://127.0.0.1:{port} takes no events now (no connection): they wait, and are sent when it does",
        f"http://127.0.0.1:{port} takes events again",
    ]


def test_a_receiver_that_hangs_delays_nobody_and_gets_the_newest(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_ROOM", 10)
    with hook(Answer(hang=True)) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record(visit=0))
        until(lambda: server.posts)
        for visit in range(1, 51):
            delivery.send(record(visit=visit))
        assert len(server.posts) == 1
        server.let_go.set()
        assert delivery.close(30) == 40
    assert server.visits == [0, 0, *range(41, 51)]
    assert f"10 events wait for {server.url}: from now on the oldest are dropped" in told
    assert told[-1] == f"40 events did not get to {server.url}"


def test_closing_makes_one_more_attempt_at_once(told: list[str]) -> None:
    with hook(Answer(429, {"Retry-After": "600"})) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record())
        until(lambda: told)
        assert delivery.close(30) == 0
    assert server.visits == [1, 1]


def test_closing_waits_for_a_receiver_that_hangs_only_so_long(told: list[str]) -> None:
    with hook(Answer(hang=True)) as server:
        delivery = open_delivery(server.url, "camera 0", told.append)
        delivery.send(record(visit=1))
        delivery.send(record(visit=2))
        until(lambda: server.posts)
        assert delivery.close(0.1) == 2
        assert len(server.posts) == 1
    assert told == [f"2 events did not get to {server.url}"]


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "http://u:word@a..b/",
        "http://[::1",
        "http://h:99999/word",
        "http://u:word@:80/",
        "http://u:word@h:port",
        "ftp://word",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str, told: list[str]) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_delivery(url, "camera 0", told.append)
    assert caught.value.remedy
    assert "word" not in str(caught.value)


def test_proxies_are_those_of_the_environment(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:word@127.0.0.1:1")
    delivery = open_delivery("http://receiver.test/", "camera 0", told.append)
    delivery.send(record())
    until(lambda: told)
    assert "no connection by the proxy that http_proxy names" in told[0]
    assert delivery.close(0) == 1
    assert "word" not in " ".join(told)
    monkeypatch.setenv("http_proxy", "ftp://h")
    with pytest.raises(NetworkSettingsError):
        open_delivery("http://receiver.test/", "camera 0", told.append)


def test_a_receiver_without_a_known_certificate_gets_nothing(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with hook(tls=context) as server:
        url = server.url.replace("http", "https")
        delivery = open_delivery(url, "camera 0", told.append)
        delivery.send(record())
        until(lambda: told)
        assert delivery.close(0) == 1
        assert server.posts == []
        assert "no safe connection" in told[0]
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        delivery = open_delivery(url, "camera 0", told.append)
        delivery.send(record())
        assert delivery.close(30) == 0
        assert len(server.posts) == 1
