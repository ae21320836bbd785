"""One at a time, and a word to those who wait."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli import locks
from facerec_cli.locks import LockHeldError, locked

HOLDING = """
import sys, time
from pathlib import Path
from facerec_cli.locks import locked
with locked(Path(sys.argv[1]), 0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_waits_is_told_who_holds_it_and_gives_up(
    holder: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_MOMENT", 0.05)
    who, told = f"process {holder.pid} on {platform.node()}", list[str]()
    with pytest.raises(LockHeldError, match=f"{who} is at work there"), locked(tmp_path / "lock", 0.2, told.append):
        raise AssertionError
    assert told == [who]
    with pytest.raises(LockHeldError), locked(tmp_path / "lock", 0):
        raise AssertionError
    # What a killed process held is free at once.
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / "lock", 5):
        pass


def test_a_wait_that_ends_well_goes_on(
    holder: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_MOMENT", 0.05)
    with locked(tmp_path / "lock", 30, lambda who: holder.kill()):
        pass


@pytest.mark.parametrize("note", [b"", b"process 1 on \x1b]0;owned\x07", b"\xff\xfe", b"process x on here"])
def test_a_note_that_is_not_ours_is_another_process(note: bytes, holder: subprocess.Popen[str], tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(note)
    with (
        pytest.raises(LockHeldError, match="another process is at work there"),
        locked(tmp_path / "lock", 0),
    ):
        raise AssertionError


@pytest.mark.skipif(os.name == "nt", reason="locks otherwise")
@pytest.mark.parametrize("refused", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_at_once(
    refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(descriptor: int, operation: int) -> None:
        raise OSError(refused, os.strerror(refused))

    monkeypatch.setattr("fcntl.flock", without)
    with pytest.raises(OSError, match="its file system has no locks") as raised, locked(tmp_path / "lock", 60):
        raise AssertionError
    assert raised.value.errno == errno.ENOLCK


def test_what_else_is_refused_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "missing" / "lock", 60):
        raise AssertionError
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.name == "nt", reason="permissions otherwise")
def test_a_lock_is_made_with_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", 0, mode=0o600):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600
