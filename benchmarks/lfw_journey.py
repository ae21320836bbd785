"""The whole journey on LFW, through the installed command: enrol 1,680 people, identify 11,553 photos.

    python benchmarks/lfw_journey.py LFW_FOLDER LFW_PROTOCOLS [--photos 1]

Enrols the first photos (``--photos`` of them, always leaving one to ask about) of everybody with two or more, with
--largest; identifies all other photos at --fpir 0.01; judges the face nearest to the centre of each, LFW's convention.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from facerec_cli.datasets.lfw import photo_name, read_people

FACEREC = Path(sys.executable).with_name("facerec")


def main() -> None:
    """Lay out the photos, run the commands, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("protocols", type=Path)
    parser.add_argument("--photos", type=int, default=1)
    arguments = parser.parse_args()
    people = {name: count for fold in read_people(arguments.protocols / "people.txt") for name, count in fold.items()}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for person, count in people.items():
            enrolled = min(arguments.photos, count - 1)
            for number in range(1, count + 1):
                place = work / ("enrol" if number <= enrolled else "ask") / person
                place.mkdir(parents=True, exist_ok=True)
                photo = photo_name(person, number)
                (place / Path(photo).name).symlink_to((arguments.lfw / photo).resolve())
        start = time.perf_counter()
        enrol = run(work, "enroll", "enrol", "--largest")
        middle = time.perf_counter()
        asked = run(work, "identify", "-r", "ask", "--fpir", "0.01")
        end = time.perf_counter()
    refused = [line for line in enrol if line["status"] != "enrolled"]
    enrolled, seconds = len(enrol) - len(refused), middle - start
    print(f"enrolled {enrolled:,} photos in {seconds:.1f} s ({len(enrol) / seconds:.1f}/s)")
    for line in refused:
        print(f"  refused: {line['photo']}: {line['error']}")
    known = [(line, central(line)) for line in asked if people[person_of(line)] > 1]
    strangers = [central(line) for line in asked if people[person_of(line)] == 1]
    found = sum(face["name"] == person_of(line) for line, face in known)
    rank1 = sum(face["candidates"][0]["name"] == person_of(line) for line, face in known)
    wrong = sum(face["name"] not in ("unknown", person_of(line)) for line, face in known)
    named = sum(face["name"] != "unknown" for face in strangers)
    print(f"identified {len(asked):,} photos in {end - middle:.1f} s ({len(asked) / (end - middle):.1f}/s)")
    print(f"threshold {asked[0]['faces'][0]['threshold']}")
    print(f"rank-1         {rank1 / len(known):.2%} of {len(known):,}")
    print(f"people found   {found / len(known):.2%}; called somebody else {wrong / len(known):.2%}")
    print(f"strangers named {named / len(strangers):.2%} of {len(strangers):,}")


def run(work: Path, *command: str) -> list[dict[str, Any]]:
    """A command's results."""
    done = subprocess.run(
        [FACEREC, *command, "--format", "json"], cwd=work, stdout=subprocess.PIPE, text=True, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def person_of(line: dict[str, Any]) -> str:
    """Whose photo it is."""
    return Path(line["photo"]).parent.name


def central(line: dict[str, Any]) -> dict[str, Any]:
    """The face nearest to the centre of a photo of 250 x 250 pixels."""

    def off_centre(face: dict[str, Any]) -> float:
        x, y, width, height = face["box"]
        return math.hypot(x + width / 2 - 125, y + height / 2 - 125)

    face: dict[str, Any] = min(line["faces"], key=off_centre)
    return face


if __name__ == "__main__":
    main()
