"""When to write a batch: soon, so that little is lost, but seldom, so that writing takes a small share of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS = 1.0
"""Longest wait of a finished item for its batch, while writing is quick."""
_SHARE = 10
"""A batch is not written before this many times the duration of the last writing has passed."""


class Pace:
    """Says when the next batch is due."""

    def __init__(self) -> None:
        """Begin."""
        self._since, self._duration = time.monotonic(), 0.0

    def is_due(self) -> bool:
        """Whether to write what there is."""
        return time.monotonic() - self._since >= max(_SECONDS, _SHARE * self._duration)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around the writing of a batch."""
        before = time.monotonic()
        yield
        self._since = time.monotonic()
        self._duration = self._since - before
