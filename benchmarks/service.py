"""What the service costs: answers a second and their latency beside the bare pipeline's rate, memory, time until ready.

    python benchmarks/service.py PHOTOS_FOLDER [--runs 3] [--seconds 8] [--requests 10000]

It needs the extra ``serve`` and wrk, which asks about the same photos in turn, on the same cores as the service. The
bare pipeline is ``Identifier.identify_all`` over the photos' bytes, in one process with as many threads as the service.
Bare and service take turns, so that a slow moment of the machine falls on both; medians are of --runs rounds. Processor
time a photo, which other programs on the machine change less, is beside each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from facerec_cli import Identifier, Recognizer, enroll_all, open_gallery
from facerec_cli.faces.images import Photo

CLIENTS = (1, 4, 16)
FACEREC = [sys.executable, "-m", "facerec_cli"]
SCRIPT = """
local files, turn = {}, 0
for path in io.lines("%s") do
  local file = io.open(path, "rb")
  files[#files + 1] = file:read("*a")
  file:close()
end
local headers = {["Content-Type"] = "multipart/form-data; boundary=facerec"}
request = function()
  turn = turn %% #files + 1
  return wrk.format("POST", nil, headers, files[turn])
end
done = function(summary, latency, requests)
  print(string.format('{"answers": %%d, "seconds": %%f, "median": %%f, "most": %%f, "errors": %%d}', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def bare(database: Path, photos: list[Path], seconds: float) -> tuple[float, float]:
    """Photos a second of the pipeline alone, and its processor milliseconds a photo."""
    read = [Photo(photo.name, photo.read_bytes()) for photo in photos]
    identifier = Identifier(Recognizer(), open_gallery(database))
    list(identifier.identify_all(read))
    begun, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds:
        count += len(list(identifier.identify_all(read)))
    return count / (time.perf_counter() - begun), (time.process_time() - used) / count * 1e3


@contextmanager
def serving(database: Path) -> Iterator[tuple[str, float]]:
    """A service's address, and the seconds until its first answer."""
    begun = time.perf_counter()
    command = [*FACEREC, "serve", "-db", str(database), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        (url,) = re.findall(r"http://\S+/(?=:)", process.stderr.readline())
        httpx.get(f"{url}api/v1/health/ready", trust_env=False).raise_for_status()
        seconds = time.perf_counter() - begun
        # A pipe that nobody reads would fill.
        reader = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        try:
            yield url, seconds
        finally:
            process.terminate()
            process.wait()
            reader.wait()


def metric(url: str, name: str) -> float:
    """A number that the service tells of itself."""
    (found,) = re.findall(rf"^{name} (\S+)$", httpx.get(f"{url}api/v1/metrics", trust_env=False).text, re.MULTILINE)
    return float(found)


def load(url: str, script: Path, clients: int, seconds: float) -> dict[str, float]:
    """Have clients ask, each again when it is answered; latencies and processor times are milliseconds."""
    used, client = metric(url, "process_cpu_seconds_total"), resource.getrusage(resource.RUSAGE_CHILDREN)
    wrk = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", "60s", "-s", str(script)]
    done = subprocess.run([*wrk, f"{url}api/v1/identify"], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert not told["errors"], done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - client.ru_utime - client.ru_stime
    return {
        "rate": told["answers"] / told["seconds"],
        "median": told["median"],
        "most": told["most"],
        "cpu": (metric(url, "process_cpu_seconds_total") - used) / told["answers"] * 1e3,
        "client": spent / told["answers"] * 1e3,
        "answers": told["answers"],
    }


def forms(photos: list[Path], place: Path) -> Path:
    """Write a form for each photo, and the script that has wrk send them; returns the script."""
    for number, photo in enumerate(photos):
        files = [("photos", (photo.name, photo.read_bytes()))]
        headers = {"Content-Type": "multipart/form-data; boundary=facerec"}
        (place / f"{number}.form").write_bytes(httpx.Request("POST", "http://x", files=files, headers=headers).read())
    (place / "forms").write_text("\n".join(map(str, sorted(place.glob("*.form")))))
    script = place / "ask.lua"
    script.write_text(SCRIPT % (place / "forms"))
    return script


def rates(database: Path, photos: list[Path], script: Path, runs: int, seconds: float) -> None:
    """Print what the service answers beside the bare pipeline, in turn."""
    alone: list[tuple[float, float]] = []
    served: dict[int, list[dict[str, float]]] = {clients: [] for clients in CLIENTS}
    with serving(database) as (url, _):
        load(url, script, 4, 2)
        for _ in range(runs):
            for clients in CLIENTS:
                alone.append(bare(database, photos, seconds))
                served[clients].append(load(url, script, clients, seconds))
    print(
        f"{'':<12}{'photos/s':>9}{'of bare':>9}{'median ms':>11}{'95 % ms':>9}{'CPU ms':>8}{'of bare':>9}{'client':>8}"
    )
    rate, cpu = (statistics.median(numbers) for numbers in zip(*alone, strict=True))
    print(f"{'bare':<12}{rate:9.1f}{'':29}{cpu:8.1f}")
    for place, (clients, loads) in enumerate(served.items()):
        middle = {key: statistics.median(load[key] for load in loads) for key in loads[0]}
        beside = alone[place :: len(CLIENTS)]
        ratio = statistics.median(load["rate"] / one for load, (one, _) in zip(loads, beside, strict=True))
        share = statistics.median(load["cpu"] / one for load, (_, one) in zip(loads, beside, strict=True))
        print(f"{clients:>2} at once  {middle['rate']:9.1f}{ratio:9.2f}{middle['median']:11.1f}", end="")
        print(f"{middle['most']:9.1f}{middle['cpu']:8.1f}{share:9.2f}{middle['client']:8.2f}")


def growth(database: Path, script: Path, requests: int) -> None:
    """Print the service's memory after few and after many requests."""
    with serving(database) as (url, _):
        answered = 0.0
        while answered < 100:
            answered += load(url, script, 4, 1)["answers"]
        few, at_first = metric(url, "process_resident_memory_bytes") / 1e6, answered
        while answered < requests:
            answered += load(url, script, 4, 10)["answers"]
        many = metric(url, "process_resident_memory_bytes") / 1e6
    print(f"\nmemory after {at_first:.0f} requests {few:.0f} MB, after {answered:.0f} {many:.0f} MB")


def starts(database: Path, photo: Path, runs: int) -> None:
    """Print the seconds until the service is ready, beside one identification, in turn."""
    ready, whole = [], []
    for _ in range(runs):
        with serving(database) as (_, seconds):
            ready.append(seconds)
        begun = time.perf_counter()
        subprocess.run([*FACEREC, "identify", "-db", str(database), "-i", str(photo)], check=True, capture_output=True)
        whole.append(time.perf_counter() - begun)
    print(f"\nready after {statistics.median(ready):.2f} s (least {min(ready):.2f}), ", end="")
    print(f"`facerec identify` takes {statistics.median(whole):.2f} s (least {min(whole):.2f})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--requests", type=int, default=10_000)
    arguments = parser.parse_args()
    photos = sorted(path for path in arguments.photos.rglob("*") if path.suffix in (".jpg", ".png"))[:50]
    if not shutil.which("wrk"):
        parser.error("there is no wrk: install it")
    load_now = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    size = sum(photo.stat().st_size for photo in photos) / len(photos) / 1e3
    print(f"{len(photos)} photos, {size:.0f} kB on average; ", end="")
    print(f"{len(os.sched_getaffinity(0))} cores, load average {load_now}")
    with tempfile.TemporaryDirectory() as name:
        database, place = Path(name) / "database", Path(name)
        people = [(photo.stem, photo) for photo in photos]
        list(enroll_all(Recognizer(), open_gallery(database, create=True), people, largest=True))
        script = forms(photos, place)
        starts(database, photos[0], 2 * arguments.runs + 1)
        rates(database, photos, script, arguments.runs, arguments.seconds)
        growth(database, script, arguments.requests)


if __name__ == "__main__":
    main()
