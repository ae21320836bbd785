"""Server-sent events as clients read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class Event:
    """An event: its kind, its number, and its data."""

    kind: str = ""
    id: int | None = None
    data: Any = None


def events(stream: httpx.Response) -> Iterator[Event]:
    """The events of a stream, but for comments."""
    event = Event()
    for line in stream.iter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            event.id = int(value)
        elif field == "event":
            event.kind = value
        elif field == "data":
            event.data = json.loads(value)
        elif not line and event.kind:
            yield event
            event = Event()
