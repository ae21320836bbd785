"""What makes Home Assistant show a source by itself (its MQTT discovery)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facerec_cli.defaults import VERSION
from facerec_cli.delivery.topics import Topics, part

ON, OFF = "ON", "OFF"
ONLINE, OFFLINE = "online", "offline"
_LEFT_OUT = {"chip", "landmarks"}
"""Of an event, what no attribute needs: Home Assistant stores none beyond 16 kB."""


def last_event(record: Mapping[str, Any]) -> dict[str, Any]:
    """An event without pictures, with ``who`` for a sensor: a name, or a stranger's number."""
    who = record["name"] if record["stranger"] is None else f"{record['name']} {record['stranger']}"
    return {"who": who} | {key: value for key, value in record.items() if key not in _LEFT_OUT}


def source_sensor(topics: Topics) -> tuple[str, dict[str, Any]]:
    """The sensor that shows who was seen last: the topic of its configuration, and that."""
    return _configured(
        topics,
        "sensor",
        "last",
        {
            "name": "Last person",
            "icon": "mdi:face-recognition",
            "state_topic": topics.last,
            # The longest state that Home Assistant takes.
            "value_template": "{{ value_json.who[:255] }}",
            "json_attributes_topic": topics.last,
        },
    )


def person_sensor(topics: Topics, name: str) -> tuple[str, dict[str, Any]]:
    """The sensor that shows whether a person is there: the topic of its configuration, and that."""
    return _configured(
        topics,
        "binary_sensor",
        f"person_{part(name)}",
        {
            "name": name,
            "icon": "mdi:account",
            "device_class": "occupancy",
            "state_topic": topics.presence(name),
            "payload_on": ON,
            "payload_off": OFF,
        },
    )


def _configured(topics: Topics, kind: str, key: str, own: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    # With the prefix: cameras of two machines may have the same name.
    node = f"{part(topics.prefix)}_{part(topics.source)}"
    common = {
        "unique_id": f"{node}_{key}",
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {
            "identifiers": [node],
            "name": topics.source,
            "manufacturer": "facerec",
            "sw_version": VERSION,
        },
        "origin": {"name": "facerec", "sw_version": VERSION},
    }
    return f"homeassistant/{kind}/{node}/{key}/config", own | common
