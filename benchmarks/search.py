"""Time exact search among a million people, against reading the same bytes from memory.

    python benchmarks/search.py [--people 1000000]

Makes a gallery of random templates in a temporary folder (about 1.3 GB), then prints medians of 11.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from crowd import SIZE, fill

from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.gallery.hdf5 import Hdf5Gallery

DIGEST = "0" * 64
COMPARISON = Comparison(DIGEST, Cosine())


def median(work: Callable[[], object], runs: int = 11) -> float:
    """Median seconds of some work."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Fill, open, search, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    people = parser.parse_args().people
    with tempfile.TemporaryDirectory() as name:
        probe = fill(Path(name), people, DIGEST)

        def opened() -> Hdf5Gallery:
            gallery = Hdf5Gallery(Path(name))
            gallery.snapshot().photo_counts()
            return gallery

        opening = median(opened)
        snapshot = opened().snapshot()
        (match,) = snapshot.search(COMPARISON, probe)[0]
        assert match.name == "person 123", match
        search = median(lambda: snapshot.search(COMPARISON, probe))
        ten = median(lambda: snapshot.search(COMPARISON, probe, top=10))
        parts = [np.array(segment.templates[DIGEST]) for segment in snapshot.index.segments]
        templates = np.concatenate(parts)
        # The sum touches each byte once and does next to nothing with it.
        reading = median(lambda: templates.view(np.int64).sum())
        print(f"{people:,} people x {SIZE}: {templates.nbytes / 1e6:.0f} MB")
        print(f"open and count   {opening * 1000:7.1f} ms")
        print(f"read from memory {reading * 1000:7.1f} ms")
        print(f"search, nearest  {search * 1000:7.1f} ms   {search / reading:.2f} x reading")
        print(f"search, ten      {ten * 1000:7.1f} ms   {ten / reading:.2f} x reading")


if __name__ == "__main__":
    main()
