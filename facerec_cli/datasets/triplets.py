"""A folder of triplets: the folders ``anchor``, ``positive`` and ``negative`` with a photo of each triplet in each."""

from __future__ import annotations

import re
from pathlib import Path

from facerec_cli.datasets.folder import search
from facerec_cli.errors import DataError, NoPhotosError

_FOLDERS = ("anchor", "positive", "negative")


def has_triplet_folders(folder: Path) -> bool:
    """Whether a folder holds triplets: the folders ``anchor``, ``positive`` and ``negative``, and no other."""
    return {path.name for path in folder.iterdir() if path.is_dir()} == set(_FOLDERS) if folder.is_dir() else False


def read_triplet_folders(folder: Path) -> list[tuple[Path, Path, Path]]:
    """The photos of the folders ``anchor``, ``positive`` and ``negative``, as triplets.

    The first anchor goes with the first positive and the first negative by name, and so on; numbers in names count as
    numbers, so that 2.jpg and 02.jpg come before 10.jpg.

    Raises:
        DataError: a folder is empty, or they hold different counts of photos.
        PhotoError: a folder cannot be read.
    """
    found = [search(folder / name) for name in _FOLDERS]
    for error in (error for own in found for error in own.refused):
        if not isinstance(error, NoPhotosError):
            raise error
    photos = [sorted(own.photos, key=_by_number) for own in found]
    counts = [len(own) for own in photos]
    if min(counts) == 0 or min(counts) != max(counts):
        listed = ", ".join(f"{name} {count}" for name, count in zip(_FOLDERS, counts, strict=True))
        raise DataError(
            f"The folders of {folder} must hold the same number of photos, one a triplet ({listed})",
            "add or remove photos",
        )
    return list(zip(*photos, strict=True))


def _by_number(photo: Path) -> list[str | int]:
    """A key that sorts the numbers in a photo's name as numbers."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", photo.stem))]
