"""The standard streams: any name can be written to them, none of it is obeyed, and no complaint loses a result."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

import click

from facerec_cli.errors import DeviceWarning, StreamError
from facerec_cli.files import refusal

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, what ends a line, what turns the direction of writing, what is not seen, and what is no text.

U+200C and U+200D, which join letters and part them, belong to how names are written.
"""
_BYTES = range(0xDC80, 0xDD00)
"""How Python holds the bytes of a file name that are no text (PEP 383)."""


def shown(text: str) -> str:
    r"""Text for people, on one line: what a terminal would obey or not show is escaped.

    >>> print(shown("\x1b[2J is one\nline"))
    \x1b[2J is one\nline
    """
    return text if text.isprintable() else _UNSEEN.sub(_escaped, text)


def shown_json(text: str) -> str:
    r"""JSON on one line, for people and programs: the same in JSON's own escapes, so that nothing of it is lost."""
    return text if text.isprintable() else _UNSEEN.sub(_escaped_in_json, text)


def write(text: str) -> None:
    """Write results to standard output, at once.

    Raises:
        StreamError: it is closed, or takes no more.
        BrokenPipeError: nobody reads it any longer.
    """
    sys.stdout.write(text)
    sys.stdout.flush()


def write_path(path: Path, end: str) -> None:
    """Write a path to standard output, at once: its very bytes, of whatever encoding; errors as ``write``.

    A terminal shows it as ``shown`` does.
    """
    if sys.stdout.isatty():
        write(shown(str(path)) + end)
        return
    try:
        sys.stdout.buffer.write(os.fsencode(path) + end.encode())
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritten(error) from error


def say(line: str, colour: str | None = None) -> None:
    """Tell people a line, on standard error."""
    sys.stderr.write(styled(shown(line), sys.stderr, fg=colour) + "\n")
    sys.stderr.flush()


def say_warnings() -> None:
    """Let what facerec warns of be said as the rest is: without the place in the code that it comes from."""
    usual = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, DeviceWarning):
            say(f"Warning: {message}", "yellow")
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show


def styled(text: str, stream: TextIO, **style: Any) -> str:
    """Text in a style of ``click.style``, where the stream has styles and they are wanted (no-color.org)."""
    is_plain = os.environ.get("TERM") in {"dumb", "unknown"} or os.environ.get("NO_COLOR")
    return text if is_plain or not stream.isatty() else click.style(text, **style)


def prepare_streams() -> None:
    """Let the standard streams take any text, and let something stand in for those that are closed.

    To be called before any file is opened: that would get a closed stream's number, and all that is written to it.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the other way round, so that using it is refused as before
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedInput()))
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    output = sys.stdout.buffer if sys.stdout else os.fdopen(1, "wb", closefd=False)
    sys.stdout = _StandardOutput(output, _encoding(sys.stdout), "backslashreplace", line_buffering=output.isatty())
    # By a number of its own: the second is taken from native libraries.
    complaints = os.fdopen(os.dup(2), "wb")
    sys.stderr = _StandardError(complaints, _encoding(sys.stderr), "backslashreplace", line_buffering=True)
    # No width at all is what programs say that start others without a terminal; rich would believe it.
    if not os.environ.get("COLUMNS", "").strip("0"):
        os.environ.pop("COLUMNS", None)


def silence_native_libraries() -> None:
    """Keep what decoders and runtimes write straight to file descriptor 2 away from people."""
    if isinstance(sys.stderr, _StandardError):
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)
        os.close(silent)


class _StandardOutput(io.TextIOWrapper):
    """Results: where they cannot be written, that is an error of its own."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritten(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritten(error) from error


class _StandardError(io.TextIOWrapper):
    """Errors, warnings, progress: where nobody can read them, the work goes on all the same."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            return


class _ClosedInput(io.RawIOBase):
    """Standard input that is closed."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        raise StreamError("Standard input is closed", "open it")


def _encoding(stream: TextIO | None) -> str | None:
    return stream.encoding if stream else None


def _unwritten(error: OSError) -> StreamError:
    if error.errno == errno.EBADF:
        return StreamError("Standard output is closed", "leave it open, or send it to a file")
    reason, remedy = refusal(error)
    return StreamError(f"Standard output cannot be written: {reason}", remedy)


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    if ord(letter) in _BYTES:
        return rf"\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()


def _escaped_in_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(rf"\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
