from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from facerec_cli.faces.images import MEMORY
from facerec_cli.faces.memory import Memory
from facerec_cli.parallel import usable_cores
from tests.faces.pictures import PEAK, deep_png, deep_tiff, in_subprocess, jpeg, needs_posix, png, tiff
from tests.faces.pictures import packed_rows as packed

SECONDS = 30  # what a test waits for what must come, and fails after


def test_threads_never_hold_more_than_there_is_and_all_get_their_turn() -> None:
    memory, lock, random = Memory(100), threading.Lock(), Random(1)
    held, most = 0, 0

    def work(size: int) -> int:
        nonlocal held, most
        with memory.set_aside(size):
            with lock:
                held += size
                most = max(most, held)
            with memory.set_aside(size // 2):  # what is held already
                pass
            with lock:
                held -= size
        return size

    sizes = [random.randint(1, 100) for _ in range(2000)]
    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(work, sizes, timeout=SECONDS)) == sizes
    assert (held, most <= 100) == (0, True)


def test_a_large_one_is_not_kept_waiting_by_small_ones_that_came_later() -> None:
    memory, order = Memory(100), list[str]()

    def take(name: str, size: int) -> None:
        with memory.set_aside(size):
            order.append(name)

    with ThreadPoolExecutor(2) as executor:
        with memory.set_aside(50):
            large = executor.submit(take, "large", 100)
            while not memory._queue:
                pass
            small = executor.submit(take, "small", 10)
            while len(memory._queue) < 2:
                pass
        large.result(SECONDS)
        small.result(SECONDS)
    assert order == ["large", "small"]


def test_what_holds_some_gets_more_at_once_so_that_nobody_waits_for_each_other() -> None:
    memory, both = Memory(100), threading.Barrier(2)

    def work() -> None:
        with memory.set_aside(50):
            both.wait(SECONDS)
            with memory.set_aside(80):
                both.wait(SECONDS)

    with ThreadPoolExecutor(2) as executor:
        for done in [executor.submit(work) for _ in range(2)]:
            done.result(SECONDS)
    with memory.set_aside(100):  # all of it came back
        pass


def test_what_there_never_is_is_refused_and_errors_give_back_what_was_held() -> None:
    memory = Memory(100)
    with pytest.raises(ValueError, match="101"), memory.set_aside(101):
        pass
    for _ in range(3):
        with pytest.raises(KeyError), memory.set_aside(100):
            raise KeyError


TOGETHER = f"""
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from facerec_cli.errors import PhotoError
from facerec_cli.faces.extraction import Extractor
{PEAK}
extractor = Extractor()
before = peak_mb()

def look(path):
    try:
        extraction = extractor.extract(Path(path))
    except PhotoError as error:
        return str(error)
    return extraction.width * extraction.height

with ThreadPoolExecutor(8) as executor:
    outcomes = list(executor.map(look, sys.argv[1:]))
print(json.dumps({{"outcomes": outcomes, "before": before, "peak": peak_mb()}}))
"""
# Each takes 0.2 to 0.5 GB by itself.
SIDE = 6_000
LARGE: dict[str, Callable[[], bytes]] = {
    "plain.png": lambda: png(SIDE, SIDE, 1, 0, packed(bytes(1 + SIDE // 8), SIDE)),
    "deep.png": lambda: deep_png(SIDE, SIDE),
    "progressive.jpg": lambda: jpeg(SIDE, SIDE, progressive=True),
    "one strip.tiff": lambda: tiff(SIDE, SIDE, data=packed(b"\x01" * (SIDE * 3), SIDE)),
    "deep.tiff": lambda: deep_tiff(SIDE, SIDE),
}


@needs_posix
def test_eight_threads_take_a_gigabyte_together_and_the_detector_some_for_each_core(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in LARGE]
    for path in paths:
        path.write_bytes(LARGE[path.name]())
    (found,) = in_subprocess(TOGETHER, *paths, *paths[:3])
    assert found["outcomes"] == [SIDE * SIDE] * 8
    assert found["peak"] - found["before"] < MEMORY.size / 1e6 + 60 * usable_cores()
