"""What a gallery on a server withstands, on a server of its own on loopback.

    python benchmarks/server_siege.py together [--seconds 120]
    python benchmarks/server_siege.py kills [--rounds 20]

``together`` has eight processes write and eight read, and fails where something is lost, or where no order of events
explains an answer. ``kills`` stops a server that waits for the disk as a power cut would, while a process enrols, and
fails where somebody is missing whose enrolment was reported.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from multiprocessing.synchronize import Barrier
from pathlib import Path

from servers import COMPARISON, new_face, vector_of

from facerec_cli.gallery.base import Gallery
from facerec_cli.gallery.opening import open_gallery
from tests.servers import Server, postgres_server

# ------------------------------------------------------------------ many at once

Event = tuple[float, float, str, str | None]
"""When it began and ended, whom it was about, and the name that they had then: by the change, or by the answer."""


def _steps(gallery: Gallery, who: str, *, is_left: bool) -> Iterator[tuple[Callable[[], object], str | None]]:
    """What is done with somebody, and their name then; None: nobody finds them."""
    vector, other = vector_of(who), vector_of(f"c {who}")
    yield lambda: gallery.add(COMPARISON, [new_face(f"a {who}", 1, vector)]), f"a {who}"
    yield lambda: gallery.add(COMPARISON, [new_face(f"a {who}", 2, vector)]), f"a {who}"
    yield lambda: gallery.rename(f"a {who}", f"b {who}"), f"b {who}"
    yield lambda: gallery.add(COMPARISON, [new_face(f"c {who}", 3, other)]), f"b {who}"
    yield lambda: gallery.merge(f"c {who}", f"b {who}"), f"b {who}"
    if not is_left:
        yield lambda: gallery.remove(f"b {who}"), None


def _write(url: str, writer: int, begin: Barrier, seconds: float, results: multiprocessing.Queue[list[Event]]) -> None:
    gallery, events = open_gallery(url), list[Event]()
    begin.wait()
    end = time.monotonic() + seconds
    for turn in count():
        if time.monotonic() >= end:
            break
        who = f"{writer} {turn}"
        for step, name in _steps(gallery, who, is_left=turn % 2 == 0):
            start = time.monotonic()
            step()
            events.append((start, time.monotonic(), who, name))
    results.put(events)


def _read(url: str, seed: int, begin: Barrier, seconds: float, results: multiprocessing.Queue[list[Event]]) -> None:
    gallery, events, choice = open_gallery(url), list[Event](), random.Random(seed)
    begin.wait()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Of the latest, whom somebody is at work on.
        newest = [person.name for person in gallery.snapshot().people()][-16:] or ["a 0 0"]
        who = choice.choice(newest)[2:]
        start = time.monotonic()
        found = gallery.snapshot().search(COMPARISON, vector_of(who)[None])[0]
        events.append((start, time.monotonic(), who, next((m.name for m in found if m.distance < 0.3), None)))
    results.put(events)


def _unexplained(changes: list[Event], answers: list[Event]) -> list[Event]:
    """The answers of one reader that no order of events explains.

    Somebody's state i may have been from the beginning of the change that made it to the end of the next, and whoever
    has seen state i sees none before it.
    """
    states: dict[str, list[tuple[float, float, str | None]]] = {}
    for start, end, who, name in changes:
        known = states.setdefault(who, [(0.0, float("inf"), None)])
        known[-1] = (known[-1][0], end, known[-1][2])
        known.append((start, float("inf"), name))
    seen: dict[str, int] = {}
    wrong = []
    for start, end, who, name in answers:
        known = states.get(who, [(0.0, float("inf"), None)])
        possible = (
            place
            for place, (begun, ended, state) in enumerate(known)
            if place >= seen.get(who, 0) and state == name and begun <= end and ended >= start
        )
        place = next(possible, None)
        if place is None:
            wrong.append((start, end, who, name))
        else:
            seen[who] = place
    return wrong


def together(seconds: float) -> None:
    """Eight write and eight read, each a process; then all is looked at."""
    context = multiprocessing.get_context("spawn")
    with postgres_server() as server:
        url = server.create_database()
        gallery = open_gallery(url, create=True)
        begin = context.Barrier(16)
        queues = [context.Queue() for _ in range(16)]
        work = [_write] * 8 + [_read] * 8
        processes = [
            context.Process(target=function, args=(url, number, begin, seconds, queue))
            for number, (function, queue) in enumerate(zip(work, queues, strict=True))
        ]
        for process in processes:
            process.start()
        told = [queue.get(timeout=seconds + 300) for queue in queues]
        for process in processes:
            process.join()
        changes = [event for events in told[:8] for event in events]
        print(f"{len(changes):,} changes, {sum(map(len, told[8:])):,} searches by other processes")
        wrong = [event for events in told[8:] for event in _unexplained(changes, events)]
        print(f"answers that no order of events explains: {len(wrong)} {wrong[:3]}")
        expected = {name: 3 for who, name in {who: name for _, _, who, name in changes}.items() if name}
        photos = {person.name: person.photos for person in gallery.snapshot().people()}
        print(f"people: {len(photos):,}, as they ought to be: {photos == expected}")
        assert not wrong and photos == expected, set(photos.items()) ^ set(expected.items())


# ------------------------------------------------------------------ power cuts

ENROL = """
import sys
sys.path.insert(0, sys.argv[2])
from facerec_cli.errors import DatabaseError
from servers import COMPARISON, new_face, open_gallery, vector_of
gallery = open_gallery(sys.argv[1])
for number in range(1_000_000):
    name = f"{sys.argv[3]} {number}"
    try:
        gallery.add(COMPARISON, [new_face(name, photo, vector_of(f"{name} {photo}")) for photo in range(3)])
    except DatabaseError as error:
        print(error, file=sys.stderr)
        break
    print(name, flush=True)
"""


def kills(rounds: int) -> None:
    """Stop the server at once while somebody enrols, and look who is there."""
    choice, reported = random.Random(1), list[str]()
    with postgres_server(durable=True) as server:
        url = server.create_database()
        open_gallery(url, create=True)
        for number in range(rounds):
            told, error = _killed(server, url, number, choice.uniform(0.2, 1.5))
            reported += told
            photos = {person.name: person.photos for person in open_gallery(url).snapshot().people()}
            missing = [name for name in reported if photos.get(name) != 3]
            halves = [name for name, enrolled in photos.items() if enrolled != 3]
            print(f"{number + 1:>2}: {len(told):>4} reported, {len(photos) - len(reported)} more there; {error}")
            assert not missing and not halves, (missing, halves)


def _killed(server: Server, url: str, number: int, seconds: float) -> tuple[list[str], str]:
    command = [sys.executable, "-c", ENROL, url, str(Path(__file__).parent), str(number)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        server.stop("immediate")
        rest, error = process.communicate(timeout=120)
    server.start()
    return [first.strip(), *rest.splitlines()], error.strip()


def main() -> None:
    """Besiege, or kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("together").add_argument("--seconds", type=float, default=120)
    commands.add_parser("kills").add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    if given.command == "together":
        together(given.seconds)
    else:
        kills(given.rounds)


if __name__ == "__main__":
    main()
