from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.delivery import outbox
from facerec_cli.delivery.opening import open_delivery
from facerec_cli.delivery.topics import part
from facerec_cli.errors import DeliveryError, DependencyError
from tests.delivery.brokers import Running, listening, running
from tests.delivery.certificates import certificate
from tests.delivery.records import record, until

BASE = "facerec/camera_0"


@pytest.fixture(params=["amqtt", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with running(request.param, tmp_path) as one:
        yield one


def test_events_and_who_is_there(broker: Running, told: list[str]) -> None:
    with listening(broker) as heard:
        delivery = open_delivery(f"mqtt://ada:p%40ss@{broker.address}", "camera 0", told.append)
        assert delivery.wants_departures
        delivery.send(record("Ada Lovelace", visit=1))
        delivery.send(record("Zoë", visit=2))
        delivery.send(record("unknown", visit=3, stranger=7))
        delivery.send(record("Ada Lovelace", "left", visit=1))
        until(lambda: len(heard.of(f"{BASE}/event")) == 4)
        assert json.loads(heard.of(f"{BASE}/event")[0]) == record("Ada Lovelace", visit=1)
        assert [json.loads(text)["visit"] for text in heard.of(f"{BASE}/event")] == [1, 2, 3, 1]
        assert [json.loads(text)["who"] for text in heard.of(f"{BASE}/last")] == [
            "Ada Lovelace",
            "Zoë",
            "unknown 7",
            "Ada Lovelace",
        ]
        assert heard.of(f"{BASE}/person/Ada_Lovelace") == ["ON", "OFF"]
        assert heard.of(f"{BASE}/person/{part('Zoë')}") == ["ON"]
        assert {topic for topic in heard.topics if "/person/" in topic} == {
            f"{BASE}/person/Ada_Lovelace",
            f"{BASE}/person/{part('Zoë')}",
        }
        assert heard.of(f"{BASE}/availability") == ["online"]
        assert delivery.close(30) == 0
        until(lambda: heard.of(f"{BASE}/availability") == ["online", "offline"])
    assert told == []


def test_home_assistant_finds_what_it_can_show(broker: Running, told: list[str]) -> None:
    delivery = open_delivery(f"mqtt://ada:p%40ss@{broker.address}/home/porch", "camera 0", told.append)
    delivery.send(record("Ada Lovelace"))
    assert delivery.close(30) == 0
    with listening(broker) as heard:  # afterwards: all of it is kept
        until(lambda: len(heard.topics) >= 5)
        base = "home/porch/camera_0"
        node = f"{part('home/porch')}_camera_0"
        last = json.loads(heard.last[f"homeassistant/sensor/{node}/last/config"])
        person = json.loads(heard.last[f"homeassistant/binary_sensor/{node}/person_Ada_Lovelace/config"])
        assert heard.topics == {
            f"homeassistant/sensor/{node}/last/config",
            f"homeassistant/binary_sensor/{node}/person_Ada_Lovelace/config",
            f"{base}/last",
            f"{base}/person/Ada_Lovelace",
            f"{base}/availability",
        }
    assert last["state_topic"] == last["json_attributes_topic"] == f"{base}/last"
    assert last["value_template"] == "{{ value_json.who[:255] }}"
    assert person["state_topic"] == f"{base}/person/Ada_Lovelace"
    assert (person["payload_on"], person["payload_off"]) == ("ON", "OFF")
    assert person["name"] == "Ada Lovelace"
    assert last["unique_id"] != person["unique_id"]
    for configuration in (last, person):
        assert configuration["availability_topic"] == f"{base}/availability"
        assert configuration["device"]["identifiers"] == [node]
        assert configuration["device"]["name"] == "camera 0"
        assert configuration["origin"]["name"] == "facerec"
    kept = json.loads(heard.last[f"{base}/last"])
    assert "chip" not in kept
    assert len(heard.last[f"{base}/last"]) < 2000
    assert kept["time"] == record()["time"]


def test_a_broker_that_goes_and_comes_back_gets_what_waited(broker: Running, told: list[str]) -> None:
    delivery = open_delivery(f"mqtt://ada:p%40ss@{broker.address}", "camera 0", told.append)
    delivery.send(record("Ada Lovelace", visit=1))
    with listening(broker) as heard:
        until(lambda: heard.last.get(f"{BASE}/person/Ada_Lovelace") == "ON")
    broker.stop()
    until(lambda: told)
    delivery.send(record("Ada Lovelace", "left", visit=1))
    delivery.send(record("Grace Hopper", visit=2))
    broker.start()
    with listening(broker) as heard:
        until(lambda: heard.last.get(f"{BASE}/person/Grace_Hopper") == "ON")
        until(lambda: heard.last.get(f"{BASE}/person/Ada_Lovelace") == "OFF")
        until(lambda: heard.last.get(f"{BASE}/availability") == "online")
        # All that the first broker had kept is there again.
        assert sum(topic.startswith("homeassistant/") for topic in heard.topics) == 3
    assert delivery.close(30) == 0
    assert told == [
        f"mqtt://{broker.address} takes no events now (the connection is lost): they wait, and are sent when it does",
        f"mqtt://{broker.address} takes events again",
    ]


def test_whoever_left_while_too_much_waited_is_not_there(
    broker: Running, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_ROOM", 3)
    delivery = open_delivery(f"mqtt://ada:p%40ss@{broker.address}", "camera 0", told.append)
    delivery.send(record("Ada Lovelace", visit=1))
    with listening(broker) as heard:
        until(lambda: heard.last.get(f"{BASE}/person/Ada_Lovelace") == "ON")
    broker.stop()
    until(lambda: told)
    delivery.send(record("Grace Hopper", visit=2))
    delivery.send(record("Ada Lovelace", "left", visit=1))
    for visit in range(3, 9):
        delivery.send(record("unknown", visit=visit))
    broker.start()
    with listening(broker) as heard:
        until(lambda: heard.last.get(f"{BASE}/person/Grace_Hopper") == "ON")
        until(lambda: heard.last.get(f"{BASE}/person/Ada_Lovelace") == "OFF")
    assert delivery.close(30) > 0
    assert f"3 events wait for mqtt://{broker.address}: from now on the oldest are dropped" in told


def test_a_watch_that_is_killed_leaves_nobody_there(broker: Running, told: list[str]) -> None:
    url = f"mqtt://ada:p%40ss@{broker.address}"
    script = f"""
import time
from facerec_cli.delivery.opening import open_delivery
delivery = open_delivery({url!r}, "camera 0", print)
delivery.send({record("Ada Lovelace")!r})
time.sleep(600)
"""
    with (
        listening(broker) as heard,
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as killed,
    ):
        until(lambda: heard.last.get(f"{BASE}/person/Ada_Lovelace") == "ON")
        until(lambda: heard.last.get(f"{BASE}/availability") == "online")
        os.kill(killed.pid, signal.SIGKILL)
        until(lambda: heard.last[f"{BASE}/availability"] == "offline")  # the last will
        delivery = open_delivery(url, "camera 0", told.append)
        until(lambda: heard.last[f"{BASE}/availability"] == "online")
        until(lambda: heard.last[f"{BASE}/person/Ada_Lovelace"] == "OFF")
        delivery.send(record("Ada Lovelace"))
        until(lambda: heard.last[f"{BASE}/person/Ada_Lovelace"] == "ON")
        assert delivery.close(30) == 0


def test_a_wrong_password_is_told_and_not_shown(broker: Running, told: list[str]) -> None:
    delivery = open_delivery(f"mqtt://ada:wrong@{broker.address}", "camera 0", told.append)
    delivery.send(record())
    until(lambda: told)
    assert delivery.close(0) == 1
    assert f"mqtt://{broker.address} takes no events now (it refuses the connection: " in told[0]
    assert "wrong" not in " ".join(told)


def test_a_broker_that_is_nowhere_is_told_once(told: list[str]) -> None:
    delivery = open_delivery("mqtt://ada:word@127.0.0.1:1/prefix", "camera 0", told.append)
    for visit in range(3):
        delivery.send(record(visit=visit))
    until(lambda: told)
    assert delivery.close(0.1) == 3
    assert told == [
        "mqtt://127.0.0.1:1 takes no events now (no connection): they wait, and are sent when it does",
        "3 events did not get to mqtt://127.0.0.1:1",
    ]


def test_a_broker_without_a_known_certificate_gets_nothing(
    tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path)
    with running("mosquitto", tmp_path, files) as broker:
        url = f"mqtts://ada:p%40ss@{broker.address}"
        delivery = open_delivery(url, "camera 0", told.append)
        delivery.send(record())
        until(lambda: told)
        assert delivery.close(0) == 1
        assert "no safe connection, " in told[0]
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        delivery = open_delivery(url, "camera 0", told.append)
        delivery.send(record())
        assert delivery.close(30) == 0


@pytest.mark.parametrize(
    "url",
    ["mqtt://", "mqtt:///prefix", "mqtt://u:word@[::1", "mqtt://u:word@h:99999", "mqtt://u:word@h:0"]
    + [f"mqtt://u:word@h{path}" for path in ("/a?b", "/a#b", "/%23", "/a/+/b", "/$SYS", "/a//b", "/" + "a" * 201)]
    + ["mqtt://u:word@a..b/"],
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str, told: list[str]) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_delivery(url, "camera 0", told.append)
    assert caught.value.remedy
    assert "word" not in str(caught.value)


def test_without_its_library_the_extra_is_named(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "facerec_cli.delivery.mqtt", raising=False)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(DependencyError) as caught:
        open_delivery("mqtt://h", "camera 0", told.append)
    assert "facerec[mqtt]" in caught.value.remedy


def test_different_names_have_different_topics() -> None:
    names = ["Ada Lovelace", "ada lovelace", "Ada_Lovelace", "Ada-Lovelace", "Ada  Lovelace", "Ada Lovelace ", "Zoe"]
    names += ["Zoë", "李", "王", "", "+", "#", "/", "a/b", "a" * 40, "a" * 41, "a" * 42, "rtsp://10.0.0.5:554/live"]
    parts = {part(name) for name in names}
    assert len(parts) == len(names)
    assert all(
        one and set(one) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for one in parts
    )
    assert part("camera 0") == "camera_0"
