"""What anybody may have made: files read within bounds, and JSON of which each field is taken with what it must be."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import unicodedata
from pathlib import Path
from typing import Any

_DEEPEST = 20
"""Lists and objects within each other."""
_CONTROLS = {"Cc", "Zl", "Zp"}
_TURNED = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that have a terminal show others in another order than they stand in."""


def regular_bytes(path: Path, most: int) -> bytes:
    """The bytes of a regular file: a link is not followed, and no pipe is waited for.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        OSError: it is something else, larger, or cannot be read; ``strerror`` says so.
    """
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link", str(path))
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if status.st_size > most:
            raise OSError(errno.EFBIG, f"it has more than {most >> 20} MB", str(path))
        return file.read(status.st_size)


def parsed(data: bytes) -> Any:
    """What JSON holds, by the letter of RFC 8259: UTF-8, no key twice, no NaN and no infinity, and not too deep.

    Raises:
        ValueError: it is something else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key is there twice")
        return found

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            raise ValueError(f"{number[:20]} is no finite number")
        return float(number)

    try:
        value = json.loads(data.decode(), object_pairs_hook=once, parse_float=finite, parse_constant=finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
    if level:
        raise ValueError("it is nested too deeply")
    return value


def is_plain(text: str) -> bool:
    """Whether a terminal shows a text as it stands, on one line; what is no Unicode in a file name counts as plain."""
    return not any(unicodedata.category(letter) in _CONTROLS or letter in _TURNED for letter in text)


def plain(value: Any) -> Any:
    """A JSON value whose texts ``is_plain``, by escapes, and whose numbers are finite, or null."""
    if isinstance(value, str):
        return "".join(letter if is_plain(letter) else letter.encode("unicode_escape").decode() for letter in value)
    if isinstance(value, dict):
        return {plain(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_plain(value: Any) -> None:
    """Hold all texts of a JSON value, keys too, against ``is_plain``.

    Raises:
        ValueError: one is not.
    """
    left = [value]
    while left:
        one = left.pop()
        left += _within(one)
        if isinstance(one, dict):
            left += one.keys()
        if isinstance(one, str) and not is_plain(one):
            raise ValueError("a text has control characters")


class Fields:
    """A JSON object, its fields taken with what they must be; each method raises ValueError where one is not."""

    def __init__(self, value: Any, what: str) -> None:
        """Take an object.

        Args:
            value: as JSON has it.
            what: what people call it.
        """
        if not isinstance(value, dict):
            raise ValueError(f"{what} is no object")
        self.values: dict[str, Any] = value
        self._what = what

    def any(self, name: str) -> Any:
        """Whatever a field holds."""
        if name not in self.values:
            raise ValueError(f"{self._what} has no {name}")
        return self.values[name]

    def within(self, name: str) -> Fields:
        """A field that is an object."""
        return Fields(self.any(name), name)

    def text(self, name: str, longest: int = 10_000) -> str:
        """A field that is a text, plain and not empty."""
        value = self.any(name)
        if not isinstance(value, str) or not 0 < len(value) <= longest or not is_plain(value):
            raise ValueError(f"{name} is no plain text")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """A field that is a number from ``low`` to ``high``."""
        return _number(self.any(name), name, low, high)

    def numbers(self, name: str, low: float, high: float) -> tuple[float, ...]:
        """A field that is a list of such numbers."""
        value = self.any(name)
        if not isinstance(value, list):
            raise ValueError(f"{name} is no list")
        return tuple(_number(one, name, low, high) for one in value)

    def whole(self, name: str, low: int = 0, high: int = 2**53) -> int:
        """A field that is a whole number from ``low`` to ``high``."""
        value = self.any(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{name} is no whole number from {low} to {high}")
        return value


def _number(value: Any, name: str, low: float, high: float) -> float:
    # Written so that NaN, which a program may hand over, is none.
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} is no number from {low:g} to {high:g}")
    return float(value)


def _within(value: Any) -> list[Any]:
    """What a list or an object holds."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
