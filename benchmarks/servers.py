"""A gallery on a PostgreSQL server beside one in a folder, in turn in one run, on a server of its own on loopback.

    python benchmarks/servers.py [--people 1680 100000 1000000]

Makes people who never were, the same in both, and prints medians.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import psycopg
from crowd import SIZE, fill
from search import median

from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.gallery.base import Gallery, NewFace, Person
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.gallery.opening import open_gallery

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers import postgres_server

PHOTO = Path(__file__).parents[1] / "tests" / "data" / "barack_obama.jpg"
JPEG = encode_chip(np.full((112, 112, 3), 128, np.uint8))
COMPARISON = Comparison(resolve_bundle("pretrained").comparison().digest, Cosine())
PART = 50_000


def fill_server(url: str, people: int) -> None:
    """Put the people of ``crowd.fill`` on a server, one photo each, without a chip."""
    open_gallery(url, create=True)
    generator = np.random.default_rng(0)
    with psycopg.connect(url) as connection:
        connection.execute("set search_path to facerec, public")
        for start in range(0, people, PART):
            ids = np.arange(start + 1, min(start + PART, people) + 1)
            templates = generator.standard_normal((len(ids), SIZE), np.float32)
            templates /= np.linalg.norm(templates, axis=1, keepdims=True)
            _copy_people(connection, ids)
            _copy_vectors(connection, "embedding (face, digest, embedding)", ids, templates, ())
            _copy_vectors(connection, "template (person, digest, template, version)", ids, templates, (1,))
        connection.execute("update gallery set version = 1")
        for table in ("person", "face"):
            connection.execute(f"select setval(pg_get_serial_sequence('{table}', 'id'), {people + 1})")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def _copy_people(connection: psycopg.Connection, ids: np.ndarray) -> None:
    now = "2026-01-01 00:00:00+00"
    with connection.cursor() as cursor:
        with cursor.copy("copy person (id, name, created, version) from stdin") as copy:
            copy.write("".join(f"{number}\tperson {number}\t{now}\t1\n" for number in ids))
        with cursor.copy("copy face (id, person, jpeg, sha256, source, score, created) from stdin") as copy:
            for number in ids:
                sha256 = hashlib.sha256(b"%d" % number).hexdigest()
                copy.write(f"{number}\t{number}\t\\\\x\t{sha256}\t{number}.jpg\t1\t{now}\n")


def _copy_vectors(
    connection: psycopg.Connection, table: str, ids: np.ndarray, vectors: np.ndarray, numbers: tuple[int, ...]
) -> None:
    """Rows of id, digest, vector and more numbers, in COPY's binary format."""
    fields = [("columns", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("digest_size", ">i4"), ("digest", "S64")]
    fields += [("vector_size", ">i4"), ("dimensions", ">i2"), ("unused", ">i2")]
    more = [(f"{part}_{place}", kind) for place in range(len(numbers)) for part, kind in (("s", ">i4"), ("n", ">i8"))]
    rows = np.zeros(len(ids), np.dtype([*fields, ("vector", ">f4", (SIZE,)), *more]))
    for name, value in [("columns", 3 + len(numbers)), ("id_size", 8), ("id", ids), ("digest_size", 64)]:
        rows[name] = value
    rows["digest"], rows["vector_size"], rows["dimensions"] = COMPARISON.digest, 4 + 4 * SIZE, SIZE
    rows["vector"] = vectors
    for place, number in enumerate(numbers):
        rows[f"s_{place}"], rows[f"n_{place}"] = 8, number
    with connection.cursor() as cursor, cursor.copy(f"copy {table} from stdin (format binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows.tobytes() + b"\xff\xff")


FIRST = """
import json, re, sys, time
from pathlib import Path
from facerec_cli.encoders.metric import Comparison, Cosine
from facerec_cli.gallery.opening import open_gallery
import numpy as np
location, digest = sys.argv[1:]
gallery = open_gallery(location)
comparison, probe = Comparison(digest, Cosine()), np.eye(1, 128, dtype=np.float32)
def peak():
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024
before = peak()
start = time.perf_counter()
gallery.snapshot().search(comparison, probe)
seconds = time.perf_counter() - start
print(json.dumps([seconds, peak() - before]))
"""


def first_search(location: str) -> tuple[float, float]:
    """Seconds and MB of a process's first search."""
    command = [sys.executable, "-c", FIRST, location, COMPARISON.digest]
    seconds, megabytes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds, megabytes


def identified(location: str) -> None:
    """Name the faces of one photo, as a command of its own."""
    command = [sys.executable, "-m", "facerec_cli", "identify", "-db", location, "-i", str(PHOTO)]
    subprocess.run(command, check=True, capture_output=True)


def new_face(name: str, photo: int, vector: np.ndarray) -> NewFace:
    """Somebody to enrol."""
    sha256 = hashlib.sha256(f"{name} {photo}".encode()).hexdigest()
    return NewFace(name, JPEG, vector, sha256, f"{photo}.jpg", 0.9)


def vector_of(seed: object) -> np.ndarray:
    """A direction of its own for whoever it is."""
    vector = np.random.default_rng(int(hashlib.sha256(str(seed).encode()).hexdigest()[:15], 16)).standard_normal(SIZE)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def sizes(people: list[int]) -> None:
    """Print what takes how long, for so many people."""
    print(f"{'people':>9}  {'':34}{'folder':>10}{'server':>10}")
    with tempfile.TemporaryDirectory() as place, postgres_server() as server:
        for number in people:
            folder, url = f"{place}/{number}", server.create_database()
            fill(Path(folder), number, COMPARISON.digest)
            fill_server(url, number)
            for label, unit, times in _measured(folder, url, 11 if number < 500_000 else 5):
                cells = "".join(f"{figure:>10.2f}" for figure in times)
                print(f"{number:>9,}  {f'{label}, {unit}':34}{cells}", flush=True)


def _measured(folder: str, url: str, runs: int) -> Iterator[tuple[str, str, list[float]]]:
    places = [folder, url]
    first = [first_search(place) for place in places]
    yield "first search of a process", "s", [seconds for seconds, _ in first]
    yield "memory it takes", "MB", [megabytes for _, megabytes in first]
    yield "identify a photo, a command", "s", [median(partial(identified, at), 3) for at in places]
    by_server = median(lambda: identified(f"{url}?search=server"), 3)
    yield "the same, ?search=server", "s", [float("nan"), by_server]
    # Who changes something is another than who searches.
    pairs = [(open_gallery(place), open_gallery(place)) for place in places]
    unchanged = [median(partial(search, at, vector_of("nobody")), runs) for at, _ in pairs]
    yield "search in a running process", "ms", [1000 * seconds for seconds in unchanged]
    changed = [_changed(*pair, runs) for pair in pairs]
    for place, label in enumerate(("enrol one", "the next search elsewhere", "remove one")):
        yield label, "ms", [1000 * times[place] for times in changed]
    page = [median(partial(first_page, at), runs) for at, _ in pairs]
    yield "the list's first page", "ms", [1000 * seconds for seconds in page]


def search(gallery: Gallery, vector: np.ndarray) -> str:
    """Who is nearest."""
    return gallery.snapshot().search(COMPARISON, vector[None])[0][0].name


def first_page(gallery: Gallery) -> list[Person]:
    """The first whom a list shows."""
    return list(islice(gallery.snapshot().people(), 50))


def _changed(reader: Gallery, writer: Gallery, runs: int) -> tuple[float, float, float]:
    """Median seconds to enrol somebody, of the next search, and to remove them."""
    enrolled, searched, removed = list[float](), list[float](), list[float]()
    for number in range(runs):
        name = f"new {number}"
        face = new_face(name, 1, vector_of(name))
        times = [time.perf_counter()]
        writer.add(COMPARISON, [face])
        times.append(time.perf_counter())
        assert search(reader, face.embedding) == name
        times.append(time.perf_counter())
        writer.remove(name)
        times.append(time.perf_counter())
        assert search(reader, face.embedding) != name
        for part, seconds in zip((enrolled, searched, removed), np.diff(times), strict=True):
            part.append(float(seconds))
    return statistics.median(enrolled), statistics.median(searched), statistics.median(removed)


def main() -> None:
    """Fill both, and measure in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1_680, 100_000, 1_000_000])
    sizes(parser.parse_args().people)


if __name__ == "__main__":
    main()
