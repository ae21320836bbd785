"""Folders of photos in object storage, searched as ``datasets.folder`` searches those of disks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from facerec_cli.datasets.folder import Found, LeftOut, is_added
from facerec_cli.errors import NoPhotosError, PhotoError, UnreadablePhotoError
from facerec_cli.faces.endings import RAW_SUFFIXES, SUFFIXES
from facerec_cli.storage import Url, files_below


def search_bucket(folder: Url) -> Found:
    """Look for photos below a URL, at any depth, by their names' endings alone; a photo's own URL gives that photo."""
    try:
        files = files_below(folder)
    except FileNotFoundError:
        return Found(folder, [], [UnreadablePhotoError(f"{folder} does not exist", "check the URL", str(folder))], {})
    except (OSError, ValueError) as error:
        problem = f"{folder} cannot be read ({error})"
        return Found(folder, [], [UnreadablePhotoError(problem, "check the URL, and your access", str(folder))], {})
    photos: list[Path] = []
    left_out: dict[LeftOut, list[Path]] = defaultdict(list)
    depth = len(folder.parts)
    for file in sorted(files, key=lambda file: (file.parent.parts, file.name)):
        if any(map(is_added, file.parts[depth:])):
            continue
        suffix = file.suffix.lower()
        if suffix in SUFFIXES:
            photos.append(file)
        else:
            left_out[LeftOut.RAW if suffix in RAW_SUFFIXES else LeftOut.OTHER].append(file)
    refused: list[PhotoError] = []
    if not photos:
        refused.append(NoPhotosError(f"{folder} holds no photo", "give a folder of photos", str(folder)))
    return Found(folder, photos, refused, dict(left_out))
