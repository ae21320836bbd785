"""Time searches by a PostgreSQL server, exact and by its HNSW index, and count whom the index overlooks.

    python benchmarks/server_search.py [--people 100000] [--no-index]

Makes people who never were on a server of its own: templates in clusters of a hundred, as alike as people of one kind
are (a cosine of 0.3), and probes of some of them (0.65, as a photo of SFace's to its person's template). Exact answers
are held against NumPy's. Times are of 20 probes; recall is of 1,000. Needs about 3 GB for a million.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import psycopg
from psycopg import sql

from facerec_cli.encoders.cohort import Prior
from facerec_cli.encoders.metric import Comparison, Cosine, Vectors
from facerec_cli.gallery.postgres.connecting import Server
from facerec_cli.gallery.postgres.location import Location
from facerec_cli.gallery.postgres.nearest import build_hnsw
from facerec_cli.gallery.postgres.schema import init
from facerec_cli.gallery.postgres.searching import ServerSnapshot
from tests.servers import postgres_server

SIZE = 128
DIGEST = "0" * 64
PROBES = 1000
_PART = 50_000
_BLOCK = 50
_VECTOR = np.dtype([("length", ">i4"), ("size", ">u2"), ("unused", ">u2"), ("numbers", ">f4", SIZE)])
_ROW = np.dtype(
    [
        ("columns", ">i2"),
        ("person_length", ">i4"),
        ("person", ">i8"),
        ("digest_length", ">i4"),
        ("digest", "S64"),
        ("template", _VECTOR),
        ("version_length", ">i4"),
        ("version", ">i8"),
    ]
)
"""A row of ``template`` as COPY takes it in binary."""


def near(vectors: Vectors, cosine: float, generator: np.random.Generator) -> Vectors:
    """Unit vectors that have about this cosine with each of some."""
    noise = generator.standard_normal(vectors.shape, np.float32) / np.float32(np.sqrt(SIZE))
    mixed = vectors + noise * np.float32(np.sqrt(1 / cosine**2 - 1))
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def fill(location: Location, people: int) -> tuple[Vectors, Vectors]:
    """Make so many people of one photo each; returns their templates, and the probes: of the first, but shuffled."""
    generator = np.random.default_rng(0)
    kinds = near(np.zeros((people // 100, SIZE), np.float32), 0.5, generator)
    templates = near(kinds[generator.integers(len(kinds), size=people)], np.sqrt(0.3), generator)
    init(location)
    with psycopg.connect(location.conninfo) as connection:
        connection.execute(sql.SQL("set search_path = {}, public").format(sql.Identifier(location.schema)))
        connection.execute(
            "insert into person (name, created, version) select 'person ' || i, now(), 1 from generate_series(1, %s) i",
            [people],
        )
        connection.execute(
            "insert into face (person, jpeg, sha256, source, score, created)"
            " select id, '', encode(sha256(name::bytea), 'hex'), name, 1, created from person order by id"
        )
        with connection.cursor().copy("copy template from stdin (format binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for start in range(0, people, _PART):
                part = templates[start : start + _PART]
                rows = np.zeros(len(part), _ROW)
                rows["columns"], rows["person_length"], rows["digest_length"], rows["version_length"] = 4, 8, 64, 8
                rows["person"], rows["digest"] = np.arange(start, start + len(part)) + 1, DIGEST.encode()
                rows["template"]["length"], rows["template"]["size"] = 4 + 4 * SIZE, SIZE
                rows["template"]["numbers"] = part
                copy.write(rows.tobytes())
            copy.write(b"\xff\xff")
        connection.execute("update gallery set version = 1")
        connection.execute(
            "insert into embedding select face.id, digest, template from face join template using (person)"
        )
    with psycopg.connect(location.conninfo, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    return templates, near(templates[generator.permutation(people)[:PROBES]], 0.65, generator)


def times_of(search: Callable[[Vectors], object], probes: Vectors) -> str:
    """How long a search takes: the median, and the least."""
    times = []
    for row in range(21):
        start = time.perf_counter()
        search(probes[[row]])
        times.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(times[1:]):8.1f} ms (least {min(times[1:]):.1f})"


def names(snapshot: ServerSnapshot, comparison: Comparison, probes: Vectors) -> list[str]:
    """Who is nearest to each."""
    return [match[0].name for match in snapshot.search(comparison, probes)]


def exact_names(comparison: Comparison, templates: Vectors, probes: Vectors) -> list[str]:
    """The same, by NumPy."""
    blocks = [probes[start : start + _BLOCK] for start in range(0, len(probes), _BLOCK)]
    rows = np.concatenate([comparison.metric.matrix(block, templates).argmin(axis=1) for block in blocks])
    return [f"person {row + 1}" for row in rows.tolist()]


def share(found: Sequence[str], wanted: Sequence[str]) -> float:
    """How many are as they should be."""
    return sum(one == other for one, other in zip(found, wanted, strict=True)) / len(wanted)


def main() -> None:
    """Fill, search, make the index, search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--no-index", action="store_true", help="exact searches alone")
    given = parser.parse_args()
    with postgres_server(shared_buffers="2GB", maintenance_work_mem="2GB", max_wal_size="8GB") as server:
        url = server.create_database()
        start = time.perf_counter()
        templates, probes = fill(Location.parse(url), given.people)
        print(f"{given.people:,} people of {SIZE} numbers; filled in {time.perf_counter() - start:.0f} s")
        exact = ServerSnapshot(Server(Location.parse(f"{url}?search=server")))
        start = time.perf_counter()
        exact.pending_count(DIGEST)
        exact.photo_counts()
        cohort = exact.cohort(DIGEST)
        print(f"what follows a change       {1000 * (time.perf_counter() - start):8.1f} ms")
        assert np.allclose(cohort.total, templates.sum(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-3)
        centred = Comparison(DIGEST, Cosine(Prior(0.1, 0.1, 0.1).centre(cohort)))
        plain = Comparison(DIGEST, Cosine())
        for title, comparison in (("as they are", plain), ("from the centre", centred)):
            right = share(names(exact, comparison, probes[:20]), exact_names(comparison, templates, probes[:20]))
            took = times_of(partial(exact.search, comparison), probes)
            print(f"exact, {title:20} {took}   {right:.1%} as by NumPy", flush=True)
            took = times_of(partial(comparison.metric.matrix, templates=templates), probes)
            print(f"the same by NumPy, in memory{took}", flush=True)
        if given.no_index:
            return
        start = time.perf_counter()
        build_hnsw(Location.parse(url), DIGEST, SIZE)
        with psycopg.connect(url) as connection:
            (size,) = connection.execute(
                "select sum(pg_relation_size(indexrelid)) from pg_index join pg_class on pg_class.oid = indexrelid"
                " where relname like 'template_hnsw%'"
            ).fetchone() or (0,)
        print(f"HNSW index: {time.perf_counter() - start:.0f} s to make, {int(size) / 1e6:.0f} MB")
        for title, comparison in (("as they are", plain), ("from the centre", centred)):
            wanted = exact_names(comparison, templates, probes)
            for ef_search in (40, 100, 400, 1000):
                location = Location.parse(f"{url}?search=hnsw&ef_search={ef_search}")
                snapshot = ServerSnapshot(Server(location))
                recall = share(names(snapshot, comparison, probes), wanted)
                took = times_of(partial(snapshot.search, comparison), probes)
                print(f"ef_search {ef_search:3}, {title:15} {took}   recall@1 {recall:.1%}", flush=True)


if __name__ == "__main__":
    main()
