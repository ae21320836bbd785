"""Who is found, and who is named, in photos of poor quality; and what the quality score says of them.

    python benchmarks/quality.py LFW_FOLDER [people score fit]

Photos are spoilt on purpose: reduced until the face is 24 pixels wide, saved as JPEG of quality 10, darkened (gamma 4,
and 0.6 times that), blurred, or all black but for the face. *People*: 200 people of LFW's peopleDevTest, of whom the
model has seen none, are enrolled with one photo each as it is; another of each is spoilt and asked about, as are photos
of 400 others who are not enrolled. It runs in a clone of another commit, too, to compare. *Score*: the quality score of
peopleDevTest's photos against who is matched: each is compared with the person's other photos as they are. *Fit*: the
regression that the score is, on peopleDevTrain's photos.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli import Identifier, Photo, Recognizer, enroll_all, open_gallery
from facerec_cli.datasets.chips import nearest_to_centre
from facerec_cli.datasets.lfw import everybody, photo_name
from facerec_cli.defaults import UNKNOWN
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.images import pixels
from facerec_cli.faces.opencv import cv2
from facerec_cli.parallel import ordered_map

Pixels = npt.NDArray[np.uint8]
ENROLLED, STRANGERS = 200, 400
KINDS = ("as is", "24 pixels", "JPEG 10", "dark", "blurred", "black borders")
EACH = 4
"""Most photos of one person."""
BINS = (0.0, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
RATES = (1e-5, 1e-3)


@dataclass(frozen=True, eq=False)
class Seen:
    """A photo of somebody, spoilt in some way, and its face."""

    name: str
    photo: int
    kind: str
    face: Face
    embedding: npt.NDArray[np.float32]


def spoilt(image: Pixels, face: Face, kind: str) -> Pixels:
    """A photo, uint8 [height, width, 3], spoilt in one of the ways."""
    x, y, width, height = face.box
    if kind == "24 pixels":
        scale = 24 / width
        return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    if kind == "JPEG 10":
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 10])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)
    if kind == "dark":
        return np.asarray(255 * (image / 255) ** 4 * 0.6, np.uint8)
    if kind == "blurred":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), width / 28), np.uint8)
    if kind == "black borders":
        margin = 0.12 * width
        top, left = (max(int(start - margin), 0) for start in (y, x))
        inside = (slice(top, int(y + height + margin)), slice(left, int(x + width + margin)))
        black = np.zeros_like(image)
        black[inside] = image[inside]
        return black
    return image


def seen(recognizer: Recognizer, folder: Path, photos: list[tuple[str, int]]) -> Iterator[list[Seen | None]]:
    """The face in the middle of each photo, spoilt in each way; None where it is not found."""

    def look(photo: tuple[str, int]) -> list[Seen | None]:
        name, number = photo
        image = pixels(folder / photo_name(name, number))
        there = recognizer.extract(Photo(name, image))
        if not there.faces:
            return [None] * len(KINDS)
        middle = nearest_to_centre(there)
        found: list[Seen | None] = []
        for kind in KINDS:
            again = recognizer.extract(Photo(name, spoilt(image, middle, kind)))
            face = nearest_to_centre(again) if again.faces else None
            found.append(Seen(name, number, kind, face, recognizer.embed([face.chip])[0]) if face else None)
        return found

    return ordered_map(look, photos)


def people(folder: Path) -> None:
    """Print who is found, and how many strangers are named."""
    recognizer = Recognizer()
    tested = [person for person in everybody() if person.view1 == "test"]
    random.Random(0).shuffle(tested)
    enrolled = [person.name for person in tested if person.photos > 1][:ENROLLED]
    strangers = [person.name for person in tested if person.photos == 1][:STRANGERS]
    with tempfile.TemporaryDirectory() as scratch:
        gallery = open_gallery(scratch, create=True)
        list(enroll_all(recognizer, gallery, ((n, folder / photo_name(n, 1)) for n in enrolled), largest=True))
        identifier = Identifier(recognizer, gallery)

        def names(photos: list[tuple[str, int]]) -> list[list[str | None]]:
            return [
                [identifier.decide(one.embedding[None])[0].name if one else None for one in photo]
                for photo in seen(recognizer, folder, photos)
            ]

        own, others = names([(name, 2) for name in enrolled]), names([(name, 1) for name in strangers])
    print(f"{len(enrolled)} people enrolled, {len(strangers)} strangers: %")
    print(f"{'photos':13}  found  named wrongly  no face  strangers named")
    for column, kind in enumerate(KINDS):
        found = [photo[column] for photo in own]
        right = sum(one == name for one, name in zip(found, enrolled, strict=True))
        wrong = sum(one not in (name, UNKNOWN, None) for one, name in zip(found, enrolled, strict=True))
        hits = sum(photo[column] not in (UNKNOWN, None) for photo in others)
        shares = [100 * right / len(own), 100 * wrong / len(own), 100 * found.count(None) / len(own)]
        print(f"{kind:13}  {shares[0]:5.1f}  {shares[1]:13.1f}  {shares[2]:7.1f}  {100 * hits / len(others):15.2f}")


def compared(folder: Path, part: str, most: int) -> tuple[list[Seen], npt.NDArray[np.float32], list[float]]:
    """Faces of a part of LFW, each with its distance to another photo of the person; and the limits at ``RATES``."""
    recognizer = Recognizer()
    chosen = [person for person in everybody() if person.view1 == part and person.photos > 1]
    random.Random(19).shuffle(chosen)
    photos = [(one.name, number) for one in chosen for number in range(1, min(one.photos, EACH) + 1)][:most]
    looked = [[one for one in photo if one] for photo in seen(recognizer, folder, photos)]
    good: dict[str, list[Seen]] = {}
    for photo in looked:
        for one in photo:
            if one.kind == KINDS[0]:
                good.setdefault(one.name, []).append(one)
    pairs = [(one, other) for photo in looked for one in photo for other in good[one.name] if other.photo != one.photo]
    distances = recognizer.comparison.metric.pairs(
        *(np.stack([pair[side].embedding for pair in pairs]) for side in (0, 1))
    )
    calibration = recognizer.bundle.calibration
    assert calibration is not None
    return [one for one, _ in pairs], distances, [calibration.photos.threshold(rate) for rate in RATES]


def score(folder: Path) -> None:
    """Print the false non-match rate by the quality score."""
    faces, distances, limits = compared(folder, "test", 800)
    scores = np.array([one.face.quality_score for one in faces])
    print("quality       pairs  mean score  " + "  ".join(f"FNMR at FMR {rate:.0e}, %" for rate in RATES))
    for low, high in pairwise(BINS):
        within = (scores >= low) & (scores < high)
        if within.any():
            missed = [100 * float((distances[within] > limit).mean()) for limit in limits]
            line = f"{low:.2f} to {high:.2f}  {within.sum():5}  {scores[within].mean():10.3f}"
            print(line + "".join(f"  {share:22.1f}" for share in missed))
    print(f"{'photos':13}  score: 5 %, median, 95 %")
    for kind in KINDS:
        of_kind = scores[[one.kind == kind for one in faces]]
        print(f"{kind:13}  " + "  ".join(f"{share:.2f}" for share in np.percentile(of_kind, (5, 50, 95))))


def fit(folder: Path) -> None:
    """Print the logistic regression of matching at the first of ``RATES``; photos as they are count three times."""
    faces, distances, limits = compared(folder, "train", 1400)
    features = np.array(
        [
            (
                1.0,
                min(one.face.quality.sharpness, 0.7),
                np.log(np.clip(one.face.quality.brightness, 5, 80)),
                np.clip(one.face.quality.blockiness, 0, 0.3),
                one.face.score,
            )
            for one in faces
        ]
    )
    matched = (distances <= limits[0]).astype(float)
    weights = np.where([one.kind == KINDS[0] for one in faces], 3.0, 1.0)
    # Newton's method, in units in which the features are of much the same size.
    scale = features.std(axis=0) + features.mean(axis=0) * (features.std(axis=0) == 0)
    scaled, found = features / scale, np.zeros(features.shape[1])
    for _ in range(30):
        expected = 1 / (1 + np.exp(-scaled @ found))
        curvature = (scaled * (weights * expected * (1 - expected))[:, None]).T @ scaled
        found = found + np.linalg.solve(curvature, scaled.T @ (weights * (matched - expected)))
    print("intercept, sharpness, log brightness, blockiness, score:", (found / scale).round(3).tolist())


def main() -> None:
    """Run the parts that are asked for."""
    parts = {"people": people, "score": score, "fit": fit}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path, help="LFW's photos, unpacked")
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=list(parts), help="all, by default")
    arguments = parser.parse_args()
    for part in arguments.parts:
        parts[part](arguments.lfw)


if __name__ == "__main__":
    main()
