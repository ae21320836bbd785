"""facerec index."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facerec_cli.cli import options
from facerec_cli.cli.collections import fill, open_index
from facerec_cli.cli.spreading import ray_option, spread_over
from facerec_cli.cli.streams import say
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.words import count

if TYPE_CHECKING:
    from facerec_cli.datasets.collection import Collection
    from facerec_cli.recognition.recognizer import Recognizer

_QUIET, _PATIENCE = 1_000, 20_000
"""Milliseconds without a change after which photos are looked for, and at most since the first: they come in bursts."""


@click.command("index", epilog="Example: facerec index ~/Pictures")
@options.folders_argument
@click.option("--watch", "watches", is_flag=True, help="Go on: index what comes or changes, until Ctrl-C.")
@options.index_option
@options.model_option
@options.device_option
@ray_option
def command(
    folders: tuple[Path, ...], watches: bool, index: Path | None, model: str, device: str, ray: str | None
) -> int:
    """Find and embed the faces of all photos in folders, once.

    What is found is kept in one file, for you alone: find, cluster and identify -r then take a second. New and changed
    photos are done, those gone are forgotten, those moved are recognised.
    """
    from facerec_cli.recognition.recognizer import Recognizer

    # Where the index knows all photos, nothing is looked at.
    recognizer = Recognizer(model, device=device, at_once=False)
    collection = open_index(index)
    with spread_over(ray) as spread:
        status = _fill(recognizer, collection, folders, spread)
    if watches:
        _watch(recognizer, collection, folders)
    return status


def _fill(
    recognizer: Recognizer, collection: Collection, folders: tuple[Path, ...], spread: OrderedMap = ordered_map
) -> int:
    started = time.monotonic()
    filled = fill(recognizer, collection, folders, spread)
    faces = sum(map(len, filled.embeddings.values()))
    say(
        f"{count(len(filled.embeddings), 'photo')} with {count(faces, 'face')} in {collection.tables.path}: looked at "
        f"{filled.looked_at:,}, forgot {filled.gone:,}, {time.monotonic() - started:.1f} s."
    )
    return filled.status


def _watch(recognizer: Recognizer, collection: Collection, folders: tuple[Path, ...]) -> None:
    """Fill the index whenever something changes, until Ctrl-C."""
    from watchfiles import watch

    say("Watching for changes: Ctrl-C ends it.")
    # What came while the watching began is found by filling once more.
    is_due = True
    for changes in watch(*folders, yield_on_timeout=True, step=_QUIET, debounce=_PATIENCE):
        if changes or is_due:
            _fill(recognizer, collection, folders)
        is_due = False
