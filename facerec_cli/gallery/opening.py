"""Where a gallery is, to the store that keeps it."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.errors import DependencyError, UnusableLocationError
from facerec_cli.gallery.base import Gallery
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.postgres.location import SCHEMES, Location, shown_url


def open_gallery(location: str | Path, *, create: bool = False) -> Gallery:
    """Open the gallery at a location.

    Args:
        location: a folder, or ``postgresql://user@host/dbname`` (see ``postgres.location``).
        create: make one where there is none.

    Raises:
        NoDatabaseError: there is none and ``create`` is false.
        UnusableLocationError: there can be none.
        DependencyError: what a server needs is not installed.
        DatabaseError: it cannot be made.
    """
    if not str(location):
        raise UnusableLocationError("The database's location is empty", "name a folder")
    if not is_on_server(location):
        return Hdf5Gallery(Path(location), create=create)
    scheme = str(location).partition("://")[0]
    if scheme not in SCHEMES:
        raise UnusableLocationError(
            f"{shown_url(str(location))} is no folder, and facerec keeps nobody by {scheme}",
            "name a folder, or postgresql://user@host/dbname",
        )
    where = Location.parse(str(location))
    try:
        # psycopg takes 0.2 s, and a folder needs none.
        from facerec_cli.gallery.postgres.store import PostgresGallery  # noqa: PLC0415
    except ImportError as error:
        raise DependencyError(
            f"A database on a server needs psycopg, which cannot be loaded ({error})",
            "run `pip install 'facerec[postgres]'`",
        ) from error
    return PostgresGallery(where, create=create)


def is_on_server(location: str | Path) -> bool:
    """Whether a location is a URL, and no folder."""
    return "://" in str(location)


def shown_location(location: str | Path) -> str:
    """A location for people to read: a URL's password is left out."""
    return shown_url(str(location)) if is_on_server(location) else str(location)
