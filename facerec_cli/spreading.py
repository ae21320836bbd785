"""Work on several machines: the one place that imports Ray.

Nodes need facerec of the same version and whatever is read by a path; the function comes to them, once each, with all
that it holds. What a lost node had in work is done by another.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facerec_cli.defaults import VERSION
from facerec_cli.errors import ClusterError, FacerecError
from facerec_cli.parallel import Item, OrderedMap, Result, usable_cores
from facerec_cli.words import some

LOCAL = "local"
"""In place of an address: start Ray on this machine, for as long as the work takes."""
_AUTO = "auto"
# Ray reads these when it is imported. What it has to say goes to its log files: it would run into results on stdout.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "^"
os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"

_TOGETHER = 4
"""Items a task: of a few milliseconds' overhead each, while little is done again when a node is lost."""
_AHEAD = 4
"""Least tasks a core that are on their way: one in work, the others so that it has never to wait for the next."""
_RETRIES = 5
"""How often a task is begun anew after its node, or its process, is lost; an item may be what ends the process."""
_STORE = 256 * 1024 * 1024
"""Bytes of memory that the processes of a Ray started here share for what is on its way."""
_PATIENCE = 5.0
"""Seconds in which a cluster's address has to answer."""


@contextmanager
def joined(address: str = LOCAL) -> Iterator[OrderedMap]:
    """Ray at work for the block: what applies functions to items on all its cores, as ``parallel.ordered_map``.

    Args:
        address: ``local``; ``auto`` for the cluster that this machine is a node of; ``HOST:PORT`` for the same by its
            head; ``ray://HOST:PORT`` for one that this machine is no node of.

    Raises:
        ImportError: Ray is not installed.
        ClusterError: there is no such cluster, or Ray cannot be started; in the block: a node is of no use.
    """
    if address == LOCAL:
        # On the loopback: nobody else is to reach it.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray  # noqa: PLC0415 - not before its environment is settled

    before = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _begin(ray, address)
    finally:
        # Ray's own would end the process before what is done is kept; only the main thread has handlers.
        if signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)
    try:
        yield _Cluster(ray)
    finally:
        ray.shutdown()


def _begin(ray: Any, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    try:
        if address == LOCAL:
            here = {"num_cpus": usable_cores(), "object_store_memory": _STORE, "include_dashboard": False}
            ray.init(LOCAL, **here, **quiet)
        else:
            if address != _AUTO:
                # Ray would try for a minute.
                place = urlsplit(address if "://" in address else f"//{address}")
                socket.create_connection((place.hostname or "", place.port or 10001), _PATIENCE).close()
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        lines = str(error).strip().splitlines()
        why = lines[-1 if lines[0].endswith(":") else 0] if lines else type(error).__name__
        if address == LOCAL:
            raise ClusterError(f"Ray cannot be started here ({why})", "see its log files in /tmp/ray") from error
        raise ClusterError(
            f"The Ray cluster {address} cannot be joined ({why})",
            "check its address, that it runs the same Ray and Python as here, and RAY_AUTH_MODE where it wants a token",
        ) from error


class _Cluster:
    """The cores of a cluster, also those that join later."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._asked, self._known = -math.inf, 1

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = _AHEAD
    ) -> Iterator[Result]:
        """As ``parallel.ordered_map``.

        Raises:
            ClusterError: a node cannot do the work, or a task ends every process that it is given to.
        """
        held = self._ray.put(function)
        task = self._ray.remote(_work).options(num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD")
        waiting = iter(items)
        in_flight: deque[tuple[Any, Sequence[Item]]] = deque()

        def send() -> None:
            for _ in range(self._cores() * max(_AHEAD, ahead // _TOGETHER) - len(in_flight)):
                if not (group := list(islice(waiting, _TOGETHER))):
                    break
                # Within a list what is held is not fetched for every task.
                in_flight.append((task.remote(VERSION, str(Path.cwd()), [held], group), group))

        def results() -> Iterator[Result]:
            try:
                yield None  # type: ignore[misc]
                while in_flight:
                    results, error = self._received(*in_flight.popleft())
                    send()
                    yield from results
                    if error:
                        raise error
            finally:
                if self._ray.is_initialized():
                    for task_result, _ in in_flight:
                        self._ray.cancel(task_result)

        # Begun here, as ``parallel.ordered_map`` is.
        send()
        begun = results()
        next(begun)
        return begun

    def _cores(self) -> int:
        """How many there are, asked once a second: nodes come and go."""
        now = time.monotonic()
        if now > self._asked + 1:
            self._asked, self._known = now, max(1, int(self._ray.cluster_resources().get("CPU", 0)))
        return self._known

    def _received(self, task_result: Any, group: Sequence[Item]) -> tuple[list[Any], FacerecError | None]:
        """The results of a task, and the error that ended it."""
        try:
            done: tuple[list[Any], FacerecError | None] = self._ray.get(task_result)
            return done
        except self._ray.exceptions.RayTaskError as error:
            why = str(error).strip().rpartition("\n")[2]
            problem = f"A node of the Ray cluster failed ({why})"
            raise ClusterError(problem, f"see that each has facerec {VERSION} with all that it needs") from error
        except self._ray.exceptions.RayError as error:
            parts = (part for item in group for part in (item if isinstance(item, tuple) else (item,)))
            what = some([part for part in parts if isinstance(part, Path)]) or "a part of the work"
            problem = f"Every process of the Ray cluster that was given {what} has ended"
            raise ClusterError(problem, "see that nodes have enough memory, or leave that out") from error


def _work(
    version: str, folder: str, held: Sequence[Any], group: Sequence[Item]
) -> tuple[list[Any], FacerecError | None]:
    """On a node: the results of a function for items, up to the first error that is told to people."""
    if version != VERSION:
        problem = f"A node of the Ray cluster has facerec {VERSION}, and this is {version}"
        return [], ClusterError(problem, "install the same on all")
    function = _fetched(held[0], folder)
    results: list[Any] = []
    for item in group:
        try:
            results.append(function(item))
        except FacerecError as error:
            return results, error
    return results, None


@lru_cache(maxsize=1)
def _fetched(held: Any, folder: str) -> Callable[[Any], Any]:
    """The function, once a process; relative paths mean there what they mean here, where the same folder is there."""
    import ray  # noqa: PLC0415 - of the process that runs this

    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a parent may not be searched
        os.chdir(folder)
    function: Callable[[Any], Any] = ray.get(held)
    return function
