"""Labeled Faces in the Wild (Huang et al., UMass Amherst TR 07-49, 2007): its photos, people and pairs."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from facerec_cli.datasets.remote import RemoteFile
from facerec_cli.errors import FetchError, IncompleteLfwError

TERMS = (
    "Labeled Faces in the Wild is for research: its makers at UMass Amherst promise no fitness for any commercial use, "
    "warn that it does not represent all people alike, and ask that Huang et al. (2007) be cited."
)
_FIGSHARE = "https://ndownloader.figshare.com/files/"
ARCHIVES = {
    "lfw": RemoteFile(
        "lfw.tgz",
        (f"{_FIGSHARE}5976018",),
        "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
        180_566_744,
    ),
    "lfw-funneled": RemoteFile(
        "lfw-funneled.tgz",
        (f"{_FIGSHARE}5976015",),
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    ),
    "lfw-deepfunneled": RemoteFile(
        "lfw-deepfunneled.tgz",
        ("http://vis-www.cs.umass.edu/lfw/lfw-deepfunneled.tgz",),
        "bce1f422cac2352f28b1738dd2393fe1211ef167b6bad425c60330e60dca6654",
        108_700_958,
    ),
}
PROTOCOL_FILES = {
    "people.txt": "bc8fa2b7f25c895cf7efb6de4f4fc27ca8b8d1cfa63350ad8b96eae2b198d365",
    "peopleDevTrain.txt": "2e58df13ba4cc143189336e001cc2c195f1dfa5b29a6475c02857be353c2a2fa",
    "peopleDevTest.txt": "c3ed1f90499473401542101a56c14c1d82396bb8218c67a356d7460601047555",
    "pairs.txt": "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
    "pairsDevTrain.txt": "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa",
    "pairsDevTest.txt": "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c",
}
"""SHA-256 of the protocol files, which are not fetched but written from the tables that ship with facerec."""
_FOLDER = Path(__file__).parent
_PAIRS = ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt")
"""In the order in which lfw_pairs.tsv.gz has them, each name as the person's place in lfw_people.csv, from 0."""


@dataclass(frozen=True)
class Pair:
    """Two photos, as paths below the photos' folder, and whether they show the same person."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class LfwPerson:
    """A person of LFW: number of photos, fold of View 2 (1 to 10), side of View 1 (``train`` or ``test``)."""

    name: str
    photos: int
    fold: int
    view1: str


def everybody() -> list[LfwPerson]:
    """The 5,749 people of LFW, by name, from the table that ships with facerec."""
    with (_FOLDER / "lfw_people.csv").open(encoding="utf-8", newline="") as file:
        return [
            LfwPerson(row["name"], int(row["photos"]), int(row["fold"]), row["view1"]) for row in csv.DictReader(file)
        ]


def mislabelled() -> frozenset[str]:
    """The photos that are under a wrong name, or whose person has another name too, as paths below the photos' folder.

    Found by the bundled model, as ``facerec evaluate --report`` lists them, and looked at one by one; lfw_errors.csv
    says what is wrong with each. LFW's protocols keep them.
    """
    with (_FOLDER / "lfw_errors.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["photo"] for row in csv.DictReader(file))


def protocol_files() -> dict[str, bytes]:
    """The files that say who is compared with whom, byte for byte as UMass published them, by name."""
    people = everybody()

    def listing(chosen: list[LfwPerson]) -> str:
        return f"{len(chosen)}\n" + "".join(f"{person.name}\t{person.photos}\n" for person in chosen)

    folds = [listing([person for person in people if person.fold == fold]) for fold in range(1, 11)]
    files = {"people.txt": "10\n" + "".join(folds)}
    for side, name in (("train", "peopleDevTrain.txt"), ("test", "peopleDevTest.txt")):
        files[name] = listing([person for person in people if person.view1 == side])
    contents = {name: text.encode() for name, text in {**files, **_pairs_files(people)}.items()}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != PROTOCOL_FILES[name]:
            raise FetchError(f"The table behind {name} is damaged", "install facerec again")
    return contents


def _pairs_files(people: Sequence[LfwPerson]) -> dict[str, str]:
    def named(row: list[str]) -> list[str]:
        match row:
            case [person, first, second]:
                return [people[int(person)].name, first, second]
            case [one, first, other, second]:
                return [people[int(one)].name, first, people[int(other)].name, second]
            case header:
                return header

    with gzip.open(_FOLDER / "lfw_pairs.tsv.gz", "rt", encoding="utf-8", newline="") as table:
        lines = iter(["\t".join(named(line.split("\t"))) for line in table])
    files = {}
    for name in _PAIRS:
        header = next(lines)
        folds, size = map(int, ["1", *header.split()][-2:])
        files[name] = header + "".join(islice(lines, folds * 2 * size))
    return files


def check_photos(source: Path, photos: Iterable[str]) -> None:
    """Hold what a source has against LFW's photos.

    Args:
        source: what people know it by.
        photos: as paths below their folder.

    Raises:
        FetchError: people or photos are missing or too many.
    """
    wanted, here = _photo_names(), set(photos)
    odd = sorted({photo.partition("/")[0] for photo in wanted ^ here})
    if odd:
        raise FetchError(
            f"{source} is not LFW, which has {len(wanted):,} photos of {_people_of(wanted):,} people, and here are "
            f"{len(here):,} of {_people_of(here):,}; {len(odd):,} people differ, {odd[0]!r} the first of them",
            "fetch it from another source",
        )


def is_lfw(photos: Iterable[str]) -> bool:
    """Whether photos, as paths below their folder, are LFW's or some of them."""
    return _photo_names().issuperset(photos)


def _photo_names() -> set[str]:
    return {photo_name(person.name, number) for person in everybody() for number in range(1, person.photos + 1)}


def _people_of(photos: set[str]) -> int:
    return len({photo.partition("/")[0] for photo in photos})


def photo_name(person: str, number: int) -> str:
    """The path of a person's photo below the photos' folder; numbers start at 1."""
    return f"{person}/{person}_{number:04d}.jpg"


def protocol_file(photos: Path, name: str) -> Path:
    """A protocol file such as pairs.txt: beside the photos' folder, where fetching puts it, or in it.

    Raises:
        IncompleteLfwError: it is in neither place.
    """
    for folder in (photos.parent, photos):
        if (folder / name).is_file():
            return folder / name
    raise IncompleteLfwError(f"{name} is not in {photos.parent}", "fetch LFW")


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

    Raises:
        IncompleteLfwError: it is no pairs file.
    """
    try:
        header, *rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        folds, size = (int(header[0]), int(header[1])) if len(header) == 2 else (1, int(header[0]))
        if folds < 1 or size < 1:
            raise ValueError("it promises no pairs")
        pairs = [_pair(row) for row in rows]
    except (OSError, ValueError) as error:
        raise IncompleteLfwError(f"{path} is not a pairs file of LFW ({error})", "fetch LFW") from error
    promised = folds * 2 * size
    if len(pairs) != promised:
        raise IncompleteLfwError(f"{path} has {len(pairs)} pairs, its first line promises {promised}", "fetch LFW")
    return [pairs[start : start + 2 * size] for start in range(0, len(pairs), 2 * size)]


def _pair(row: list[str]) -> Pair:
    if len(row) == 3:
        person, first, second = row
        return Pair(photo_name(person, int(first)), photo_name(person, int(second)), same=True)
    one, first, other, second = row
    return Pair(photo_name(one, int(first)), photo_name(other, int(second)), same=False)
