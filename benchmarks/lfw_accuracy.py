"""Accuracy on LFW: View 1, View 2, and open-set identification.

    python tools/embed_lfw.py LFW_FOLDER lfw.npz
    python benchmarks/lfw_accuracy.py LFW_PROTOCOLS lfw.npz

Protocols, from the face nearest to the centre of each photo:

- View 1: pairsDevTest, the threshold is the best one on pairsDevTrain.
- View 2: pairs.txt, ten folds, the threshold of each chosen on the other nine; mean and standard error.
- 1:N open set: the gallery is the first image of each of the 1,680 people with two or more, probes are their other
  7,484 images, strangers the 4,069 people with one image.
- The same with the threshold that the calibration gives for FPIR 1 %. It was calibrated on the people of
  peopleDevTrain, who are 1,184 of the 1,680 and 2,854 of the 4,069: therefore the tables are printed again for the
  people of peopleDevTest alone, whom the calibration has not seen.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.lfw import Pair, photo_name, read_pairs, read_people
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.evaluation.calibration import Calibration, comparisons, fmr_for
from facerec_cli.evaluation.identification import open_set
from facerec_cli.evaluation.verification import best_threshold, k_fold_accuracy
from facerec_cli.gallery.base import templates

FPIR = 0.01


@dataclass(frozen=True)
class Embedded:
    """LFW's embeddings, float32 [n, d], and the row of each photo."""

    embeddings: npt.NDArray[np.float32]
    rows: dict[str, int]

    def distances(self, pairs: list[Pair]) -> npt.NDArray[np.float32]:
        """The distance of each pair, float32 [pairs]."""
        first = self.embeddings[[self.rows[pair.first] for pair in pairs]]
        second = self.embeddings[[self.rows[pair.second] for pair in pairs]]
        return np.asarray(1 - (first * second).sum(axis=1), np.float32)

    def of(self, person: str, numbers: range) -> list[int]:
        """The rows of a person's photos."""
        return [self.rows[photo_name(person, number)] for number in numbers]


def verification(data: Embedded, protocols: Path) -> None:
    """Print View 1 and View 2."""
    (train,), (test,) = read_pairs(protocols / "pairsDevTrain.txt"), read_pairs(protocols / "pairsDevTest.txt")
    threshold = best_threshold(data.distances(train), np.array([pair.same for pair in train]))
    right = (data.distances(test) <= threshold) == np.array([pair.same for pair in test])
    print(f"View 1 accuracy            {right.mean():8.2%}   threshold {threshold:.4f} from pairsDevTrain")
    folds = read_pairs(protocols / "pairs.txt")
    pairs = [pair for fold in folds for pair in fold]
    numbers = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    accuracy = k_fold_accuracy(data.distances(pairs), np.array([pair.same for pair in pairs]), numbers)
    print(f"View 2 accuracy            {accuracy.mean:8.2%} ± {accuracy.standard_error:.2%}")


def identification(data: Embedded, people: dict[str, int], photos: int, label: str) -> None:
    """Print one gallery's open-set table, with up to so many photos a person enrolled."""
    enrolled = [person for person, count in people.items() if count >= 2]
    # The last photo of a person is always a probe.
    kept = {person: min(photos, people[person] - 1) for person in enrolled}
    gallery_rows = [row for person in enrolled for row in data.of(person, range(1, kept[person] + 1))]
    owner = np.repeat(np.arange(len(enrolled)), list(kept.values()))
    known = templates(data.embeddings[gallery_rows], owner, len(enrolled))
    probe_rows = [row for person in enrolled for row in data.of(person, range(kept[person] + 1, people[person] + 1))]
    truth = np.repeat(np.arange(len(enrolled)), [people[person] - kept[person] for person in enrolled])
    stranger_rows = [data.rows[photo_name(person, 1)] for person, count in people.items() if count == 1]
    probes = 1 - data.embeddings[probe_rows] @ known.T
    right = probes.argmin(axis=1) == truth
    stranger = (1 - data.embeddings[stranger_rows] @ known.T).min(axis=1)
    result = open_set(probes.min(axis=1), right, stranger)
    print(f"{label}: {len(enrolled):,} people of up to {photos}, {len(truth):,} probes, {len(stranger):,} strangers")
    print(f"  rank-1                   {result.rank1:8.2%}")
    for rate, found in result.found.items():
        print(f"  1 - FNIR at FPIR {rate:5.1%}   {found:8.2%}")
    calibration = Calibration.from_json(resolve_bundle("pretrained").calibration, "pretrained")
    for name, limit in (
        (f"calibrated, FPIR {FPIR:.0%} asked", calibration.threshold(fmr_for(FPIR, comparisons(list(kept.values()))))),
        ("fixed cosine 0.363", 1 - 0.363),
    ):
        named, found = np.mean(stranger <= limit), np.mean(right & (probes.min(axis=1) <= limit))
        print(f"  {name:<27} distance {limit:.4f}: strangers named {named:.2%}, people found {found:.2%}")


def main() -> None:
    """Read, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", type=Path)
    parser.add_argument("embeddings", type=Path)
    arguments = parser.parse_args()
    file = np.load(arguments.embeddings)
    if str(file["digest"]) != resolve_bundle("pretrained").digest:
        raise SystemExit(f"{arguments.embeddings} was made with another model: run tools/embed_lfw.py again")
    data = Embedded(file["embeddings"], {str(photo): row for row, photo in enumerate(file["photos"])})
    print(f"{len(data.rows):,} photos embedded; pretrained on other data than LFW")
    verification(data, arguments.protocols)
    everybody = {
        name: count for fold in read_people(arguments.protocols / "people.txt") for name, count in fold.items()
    }
    (unseen,) = read_people(arguments.protocols / "peopleDevTest.txt")
    for photos in (1, 3):
        identification(data, everybody, photos, "1:N, all of LFW")
    for photos in (1, 3):
        identification(data, unseen, photos, "1:N, people not calibrated on (peopleDevTest)")


if __name__ == "__main__":
    main()
