from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.download import download
from facerec_cli.datasets.pieces import Pieces, Version
from facerec_cli.datasets.remote import RemoteFile
from tests.datasets.server import Fault, Server, serving

BYTES = random.Random(0).randbytes(6_000_000)
SHA256 = hashlib.sha256(BYTES).hexdigest()
FAST = Settings(jobs=4, timeout=2, attempts=4, pause=0.01)


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int | None]] = []
        self.notes: list[str] = []

    def started(self, name: str, done: int, total: int | None) -> None:
        self.begun.append((done, total))

    def advanced(self, name: str, count: int) -> None:
        pass

    def finished(self, name: str) -> None:
        pass

    def noted(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files["/file"] = BYTES
        yield server


def remote(*servers: Server, sha256: str = SHA256, path: str = "/file") -> RemoteFile:
    return RemoteFile("file", tuple(server.url + path for server in servers), sha256)


def fetch(file: RemoteFile, folder: Path, settings: Settings = FAST) -> tuple[str | None, Notes]:
    """Download a file; why if it failed, and what was noted."""
    notes = Notes()
    (error,) = download([file], folder, notes, settings).values()
    return (str(error) if error else None), notes


def is_whole(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["file"] and (folder / "file").read_bytes() == BYTES


def test_a_file_comes_in_parallel_ranges_each_byte_once(server: Server, tmp_path: Path) -> None:
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)
    ranges = [request for request in server.log if request.range and request.range != "bytes=0-0"]
    assert len(ranges) >= 4
    assert server.sent("/file") == len(BYTES)


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BYTES)
    assert fetch(remote(server), tmp_path)[0] is None
    assert server.log == []
    (tmp_path / "file").write_bytes(b"something else")
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_a_server_without_ranges_gives_one_stream(tmp_path: Path) -> None:
    with serving(ranges=False) as server:
        server.files["/file"] = BYTES
        assert fetch(remote(server), tmp_path)[0] is None
        assert is_whole(tmp_path)
        assert [request.status for request in server.log] == [200, 200]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("ranges", [False, True])
def test_connections_that_break_off_go_on(ranges: bool, reset: bool, tmp_path: Path) -> None:
    with serving(ranges=ranges) as server:
        server.files["/file"] = BYTES
        server.faults["/file"] = [Fault(), Fault(cut=300_000, reset=reset), Fault(cut=100_000, reset=reset)]
        assert fetch(remote(server), tmp_path)[0] is None
        assert is_whole(tmp_path)
        if ranges and not reset:
            assert server.sent("/file") == len(BYTES)


def test_errors_and_silence_are_waited_out(server: Server, tmp_path: Path) -> None:
    server.faults["/file"] = [
        Fault(status=503),
        Fault(status=500),
        Fault(),
        Fault(stall=3),
        Fault(status=429),
        Fault(wait=0.5),
    ]
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_retry_after_is_honoured(server: Server, tmp_path: Path) -> None:
    server.faults["/file"] = [Fault(status=429, headers={"Retry-After": "1"})]
    began = time.monotonic()
    assert fetch(remote(server), tmp_path)[0] is None
    # Not a speed: less would be a broken promise to the server.
    assert time.monotonic() - began >= 1


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.redirects["/moved"] = "/file"
    assert fetch(remote(server, path="/moved"), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_a_source_that_is_dead_or_wrong_gives_way_to_the_next(server: Server, tmp_path: Path) -> None:
    with serving() as wrong, serving() as empty:
        wrong.files["/file"] = BYTES[:-1] + bytes([BYTES[-1] ^ 1])
        error, notes = fetch(remote(empty, wrong, server), tmp_path)
    assert error is None
    assert is_whole(tmp_path)
    assert "HTTP 404" in notes.notes[0]
    assert "SHA-256" in notes.notes[1]


def test_wrong_bytes_everywhere_leave_nothing_and_name_the_file(server: Server, tmp_path: Path) -> None:
    error, _ = fetch(remote(server, sha256="0" * 64), tmp_path)
    assert error is not None
    assert error.startswith("file could not be fetched")
    assert "SHA-256" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [b"<!DOCTYPE html><title>Log in</title>" * 2_000, b"\n <html>" + bytes(3_000_000)])
def test_a_page_to_log_in_is_called_one_and_not_kept(there: bytes, server: Server, tmp_path: Path) -> None:
    server.files["/file"] = there
    error, _ = fetch(remote(server), tmp_path)
    assert "a web page came from there in place of the file" in str(error)
    assert list(tmp_path.iterdir()) == []
    server.files["/file"] = BYTES
    assert fetch(remote(server), tmp_path)[0] is None


@pytest.mark.parametrize("ranges", [False, True])
def test_another_size_than_the_known_one_is_refused_before_it_comes(ranges: bool, tmp_path: Path) -> None:
    with serving(ranges=ranges) as server:
        server.files["/file"] = BYTES + b"!"
        (error,) = download([replace(remote(server), size=len(BYTES))], tmp_path, Notes(), FAST).values()
        assert "6,000,001 bytes are there, and the file has 6,000,000" in str(error)
        server.settle()
    assert list(tmp_path.iterdir()) == []


def test_what_has_no_size_is_given_up_past_a_bound(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerec_cli.datasets.download.LARGEST", 5_000_000)
    server.faults["/file"] = [Fault(unsized=True), Fault(unsized=True)]
    error, _ = fetch(remote(server), tmp_path)
    assert "it does not end after 5,000,000 bytes" in str(error)
    assert "at most 5,000,000" in str(fetch(remote(server), tmp_path)[0])


def test_a_byte_now_and_then_keeps_no_download_alive(server: Server, tmp_path: Path) -> None:
    server.faults["/file"] = [Fault(), *[Fault(drip=0.05)] * 40]
    error, _ = fetch(remote(server), tmp_path, Settings(jobs=2, timeout=0.3, attempts=2, pause=0.01))
    assert "it sends fewer than 500 bytes a second" in str(error)
    server.faults.clear()
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_a_slow_but_honest_line_is_waited_for(tmp_path: Path) -> None:
    few = BYTES[:60]
    with serving() as server:
        server.files["/file"] = few
        server.faults["/file"] = [Fault(), Fault(drip=0.02)]
        file = remote(server, sha256=hashlib.sha256(few).hexdigest())
        # Some fifty bytes a second, through several times the patience.
        error, _ = fetch(file, tmp_path, Settings(jobs=1, timeout=0.3, attempts=1, slowest=10))
        assert error is None
        assert server.sent("/file") == 60


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/file", "it leads from one address to the next, without end"),
        ("javascript:alert(1)", "is no web address"),
        ("file:///etc/passwd", "is no web address"),
        ("ftp://example.org/file", "is no web address"),
        ("data:,x", "is no web address"),
        ("http://127.0.0.1:99999/", "is no web address"),
        ("http://127.0.0.1:0/", "no connection"),
        ("http://[::1", "nvalid"),
        (f"http://{'a' * 300}/", "no "),
    ],
)
def test_a_redirect_to_nowhere_is_one_sentence(target: str, why: str, server: Server, tmp_path: Path) -> None:
    server.redirects["/file"] = target
    error, _ = fetch(remote(server), tmp_path, replace(FAST, attempts=1))
    assert why in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes 0-0/{'9' * 6_000}"},
        {"Content-Range": "bytes 0-0/²"},
        {"Content-Range": "bytes 0-0/*"},
        {"Content-Range": "/"},
        {"Content-Length": "9" * 6_000},
        {"Content-Length": "²"},
    ],
    ids=lambda headers: f"{headers}"[:40],
)
def test_numbers_that_are_none_are_one_sentence(headers: dict[str, str], server: Server, tmp_path: Path) -> None:
    server.faults["/file"] = [Fault(status=206, headers=headers)] * 9
    error, _ = fetch(remote(server), tmp_path, replace(FAST, attempts=1))
    assert error is not None
    assert len(error) < 1_000


@pytest.mark.parametrize(
    "wait", ["9" * 6_000, "²", "Fri, 31 Dec 99999 23:59:59 GMT", "1 Jan 2020 00:00 -99999999999999"]
)
def test_a_wait_that_is_none_is_no_obstacle(wait: str, server: Server, tmp_path: Path) -> None:
    server.faults["/file"] = [Fault(status=503, headers={"Retry-After": wait})]
    error, _ = fetch(remote(server), tmp_path, replace(FAST, attempts=1))
    assert "HTTP 503" in str(error)


@pytest.mark.parametrize(
    "url", ["", "no url", "http://h:99999/file", "ftp://example.org/file", "http://\0/", "http://"]
)
def test_a_source_that_is_no_url_is_one_sentence(url: str, tmp_path: Path) -> None:
    error, _ = fetch(RemoteFile("file", (url,), SHA256), tmp_path)
    assert "no web address" in str(error)


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with serving() as server:
        gone = remote(server)
    error, _ = fetch(gone, tmp_path)
    assert error is not None
    assert "no connection" in error


def test_a_file_that_changes_between_ranges_is_started_anew(server: Server, tmp_path: Path) -> None:
    other = random.Random(1).randbytes(len(BYTES))
    server.files["/file"] = other
    server.faults["/file"] = [Fault(), *[Fault(cut=200_000) for _ in range(4)], *[Fault(status=503) for _ in range(99)]]
    assert fetch(remote(server), tmp_path)[0] is not None
    assert len(Pieces(tmp_path / "file").spans()) == 4
    server.files["/file"] = BYTES
    server.faults.clear()
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_a_file_that_changes_while_it_comes_is_started_anew(server: Server, tmp_path: Path) -> None:
    server.files["/file"] = random.Random(1).randbytes(len(BYTES))
    # The probe and the first ranges see one version; a broken connection's successor sees another.
    server.faults["/file"] = [Fault(), *[Fault(cut=200_000, stall=0.4) for _ in range(4)]]
    changer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])

    class Changing(Notes):
        def advanced(self, name: str, count: int) -> None:
            changer.wait()
            server.files["/file"] = BYTES

    notes = Changing()
    (error,) = download([remote(server)], tmp_path, notes, FAST).values()
    assert error is None
    assert is_whole(tmp_path)
    assert "changed at its source" in notes.notes[0]


@pytest.mark.parametrize(("before", "after"), [(1, 8), (8, 1), (4, 4)])
def test_resuming_asks_only_for_what_is_missing(server: Server, tmp_path: Path, before: int, after: int) -> None:
    server.faults["/file"] = [Fault(), *[Fault(cut=150_000) for _ in range(before)], *[Fault(status=503)] * 500]
    error, _ = fetch(remote(server), tmp_path, Settings(jobs=before, timeout=2, attempts=2, pause=0.01))
    assert error is not None
    had = sum(stop - start for start, stop in Pieces(tmp_path / "file").spans())
    assert 0 < had <= server.sent("/file")
    server.settle()
    sent = server.sent("/file")
    server.faults.clear()
    error, notes = fetch(remote(server), tmp_path, Settings(jobs=after, timeout=2, pause=0.01))
    assert error is None
    assert is_whole(tmp_path)
    assert notes.begun[0] == (had, len(BYTES))
    assert server.sent("/file") - sent == len(BYTES) - had


def test_pieces_of_one_source_are_gone_on_with_from_another_that_has_the_same_bytes(
    server: Server, tmp_path: Path
) -> None:
    server.faults["/file"] = [Fault(), *[Fault(cut=150_000) for _ in range(4)], *[Fault(status=503)] * 500]
    with serving(etags=False) as other:
        other.files["/file"] = BYTES
        error, notes = fetch(remote(server, other), tmp_path)
        assert error is None
        assert is_whole(tmp_path)
        had, _ = notes.begun[-1]
        assert had > 0
        assert other.sent("/file") == len(BYTES) - had


def test_a_full_disk_is_told_before_anything_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    error, _ = fetch(remote(server), tmp_path)
    assert error is not None
    assert "MB free" in error
    assert server.sent("/file") == 0


def test_a_limit_on_a_file_s_size_is_one_sentence_and_what_came_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_001, 1_000_001))

    script = FETCH + "print(outcome(2))"
    command = [sys.executable, "-c", script, f"{server.url}/file", SHA256, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limited, check=True)
    assert re.search(r"^\S+/file cannot be written, ", done.stdout)
    spans = Pieces(tmp_path / "file").spans()
    assert max(stop - start for start, stop in spans) == 1_000_001
    error, notes = fetch(remote(server), tmp_path)
    assert error is None
    assert notes.begun[0][0] == sum(stop - start for start, stop in spans)
    assert is_whole(tmp_path)


def test_pieces_of_what_is_there_are_cleared(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BYTES)
    # As where it was killed between the file's last step and theirs.
    Pieces(tmp_path / "file").begin(Version("url", 1, None))
    assert fetch(remote(server), tmp_path)[0] is None
    assert is_whole(tmp_path)


def test_many_files_come_together_and_one_failure_spares_the_others(server: Server, tmp_path: Path) -> None:
    server.files |= {f"/{number}": bytes([number]) * 1000 for number in range(5)}
    files = [
        RemoteFile(str(number), (f"{server.url}/{number}",), hashlib.sha256(bytes([number]) * 1000).hexdigest())
        for number in range(6)
    ]
    outcomes = download(files, tmp_path, Notes(), FAST)
    assert [name for name, error in sorted(outcomes.items()) if error is None] == ["0", "1", "2", "3", "4"]
    assert "HTTP 404" in str(outcomes["5"])
    assert (tmp_path / "3").read_bytes() == bytes([3]) * 1000


def test_an_interrupted_joining_is_finished_the_next_time(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path / "file")
    pieces.begin(Version("url", 10, None))
    pieces.piece(0).write_bytes(b"0123456")  # the first four were its own, the rest is from the next piece
    pieces.piece(4).write_bytes(b"456789")
    assert pieces.spans() == [(0, 10)]
    assert pieces.gaps(12) == [(10, 12)]
    assert pieces.assemble().read_bytes() == b"0123456789"


FETCH = """
import os, sys
from pathlib import Path
from facerec_cli.datasets.answers import Settings
from facerec_cli.datasets.download import NoWatcher, download
from facerec_cli.datasets.remote import RemoteFile
url, sha256, folder = sys.argv[1:]
def outcome(jobs):
    return download([RemoteFile("file", (url,), sha256)], Path(folder), NoWatcher(), Settings(jobs=jobs))["file"]
def fetch(jobs):
    return outcome(jobs) is not None
"""
FETCH_TWO = FETCH + "sys.exit(fetch(2))"
# A process a line of the input, which is the number of jobs; none imports anything. Says which process, and its end.
FETCH_ANEW = (
    FETCH
    + """
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(fetch(int(line)))
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
)


def test_thirty_kills_and_the_right_bytes_at_the_end(tmp_path: Path) -> None:
    whole = random.Random(2).randbytes(60_000_000)
    sha256 = hashlib.sha256(whole).hexdigest()
    chance = random.Random(3)
    with serving(rate=8e6) as server:
        server.files["/file"] = whole
        command = [sys.executable, "-c", FETCH_ANEW, f"{server.url}/file", sha256, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as parent:
            asked, told = parent.stdin, parent.stdout
            assert asked is not None
            assert told is not None

            def begin(jobs: int) -> int:
                asked.write(b"%d\n" % jobs)
                return int(told.readline())

            killed = fetched = 0
            begun = begin(1)
            while killed < 30:
                if not select.select([told], [], [], chance.uniform(0.02, 0.5))[0]:
                    with suppress(ProcessLookupError):
                        os.kill(begun, signal.SIGKILL)
                status = int(told.readline())
                killed += status == signal.SIGKILL
                if status == 0:
                    assert hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest() == sha256
                    (tmp_path / "file").unlink()
                    fetched += 1
                begun = begin(8 if killed == 30 else chance.choice([1, 4, 8]))
            assert told.readline() == b"0\n"
            asked.close()
        assert (tmp_path / "file").read_bytes() == whole
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        # What a killed process had received was not asked for again; only what was on its way to it was lost.
        lost = server.sent("/file") - (fetched + 1) * len(whole)
        assert 0 <= lost < 30 * 8 * 4_000_000 * 0.25


def test_ctrl_c_keeps_the_pieces(tmp_path: Path) -> None:
    with serving(rate=2e5) as server:
        server.files["/file"] = BYTES
        command = [sys.executable, "-c", FETCH_TWO, f"{server.url}/file", SHA256, str(tmp_path)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while not any(stop > start for start, stop in Pieces(tmp_path / "file").spans()):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        had = sum(stop - start for start, stop in Pieces(tmp_path / "file").spans())
        assert 0 < had < len(BYTES)
        server.rate = None
        _, notes = fetch(remote(server), tmp_path)
        assert notes.begun[0][0] == had
        assert is_whole(tmp_path)
