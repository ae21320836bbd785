"""A writer killed at any step: nothing that was there is lost, nothing half done stays, nobody forgotten comes back."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facerec_cli.gallery.hdf5 import Hdf5Gallery
from tests.gallery.faces import COMPARISON, DIGEST, OTHER_COMPARISON, face, unit

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which Windows cannot")

STEPS = ("fsync", "replace", "unlink", "rmdir", "mkdir")


def enrol(gallery: Hdf5Gallery) -> None:
    gallery.add(COMPARISON, [face("Zoe Quist", unit(3, 1), 7), face("Ada Lovelace", unit(3, 2), 8)])


def embed(gallery: Hdf5Gallery) -> None:
    pending = list(gallery.snapshot().pending(OTHER_COMPARISON.digest))
    gallery.store(OTHER_COMPARISON, [(enrolled, unit(1, 2, 3)) for enrolled in pending])


def rebuild(gallery: Hdf5Gallery) -> None:
    found = gallery.survey()
    gallery.rebuild(COMPARISON, {key: unit(1, record.id) for key, record in found.chips})


ACTIONS: dict[str, Callable[[Hdf5Gallery], object]] = {
    "enrol": enrol,
    "remove": lambda gallery: gallery.remove("Ada Lovelace"),
    "remove a photo": lambda gallery: gallery.remove("Ada Lovelace", [gallery.snapshot().faces("Ada Lovelace")[0].id]),
    "rename": lambda gallery: gallery.rename("Ada Lovelace", "Ada Byron"),
    "merge": lambda gallery: gallery.merge("Ada Lovelace", "Bob"),
    "embed": embed,
    "rebuild": rebuild,
}


def opened(folder: Path) -> Hdf5Gallery:
    gallery = Hdf5Gallery(folder)
    gallery.index_file.sealed_bytes, gallery.index_file.tail_bytes = 1_500, 700
    return gallery


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen people in several segments."""
    folder = tmp_path_factory.mktemp("kills") / "database"
    Hdf5Gallery(folder, create=True)
    gallery = opened(folder)
    gallery.add(COMPARISON, [face("Ada Lovelace", unit(1, 0), photo) for photo in range(2)])
    gallery.add(COMPARISON, [face("Bob", unit(0, 1), 2)])
    gallery.add(COMPARISON, [face(f"person {number}", unit(number, 1), number) for number in range(10, 20)])
    assert len(list((folder / "segments").iterdir())) > 1
    return folder


Seen = list[tuple[str, str, bytes | None]]


def seen(folder: Path) -> Seen:
    """Everybody's photos, with the embeddings; and that all chips named are there."""
    gallery = Hdf5Gallery(folder)
    told: Seen = []
    for record in gallery.snapshot().records(DIGEST):
        gallery.read_chip(record.face)
        embedding = None if record.embedding is None else record.embedding.tobytes()
        told.append((record.face.name, record.face.source, embedding))
    return told


def run(folder: Path, action: Callable[[Hdf5Gallery], object], step: int) -> int | None:
    """Do something in another process that is killed before a step; returns how many steps it took if it was not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        taken = 0

        def hooked(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **named: object) -> object:
                nonlocal taken
                taken += 1
                if taken == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **named)

            return call

        try:
            gallery = opened(folder)
            for name in STEPS:
                setattr(os, name, hooked(getattr(os, name)))
            action(gallery)
            os.write(writer, taken.to_bytes(4, "big"))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int.from_bytes(told, "big") if told else None


def copies(database: Path, place: Path) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        yield Path(shutil.copytree(database, place / str(number)))


@pytest.mark.parametrize("name", ACTIONS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new(database: Path, tmp_path: Path, name: str) -> None:
    action, fresh = ACTIONS[name], copies(database, tmp_path)
    before, folder = seen(database), next(fresh)
    count = run(folder, action, 0)
    assert count, "the action failed"
    after = seen(folder)
    states = {"before": 0, "after": 0}
    for step in range(1, count + 1):
        # After a step is before the next, but for the last.
        folder = next(fresh)
        assert run(folder, action, step) is None, "nobody was killed"
        now = seen(folder)
        assert now in (before, after), step
        states["before" if now == before else "after"] += 1
        the_next_writer_tidies(folder, now)
        shutil.rmtree(folder)
    assert states["before"] and (states["after"] or before == after)


OURS = {".gitignore", ".lock", "faces", "gallery.h5", "segments"}


def the_next_writer_tidies(folder: Path, now: Seen) -> None:
    gallery = opened(folder)
    gallery.add(COMPARISON, [face("the next", unit(5, 1), 99)])
    assert seen(folder)[: len(now)] == now
    index = gallery.index_file.read()
    assert index is not None
    named = {record.face.chip for record in gallery.snapshot().records(DIGEST)}
    assert {path.relative_to(folder).as_posix() for path in (folder / "faces").glob("*/*")} == named
    assert all(any(person.iterdir()) for person in (folder / "faces").iterdir())
    assert {path.name for path in folder.iterdir()} <= OURS
    assert len(list((folder / "segments").iterdir())) == len(index.segments) - 1
    names = {person.name for person in gallery.snapshot().people()}
    for name in {"Ada Lovelace", "Ada Byron", "Zoe Quist"} - names:
        slug = name.casefold().replace(" ", "-")
        for path in folder.rglob("*"):
            content = b"" if path.is_dir() else path.read_bytes()
            assert slug not in path.name and name.encode() not in content and slug.encode() not in content, path
