"""Work on several photos at once: results in order, memory bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from itertools import islice
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class OrderedMap(Protocol):
    """What applies a function to items, several at once: ``ordered_map``, or what ``spreading.joined`` gives.

    For other machines the function, items and results are pickled.
    """

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 4
    ) -> Iterator[Result]:
        """As ``ordered_map``."""


def usable_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None, ahead: int = 4
) -> Iterator[Result]:
    """Apply a function to items on several threads, giving results in the items' order.

    Work starts at once. Only so many items are in flight, so an endless stream of items needs no more memory
    than a short one. Closing the iterator drops what has not started.

    Args:
        function: what releases the interpreter lock for long: decoding, networks, hashing.
        items: read as results are taken.
        threads: how many; by default the cores that this process may use.
        ahead: items in flight, a thread: what keeps the threads busy while the caller is not asking.
    """
    threads = threads or usable_cores()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="facerec")
    waiting = iter(items)
    in_flight = deque(executor.submit(function, item) for item in islice(waiting, ahead * threads))

    def results() -> Iterator[Result]:
        try:
            yield None  # type: ignore[misc]
            while in_flight:
                yield in_flight.popleft().result()
                in_flight.extend(executor.submit(function, item) for item in islice(waiting, 1))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    # Begun here, so that closing it reaches the end of `results` even if nobody ever asked it for anything.
    begun = results()
    next(begun)
    return begun


def taken_beside(items: Iterable[Item], meanwhile: Callable[[], None], seconds: float) -> Iterator[Item]:
    """Items in their order, each made on another thread, so that this one can do something else until it is there.

    Args:
        items: none of them None.
        meanwhile: called again and again while an item is waited for.
        seconds: from a call to the next.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="facerec-beside") as executor:
        while True:
            coming = executor.submit(next, iterator, None)
            while True:
                try:
                    item = coming.result(seconds)
                    break
                except TimeoutError:
                    meanwhile()
            if item is None:
                break
            yield item
