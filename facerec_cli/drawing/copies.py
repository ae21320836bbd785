"""Copies of photos: under the photo's own name, never over anything, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from facerec_cli.errors import OutputError
from facerec_cli.files import new_file

FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **{".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"},
}
"""What copies are written as, by their names' endings, in Pillow's names."""


def copy_of(photo: Path, folder: Path, kind: type[OutputError]) -> Path:
    """Where a photo's copy goes: a PNG where its own ending is of no format that is written.

    Raises:
        kind: it would lie beside the photo itself.
    """
    target = folder / photo.name
    if target.suffix.lower() not in FORMATS:
        target = target.with_suffix(".png")
    # Path.resolve raises where links lead in a circle.
    if os.path.dirname(os.path.realpath(target)) == os.path.dirname(os.path.realpath(photo)):  # noqa: PTH120
        raise kind(f"{target} would lie beside the photo itself", "choose another folder")
    return target


def write_copy(target: Path, save: Callable[[Path, str], None], kind: type[OutputError]) -> Path:
    """Write a copy, or where its place is taken, to the next that is not: photo-2.jpg.

    Args:
        target: as ``copy_of``.
        save: writes to a path, in a format of Pillow's.
        kind: of the error.

    Returns:
        Where it is.

    Raises:
        kind: it cannot be written.
    """
    place, number = target, 1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while place.exists():
            number += 1
            place = target.with_name(f"{target.stem}-{number}{target.suffix}")
        with new_file(place) as beside:
            save(beside, FORMATS[target.suffix.lower()])
    except (OSError, ValueError) as error:  # Pillow says ValueError where a format has no room for such a picture
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise kind(f"{place} cannot be written ({reason})", "choose another folder") from error
    return place
