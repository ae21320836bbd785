from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from facerec_cli.parallel import ordered_map, taken_beside, usable_cores

# Only a test that fails waits so long.
PATIENCE = 60


def test_results_come_in_the_order_of_the_items() -> None:
    later_ones_done = [threading.Event() for _ in range(4)]

    def work(number: int) -> int:
        # Of every four items that are in work at once the first ends last.
        place = number % 4
        if place < 3:
            assert later_ones_done[place + 1].wait(PATIENCE)
        later_ones_done[place].set()
        return number * number

    assert list(ordered_map(work, range(4), threads=4)) == [0, 1, 4, 9]


@pytest.mark.parametrize("threads", [1, 2, 7, None])
@pytest.mark.parametrize("items", [0, 1, 5, 100])
def test_every_item_has_its_result(items: int, threads: int | None) -> None:
    assert list(ordered_map(str, range(items), threads)) == [str(number) for number in range(items)]


def test_several_items_are_in_work_at_once() -> None:
    # Passed only if three threads meet in it.
    together = threading.Barrier(3)
    assert list(ordered_map(lambda number: together.wait(PATIENCE) >= 0, range(3), threads=3)) == [True] * 3


def test_work_starts_before_the_first_result_is_asked_for() -> None:
    started = threading.Event()

    def work(number: int) -> int:
        started.set()
        return number

    results = ordered_map(work, [7], threads=1)
    assert started.wait(PATIENCE)
    assert list(results) == [7]


def test_an_endless_stream_is_read_a_few_items_ahead() -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        for number in count():
            read = number + 1
            yield number

    threads = 3
    results = ordered_map(lambda number: number, endless(), threads)
    for taken in range(1, 200):
        assert next(results) == taken - 1
        assert read - taken <= 4 * threads
    results.close()  # type: ignore[attr-defined]
    assert read <= 199 + 4 * threads


@pytest.mark.parametrize("at", [0, 3, 50])
def test_an_exception_of_the_function_comes_where_its_result_would(at: int) -> None:
    def work(number: int) -> int:
        if number == at:
            raise ZeroDivisionError(f"item {number}")
        return number

    results = ordered_map(work, range(100), threads=2)
    assert list(islice(results, at)) == list(range(at))
    with pytest.raises(ZeroDivisionError, match=f"item {at}"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("after", [2, 30])
def test_an_exception_of_the_items_passes_through(after: int) -> None:
    def broken() -> Iterator[int]:
        yield from range(after)
        raise OSError("the folder is gone")

    with pytest.raises(OSError, match="the folder is gone"):
        list(ordered_map(str, broken(), threads=2))


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("facerec")}


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closing_early_drops_what_has_not_started(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = workers()
    inside, release = threading.Event(), threading.Event()
    ran: list[int] = []
    shutdown = ThreadPoolExecutor.shutdown

    def release_once_the_rest_is_dropped(
        self: ThreadPoolExecutor, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        shutdown(self, wait=False, cancel_futures=cancel_futures)
        release.set()
        shutdown(self, wait=wait)

    def work(number: int) -> int:
        ran.append(number)
        if number == taken:
            inside.set()
            assert release.wait(PATIENCE)
        return number

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", release_once_the_rest_is_dropped)
    results = ordered_map(work, range(1_000), threads=1)
    assert list(islice(results, taken)) == list(range(taken))
    # The one thread is inside item ``taken`` and stays there until what comes after it is dropped.
    assert inside.wait(PATIENCE)
    results.close()  # type: ignore[attr-defined]
    release.set()
    assert list(results) == []
    for thread in workers() - before:
        thread.join(1)
    assert ran == list(range(taken + 1))
    assert workers() <= before


def test_threads_end_with_the_results() -> None:
    before = workers()
    assert len(list(ordered_map(str, range(20), threads=4))) == 20
    assert workers() <= before


def test_usable_cores_is_at_least_one() -> None:
    assert usable_cores() >= 1


def test_something_else_is_done_until_an_item_is_there() -> None:
    called = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert called.wait(PATIENCE)
        yield 2

    assert list(taken_beside(items(), called.set, 0.01)) == [1, 2]


def test_an_item_that_fails_fails_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError

    taken = taken_beside(items(), lambda: None, 0.01)
    assert next(taken) == 1
    with pytest.raises(KeyError):
        next(taken)
