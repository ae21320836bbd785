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
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

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


@dataclass(frozen=True)
class Run:
    """An enrolment: seconds to the first photo, photos a second behind the first few, CPU seconds of those, and faces.

    Each face is name, SHA-256 of the photo, and embedding.
    """

    start: float
    rate: float
    seconds: float
    faces: list[tuple[str, str, bytes]]


def enrolled(photos: list[tuple[str, Path]], spread: OrderedMap) -> Run:
    """Enrol into a new gallery."""
    came: list[tuple[float, float]] = []

    def clocked(function, items, *, ahead=4):  # type: ignore[no-untyped-def]
        """Notes when each photo was looked at."""
        for result in spread(function, items, ahead=ahead):
            if len(came) in (0, _WARM):
                came.append((time.perf_counter(), cpu_seconds()))
            else:
                came.append((time.perf_counter(), 0))
            yield result

    with tempfile.TemporaryDirectory() as folder:
        recognizer, gallery = Recognizer(), open_gallery(f"{folder}/people", create=True)
        began = time.perf_counter()
        for _ in enroll_all(recognizer, gallery, photos, spread=clocked):
            pass
        ended, used = time.perf_counter(), cpu_seconds()
        records = gallery.snapshot().records(recognizer.comparison.digest)
        faces = [
            (one.face.name, one.face.sha256, one.embedding.tobytes()) for one in records if one.embedding is not None
        ]
    warm, used_before = came[_WARM]
    count = len(photos) - _WARM
    return Run(came[0][0] - began, count / (ended - warm), (used - used_before) / count, sorted(faces))


def cpu_seconds() -> float:
    """What this process and all that it started have used; Ray's own processes among them."""
    ours = psutil.Process()
    # A process of Ray outlives the one that started it, but names the session.
    rays = [one for one in psutil.process_iter(["cmdline", "name"]) if _is_ray(one)]
    return sum(sum(one.cpu_times()[:2]) for one in {ours, *rays})


def _is_ray(process: psutil.Process) -> bool:
    return "ray" in " ".join([process.info["name"] or "", *(process.info["cmdline"] or [])[:1]])


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
            plain, by_ray = enrolled(photos, ordered_map), enrolled(photos, spread)
            ratios.append(by_ray.rate / plain.rate)
            for kind, run in (("threads", plain), ("Ray", by_ray)):
                print(
                    f"{kind}: first photo after {run.start:.2f} s, then {run.rate:.1f} photos/s, "
                    f"{run.seconds * 1e3:.0f} ms of CPU a photo"
                )
            print(f"ratio {ratios[-1]:.3f}; the same faces and embeddings: {plain.faces == by_ray.faces}", flush=True)
    print(f"median ratio {median(ratios):.3f} over {len(photos)} photos")


if __name__ == "__main__":
    main()
