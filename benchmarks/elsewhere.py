"""Whether a model's promise about strangers holds on photos of another kind than it was calibrated on.

    python benchmarks/elsewhere.py FOLDER [-m saved_best pretrained] [--people 400] [--draws 10]

FOLDER has a sub-folder a person. Its photos are looked at as they are, and altered: tight crops around the face, small,
strongly compressed, grey, turned, dark. In draws, half of the people with two photos are enrolled with one photo each;
their others are probes, a photo of everybody else is a stranger, and the threshold is the model's own for 1 % of
strangers. Whoever a model has seen, by name, is left out, and so is a photo of LFW that is under a wrong name.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.datasets.folder import search
from facerec_cli.datasets.lfw import mislabelled
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE, Bundle, resolve_bundle
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.known import known_people
from facerec_cli.evaluation.strangers import draw_gallery, outcome
from facerec_cli.faces.opencv import cv2

RATE = 0.01
Image = npt.NDArray[np.uint8]


def tight(image: Image) -> Image:
    """The middle of a photo of LFW's kind, where the face is."""
    height, width = image.shape[:2]
    return image[height * 28 // 100 : height * 72 // 100, width * 28 // 100 : width * 72 // 100]


def smaller(image: Image) -> Image:
    """40 % of the size."""
    return np.asarray(cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8)


def compressed(image: Image) -> Image:
    """JPEG of quality 15."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def grey(image: Image) -> Image:
    """Without colour."""
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def turned(image: Image) -> Image:
    """15° about its middle."""
    height, width = image.shape[:2]
    movement = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1)
    return np.asarray(cv2.warpAffine(image, movement, (width, height)), np.uint8)


def dark(image: Image) -> Image:
    """A third of the light."""
    return np.asarray(image // 3, np.uint8)


KINDS: dict[str, Callable[[Image], Image]] = {
    "as they are": lambda image: image,
    "tight crops": tight,
    "small": smaller,
    "compressed": compressed,
    "grey": grey,
    "turned": turned,
    "dark": dark,
}


def altered(photos: dict[str, list[Path]], change: Callable[[Image], Image], folder: Path) -> ChipSet:
    """The chips of changed copies of people's photos."""
    for person, paths in photos.items():
        (folder / person).mkdir(parents=True)
        for path in paths:
            cv2.imwrite(str(folder / person / f"{path.stem}.png"), change(np.asarray(cv2.imread(str(path)), np.uint8)))
    return load_chips(folder)


def measured(bundle: Bundle, chips: ChipSet, draws: int) -> tuple[float, float]:
    """Strangers named and people found, each a share and a mean of draws."""
    metric, calibration = bundle.load_metric(), bundle.calibration
    assert calibration is not None
    rows = list(chips.rows_of.values())
    needed = sorted(row for own in rows for row in own)
    looks = embed_rows(bundle, chips, needed, needed)
    generator, size = np.random.default_rng(0), sum(len(own) > 1 for own in rows) // 2
    drawn = [draw_gallery(rows, size, 1, generator) for _ in range(draws)]
    outcomes = [
        outcome(draw, looks, known_people(looks.enrolled[draw.enrolled], metric, calibration, RATE))
        for draw in drawn
        if draw is not None
    ]
    return float(np.mean([one.strangers_named for one in outcomes])), float(
        np.mean([one.people_found for one in outcomes])
    )


def main() -> None:
    """Alter, embed, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-m", "--models", nargs="+", default=["saved_best", "pretrained"])
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    bundles = [resolve_bundle(name) for name in arguments.models]
    seen = {person for one in bundles for part in (TRAINING_PEOPLE, CALIBRATION_PEOPLE) for person in one.people(part)}
    photos: dict[str, list[Path]] = {}
    wrong = mislabelled()
    for path in search(arguments.folder).photos:
        within = path.relative_to(arguments.folder)
        if within.as_posix() not in wrong:
            photos.setdefault(within.parts[0], []).append(path)
    # Whoever has two photos first: they can be enrolled and found.
    unseen = sorted(photos.keys() - seen, key=lambda person: (len(photos[person]) < 2, person))[: arguments.people]
    chosen = {person: photos[person][:5] for person in unseen}
    print(
        f"{len(chosen):,} people, {sum(map(len, chosen.values())):,} photos; strangers named / people found, %, at 1 %"
    )
    print(f"{'':12}  {'   '.join(f'{bundle.name:>13}' for bundle in bundles)}")
    for kind, change in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            chips = altered(chosen, change, Path(folder, "people"))
            shares = [measured(bundle, chips, arguments.draws) for bundle in bundles]
        cells = "   ".join(f"{100 * named:5.2f} / {100 * found:5.2f}" for named, found in shares)
        print(f"{kind:12}  {cells}   {int(chips.has_face.sum()):,} faces", flush=True)


if __name__ == "__main__":
    main()
