"""The threads of a service: what is long, or fails, holds up nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from facerec_cli.faces.images import Photo
from facerec_cli.parallel import usable_cores
from facerec_cli.service.engine import Engine
from facerec_cli.service.problems import Problem
from facerec_cli.service.settings import Settings


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end, on a thread of its own: a browser's loop may run on this one."""
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, coroutine).result()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(Settings(str(tmp_path / "database")))
    yield made
    made.close()


def test_of_a_request_that_failed_no_further_photo_is_looked_at(engine: Engine) -> None:
    seen = []

    def look(photo: Photo) -> None:
        seen.append(photo.source)
        raise ArithmeticError(photo.source)

    async def ask() -> None:
        with pytest.raises(ArithmeticError):
            await engine.look([Photo(str(number), b"") for number in range(50)], look, asyncio.Event().wait)

    run(ask())
    engine.close()
    assert 0 < len(seen) <= 2 * (usable_cores() + 1)
    assert engine.requests == 0


def test_of_a_request_whose_client_left_no_further_photo_is_looked_at(engine: Engine) -> None:
    seen, begun = [], threading.Event()

    def look(photo: Photo) -> None:
        seen.append(photo.source)
        begun.set()
        time.sleep(0.05)

    async def leave() -> None:
        await asyncio.get_running_loop().run_in_executor(None, begun.wait)

    async def ask() -> None:
        with pytest.raises(Problem, match="left"):
            await engine.look([Photo(str(number), b"") for number in range(50)], look, leave)

    run(ask())
    engine.close()
    assert 0 < len(seen) <= 2 * (usable_cores() + 1)
    assert engine.requests == 0


def test_long_looks_at_the_gallery_leave_quick_ones_their_threads(engine: Engine) -> None:
    done = threading.Event()

    async def ask() -> None:
        long = [asyncio.ensure_future(engine.study(done.wait)) for _ in range(8)]
        try:
            assert await engine.read(lambda: not done.is_set())
        finally:
            done.set()
        assert await asyncio.gather(*long) == [True] * 8

    run(ask())
