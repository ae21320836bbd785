"""Enrolling on two nodes of Ray with one core each, beside the plain command's two threads on the same cores, in turn.

    python benchmarks/cluster.py data/lfw --photos 600 --rounds 3

Rates are of what comes after the first photos: loading, and the start of Ray's processes, are told apart. The nodes are
on this machine's loopback; the process that writes the gallery is beside them on the same cores, as is the plain one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from facerec_cli import Recognizer, enroll_all, open_gallery
from facerec_cli.datasets.folder import search
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.spreading import joined

_WARM = 48
"""Photos that are not counted: all processes have done some by then, and the model is loaded."""


@contextmanager
def two_nodes() -> Iterator[OrderedMap]:
    """Two nodes of one core each."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - behind facerec's own import of Ray, which silences it

    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 2**27}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        cluster.add_node(**node)
        with joined(cluster.address) as spread:
            yield spread
    finally:
        cluster.shutdown()


def enrolled(photos: list[tuple[str, Path]], spread: OrderedMap) -> tuple[float, float, list[str]]:
    """Enrol into a new gallery; returns seconds to the first outcome's photo, photos a second from there, outcomes."""
    came: list[float] = []

    class Clocked:
        """Notes when each photo was looked at."""

        def __call__(self, function, items, *, ahead=4):  # type: ignore[no-untyped-def]
            for result in spread(function, items, ahead=ahead):
                came.append(time.perf_counter())
                yield result

    with tempfile.TemporaryDirectory() as folder:
        gallery = open_gallery(f"{folder}/people", create=True)
        began = time.perf_counter()
        outcomes = [str(outcome.to_json()) for outcome in enroll_all(Recognizer(), gallery, photos, spread=Clocked())]
        ended = time.perf_counter()
    return came[0] - began, (len(photos) - _WARM) / (ended - came[_WARM - 1]), sorted(outcomes)


def main() -> None:
    """Measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of people")
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    photos = search(arguments.folder).people[: arguments.photos]
    began = time.perf_counter()
    ratios = []
    with two_nodes() as spread:
        print(f"two nodes are there after {time.perf_counter() - began:.1f} s")
        for _ in range(arguments.rounds):
            start, plain, before = enrolled(photos, ordered_map)
            first, by_ray, after = enrolled(photos, spread)
            ratios.append(by_ray / plain)
            print(
                f"threads: first photo after {start:.2f} s, then {plain:.1f} photos/s; Ray: {first:.2f} s, "
                f"{by_ray:.1f} photos/s; ratio {ratios[-1]:.3f}; same outcomes, in whatever order: {before == after}"
            )
    print(f"median ratio {median(ratios):.3f} over {len(photos)} photos")


if __name__ == "__main__":
    main()
