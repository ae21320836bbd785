"""Which photos make up a batch: pairs, people, or triplets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from facerec_cli.errors import DataError
from facerec_cli.training.compositing import PART_SETS, Parts
from facerec_cli.training.wording import counted

Rows = npt.NDArray[np.int64]


class Composite(NamedTuple):
    """The photo at one position of a batch takes parts from the photo in another row."""

    position: int
    row: int
    parts: Parts


class Draw(NamedTuple):
    """What a batch is made of.

    Attributes:
        rows: int64 [n], the photos.
        people: int32 [n], who each shows.
        composites: the photos that are blended with another.
    """

    rows: Rows
    people: npt.NDArray[np.int32]
    composites: Sequence[Composite] = ()


class Sampler(Protocol):
    """Draws batches."""

    def draw(self, generator: np.random.Generator) -> Draw:
        """One batch, all of it decided by the generator."""
        ...


def split_people(people: npt.NDArray[np.integer], share: float, seed: int) -> tuple[Rows, Rows]:
    """Split photos so that no person is on both sides.

    Args:
        people: int [photos], who each photo shows.
        share: of the people, those to train on, in (0, 1); at least one person is on each side.
        seed: the same seed splits the same way.

    Returns:
        The rows to train on, and the others; int64, ascending.

    Raises:
        DataError: there is nobody to split.
    """
    everyone = np.unique(people)
    if len(everyone) < 2:
        raise DataError(
            f"{counted(len(everyone), 'person', 'people')} cannot be split into people to train on and people to test "
            "on",
            "add photos of at least one other person",
        )
    count = int(np.clip(round(share * len(everyone)), 1, len(everyone) - 1))
    is_trained_on = np.isin(people, np.random.default_rng(seed).permutation(everyone)[:count])
    return np.flatnonzero(is_trained_on), np.flatnonzero(~is_trained_on)


@dataclass(frozen=True, eq=False)
class PhotosByPerson:
    """The photos to train on, a person's together. People are told apart here by their place in ``numbers``.

    Attributes:
        rows: int64 [photos].
        numbers: int32 [people], ascending, what labels say.
        starts: int64 [people], where in ``rows`` a person's begin.
        counts: int64 [people], how many they are.
    """

    rows: Rows
    numbers: npt.NDArray[np.int32]
    starts: Rows
    counts: Rows

    @classmethod
    def of(cls, people: npt.NDArray[np.integer], rows: Rows) -> PhotosByPerson:
        """Group photos by person.

        Args:
            people: int [all photos], who each photo shows.
            rows: int64 [photos], those to train on.

        Raises:
            DataError: no two of the photos show one person, or no two show different people.
        """
        ordered = rows[np.argsort(people[rows], kind="stable")]
        numbers, starts, counts = np.unique(people[ordered], return_index=True, return_counts=True)
        if len(numbers) < 2:
            raise DataError(
                f"The photos to train on show {counted(len(numbers), 'person', 'people')}, and a network learns from "
                "at least two",
                "add photos of other people",
            )
        if counts.max() < 2:
            raise DataError(
                "Nobody has two photos, and a network learns from different photos of the same person",
                "add further photos of the people",
            )
        return cls(ordered, numbers.astype(np.int32), starts, counts)

    @property
    def labelled(self) -> tuple[Rows, npt.NDArray[np.int32]]:
        """The rows, and who each shows: int64 and int32 [photos]."""
        return self.rows, np.repeat(self.numbers, self.counts)

    @cached_property
    def several(self) -> Rows:
        """The people with two or more photos."""
        return np.flatnonzero(self.counts >= 2)

    @cached_property
    def single(self) -> Rows:
        """The people with one photo."""
        return np.flatnonzero(self.counts == 1)

    def require_parents(self) -> None:
        """Whether composites can be made.

        Raises:
            DataError: they cannot.
        """
        if len(self.several) < 2:
            raise DataError(
                "Only one person has two or more photos, and composite people are made of two who have",
                "add further photos of the others",
            )

    def draw(self, person: int, count: int, generator: np.random.Generator) -> Rows:
        """Photos of a person, all different as long as there are others: int64 [count]."""
        total, start = self.counts[person], self.starts[person]
        rounds = [generator.permutation(total) for _ in range(-(-count // total))]
        return np.asarray(self.rows[start + np.concatenate(rounds)[:count]], np.int64)


@dataclass(frozen=True, eq=False)
class PairSampler:
    """Pairs in rows 0 and 1, 2 and 3 …, by turns of the same and of two different people.

    Where they are the same, people are drawn by the square root of their count of photos, so that few people do not
    make up most pairs; where they differ, every pair of people weighs the same. Composites, see ``compositing``, come
    first; their labels are higher than anybody's, and count up within a batch.

    Attributes:
        photos: what to draw from.
        pairs: in a batch, an even number.
        composites: share of the pairs that show composites.

    Raises:
        DataError: there are too few people for composites.
    """

    photos: PhotosByPerson
    pairs: int
    composites: float = 0.0

    def __post_init__(self) -> None:
        if self.pairs < 2 or self.pairs % 2:
            raise ValueError(f"{self.pairs} pairs are not half the same and half different people")
        if self._made_up:
            self.photos.require_parents()

    @property
    def _made_up(self) -> int:
        """How many of the pairs of the same people, and of those of two, are composites."""
        return round(self.pairs * self.composites / 2)

    def draw(self, generator: np.random.Generator) -> Draw:
        half = self.pairs // 2
        photos, several = self.photos, self.photos.several
        weights = np.sqrt(photos.counts[several])
        same = generator.choice(several, half, p=weights / weights.sum())
        different = _two_of(np.full(half, len(photos.counts)), generator)
        people = np.stack([np.column_stack([same, same]), different], axis=1)
        places = np.stack(
            [_two_of(photos.counts[same], generator), generator.integers(0, photos.counts[different])], axis=1
        )
        rows = photos.rows[photos.starts[people] + places]
        labels = photos.numbers[people]
        composites = self._composites(same, different, generator) if self._made_up else []
        # A number for the composite of each pair of the same, two for those of each pair of two.
        made_up = photos.numbers[-1] + 1 + np.arange(3 * self._made_up).reshape(-1, 3)
        labels[: self._made_up] = made_up[:, [0, 0, 1, 2]].reshape(-1, 2, 2)
        return Draw(rows.ravel(), labels.ravel(), composites)

    def _composites(self, same: Rows, different: Rows, generator: np.random.Generator) -> list[Composite]:
        """What the first pairs take from further people: of the same from one, of two from one each."""
        photos, found = self.photos, []
        for number, person in enumerate(same[: self._made_up].tolist()):
            others = photos.several[photos.several != person]
            shown = different[number]
            # Not the other one of the pair: the two mixtures of two people would be much the same.
            strangers = np.setdiff1d(np.arange(len(photos.counts)), shown) if len(photos.counts) > 2 else shown[::-1]
            parents = [generator.choice(others), *generator.choice(strangers, 2)]
            rows = [*photos.draw(parents[0], 2, generator), *(photos.draw(one, 1, generator)[0] for one in parents[1:])]
            parts = generator.integers(0, len(PART_SETS), 3)[[0, 0, 1, 2]]
            found += [
                Composite(4 * number + place, int(row), PART_SETS[part])
                for place, (row, part) in enumerate(zip(rows, parts, strict=True))
            ]
        return found


def _two_of(counts: Rows, generator: np.random.Generator) -> Rows:
    """Two different numbers below each count: int64 [n, 2]."""
    first = generator.integers(0, counts)
    second = (first + generator.integers(1, counts)) % counts
    return np.column_stack([first, second])


@dataclass(frozen=True, eq=False)
class PeopleSampler:
    """So many photos each of so many people, a person's together.

    People with two or more photos are drawn without repetition, by the square root of their count of photos
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006). Composites, see ``compositing``, have
    as many photos as the two people they are made of, who are not in the batch themselves as long as there are others.
    Their labels are higher than anybody's, and count up within a batch.

    Attributes:
        photos: what to draw from.
        people: in a batch.
        each: photos of each; where a person has fewer, they repeat.
        composites: share of the people who are composites.
        singles: share of the people who have one photo only; as many as there are.

    Raises:
        DataError: there are too few people for a batch.
    """

    photos: PhotosByPerson
    people: int
    each: int
    composites: float = 0.5
    singles: float = 0.1

    def __post_init__(self) -> None:
        total = len(self.photos.counts)
        if total < self.people:
            raise DataError(
                f"A batch takes {self.people} people and the photos to train on show {total}",
                "train with smaller batches, or add people",
            )
        if self._made_up:
            self.photos.require_parents()

    @property
    def _made_up(self) -> int:
        """How many people of a batch are composites."""
        return round(self.people * self.composites)

    @property
    def _alone(self) -> int:
        """How many people of a batch have one photo: more than wanted where there are too few others."""
        real = self.people - self._made_up
        wanted = min(round(self.people * self.singles), real)
        return min(max(wanted, real - len(self.photos.several)), len(self.photos.single))

    def draw(self, generator: np.random.Generator) -> Draw:
        photos = self.photos
        real = self.people - self._made_up - self._alone
        keys = generator.exponential(size=len(photos.several)) / np.sqrt(photos.counts[photos.several])
        order = photos.several[np.argsort(keys)]
        alone = generator.choice(photos.single, self._alone, replace=False)
        parents = np.resize(np.roll(order, -real), (self._made_up, 2))
        shown = np.concatenate([order[:real], alone, parents[:, 0]])
        rows = np.concatenate([photos.draw(person, self.each, generator) for person in shown])
        made_up = photos.numbers[-1] + 1 + np.arange(self._made_up)
        labels = np.concatenate([photos.numbers[shown[: len(shown) - self._made_up]], made_up])
        composites = self._composites(parents[:, 1], len(rows) - self._made_up * self.each, generator)
        return Draw(rows, np.repeat(labels, self.each).astype(np.int32), composites)

    def _composites(self, others: Rows, position: int, generator: np.random.Generator) -> list[Composite]:
        """What composites take from the second of their parents, from a position of the batch on."""
        chosen = generator.integers(0, len(PART_SETS), len(others)).tolist()
        rows = [self.photos.draw(person, self.each, generator).tolist() for person in others]
        parts = chain.from_iterable([PART_SETS[index]] * self.each for index in chosen)
        return [
            Composite(position + place, row, taken)
            for place, (row, taken) in enumerate(zip(chain.from_iterable(rows), parts, strict=True))
        ]


@dataclass(frozen=True, eq=False)
class Triplets:
    """Anchors, positives and negatives that are given: int64 [triplets, 3], their rows.

    Nothing says which triplets show the same people, so that nothing is compared across triplets.
    """

    rows: Rows

    @property
    def labelled(self) -> tuple[Rows, npt.NDArray[np.int32]]:
        """Anchors and positives, and which show the same person as far as is said: int64 and int32 [2 · triplets]."""
        return self.rows[:, :2].ravel(), np.arange(len(self.rows), dtype=np.int32).repeat(2)

    def draw(self, count: int, generator: np.random.Generator) -> Rows:
        """Different triplets: int64 [count, 3]."""
        return np.asarray(generator.choice(self.rows, count, replace=False), np.int64)

    def require(self, count: int) -> None:
        """Whether there are so many.

        Raises:
            DataError: there are not.
        """
        if len(self.rows) < count:
            raise DataError(
                f"A batch takes {count} triplets and there are {len(self.rows)} to train on",
                "train with smaller batches, or add triplets",
            )


@dataclass(frozen=True, eq=False)
class TripletSampler:
    """Anchor, positive and negative in rows 0, 1 and 2; 3, 4 and 5 …, without repetition.

    Anchor and positive have one label, the negative another, and every triplet has labels of its own.

    Attributes:
        triplets: what to draw from.
        batch: triplets in a batch.

    Raises:
        DataError: there are too few triplets for a batch.
    """

    triplets: Triplets
    batch: int

    def __post_init__(self) -> None:
        self.triplets.require(self.batch)

    def draw(self, generator: np.random.Generator) -> Draw:
        labels = 2 * np.arange(self.batch)[:, None] + [0, 0, 1]
        return Draw(self.triplets.draw(self.batch, generator).ravel(), labels.ravel().astype(np.int32))


@dataclass(frozen=True, eq=False)
class TripletPairSampler:
    """Triplets as two pairs each, the genuine first: anchor, positive, anchor, negative. Labels as ``TripletSampler``.

    Attributes:
        triplets: what to draw from.
        batch: triplets in a batch.

    Raises:
        DataError: there are too few triplets for a batch.
    """

    triplets: Triplets
    batch: int

    def __post_init__(self) -> None:
        self.triplets.require(self.batch)

    def draw(self, generator: np.random.Generator) -> Draw:
        rows = self.triplets.draw(self.batch, generator)[:, [0, 1, 0, 2]]
        labels = 2 * np.arange(self.batch)[:, None] + [0, 0, 0, 1]
        return Draw(rows.ravel(), labels.ravel().astype(np.int32))
