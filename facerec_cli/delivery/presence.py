"""Who is before a source, by arrivals and departures."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from facerec_cli.defaults import UNKNOWN


class Presence:
    """The people who are there; from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._visits: dict[int, str] = {}
        self._seen: set[str] = set()

    def take(self, record: Mapping[str, Any]) -> None:
        """Learn of an event.

        A visit may turn out to be somebody else's: then only the later name is there. Strangers count for nobody.
        """
        with self._lock:
            self._visits.pop(record["visit"], None)
            if record["name"] == UNKNOWN:
                return
            self._seen.add(record["name"])
            if record["event"] == "arrived":
                self._visits[record["visit"]] = record["name"]

    def people(self) -> dict[str, bool]:
        """Everybody seen, by name, and whether they are there."""
        with self._lock:
            there = set(self._visits.values())
            return {name: name in there for name in self._seen}
