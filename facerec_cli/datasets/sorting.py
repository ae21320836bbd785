"""Photos in a folder a person, as copies or as links; what is sorted already is left as it is."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from itertools import count
from pathlib import Path

from facerec_cli.errors import SortingError
from facerec_cli.files import new_file, refusal

_UNFIT = re.compile(r'[\x00-\x1f<>:"/\\|?*]|^\.+|[. ]+$')
"""What some file system cannot have in a folder's name."""
_MOST_BYTES = 200
"""Of a folder's name; file systems take 255."""


def sort_photo(photo: Path, name: str, folder: Path, *, links: bool) -> bool:
    """Put a photo into the folder of a person, under its own name or the next that is free.

    Args:
        photo: its file, which is only read.
        name: the person's.
        folder: of the people; made where it is not there.
        links: link to the photo in place of copying it.

    Returns:
        Whether it is new there.

    Raises:
        SortingError: it cannot be read, or nothing can be written there.
    """
    fit = _UNFIT.sub("-", name).encode()[:_MOST_BYTES].decode(errors="ignore")
    place = folder / (fit or "-")
    try:
        place.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            target = place / (photo.name if number == 1 else f"{photo.stem}-{number}{photo.suffix}")
            if not os.path.lexists(target):
                break
            if _is_same(photo, target, links=links):
                return False
        if links:
            target.symlink_to(_absolute(photo))
        else:
            with new_file(target) as beside:
                shutil.copy2(photo, beside)
    except OSError as error:
        reason, remedy = refusal(error)
        raise SortingError(f"{photo} cannot be put into {place}, {reason}", remedy) from error
    return True


def _is_same(photo: Path, target: Path, *, links: bool) -> bool:
    """Whether a place holds what would be put there."""
    if links or target.is_symlink():
        return target.is_symlink() and target.readlink() == _absolute(photo)
    return target.is_file() and filecmp.cmp(photo, target, shallow=False)


def _absolute(photo: Path) -> Path:
    return Path(os.path.abspath(photo))  # noqa: PTH100 - Path.absolute leaves .. in
