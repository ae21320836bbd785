"""What ends a run early, or keeps it from beginning: one line, the right status, and what was finished is kept."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facerec_cli.cli.remedies import refused_by_system
from tests.conftest import Run

STOPPED = "Stopped; what was finished is kept.\n"


def heed_signals() -> None:
    """Undo what a shell without job control, or nohup, does: ignore them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_keeps_what_was_finished(
    number: signal.Signals, status: int, facerec_path: str, facerec: Run, samples: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    people.mkdir()
    for copy in range(300):
        (people / f"person {copy}.jpg").write_bytes((samples / "jacinda_ardern_2018.jpg").read_bytes() + b"\n" * copy)
    process = subprocess.Popen(
        [facerec_path, "enroll", "people", "--format", "json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,  # noqa: PLW1509
    )
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(number)
    reported = {json.loads(line)["name"] for line in [first, *process.stdout]}
    said = process.stderr.read()
    assert process.wait(timeout=60) == status
    assert said.endswith(STOPPED) and "Traceback" not in said
    assert "\n\n" not in said
    listed = facerec("people", "list", "--format", "json").stdout.splitlines()
    assert reported <= {json.loads(line)["name"] for line in listed}
    assert len(listed) < 300


def test_nohup_is_respected(facerec_path: str, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from facerec_cli.cli import _heed_signals\n"
        "_heed_signals()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
        "print('still there')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "still there\n", done.stderr


@pytest.mark.parametrize("module", ["click", "numpy", "cv2"])
def test_an_interruption_while_it_is_loaded_is_one_line(module: str, samples: Path, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "facerec_cli", "verify", samples / "rishi_sunak.jpg", samples / "barack_obama.jpg"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=heed_signals,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", STOPPED)


def test_a_library_that_makes_an_error_of_an_interruption(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt:\n    raise ImportError('initialization failed')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "facerec_cli", "verify"]
    command += [str(samples / photo) for photo in ("rishi_sunak.jpg", "barack_obama.jpg")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, STOPPED)


# ------------------------------------------------------------------ what the system refuses


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a.jpg"), "a.jpg cannot be used: too many files are open: close"),
        (OSError("unable to open file (errno = 24, error message = 'Too many open files')"), "too many files are open"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), "its name is too long: give it a shorter one."),
        (OSError(errno.ENOSPC, "No space left on device"), "The system refuses to go on: the disk is full: free some"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a cannot be used: it is not readable and writable"),
    ],
)
def test_what_the_system_refuses_is_said_in_words(error: OSError, sentence: str) -> None:
    assert sentence in refused_by_system(error)


def failing(raised: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends in this exception."""
    script = (
        "import sys\n"
        "from facerec_cli import cli\n"
        "import facerec_cli.encoders.bundle as bundle\n"
        f"def fail():\n    raise {raised}\n"
        "bundle.find_bundles = fail\n"
        "sys.argv = ['facerec', 'models', 'list']\n"
        "cli.main()\n"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        ("MemoryError", "Error: There is not enough memory: end other programs, or give less at a time."),
        ("OSError(24, 'Too many open files', 'x.jpg')", "Error: x.jpg cannot be used: too many files are open: "),
        ("RecursionError('maximum')", "Error: facerec met something it did not expect (RecursionError: maximum): "),
        (r"ValueError('a\nb \x1b[2J')", r"Error: facerec met something it did not expect (ValueError: a\nb \x1b[2J): "),
        (r"UnicodeDecodeError('utf-8', b'\xfc', 0, 1, 'bad')", "Error: facerec met something it did not expect (Unic"),
    ],
)
def test_every_error_is_one_sentence(raised: str, sentence: str, tmp_path: Path) -> None:
    done = failing(raised, tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(sentence)


def test_a_name_too_long_for_the_disk_is_one_sentence(facerec: Run, tmp_path: Path) -> None:
    done = facerec("people", "list", "-db", "d" * 300)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "too long" in line and "did not expect" not in line
