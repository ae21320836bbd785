"""A file on the network, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: what it is called on disk.
        urls: where it is, in order of preference.
        sha256: of its bytes, 64 hex digits; None where only what is inside decides.
        size: in bytes, where it is known.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
