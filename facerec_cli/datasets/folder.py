"""Any folder of people: one sub-folder a person, or one photo a person."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.errors import PhotoError
from facerec_cli.faces.images import photos_in


def people_in(folder: Path) -> list[tuple[str, Path]]:
    """The people of a folder, as pairs of name and photo.

    A sub-folder is a person with all photos below it; a photo directly in the folder is a person named by its file.

    Raises:
        PhotoError: the folder cannot be read or holds no photo.
    """
    photos = photos_in(folder)
    if not photos:
        raise PhotoError(f"{folder} holds no photo: give a folder with one sub-folder, or one photo, a person.")
    parts = [(photo.relative_to(folder).parts, photo) for photo in photos]
    return [(path[0] if len(path) > 1 else photo.stem, photo) for path, photo in parts]
