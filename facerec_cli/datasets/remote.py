"""A file on the network, as data."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 1_000_000_000
"""A file whose size is not known is given up past so many bytes."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: what it is called on disk.
        urls: where it is, in order of preference.
        sha256: of its bytes, 64 hex digits.
        size: in bytes, where it is known.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    size: int | None = None
