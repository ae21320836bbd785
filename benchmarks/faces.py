"""Which faces are found, and named, in photos as people have them: turned, large, crowded.

    python benchmarks/faces.py LFW_FOLDER [turns sizes crowds time large]

Every table is made by what this is run with: run it in a clone of another commit to compare. *Turns*: 200 people of
LFW's peopleDevTest, of whom the model has seen none, are enrolled with one photo each; another of each is turned and
asked about, as are photos of 200 others who are not enrolled. *Sizes*: LFW photos, reduced until the face has the
height wanted, lie at random in photos of 4000 x 3000 that are the tests' portraits, enlarged, with noise. *Crowds*: LFW
photos side by side. *Time*: a photo's from its file to its chips, CPU time of one thread, and the faces that are found.
*Large*: photos of 4000 x 3000 with one to five faces, embedded on all cores, beside their decoding by OpenCV alone.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli import Identifier, Photo, Recognizer, enroll_all, open_gallery
from facerec_cli.datasets.chips import nearest_to_centre
from facerec_cli.datasets.lfw import everybody, photo_name
from facerec_cli.defaults import UNKNOWN
from facerec_cli.faces.extraction import Extractor
from facerec_cli.faces.images import pixels
from facerec_cli.faces.opencv import cv2
from facerec_cli.parallel import ordered_map

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
ANGLES = (0, 15, -15, 30, -30, 45, -45, 60, 90, 180, 270)
PEOPLE = 200
SIZES = (100, 60, 40)
PICTURES = 100
GROUPS = 20
ROUNDS = 5
LARGE = (4000, 3000)
SAMPLES = Path(__file__).parent.parent / "tests" / "data"


def turned(image: Pixels, angle: float) -> Pixels:
    """The image turned counter-clockwise, degrees, with all of it in the picture, on black."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1)
    size = np.round(np.abs(matrix[:, :2]) @ [width, height]).astype(int)
    matrix[:, 2] = matrix[:, 2] + (size - [width, height]) / 2
    return np.asarray(cv2.warpAffine(image, matrix, size.tolist()), np.uint8)


def turns(folder: Path) -> None:
    """Print who is named in turned photos."""
    recognizer = Recognizer()
    people = [person for person in everybody() if person.view1 == "test"]
    random.Random(0).shuffle(people)
    enrolled = [person.name for person in people if person.photos > 1][:PEOPLE]
    strangers = [person.name for person in people if person.photos == 1][:PEOPLE]
    with tempfile.TemporaryDirectory() as scratch:
        gallery = open_gallery(scratch, create=True)
        for _ in enroll_all(
            recognizer, gallery, ((name, folder / photo_name(name, 1)) for name in enrolled), largest=True
        ):
            pass
        identifier = Identifier(recognizer, gallery)
        print(f"{len(enrolled)} enrolled people and {len(strangers)} strangers in photos turned by so many degrees")
        print("angle  right  wrong  no face  strangers named")
        for angle in ANGLES:
            own = named(recognizer, identifier, [folder / photo_name(name, 2) for name in enrolled], angle)
            others = named(recognizer, identifier, [folder / photo_name(name, 1) for name in strangers], angle)
            right = sum(found == name for found, name in zip(own, enrolled, strict=True))
            wrong = sum(found not in (name, UNKNOWN, None) for found, name in zip(own, enrolled, strict=True))
            hits = sum(found not in (UNKNOWN, None) for found in others)
            print(f"{angle:5}  {right:5}  {wrong:5}  {own.count(None):7}  {hits:15}", flush=True)


def named(recognizer: Recognizer, identifier: Identifier, photos: list[Path], angle: float) -> list[str | None]:
    """Who the face in the middle of each photo is, turned; None where there is no face."""

    def name(path: Path) -> str | None:
        extraction = recognizer.extract(Photo(path.name, turned(pixels(path), angle)))
        if not extraction.faces:
            return None
        (decision,) = identifier.decide(recognizer.embed([nearest_to_centre(extraction).chip]))
        return decision.name

    return list(ordered_map(name, photos))


def sizes(folder: Path) -> None:
    """Print how many small faces are found in large photos."""
    extractor, generator = Extractor(), np.random.default_rng(0)
    surroundings = [_large(pixels(path), generator) for path in sorted(SAMPLES.glob("*.*g"))]
    photos = _photos(folder)
    print(f"{PICTURES} faces, each in a photo of {LARGE[0]} x {LARGE[1]}")
    print("height  found  other faces")
    for height in SIZES:
        found = others = 0
        for number in range(PICTURES):
            face, small = _small(extractor, pixels(photos[number]), height)
            picture = surroundings[number % len(surroundings)].copy()
            room = np.array(picture.shape[:2]) - small.shape[:2]
            top, left = generator.integers(0, room)
            picture[top : top + small.shape[0], left : left + small.shape[1]] = small
            wanted = (face[0] + left, face[1] + top, face[2], face[3])
            hits = [_overlap(one.box, wanted) > 0.3 for one in extractor.extract(picture).faces]
            found += any(hits)
            others += len(hits) - any(hits)
        print(f"{height:6}  {found:5}  {others:11}", flush=True)


def crowds(folder: Path) -> None:
    """Print how many faces are found among LFW photos side by side."""
    photos = _photos(folder)
    print("crowd      size         faces  found")
    for rows, columns, side in ((7, 10, 250), (7, 10, 128), (16, 24, 125), (16, 24, 80)):
        parts = [
            cv2.resize(pixels(photos[number]), (side, side), interpolation=cv2.INTER_AREA)
            for number in range(rows * columns)
        ]
        montage = np.concatenate(
            [np.concatenate(parts[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
        )
        centres = {
            (int((one.box[1] + one.box[3] / 2) // side), int((one.box[0] + one.box[2] / 2) // side))
            for one in Extractor().extract(montage).faces
            if _is_in_middle(one.box, side)
        }
        size = f"{montage.shape[1]} x {montage.shape[0]}"
        print(f"{rows:3} x {columns:2}  {size:>12}  {rows * columns:6}  {len(centres):5}", flush=True)


def times(folder: Path) -> None:
    """Print what a photo takes from its file to its chips."""
    extractor, generator = Extractor(), np.random.default_rng(0)
    photos = _photos(folder)[:300]
    measured: dict[str, list[Path]] = {"LFW": photos, "LFW upside down": [], "4000 x 3000": [], "without a face": []}
    with tempfile.TemporaryDirectory() as scratch:
        for path in photos[:50]:
            measured["LFW upside down"].append(_saved(Path(scratch, path.name), turned(pixels(path), 180)))
        for path in sorted(SAMPLES.glob("*.*g")):
            large = _large(pixels(path), generator)
            measured["4000 x 3000"].append(_saved(Path(scratch, path.name), large))
            measured["without a face"].append(_saved(Path(scratch, f"no {path.name}"), large[2200:, :].copy()))
        print("photos            number  median ms  mean ms  faces")
        for kind, paths in measured.items():
            taken, faces = [], 0
            for path in paths:
                begun = time.thread_time()
                faces += len(extractor.extract(path).faces)
                taken.append(1000 * (time.thread_time() - begun))
            print(f"{kind:16}  {len(paths):6}  {np.median(taken):9.1f}  {np.mean(taken):7.1f}  {faces:5}", flush=True)


def large(folder: Path) -> None:
    """Print how fast large photos are embedded, and decoded."""
    recognizer = Recognizer()
    with tempfile.TemporaryDirectory() as scratch:
        paths = [_saved(Path(scratch, f"{number}"), image) for number, image in enumerate(_groups(_photos(folder)))]

        def embed() -> int:
            return sum(len(photo.embeddings) for photo in recognizer.embed_photos(paths))

        def bare() -> int:
            return sum(1 for _ in ordered_map(lambda path: cv2.imdecode(np.fromfile(path, np.uint8), 1), paths))

        embed()
        print("photos embedded/s  decoded/s  of it  faces a photo")
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            faces = embed()
            between = time.perf_counter()
            bare()
            embedded, decoded = len(paths) / (between - begun), len(paths) / (time.perf_counter() - between)
            print(
                f"{embedded:17.1f}  {decoded:9.1f}  {embedded / decoded:5.2f}  {faces / len(paths):13.1f}", flush=True
            )


def _groups(photos: list[Path]) -> Iterator[Pixels]:
    """The tests' portraits, enlarged, with up to four of LFW's faces in their corners."""
    generator = np.random.default_rng(0)
    surroundings = [_large(pixels(path), generator) for path in sorted(SAMPLES.glob("*.*g"))]
    faces = iter(photos)
    for number in range(GROUPS):
        picture = surroundings[number % len(surroundings)].copy()
        for corner in range(number % 5):
            scale = generator.uniform(1, 2.4)
            face = cv2.resize(pixels(next(faces)), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            face = np.clip(face + generator.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
            side, at = len(face), (corner % 2 * 3000, corner // 2 * 2000)
            left, top = generator.integers(100, 250, 2) + at
            picture[top : top + side, left : left + side] = face
        yield picture


def _photos(folder: Path) -> list[Path]:
    """One photo a person, shuffled."""
    photos = [folder / photo_name(person.name, 1) for person in everybody()]
    random.Random(1).shuffle(photos)
    return photos


def _saved(path: Path, image: Pixels) -> Path:
    path = path.with_suffix(".jpg")
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return path


def _large(image: Pixels, generator: np.random.Generator) -> Pixels:
    """A photo enlarged to fill ``LARGE``, with noise as of a camera."""
    scale = max(LARGE[0] / image.shape[1], LARGE[1] / image.shape[0])
    whole = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (whole.shape[0] - LARGE[1]) // 2, (whole.shape[1] - LARGE[0]) // 2
    part = whole[top : top + LARGE[1], left : left + LARGE[0]]
    noisy = part + generator.normal(0, 4, part.shape).astype(np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _small(extractor: Extractor, image: Pixels, height: int) -> tuple[Box, Pixels]:
    """A photo at the scale at which its face is so high, and the face's box there."""
    box = nearest_to_centre(extractor.extract(image)).box
    scale = height / box[3]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale), np.asarray(small, np.uint8)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def _is_in_middle(box: Box, side: int) -> bool:
    """Whether a face is the one that an LFW photo of a montage is about."""
    return all(abs((box[axis] + box[axis + 2] / 2) % side - side / 2) < 0.2 * side for axis in (0, 1))


TABLES: dict[str, Callable[[Path], None]] = {
    "turns": turns,
    "sizes": sizes,
    "crowds": crowds,
    "time": times,
    "large": large,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="all of them by default")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    for table in given.tables or TABLES:
        TABLES[table](given.lfw)
        print()


if __name__ == "__main__":
    main()
