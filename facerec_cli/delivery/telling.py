"""What people hear of a receiver: each trouble once, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from facerec_cli.words import count

_QUIET = 600.0
"""Seconds for which the same trouble is not told again."""


class Telling:
    """Tells people of one receiver's troubles; from any thread."""

    def __init__(self, name: str, on_problem: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            name: what people know the receiver by, without anything secret.
            on_problem: gets each sentence, without a full stop.
        """
        self.name = name
        self._on_problem = on_problem
        self._lock = Lock()
        self._told: dict[str, float] = {}
        self._is_away = self._is_away_told = False

    def refused(self, why: str, kind: str) -> None:
        """Tell that an event is lost, unless something of its kind was told lately."""
        self._tell(f"refused {kind}", f"{self.name} did not take an event ({why}): it is lost")

    def away(self, why: str) -> None:
        """Tell that nothing is taken for the time being, once until it is."""
        with self._lock:
            is_news, self._is_away = not self._is_away, True
        if is_news:
            sentence = f"{self.name} takes no events now ({why}): they wait, and are sent when it does"
            self._is_away_told = self._tell("away", sentence)

    def back(self) -> None:
        """Tell that events are taken again, if it was told that they were not."""
        with self._lock:
            is_news, self._is_away, self._is_away_told = self._is_away_told, False, False
        if is_news:
            self._on_problem(f"{self.name} takes events again")

    def full(self, room: int) -> None:
        """Tell that events are dropped."""
        self._tell("full", f"{room:,} events wait for {self.name}: from now on the oldest are dropped")

    def lost(self, number: int) -> None:
        """Tell at the end how many events were never taken."""
        self._on_problem(f"{count(number, 'event')} did not get to {self.name}")

    def _tell(self, kind: str, sentence: str) -> bool:
        """Tell, and say so, unless something of that kind was told lately."""
        now = time.monotonic()
        with self._lock:
            if now < self._told.get(kind, now):
                return False
            self._told[kind] = now + _QUIET
        self._on_problem(sentence)
        return True
