"""Where a gallery is, to the store that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    where = _on_server(location)
    with _needing_psycopg():
        from facerec_cli.gallery.postgres.store import PostgresGallery  # noqa: PLC0415
    return PostgresGallery(where, create=create)


def init_gallery(location: str) -> list[str]:
    """Make the tables on a server; returns what was made: nothing where all is there.

    Raises:
        UnusableLocationError: it is a folder, or no location.
        DependencyError: what a server needs is not installed.
        DatabaseError: the server refuses.
    """
    where = _on_server(location)
    with _needing_psycopg():
        from facerec_cli.gallery.postgres.schema import init  # noqa: PLC0415
    return init(where)


def migrate_gallery(location: str, digest: str, size: int) -> list[str]:
    """Bring the tables on a server up to date, with the index that ``search=hnsw`` goes by where that is asked for.

    Args:
        location: the server's.
        digest: the model whose people the index finds.
        size: numbers in an embedding of it.

    Returns:
        What was made: nothing where all is there.

    Raises:
        NoSchemaError: there are no tables.
        UnusableLocationError, DependencyError, DatabaseError: as ``init_gallery``.
    """
    where = _on_server(location)
    with _needing_psycopg():
        from facerec_cli.gallery.postgres.nearest import build_hnsw  # noqa: PLC0415
        from facerec_cli.gallery.postgres.schema import migrate  # noqa: PLC0415
    applied = migrate(where)
    if where.search == "hnsw":
        build_hnsw(where, digest, size)
        applied.append("the index for search=hnsw")
    return applied


def is_on_server(location: str | Path) -> bool:
    """Whether a location is a URL, and no folder."""
    return "://" in str(location)


def shown_location(location: str | Path) -> str:
    """A location for people to read: a URL's password is left out."""
    return shown_url(str(location)) if is_on_server(location) else str(location)


def _on_server(location: str | Path) -> Location:
    scheme, is_url, _ = str(location).partition("://")
    if not is_url:
        raise UnusableLocationError(
            f"{location} is a folder, and needs no tables", "name a server, as postgresql://user@host/dbname"
        )
    if scheme not in SCHEMES:
        raise UnusableLocationError(
            f"{shown_url(str(location))} is no folder, and facerec keeps nobody by {scheme}",
            "name a folder, or postgresql://user@host/dbname",
        )
    return Location.parse(str(location))


@contextmanager
def _needing_psycopg() -> Iterator[None]:
    """Around the import of what imports psycopg, which takes 0.2 s: a folder needs none."""
    try:
        yield
    except ImportError as error:
        raise DependencyError(
            f"A database on a server needs psycopg, which cannot be loaded ({error})",
            "run `pip install 'facerec[postgres]'`",
        ) from error
