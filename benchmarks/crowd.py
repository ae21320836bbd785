"""A database of very many people who never were: random templates, no chips.

python benchmarks/crowd.py FOLDER [--people 1000000]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from facerec_cli.columns import text_column
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.indexfile import IndexFile
from facerec_cli.gallery.segment import Segment

SIZE = 128
_PART = 50_000


def fill(folder: Path, people: int, digest: str) -> np.ndarray:
    """Make a database of so many people of one photo each; returns a probe that is person 123's template."""
    Hdf5Gallery(folder, create=True)
    generator = np.random.default_rng(0)
    file = IndexFile(folder)
    probe = np.zeros((1, SIZE), np.float32)
    for start in range(0, people, _PART):
        ids = np.arange(start + 1, min(start + _PART, people) + 1)
        templates = generator.standard_normal((len(ids), SIZE), np.float32)
        templates /= np.linalg.norm(templates, axis=1, keepdims=True)
        if start == 0:
            probe = templates[122:123].copy()
        part = Segment(
            people={"id": ids, "name": text_column([f"person {number}" for number in ids]), "created": ids},
            faces={
                "id": ids,
                "person": ids,
                "chip": text_column([f"faces/person-{number}-0123abcd/{number:016x}.jpg" for number in ids]),
                "sha256": text_column([hashlib.sha256(b"%d" % number).hexdigest() for number in ids]),
                "source": text_column([f"{number}.jpg" for number in ids]),
                "score": np.ones(len(ids), np.float32),
                "created": ids,
            },
            embeddings={digest: templates},
            embedded={digest: np.ones(len(ids), np.uint8)},
            templates={digest: templates},
        )
        before = file.read()
        earlier = [] if before is None else before.segments
        # Files take ids too: far away from those of the people to come.
        file.write(Index([*earlier, part], max(before.next_id if before else 1, people + 1)), mode=0o600)
    return probe


def main() -> None:
    """Fill a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=1_000_000)
    given = parser.parse_args()
    fill(given.folder, given.people, resolve_bundle("pretrained").comparison().digest)


if __name__ == "__main__":
    main()
