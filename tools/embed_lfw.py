"""Embed a copy of LFW with a model, the face nearest to the centre of each photo.

    python tools/embed_lfw.py LFW_FOLDER OUT.npz [-m pretrained]

LFW_FOLDER has a folder a person. OUT.npz holds ``photos`` (paths below LFW_FOLDER), ``embeddings`` (float32 [n, d]) and
``digest``; tools/calibrate_pretrained.py and benchmarks/lfw_accuracy.py read it. A photo without a face is named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from facerec_cli.faces.images import decode_photo, photos_in, read_photo
from facerec_cli.parallel import ordered_map
from facerec_cli.recognizer import Detection, Recognizer


def nearest_to_centre(detections: list[Detection], height: int, width: int) -> Detection:
    """LFW's convention: the person named is the one in the middle."""

    def off_centre(detection: Detection) -> float:
        x, y, w, h = detection.face.box
        return float(np.hypot(x + w / 2 - width / 2, y + h / 2 - height / 2))

    return min(detections, key=off_centre)


def main() -> None:
    """Embed every photo and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("-m", "--model", default="pretrained")
    arguments = parser.parse_args()
    recognizer = Recognizer(arguments.model)

    def embed(photo: Path) -> np.ndarray | None:
        image = decode_photo(read_photo(photo))
        detections = recognizer.detect(image)
        if not detections:
            return None
        return np.asarray(recognizer.embed([nearest_to_centre(detections, *image.shape[:2]).chip])[0])

    photos = photos_in(arguments.lfw)
    found = list(track(ordered_map(embed, photos), total=len(photos)))
    kept = [(photo, embedding) for photo, embedding in zip(photos, found, strict=True) if embedding is not None]
    for photo, embedding in zip(photos, found, strict=True):
        if embedding is None:
            print(f"no face: {photo}")
    np.savez(
        arguments.out,
        photos=np.array([photo.relative_to(arguments.lfw).as_posix() for photo, _ in kept]),
        embeddings=np.stack([embedding for _, embedding in kept]),
        digest=np.array(recognizer.digest),
    )
    print(f"{len(kept)} of {len(photos)} photos embedded")


if __name__ == "__main__":
    main()
