"""Whether a folder may become a database: one that is somebody's already never does."""

from __future__ import annotations

from pathlib import Path

from facerec_cli.defaults import DATABASE_INDEX

STRANGERS = "strangers.sqlite3"
"""Where a service keeps the faces that nobody knew, in the folder of who is enrolled."""
_MAY_BE_THERE = {
    *(".gitignore", ".gitkeep", "README.md", "lost+found", ".DS_Store"),
    *(DATABASE_INDEX, ".lock", ".unfinished.json", STRANGERS),
}
"""What a folder may hold and still become a database."""
_FOLDERS = {"faces", "segments"}
_BESIDE_OURS = (f"{STRANGERS}-", ".gallery.h5.", "..gitignore.", "..unfinished.json.")


def other_things(folder: Path) -> list[str]:
    """What a folder without an index holds that neither is of a database nor may be beside one, sorted.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(path.name for path in folder.iterdir() if not _may_be_there(path))


def _may_be_there(path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.name in _FOLDERS:
        return path.is_dir() and all(inner.suffix == ".h5" or inner.is_dir() for inner in path.iterdir())
    return path.name in _MAY_BE_THERE or path.name.startswith(_BESIDE_OURS)
