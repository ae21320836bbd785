"""Where a gallery is, to the store that keeps it."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.errors import UnusableLocationError
from facerec_cli.gallery.base import Gallery
from facerec_cli.gallery.hdf5 import Hdf5Gallery


def open_gallery(location: str | Path, *, create: bool = False) -> Gallery:
    """Open the gallery at a location.

    Args:
        location: a folder; what has a scheme, as in ``scheme://…``, is kept for other stores.
        create: make one where there is none.

    Raises:
        NoDatabaseError: there is none and ``create`` is false.
        UnusableLocationError: there can be none.
        DatabaseError: it cannot be made.
    """
    scheme, is_url, _ = str(location).partition("://")
    if is_url:
        raise UnusableLocationError(f"{location} is no folder, and facerec keeps nobody by {scheme}", "name a folder")
    if not str(location):
        raise UnusableLocationError("The database's location is empty", "name a folder")
    return Hdf5Gallery(Path(location), create=create)
