"""Twenty videos of which it is known who is seen when, through ``facerec watch``: who is told once a visit, who not.

    python benchmarks/videos.py LFW --videos FOLDER [--held-out] [--every 0.1] [--only NAME]

Videos and database are made once, in FOLDER; ``--held-out`` looks at the eight that nothing was tuned by, too. A visit
is the time in which a face can be seen, with breaks up to the ten seconds after which somebody is gone. Of each video:

- visits in truth;
- right: told once, with the right name, or as a stranger;
- missed: not told so;
- unnamed: somebody enrolled told as a stranger;
- false: another's name, a name for a stranger, another stranger's number, or nobody there;
- double: told more than once, or the same stranger with another number;
- swapped: a visit followed on two people's faces;
- frames/s that are looked at, and the processor's milliseconds for each, start of the command and decoding included.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filming import RATE, Box, Film, make, share
from scenes import enrolment, films

from facerec_cli import Identifier, Recognizer, open_gallery
from facerec_cli.defaults import UNKNOWN
from facerec_cli.faces.sources import parse_source
from facerec_cli.faces.video import Stream
from facerec_cli.recognition.visits import GONE
from facerec_cli.recognition.watching import Look, watch

FACEREC = [sys.executable, "-m", "facerec_cli"]
NEAR = RATE // 2
"""Frames between a report's best face and the nearest one in which the truth has the face in view."""
EVERY = 0.1
"""Seconds between frames that are looked at, the command's own default."""
FOLLOWED = 3
"""Of them, on a second face, those that make a swap."""
COLUMNS = ("visits", "right", "missed", "unnamed", "false", "double", "swapped")


@dataclass
class Visit:
    """Somebody's stay, in frames, and what was told of it."""

    first: int
    last: int
    told: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Person:
    """Somebody in a video."""

    name: str
    is_known: bool
    boxes: dict[int, Box]
    visits: list[Visit] = field(default_factory=list)

    def __post_init__(self) -> None:
        for frame in sorted(self.boxes):
            if not self.visits or frame - self.visits[-1].last > GONE * RATE:
                self.visits.append(Visit(frame, frame))
            self.visits[-1].last = frame

    def is_at(self, box: Box, frame: int) -> float:
        """How much of a box near a frame is this one's face, or of the face is in the box: the lesser."""
        near = min(self.boxes, key=lambda other: abs(other - frame), default=-NEAR - 1)
        own = self.boxes.get(near)
        return 0.0 if own is None or abs(near - frame) > NEAR else min(share(own, box), share(box, own))


def people_of(video: Path) -> list[Person]:
    """The truth of a video."""
    listed = json.loads(video.with_suffix(".json").read_text())
    return [
        Person(one["person"], one["known"], {int(row[0]): (row[1], row[2], row[3], row[4]) for row in one["boxes"]})
        for one in listed
    ]


def whose(box: Box, frame: int, people: list[Person]) -> Person | None:
    """Whose face a box is."""
    best = max(people, key=lambda person: person.is_at(box, frame))
    return best if best.is_at(box, frame) > 0.25 else None


def judge(records: list[dict[str, Any]], people: list[Person]) -> tuple[Counter[str], list[str]]:
    """Counts by ``COLUMNS``, but for swaps, and what went wrong, a line each."""
    counts, wrong = Counter[str](), []
    numbers: dict[int, Person] = {}
    for record in records:
        person = whose(record["box"], round(record["at"] * RATE), people)
        is_named, what = record["name"] != UNKNOWN, f"{record['name']} {record['stranger'] or ''}".strip()
        owner = None if is_named else numbers.setdefault(record["stranger"], person or people[0])
        if person is None or (is_named and record["name"] != person.name) or owner not in (None, person):
            counts["false"] += 1
            wrong.append(f"false: {what} at {record['at']} s, who is {person.name if person else 'nobody'}")
            continue
        begin, end = (round((record["position"] + more) * RATE) for more in (0, record["seconds"]))
        visit = max(person.visits, key=lambda visit: min(end, visit.last) - max(begin, visit.first))
        if is_named or not person.is_known:
            visit.told.append(record)
        else:
            counts["unnamed"] += 1
            wrong.append(f"unnamed: {person.name} is {what} at {record['at']} s, {record['candidates'][:1]}")
    for person in people:
        for visit in person.visits:
            counts["visits"] += 1
            counts["right" if len(visit.told) == 1 else "double" if visit.told else "missed"] += 1
            if len(visit.told) != 1:
                said = [f"{one['position']} to {one['position'] + one['seconds']:.3f}" for one in visit.told]
                span = f"{visit.first / RATE:.1f} to {visit.last / RATE:.1f} s"
                wrong.append(f"{'double' if said else 'missed'}: {person.name}, {span} {', '.join(said)}")
        if len({visit.told[0]["stranger"] for visit in person.visits if visit.told}) > 1:
            counts["double"] += 1
            wrong.append(f"double: {person.name} is several strangers")
    return counts, wrong


def swaps(looks: list[Look], people: list[Person]) -> list[str]:
    """The visits that were followed on two people's faces, a line each."""
    faces: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for look in looks:
        for face in look.tracks:
            person = whose(face.box, look.frame.number, people)
            if person is not None and face.visit is not None:
                faces[face.visit][person.name].append(look.frame.position)
    return [
        "swapped: visit "
        + f"{visit}: "
        + ", ".join(f"{name} {min(at):.1f} to {max(at):.1f} s" for name, at in own.items())
        for visit, own in faces.items()
        if sum(len(at) >= FOLLOWED for at in own.values()) > 1
    ]


def meet(people: list[Person]) -> bool:
    """Whether any two faces touch."""
    return any(
        share(box, other.boxes[frame]) > 0
        for number, one in enumerate(people)
        for other in people[number + 1 :]
        for frame, box in one.boxes.items()
        if frame in other.boxes
    )


def enroll(lfw: Path, made: list[Film], folder: Path) -> Path:
    """A database of those who are known in them, and of others, made where it is not there yet."""
    database = folder / "database"
    if database.exists():
        return database
    with tempfile.TemporaryDirectory() as name:
        for person, photos in enrolment(lfw, made).items():
            (Path(name) / person).mkdir()
            for photo in photos:
                (Path(name) / person / photo.name).symlink_to(photo.resolve())
        command = [*FACEREC, "enroll", name, "--largest", "-db", str(database), "--format", "json"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return database


def told(video: Path, database: Path, every: float) -> tuple[list[dict[str, Any]], float, float]:
    """What the command tells of a video, frames a second that it looks at, and processor milliseconds for each."""
    command = [*FACEREC, "watch", str(video), "-db", str(database), "--every", str(every), "--format", "json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = re.search(r"([\d,]+) frames looked at.* ([\d.,]+) frames/s", done.stderr)
    if said is None:
        raise SystemExit(done.stderr)
    frames, rate = (float(number.replace(",", "")) for number in said.groups())
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [json.loads(line) for line in done.stdout.splitlines()], rate, 1000 * used / frames


def followed(video: Path, database: Path, every: float) -> list[Look]:
    """What is shown of each frame that the command looks at."""
    recognizer = Recognizer(quick=True)
    identifier = Identifier(recognizer, open_gallery(database))
    with Stream(parse_source(str(video)), every=every) as stream:
        return list(watch(recognizer, lambda: identifier, stream, source=video.name, is_live=stream.is_live))


def main() -> None:
    """Make what is missing, watch, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path, help="LFW's photos, unpacked")
    parser.add_argument("--videos", type=Path, required=True, help="where the videos are, or will be")
    parser.add_argument("--held-out", action="store_true", help="look at the eight that nothing was tuned by, too")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between frames that are looked at")
    parser.add_argument("--only", default="", help="those with this in their names")
    arguments = parser.parse_args()
    made = films(arguments.lfw)
    sums: dict[bool, Counter[str]] = defaultdict(Counter)
    print(f"{'video':22}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'frames/s':>10}{'ms/frame':>10}")
    database = enroll(arguments.lfw, made, arguments.videos)
    for film in made:
        if arguments.only not in film.name or (film.is_held_out and not arguments.held_out):
            continue
        video = make(film, arguments.videos)
        people = people_of(video)
        records, rate, used = told(video, database, arguments.every)
        counts, wrong = judge(records, people)
        if meet(people):
            wrong += swaps(followed(video, database, arguments.every), people)
        counts["swapped"] = sum(line.startswith("swapped") for line in wrong)
        sums[film.is_held_out] += counts
        print(
            f"{film.name:22}" + "".join(f"{counts[column]:9}" for column in COLUMNS) + f"{rate:10}{used:10.0f}",
            flush=True,
        )
        for line in wrong:
            print(f"    {line}", flush=True)
    for is_held_out, counts in sums.items():
        title = "sum of the held out" if is_held_out else "sum of those tuned by"
        print(f"{title:22}" + "".join(f"{counts[column]:9}" for column in COLUMNS))


if __name__ == "__main__":
    main()
