"""Labeled Faces in the Wild (Huang et al., UMass Amherst TR 07-49, 2007): its photos, people and pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two photos, as paths below the photos' folder, and whether they show the same person."""

    first: str
    second: str
    same: bool


def photo_name(person: str, number: int) -> str:
    """The path of a person's photo below the photos' folder; numbers start at 1."""
    return f"{person}/{person}_{number:04d}.jpg"


def read_people(path: Path) -> list[dict[str, int]]:
    """Read a people file (people.txt, peopleDevTrain.txt, …).

    Returns:
        For each fold (the View 1 files have one), a person's number of photos by name.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    folds: list[dict[str, int]] = []
    # people.txt starts with the number of folds; the View 1 files start with their one fold's size.
    rest = iter(lines[1:] if len(lines[1]) == 1 else lines)
    for (size,) in rest:
        folds.append({person: int(count) for person, count in (next(rest) for _ in range(int(size)))})
    return folds


def read_pairs(path: Path) -> list[list[Pair]]:
    """Read a pairs file (pairs.txt, pairsDevTest.txt, …).

    Returns:
        For each fold (the View 1 files have one), its genuine pairs and then as many impostor pairs.
    """
    header, *rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    folds, size = (int(header[0]), int(header[1])) if len(header) == 2 else (1, int(header[0]))
    pairs = [_pair(row) for row in rows]
    if len(pairs) != folds * 2 * size:
        raise ValueError(f"{path} has {len(pairs)} pairs where its first line promises {folds * 2 * size}")
    return [pairs[start : start + 2 * size] for start in range(0, len(pairs), 2 * size)]


def _pair(row: list[str]) -> Pair:
    if len(row) == 3:
        person, first, second = row
        return Pair(photo_name(person, int(first)), photo_name(person, int(second)), same=True)
    one, first, other, second = row
    return Pair(photo_name(one, int(first)), photo_name(other, int(second)), same=False)
