"""Events for a program: each on its standard input, run anew."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import IO

from facerec_cli.delivery.receiver import Message, Receiver, RefusedError
from facerec_cli.errors import DeliveryError
from facerec_cli.json_text import json_text

_TIMEOUT = 30.0
"""Seconds that a program may take for an event; those behind it wait."""
_POLL = 0.02
"""Seconds between two looks at a running program."""
_LEAVE = 1.0
"""Seconds between asking a program to end and ending it."""
_LONGEST = 200
"""Of a line that a program wrote, characters."""


class Command(Receiver):
    """A program with arguments, run without a shell.

    It has a session of its own, so that Ctrl-C on the terminal does not end it half-way.
    """

    def __init__(self, line: str, timeout: float = _TIMEOUT) -> None:
        """Prepare; nothing is run.

        Args:
            line: program and arguments, quoted as for a shell.
            timeout: seconds after which it is ended.

        Raises:
            DeliveryError: it names no program that there is.
        """
        try:
            self._arguments = shlex.split(line, posix=os.name == "posix")
        except ValueError as error:
            raise DeliveryError(f"The command for events cannot be read ({error})", "close the quotation") from error
        if not self._arguments:
            raise DeliveryError("The command for events is empty", "name a program")
        program = self._arguments[0]
        if shutil.which(program) is None:
            raise DeliveryError(
                f"There is no program {program} that can be run for events", "correct its name, or give its whole path"
            )
        # Its arguments may hold what is secret.
        self.name = Path(program).name
        self._timeout = timeout

    def deliver(self, message: Message, abandoned: Event) -> None:
        try:
            self._run(json_text(message.record).encode() + b"\n", abandoned)
        except OSError as error:
            raise RefusedError(f"it cannot be run, {error.strerror or error}") from error

    def _run(self, text: bytes, abandoned: Event) -> None:
        # Files and no pipes: nobody waits for a program that reads nothing, or whose children keep a pipe open.
        with TemporaryFile() as given, TemporaryFile() as complaints:
            given.write(text)
            given.seek(0)
            running = subprocess.Popen(
                self._arguments,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
            limit = time.monotonic() + self._timeout
            while running.poll() is None and time.monotonic() < limit and not abandoned.wait(_POLL):
                pass
            failure = _failure(running.returncode)
            if running.returncode is None:
                failure = "still at work when facerec ended" if abandoned.is_set() else f"no end in {self._timeout:g} s"
                _end(running)
            if failure:
                raise RefusedError(", ".join(filter(None, [failure, _last_line(complaints)])), failure)


def _failure(code: int | None) -> str:
    """What a program's exit says, empty where it is well."""
    if code is not None and code < 0:
        return f"ended by signal {-code}"
    return f"exit code {code}" if code else ""


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a program and its children: politely, then surely; it is no zombie afterwards."""
    for polite in (True, False):
        if os.name == "posix":
            # Not waited for yet, so the number is still its own.
            os.killpg(running.pid, signal.SIGTERM if polite else signal.SIGKILL)
        else:
            running.terminate()
        try:
            running.wait(_LEAVE if polite else None)
        except subprocess.TimeoutExpired:
            continue
        return


def _last_line(complaints: IO[bytes]) -> str:
    """The last line that is not blank, cut to what people read."""
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - 4096))
    lines = complaints.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return last if len(last) <= _LONGEST else f"{last[:_LONGEST]}…"
