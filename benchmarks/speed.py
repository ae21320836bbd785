r"""Speed, side by side in one run: start-up, memory and photos a second, against peers.

    python -m venv peers && peers/bin/pip install verifyface==1.1.1 dlib-bin pillow 'setuptools<81'
    peers/bin/pip install --no-deps face_recognition==1.3.0 face_recognition_models
    FACEREC_ZOO=FOLDER_OF_THE_OPENCV_ZOO_FILES \
        python benchmarks/speed.py LFW_FOLDER --peers peers/bin [--runs 7]

Commands take turns, A B C A B C …, so that a slow moment of the machine falls on all; medians are of --runs runs
after one that is not counted. Run it with an installed facerec (a wheel, not an editable install) and a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "tests" / "data"
KNOWN = "jacinda_ardern_2018.jpg"
PROBE = "jacinda_ardern_2022.jpg"


@dataclass
class Timing:
    """Wall seconds and peak memory in MB of each counted run."""

    seconds: list[float]
    megabytes: list[float]


def alternate(commands: dict[str, list[str]], runs: int, cwd: Path) -> dict[str, Timing]:
    """Time commands in turn."""
    timings = {name: Timing([], []) for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
            if number:
                timings[name].seconds.append(time.perf_counter() - start)
                timings[name].megabytes.append(usage.ru_maxrss / 1024)
    return timings


def rates(tools: dict[str, tuple[str, str]], folder: Path, runs: int) -> dict[str, float]:
    """Median photos a second of tools, each given as the Python that runs it and its name in rates.py; in turn."""
    measured: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(runs):
        for name, (python, tool) in tools.items():
            done = subprocess.run(
                [python, HERE / "rates.py", tool, folder], stdout=subprocess.PIPE, text=True, check=True
            )
            measured[name].append(float(done.stdout))
    return {name: statistics.median(numbers) for name, numbers in measured.items()}


def start_up(photos: list[Path], peers: Path, runs: int) -> None:
    """Cold runs of whole commands: help, and one identification among 101 people."""
    facerec = str(Path(sys.executable).with_name("facerec"))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        people = work / "people"
        people.mkdir()
        for photo in photos[:100]:
            shutil.copy(photo, people)
        shutil.copy(SAMPLES / KNOWN, people / "Jacinda Ardern.jpg")
        subprocess.run([facerec, "enroll", people, "--largest"], cwd=work, check=True, capture_output=True)
        for photo in sorted(people.iterdir()):
            person = photo.stem.replace("_", " ")
            command = [str(peers / "verifyface"), "enroll", "--vault", "vault", person, str(photo)]
            subprocess.run(command, cwd=work, check=False, capture_output=True)
        probe = str(SAMPLES / PROBE)
        print(f"{'cold start':<34}{'median s':>9}{'min':>8}{'max':>8}{'peak MB':>9}")
        commands = {
            "facerec --help": [facerec, "--help"],
            "facerec identify": [facerec, "identify", "-i", probe],
            "verifyface identify": [str(peers / "verifyface"), "identify", "--vault", "vault", probe],
            "face_recognition, its command": [str(peers / "face_recognition"), "known", probe],
        }
        # Its command encodes the known people anew at each start: one person is all that is fair to ask.
        (work / "known").mkdir()
        shutil.copy(SAMPLES / KNOWN, work / "known" / "Jacinda Ardern.jpg")
        timings = alternate(commands, runs, work)
    for label, timing in timings.items():
        seconds = timing.seconds
        print(
            f"{label:<34}{statistics.median(seconds):9.3f}{min(seconds):8.3f}{max(seconds):8.3f}"
            f"{max(timing.megabytes):9.0f}"
        )
    ours, theirs = timings["facerec identify"].seconds, timings["verifyface identify"].seconds
    pairs = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(f"facerec / verifyface, run by run: median {statistics.median(pairs):.2f}")


def throughput(photos: list[Path], first_images: list[Path], peers: Path, runs: int) -> None:
    """Photos a second in one process, and bulk enrolment against a bare loop."""
    with tempfile.TemporaryDirectory() as name:
        folder, enrolment = Path(name) / "photos", Path(name) / "first"
        for place, chosen in ((folder, photos), (enrolment, first_images)):
            place.mkdir()
            for photo in chosen:
                (place / photo.name).symlink_to(photo.resolve())
        here, there = sys.executable, str(peers / "python")
        print(f"\n{'photos a second, one process':<34}{len(photos)} photos of LFW")
        tools = {tool: (here, tool) for tool in ("facerec", "opencv")}
        tools |= {tool: (there, tool) for tool in ("verifyface", "face_recognition")}
        measured = rates(tools, folder, runs)
        for tool, number in measured.items():
            print(f"{tool:<34}{number:9.1f}   facerec is {measured['facerec'] / number:.2f} x")
        print(f"\n{'bulk enrolment, photos a second':<34}{len(first_images):,} first images of LFW")
        measured = rates({tool: (here, tool) for tool in ("enroll", "bare")}, enrolment, runs)
        for tool, number in measured.items():
            print(f"{tool:<34}{number:9.1f}   {measured['enroll'] / number:.2f} x")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    people = sorted(path for path in arguments.lfw.iterdir() if path.is_dir())
    first = [person / f"{person.name}_0001.jpg" for person in people]
    several = [photo for photo, person in zip(first, people, strict=True) if len(list(person.iterdir())) > 1]
    peers = arguments.peers.absolute()
    start_up(first[:100], peers, arguments.runs)
    throughput(first[::28][:200], several, peers, arguments.runs)


if __name__ == "__main__":
    main()
