"""Who is trained on, and who is held out to say how good the model is: never the same people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import everybody, mislabelled
from facerec_cli.datasets.triplets import has_triplet_folders, read_triplet_folders
from facerec_cli.errors import DataError
from facerec_cli.evaluation.pairs import MOST_PEOPLE, Pairs, pairs_of
from facerec_cli.training.sampling import PhotosByPerson, Triplets, split_people
from facerec_cli.training.wording import counted


@dataclass(frozen=True, eq=False)
class Unseen:
    """People held out of training: their chips, uint8 [n, 112, 112, 3], and pairs of them, as rows of these chips."""

    chips: npt.NDArray[np.uint8]
    pairs: Pairs


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A data set divided.

    Attributes:
        chips: all of it.
        source: the photos to train on.
        pairs: of the photos held out, as rows of ``chips``.
        origin: which part of which data set takes part, in words.
        trained: the names of the people trained on, sorted; none where the data does not say who is who.
        held_out: the rows of each person held out; none where the data does not say.
    """

    chips: ChipSet
    source: PhotosByPerson | Triplets
    pairs: Pairs
    origin: str
    trained: list[str] = field(default_factory=list)
    held_out: dict[str, list[int]] = field(default_factory=dict)

    @property
    def photos(self) -> int:
        """How many photos are trained on."""
        return self.source.rows.size

    @property
    def description(self) -> str:
        """What is trained on, in words."""
        if not self.trained:
            return f"{counted(len(self.source.rows), 'triplet')} of {self.origin}"
        return f"{counted(self.photos, 'photo')} of {counted(len(self.trained), 'person', 'people')} of {self.origin}"

    @cached_property
    def unseen(self) -> Unseen:
        """What validation needs."""
        rows, places = np.unique(np.concatenate([self.pairs.first, self.pairs.second]), return_inverse=True)
        first, second = places.reshape(2, -1)
        pairs = Pairs(first, second, self.pairs.first_person, self.pairs.second_person, self.pairs.same)
        return Unseen(np.asarray(self.chips.chips[rows]), pairs)


def divide(chips: ChipSet, share: float, seed: int, fold: int | None = None) -> TrainingData:
    """Divide a data set: a folder of triplets, or of people.

    Of LFW the people of View 1's peopleDevTrain take part, so that pairsDevTest can be reported on, without the photos
    that are under a wrong name.

    Args:
        chips: the data set.
        share: of the people, or the triplets, those to train on, in (0, 1).
        seed: the same seed divides the same way.
        fold: of LFW's View 2, 1 to 10: everybody takes part but the people of this fold.

    Raises:
        DataError: there are too few people, photos or triplets.
    """
    folder = chips.folder.name
    if fold is not None:
        return people_data(chips, people_without_fold(fold), share, seed, f"{folder} without fold {fold} of View 2")
    if has_triplet_folders(chips.folder):
        return triplet_data(chips, share, seed)
    if chips.is_lfw:
        return people_data(chips, view1_people(), share, seed, f"{folder}, peopleDevTrain")
    return people_data(chips, chips.rows_of, share, seed, folder)


def people_data(chips: ChipSet, names: Iterable[str], share: float, seed: int, origin: str) -> TrainingData:
    """Divide people, by name.

    Args:
        chips: the data set.
        names: who takes part; those without a face are left out.
        share: of the people, those to train on, in (0, 1).
        seed: the same seed divides the same way.
        origin: what to call them.

    Raises:
        DataError: there are too few people or photos.
    """
    known = sorted(chips.rows_of.keys() & set(names))
    owner = np.array([place for place, name in enumerate(known) for _ in chips.rows_of[name]], np.int64)
    rows = np.array([row for name in known for row in chips.rows_of[name]], np.int64)
    trained, unseen = split_people(owner, share, seed)
    wrong = [chips.row[photo] for photo in mislabelled() & chips.row.keys()] if chips.is_lfw else []
    trained, unseen = (part[~np.isin(rows[part], wrong)] for part in (trained, unseen))
    held = {known[person]: rows[unseen[owner[unseen] == person]].tolist() for person in np.unique(owner[unseen])}
    paired = np.random.default_rng(seed).permutation(list(held))[:MOST_PEOPLE]
    pairs = pairs_of([held[name] for name in sorted(paired.tolist())])
    if pairs.same.all() or not pairs.same.any():
        raise DataError(
            f"{len(known):,} people leave {len(held):,} held out to say how good the model is, and that takes two, "
            "one of them with two photos",
            "add people, or train on a smaller share of them",
        )
    everyone = np.full(len(chips.photos), -1, np.int64)
    everyone[rows] = owner
    source = PhotosByPerson.of(everyone, rows[trained])
    return TrainingData(chips, source, pairs, origin, [known[person] for person in np.unique(owner[trained])], held)


def view1_people() -> set[str]:
    """The people of LFW's peopleDevTrain, on whom those of View 1's pairsDevTest are not."""
    return {person.name for person in everybody() if person.view1 == "train"}


def people_without_fold(fold: int) -> set[str]:
    """LFW's people but those of one fold of View 2, 1 to 10."""
    return {person.name for person in everybody() if person.fold != fold}


def triplet_data(chips: ChipSet, share: float, seed: int) -> TrainingData:
    """Divide the triplets of the folders ``anchor``, ``positive`` and ``negative``.

    Which of them show the same people nobody knows, so that people may be on both sides. Triplets with a photo that
    shows no face are left out.

    Raises:
        DataError: the folders hold different counts of photos, or too few triplets show faces.
    """
    named = [
        [photo.relative_to(chips.folder).as_posix() for photo in triplet]
        for triplet in read_triplet_folders(chips.folder)
    ]
    rows = np.array(
        [[chips.row[photo] for photo in triplet] for triplet in named if chips.row.keys() >= set(triplet)], np.int64
    ).reshape(-1, 3)
    if len(rows) < 2:
        raise DataError(
            f"Of the {len(named)} triplets of {chips.folder} {len(rows)} show three faces, and training takes two or "
            "more",
            "add triplets",
        )
    count = int(np.clip(round(share * len(rows)), 1, len(rows) - 1))
    rows = np.random.default_rng(seed).permutation(rows)
    anchor, positive, negative = rows[count:].T
    number = np.arange(2 * len(anchor))
    pairs = Pairs(
        np.concatenate([anchor, anchor]),
        np.concatenate([positive, negative]),
        number,
        number + len(number),
        number < len(anchor),
    )
    return TrainingData(chips, Triplets(rows[:count]), pairs, chips.folder.name)
