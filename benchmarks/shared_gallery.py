"""Time a gallery on a PostgreSQL server beside one in a folder: as many people, the same machine, one after the other.

    python benchmarks/shared_gallery.py [--people 1680 100000 1000000]

Makes people who never were, in a temporary folder and on a server of its own that waits for its disk (about 4 GB for a
million), and asks each in a process of its own. First: open, and find one person. Then medians of 21: whether anything
changed, a search, an enrolment, the first search after another has enrolled somebody, a removal, the first 50 people.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import crowd
import numpy as np
import server_search

from facerec_cli import open_gallery
from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.gallery.base import NewFace
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.gallery.postgres.location import Location
from tests.servers import postgres_server

COMPARISON = Comparison(server_search.DIGEST, Cosine())
RUNS = 21


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(location: str) -> dict[str, float]:
    """What a gallery takes, in milliseconds and megabytes."""
    generator = np.random.default_rng(1)
    (probe,) = COMPARISON.metric.scaled(generator.standard_normal((1, server_search.SIZE), np.float32))
    jpeg = encode_chip(generator.integers(0, 255, (112, 112, 3), np.uint8))
    times: dict[str, float] = {}
    gallery = open_gallery(location)
    # Another process's, as far as a gallery can tell.
    other = open_gallery(location)

    def search() -> None:
        gallery.snapshot().search(COMPARISON, probe[None])

    def enrol(number: int) -> None:
        photo = NewFace(f"new {number}", jpeg, probe, f"{number:064x}", "photo.jpg", 0.9)
        assert other.add(COMPARISON, [photo]) == [True]

    times["first search"] = 1000 * seconds(search)
    enrolments = [(seconds(lambda number=number: enrol(number)), seconds(search)) for number in range(RUNS)]  # type: ignore[misc]
    parts = {
        "anything new?": [seconds(gallery.snapshot) for _ in range(RUNS)],
        "search": [seconds(search) for _ in range(RUNS)],
        "enrol one": [enrolment for enrolment, _ in enrolments],
        "search after": [after for _, after in enrolments],
        "remove one": [seconds(lambda number=number: other.remove(f"new {number}")) for number in range(RUNS)],  # type: ignore[misc]
        "first page": [seconds(lambda: list(islice(gallery.snapshot().people(), 50))) for _ in range(RUNS)],
    }
    times |= {part: 1000 * statistics.median(values) for part, values in parts.items()}
    # Not getrusage: its peak may be that of the process which started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    times["memory, MB"] = int(peak) / 1024
    return times


def in_a_process(location: str) -> dict[str, float]:
    """The same, measured by a process that has done nothing else."""
    done = subprocess.run([sys.executable, __file__, "--measure", location], capture_output=True, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def main() -> None:
    """Fill both, ask both, and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1_680, 100_000, 1_000_000])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measured(given.measure)))
        return
    for people in given.people:
        with tempfile.TemporaryDirectory() as name, postgres_server(durable=True, shared_buffers="1GB") as server:
            crowd.fill(Path(name), people, server_search.DIGEST)
            url = server.create_database()
            server_search.fill(Location.parse(url), people)
            folder, shared = in_a_process(name), in_a_process(url)
        print(f"{people:,} people, in milliseconds: folder, server", flush=True)
        for part, value in folder.items():
            print(f"  {part:14} {value:9.1f} {shared[part]:9.1f}", flush=True)


if __name__ == "__main__":
    main()
