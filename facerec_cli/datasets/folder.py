"""Any folder of photos, and of people: one sub-folder a person, or one photo a person."""

from __future__ import annotations

import os
from pathlib import Path

from facerec_cli.errors import NoPhotosError, UnreadablePhotoError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"})
"""File name endings that count as photos when a folder is searched."""


def photos_in(folder: Path) -> list[Path]:
    """All photos below a folder, sorted; files and folders whose name starts with a dot are left out.

    Raises:
        UnreadablePhotoError: a folder cannot be read.
    """
    photos: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        photos += [
            Path(parent, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return photos


def people_in(folder: Path) -> list[tuple[str, Path]]:
    """The people of a folder, as pairs of name and photo.

    A sub-folder is a person with all photos below it; a photo directly in the folder is a person named by its file.

    Raises:
        NoPhotosError: the folder holds no photo.
        UnreadablePhotoError: it cannot be read.
    """
    photos = photos_in(folder)
    if not photos:
        raise NoPhotosError(f"{folder} holds no photo", "give a folder with one sub-folder, or one photo, a person")
    placed = [(photo.relative_to(folder).parts, photo) for photo in photos]
    return [(path[0] if len(path) > 1 else photo.stem, photo) for path, photo in placed]


def _raise(error: OSError) -> None:
    raise UnreadablePhotoError(f"{error.filename} cannot be read ({error.strerror})", "check the folder") from error
