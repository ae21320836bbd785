"""Writers, readers and rebuilds at one database at once, as separate processes of the installed command.

    python benchmarks/siege.py FACEREC [--seconds 120]

Six writers enrol, rename, merge and remove people of their own, one of them rebuilding between; two readers identify
photos of people who are enrolled all the time. Prints what was done, and fails where a reader got another answer than
the right name, a command failed, or the database is not consistent afterwards.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from facerec_cli.gallery.hdf5 import Hdf5Gallery

PHOTOS = Path(__file__).parents[1] / "tests" / "data"
KEPT = {
    "Barack Obama": "barack_obama.jpg",
    "Eileen Collins": "eileen_collins_1999.png",
    "Rishi Sunak": "rishi_sunak.jpg",
    "Jacinda Ardern": "jacinda_ardern_2018.jpg",
}
OWN = PHOTOS / "emmanuel_macron_2014.jpg"
OTHER = PHOTOS / "emmanuel_macron_2025.jpg"


class Siege:
    """What everybody shares."""

    def __init__(self, facerec: str, database: Path, seconds: float) -> None:
        """Begin."""
        self.facerec = facerec
        self.database = database
        self.end = time.monotonic() + seconds
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.lock = threading.Lock()

    def run(self, *arguments: str | Path) -> str:
        """Run a command on the database; what it prints."""
        ran = subprocess.run(
            [self.facerec, *map(str, arguments), "-db", str(self.database)], capture_output=True, text=True, check=False
        )
        with self.lock:
            self.done[f"{arguments[0]} {arguments[1] if arguments[0] == 'people' else ''}".strip()] += 1
            if ran.returncode != 0:
                self.wrong.append(f"{arguments}: {ran.returncode} {ran.stderr.strip()[-300:]}")
        return ran.stdout

    def write(self, number: int) -> None:
        """A writer."""
        turn = 0
        while time.monotonic() < self.end:
            turn += 1
            one, other, third = (f"writer {number} {kind} {turn}" for kind in "abc")
            self.run("enroll", "--name", one, OWN)
            self.run("enroll", "--name", other, OTHER)
            self.run("people", "rename", one, third)
            self.run("people", "merge", other, third)
            if number == 0:
                self.run("people", "rebuild")
            if turn % 2:
                self.run("people", "remove", third, "--yes")

    def read(self) -> None:
        """A reader."""
        while time.monotonic() < self.end:
            told = self.run("identify", "--format", "json", *(PHOTOS / photo for photo in KEPT.values()))
            names = [face["name"] for line in told.splitlines() for face in json.loads(line)["faces"][:1]]
            if names != list(KEPT):
                with self.lock:
                    self.wrong.append(f"identified as {names}")


def main() -> None:
    """Enrol, besiege, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("facerec")
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        siege = Siege(given.facerec, Path(place) / "database", given.seconds)
        for name, photo in KEPT.items():
            siege.run("enroll", "--name", name, PHOTOS / photo)
        threads = [threading.Thread(target=siege.write, args=(number,)) for number in range(6)]
        threads += [threading.Thread(target=siege.read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gallery = Hdf5Gallery(siege.database)
        found = gallery.survey()
        siege.wrong += [*found.problems, *found.lost, *found.strangers]
        if gallery.snapshot().pending_count(next(iter(gallery.snapshot().index.segments[-1].templates))):
            siege.wrong.append("photos that are not embedded")
        print(", ".join(f"{count} x {what}" for what, count in siege.done.most_common()))
        print(f"{len(list(gallery.snapshot().people()))} people and {found.enrolled} photos in the end")
        for wrong in siege.wrong:
            print(wrong)
        raise SystemExit(1 if siege.wrong else 0)


if __name__ == "__main__":
    main()
