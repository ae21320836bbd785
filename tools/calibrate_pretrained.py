"""Calibrate the bundle `pretrained` on LFW's peopleDevTrain people, and write the result into its model.json.

    python tools/embed_lfw.py LFW_FOLDER lfw.npz
    python tools/calibrate_pretrained.py LFW_PROTOCOLS lfw.npz

LFW_PROTOCOLS holds peopleDevTrain.txt. Impostor distances are drawn by person, never by photo: a draw takes one photo
of each of the 4,038 people at random, all 8,150,703 pairs of people, and there are 20 draws. Genuine distances are all
pairs of photos of one person, at most 10 photos a person. Thresholds chosen here may be reported on any other people.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.lfw import photo_name, read_people
from facerec_cli.encoders.bundle import BUNDLED, read_bundle, write_bundle
from facerec_cli.evaluation.calibration import calibrate

DRAWS = 20
GENUINE_PHOTOS = 10


def main() -> None:
    """Measure, print and write the calibration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocols", type=Path)
    parser.add_argument("embeddings", type=Path)
    arguments = parser.parse_args()
    folder = BUNDLED / "pretrained"
    bundle = read_bundle(folder)
    file = np.load(arguments.embeddings)
    if str(file["digest"]) != bundle.digest:
        raise SystemExit(f"{arguments.embeddings} was made with another model: run tools/embed_lfw.py again")
    row_of = {str(photo): row for row, photo in enumerate(file["photos"])}
    embeddings: npt.NDArray[np.float32] = file["embeddings"]
    (people,) = read_people(arguments.protocols / "peopleDevTrain.txt")
    rows = {
        person: [row_of[photo_name(person, number)] for number in range(1, photos + 1)]
        for person, photos in people.items()
    }
    generator = np.random.default_rng(0)
    pairs = np.triu_indices(len(rows), k=1)
    impostor = []
    for _ in range(DRAWS):
        drawn = embeddings[[generator.choice(own) for own in rows.values()]]
        impostor.append((1 - drawn @ drawn.T)[pairs])
    genuine = np.array(
        [
            1 - embeddings[one] @ embeddings[other]
            for own in rows.values()
            for one, other in combinations(generator.permutation(own)[:GENUINE_PHOTOS], 2)
        ],
        np.float32,
    )
    calibration = calibrate(
        impostor,
        genuine,
        {
            "data": "LFW deep-funneled, the 4,038 people of View 1's peopleDevTrain",
            "protocol": f"one photo a person, all pairs of people, median of {DRAWS} draws",
            "impostor_pairs_per_draw": len(pairs[0]),
            "genuine_pairs": len(genuine),
            "command": "tools/calibrate_pretrained.py",
        },
    )
    write_bundle(
        folder,
        bundle.encoder_bytes(),
        embedding_size=bundle.embedding_size,
        metric=bundle.metric,
        calibration=calibration.to_json(),
        about=bundle.about,
        others={name: (folder / name).read_bytes() for name in bundle.sha256},
    )
    for rate, distance in zip(calibration.fmr, calibration.distance, strict=True):
        print(f"FMR {rate:.0e}: distance {distance:.4f}, cosine {1 - distance:.4f}")
    print(f"slope of the logistic: {calibration.slope:.2f}")


if __name__ == "__main__":
    main()
