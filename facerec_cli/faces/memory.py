"""The memory that photos in work take: one bound for all threads of the process together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Memory:
    """Bytes that threads set aside and give back, first come, first served.

    A thread that holds some never waits for more: so no two can wait for each other.
    """

    def __init__(self, size: int) -> None:
        """Begin with nothing set aside.

        Args:
            size: bytes there are.
        """
        self.size = size
        self._free = size
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()
        self._thread = threading.local()

    @contextmanager
    def set_aside(self, size: int) -> Iterator[None]:
        """Hold bytes for the block, and wait for them first.

        Within the block the thread may ask again: it gets what it holds already, and more at once.

        Args:
            size: bytes; no more than there are.

        Raises:
            ValueError: there are never so many.
        """
        if size > self.size:
            raise ValueError(f"{size} bytes of {self.size}")
        held: int = getattr(self._thread, "held", 0)
        more = max(0, size - held)
        self._take(more, is_waiting=held == 0)
        self._thread.held = held + more
        try:
            yield
        finally:
            self._thread.held = held
            with self._changed:
                self._free += more
                self._changed.notify_all()

    def _take(self, size: int, *, is_waiting: bool) -> None:
        with self._changed:
            if is_waiting:
                turn = object()
                self._queue.append(turn)
                try:
                    self._changed.wait_for(lambda: self._queue[0] is turn and self._free >= size)
                finally:  # also where Ctrl-C ends the waiting
                    self._queue.remove(turn)
                    self._changed.notify_all()
            self._free -= size
