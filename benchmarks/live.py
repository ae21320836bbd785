"""``facerec watch`` on a camera, and over an hour: how late it tells, what it skips, what memory it takes.

    python benchmarks/live.py LFW --videos FOLDER [latency | memory] [--busy 2] [--minutes 60] [--every 0.1]

``latency``: a camera on loopback sends a video as MJPEG over HTTP, at its own pace, with people one after another. Told
is the time from the moment when the first picture of somebody is sent until a reader of the command's output has the
event, first with nothing else at work, then beside ``--busy`` processes that only spin. ``memory``: the video over and
over, as one file of ``--minutes``; the command's resident memory on the way, read each second.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from filming import RATE, make
from scenes import films, procession
from videos import EVERY, FACEREC, Person, enroll, people_of

START, END = b"\xff\xd8", b"\xff\xd9"
SPINNING = [sys.executable, "-c", "while True: pass"]


def pictures(video: Path) -> list[bytes]:
    """Its frames as JPEG files."""
    command = ["ffmpeg", "-loglevel", "error", "-i", str(video), "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe", "-"]
    stream = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return [START + part for part in stream.split(START)[1:]]


class Camera(ThreadingHTTPServer):
    """Sends pictures at ``RATE`` to who comes, at ``began``; after the last the picture stays."""

    daemon_threads = True

    def __init__(self, frames: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.frames, self.began = frames, 0.0
        self.url = f"http://127.0.0.1:{self.server_port}/live"


class _Answer(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        began = self.server.began = time.time()
        number = 0
        try:
            while True:
                time.sleep(max(0.0, began + number / RATE - time.time()))
                frame = self.server.frames[min(number, len(self.server.frames) - 1)]
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(frame))
                self.wfile.write(frame + b"\r\n")
                number += 1
        except ConnectionError:
            return

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def camera(frames: list[bytes]) -> Iterator[Camera]:
    """A camera that is on."""
    with Camera(frames) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def latency(database: Path, video: Path, busy: int) -> None:
    """Watch a camera, beside so many processes that spin, and print how late each person was told."""
    people, frames = people_of(video), pictures(video)
    with ExitStack() as stack:
        for _ in range(busy):
            stack.callback(stack.enter_context(subprocess.Popen(SPINNING)).kill)
        server = stack.enter_context(camera(frames))
        command = [*FACEREC, "watch", server.url, "-db", str(database), "--format", "json"]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watching.stdout is not None and watching.stderr is not None
        timer = threading.Timer(len(frames) / RATE + 15, watching.send_signal, [signal.SIGINT])
        timer.start()
        arrived = [(time.time() - server.began, json.loads(line)) for line in watching.stdout]
        timer.cancel()
        said = watching.stderr.read()
    print(f"{busy} processes spinning: {looked_at(said)}")
    told: dict[str, tuple[float, float]] = {}
    for now, record in arrived:
        first = datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp() - server.began
        named = next((person for person in people if person.is_known and person.name == record["name"]), None)
        person = named or shown_at(first, people)
        appeared = min(person.boxes) / RATE
        if person.name in told or person.is_known != (named is not None) or first < appeared - 1:
            print(f"    wrong: {record['name']}, where {person.name} was, after {now - appeared:.2f} s")
        else:
            told[person.name] = first - appeared, now - appeared
    for title, is_known in (("known", True), ("strangers", False)):
        there = [person.name for person in people if person.is_known == is_known]
        seen, late = zip(*(told[name] for name in there if name in told), strict=True)
        print(
            f"    {title}: {len(late)} told of {len(there)}, seen after {median(seen):.2f} s, "
            f"told after {median(late):.2f} s, at most {max(late):.2f} s"
        )


def looked_at(said: str) -> str:
    """The line in which the command says what it looked at."""
    return next((line for line in said.splitlines() if "looked at" in line), said)


def shown_at(seconds: float, people: list[Person]) -> Person:
    """Who was there at a moment, or last before it."""
    there = [person for person in people if min(person.boxes) / RATE <= seconds]
    return max(there or people[:1], key=lambda person: min(person.boxes))


def memory(database: Path, video: Path, minutes: float, every: float) -> None:
    """Watch a long file, and print the resident memory."""
    long = video.with_name("long.mp4")
    seconds = minutes * 60
    again = ["ffmpeg", "-y", "-loglevel", "error", "-stream_loop", "-1", "-i", str(video), "-t", str(seconds)]
    subprocess.run([*again, "-c", "copy", str(long)], check=True)
    command = [*FACEREC, "watch", str(long), "-db", str(database), "--every", str(every), "--format", "json"]
    taken: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        while watching.poll() is None:
            time.sleep(1)
            resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{watching.pid}/status").read_text())
            taken += [int(resident[1]) / 1024] if resident else []
        said = watching.stderr.read()
    for tenth in range(10):
        part = taken[len(taken) * tenth // 10 : len(taken) * (tenth + 1) // 10]
        print(f"to {(tenth + 1) * minutes / 10:4.0f} min: {min(part):6.1f} to {max(part):6.1f} MB")
    print(looked_at(said))
    long.unlink()


def main() -> None:
    """Make what is missing, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path, help="LFW's photos, unpacked")
    parser.add_argument("part", nargs="?", choices=("latency", "memory"), help="both, by default")
    parser.add_argument("--videos", type=Path, required=True, help="where the videos are, or will be")
    parser.add_argument("--busy", type=int, default=2, help="processes that only spin")
    parser.add_argument("--minutes", type=float, default=60, help="of the long video")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between its frames that are looked at")
    arguments = parser.parse_args()
    film = procession(arguments.lfw)
    database = enroll(arguments.lfw, films(arguments.lfw), arguments.videos)
    video = make(film, arguments.videos)
    if arguments.part != "memory":
        for busy in (0, arguments.busy):
            latency(database, video, busy)
    if arguments.part != "latency":
        memory(database, video, arguments.minutes, arguments.every)


if __name__ == "__main__":
    main()
