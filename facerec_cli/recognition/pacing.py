"""When to write a batch: soon, so that little is lost, but seldom, so that writing takes a small share of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 1.0
"""Longest wait of a finished item for its batch, while writing is quick."""
_SHARE = 10
"""A batch is not written before this many times the duration of the last writing has passed."""
_MOST_SECONDS = 10.0
_MOST_ITEMS = 1_000
"""However long writing takes: more is never lost, nor held in memory."""


class Pace:
    """Says when the next batch is due."""

    def __init__(self) -> None:
        """Begin."""
        self._since, self._duration = time.monotonic(), 0.0

    def is_due(self, items: int) -> bool:
        """Whether to write the items there are."""
        wait = min(max(_SECONDS, _SHARE * self._duration), _MOST_SECONDS)
        return items >= _MOST_ITEMS or time.monotonic() - self._since >= wait

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around the writing of a batch."""
        before = time.monotonic()
        yield
        self._since = time.monotonic()
        self._duration = self._since - before
