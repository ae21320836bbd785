"""What ends a run that has something to finish: the first signal asks it to end, a second one ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def finishing(stop: Callable[[], None]) -> Iterator[None]:
    """Let the block finish what it has begun when Ctrl-C is pressed, or another signal comes to end the process.

    Args:
        stop: has the block end soon; called by a signal's handler, on the main thread.

    Raises:
        KeyboardInterrupt: a signal came: when the block is done, or at once with the second.
    """
    # Windows knows fewer of them; those that are ignored, as with nohup, are to be let alone.
    known = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: handler for number in known if callable(handler := signal.getsignal(number))}
    received: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def heed(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        restore()
        stop()

    for number in before:
        signal.signal(number, heed)
    try:
        yield
    finally:
        restore()
    if received:
        before[signal.Signals(received[0])](received[0], None)
