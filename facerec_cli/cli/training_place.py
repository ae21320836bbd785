"""Where a training keeps its state and leaves its model, and who may use that place."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facerec_cli.errors import ModelError

MODELS = Path("models")


def work_of(name: str) -> Path:
    """Where an unfinished training is kept."""
    return MODELS / f".{name}.training"


class HeldError(ModelError):
    """Another process is training the model."""


@contextmanager
def held(name: str) -> Iterator[None]:
    """Let nobody else train a model of this name meanwhile."""
    import filelock

    lock = filelock.FileLock(MODELS / f".{name}.lock", timeout=0)
    try:
        with lock:
            yield
    except filelock.Timeout as error:
        raise HeldError(f"Another process is training {name}: wait for it, or choose another name with -m.") from error


def check_free(name: str, resume: bool, overwrite: bool, finished_is_fine: bool) -> None:
    """Whether a model of this name may be made, before any work is done for it."""
    from facerec_cli.encoders.bundle import BUNDLED

    folder, work = MODELS / name, work_of(name)
    if Path(name).name != name or name.startswith(".") or (BUNDLED / name).exists():
        raise ModelError(
            f"{name!r} is no name for a model of yours: give -m one without / or a leading dot, and no bundled one's."
        )
    try:
        MODELS.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=MODELS):
            pass
    except OSError as error:
        raise ModelError(f"Nothing can be written to {MODELS} ({error.strerror}): train elsewhere.") from error
    if folder.exists() and not (folder / "model.json").exists():
        raise ModelError(f"{folder} exists and is no model: move it away, or choose another name with -m.")
    if work.exists():
        if not (resume or overwrite):
            raise ModelError(f"A training of {name} is unfinished in {work}: go on with --resume, or --overwrite it.")
    elif folder.exists() and not overwrite and not (resume and finished_is_fine):
        raise ModelError(f"{folder} exists: choose another name with -m, or replace it with --overwrite.")


def keep_settings(work: Path, settings: dict[str, Any], resume: bool) -> None:
    """Note what is being trained, since only the same can be gone on with."""
    path, text = work / "settings.json", json.dumps(settings, indent=2, sort_keys=True)
    if resume and path.exists():
        if path.read_text(encoding="utf-8") == text:
            return
        raise ModelError(
            f"The training in {work} is another: repeat its options and data, or begin anew without --resume."
        )
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{work} cannot be written ({error.strerror}): make room for it.") from error
