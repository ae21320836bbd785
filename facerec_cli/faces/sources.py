"""Where a video comes from: a camera, a file or a URL, and what people are told that it is called."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from facerec_cli.errors import UnreadableVideoError, UnusableSourceError
from facerec_cli.files import is_text

PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443}
"""The schemes of URLs that are watched, each with its port where the URL names none."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_CAMERA = re.compile(r"/dev/video([0-9]+)")
_CAMERAS = 100
"""OpenCV counts as many; higher numbers mean other things to it."""
_SECRET = re.compile(r"(?i)((?:user|usr|login|pass|pw|psw|token|key|auth|secret|sig)[a-z]*=)[^&;/_.]*")
"""Cameras take who asks, and their password, in a URL's path too."""
_SHOWN = {"camera", "channel", "profile", "stream", "subtype"}
"""What a URL's query may tell: which of a recorder's cameras, and how large."""


@dataclass(frozen=True)
class Source:
    """Where a video comes from; see ``parse_source``.

    Attributes:
        address: a camera's number, a file's path, or a URL, with whatever password it has.
        is_live: it is a camera or a URL. A URL may turn out to be of a file: ``Stream.is_live`` knows.
        name: what people know it by: a URL without user and password.
    """

    address: int | str = field(repr=False)
    is_live: bool
    name: str

    @property
    def url(self) -> SplitResult | None:
        """The parts of a URL; None of a camera or a file."""
        return urlsplit(self.address) if isinstance(self.address, str) and self.is_live else None


def parse_source(text: str) -> Source:
    """What a text names: ``0`` or ``/dev/video0`` a camera, ``rtsp://…`` a URL, anything else a file, unread.

    Raises:
        UnusableSourceError: a URL is damaged, or of a scheme that is not watched; there is no camera of that number.
    """
    if text.isascii() and text.isdecimal():
        number = _camera(text)
        return Source(number, True, f"camera {number}")
    scheme = _SCHEME.match(text)
    if scheme:
        return _parse_url(scheme[1].lower() + text[scheme.end(1) :])
    device = _CAMERA.fullmatch(str(Path(text).resolve())) if text.startswith("/dev/") else None
    return Source(_camera(device[1]), True, text) if device else Source(text, False, text)


def check_file(source: Source) -> None:
    """See that a file is one before anything opens it: to open a FIFO is to wait.

    Raises:
        UnreadableVideoError: it is missing, empty, something else than a file, not readable for the user, or of a name
            that OpenCV cannot take.
    """
    path = Path(str(source.address))
    if not is_text(path):
        raise UnreadableVideoError(f"{source.name} has a name that is no text in UTF-8", "rename it")
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except FileNotFoundError as error:
        remedy = "give a video file, a camera's number, or a URL"
        raise UnreadableVideoError(f"{source.name} does not exist", remedy) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"{source.name} cannot be read ({reason})"
        raise UnreadableVideoError(problem, "check the file and its permissions") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise UnreadableVideoError(f"{source.name} is {kind}", "give a video file")
    if status.st_size == 0:
        raise UnreadableVideoError(f"{source.name} is empty", "give a video file")


def _camera(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    if len(digits) >= len(str(_CAMERAS)):
        raise UnusableSourceError(f"There is no camera {digits[:20]}", f"cameras are numbered 0 to {_CAMERAS - 1}")
    return int(digits)


def _parse_url(text: str) -> Source:
    name = _without_secrets(text)
    if text.partition(":")[0] not in PORTS:
        raise UnusableSourceError(f"{name} is of a kind that is not watched", f"give a URL of {', '.join(PORTS)}")
    try:
        parts = urlsplit(text)
        is_whole = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or any(letter.isspace() or not letter.isprintable() for letter in text):
        problem = f"{name} is no URL"
        raise UnusableSourceError(
            problem, "check host and port, and write / : @ # ? of a password as %2F %3A %40 %23 %3F"
        )
    return Source(text, True, name)


def _without_secrets(text: str) -> str:
    scheme, _, rest = text.partition("://")
    host, slash, path = re.split(r"[?#]", rest)[0].partition("/")
    shown = host.rpartition("@")[2] + slash + path
    if "@" in rest and "@" not in host:  # a password may have a slash in it, unescaped
        shown = "…@" + rest.rpartition("@")[2].partition("?")[0]
    told = [field for field in rest.partition("?")[2].split("&") if field.partition("=")[0].lower() in _SHOWN]
    return f"{scheme}://" + _SECRET.sub(r"\1…", shown) + ("?" + "&".join(told) if told else "")
