"""Files in object storage, and wherever else a URL leads: the one place that imports fsspec."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

_URL = re.compile(r"[a-z][a-z0-9+.-]+://.", re.IGNORECASE)
_ROOTED = ("file", "local")
"""Schemes whose paths begin with a slash, so that it is ``file:///``."""
_FOREIGN = {
    "botocore.exceptions": "BotoCoreError",
    "google.auth.exceptions": "GoogleAuthError",
    "azure.core.exceptions": "AzureError",
    "aiohttp": "ClientError",
}
"""The errors, by module, of libraries below fsspec that use others than Python's."""


if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())


class Url(_SystemPath):
    """A file or folder that fsspec reads, such as ``s3://bucket/people``; to all else it is a path to nothing."""

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().replace("\\", "/").partition(":/")
        return f"{scheme}://{'/' if scheme in _ROOTED else ''}{rest}"


def is_url(text: str) -> bool:
    """Whether a text names something by a URL, and no path."""
    return bool(_URL.match(text))


def read(url: Url, most: int) -> bytes:
    """A file's bytes, or the first of them where they are more than ``most``.

    Raises:
        OSError: there is no such file.
        ValueError: it cannot be read, and why.
    """
    with _told():
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra brings it

        system, path = url_to_fs(str(url))
        content: bytes = system.cat_file(path, end=most + 1)
        return content


def files_below(url: Url) -> list[Url]:
    """All files of a folder, at any depth; of a file itself.

    Raises:
        OSError: there is neither.
        ValueError: it cannot be read, and why.
    """
    with _told():
        from fsspec.core import url_to_fs  # noqa: PLC0415

        system, path = url_to_fs(str(url))
        found: list[str] = system.find(path)
        if not found:
            system.info(path)
        return [url.joinpath(*file[len(path) :].split("/")[1:]) for file in found]


@contextmanager
def _told() -> Iterator[None]:
    """Have everything that a library refuses be an error of Python's."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, ValueError):
        raise
    except _refusals() as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _refusals() -> tuple[type[Exception], ...]:
    foreign = [getattr(sys.modules[module], name) for module, name in _FOREIGN.items() if module in sys.modules]
    return ImportError, OSError, *foreign
