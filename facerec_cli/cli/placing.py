"""Writing what --out names whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facerec_cli.errors import ModelError


@contextmanager
def placed(out: Path, *, is_folder: bool) -> Iterator[Path]:
    """A path beside ``out`` to write to, which is renamed to ``out`` when all is written.

    Args:
        out: where it goes; an existing file, or an empty folder, is replaced.
        is_folder: a folder is written, and not a file.

    Raises:
        ModelError: something else is there, or it cannot be written.
    """
    import shutil
    import tempfile

    # A link stays, and what it points to is replaced.
    place = Path(os.path.realpath(out))
    try:
        if is_folder and place.exists() and not (place.is_dir() and not any(place.iterdir())):
            raise ModelError(f"{out} exists and is no empty folder: choose another place with --out, or move it away.")
        if not is_folder and place.exists() and not place.is_file():
            raise ModelError(f"{out} exists and is no file: choose another place with --out.")
        folder = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            yield folder / "new"
            (folder / "new").replace(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"{out} cannot be written ({error.strerror}): choose another place with --out.") from error
