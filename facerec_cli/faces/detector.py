"""Find faces with YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023) through OpenCV."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.images import Image
from facerec_cli.faces.opencv import cv2

WEIGHTS = Path(__file__).parents[1] / "encoders" / "weights" / "face_detection_yunet_2023mar_int8bq.onnx"
FILLING_SIZE = 320
"""Longer side, pixels, at which faces that fill the frame are found: YuNet knows faces up to about this size."""
SCORE_THRESHOLD = 0.8
"""At 0.8 no face is missed in LFW's 13,233 photos (0.9, OpenCV's default, misses 137)."""
NMS_THRESHOLD = 0.3


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo, in the pixels of the upright full-resolution photo.

    Attributes:
        box: x, y of the top-left corner, width, height.
        landmarks: float32 [5, 2], x and y of the subject's right eye, left eye, nose tip, right and left mouth corner.
        score: detection confidence in [0, 1].
    """

    box: tuple[float, float, float, float]
    landmarks: npt.NDArray[np.float32]
    score: float


class Detector:
    """YuNet at a bounded working size; one instance serves many threads."""

    def __init__(self, size: int) -> None:
        """Prepare to detect.

        Args:
            size: bound on the photo's longer side at detection, pixels. Faces from about 16 pixels up at this
                size are found; photos are never enlarged.
        """
        self.size = size
        self._local = threading.local()

    def detect(self, image: Image) -> list[Face]:
        """Find the faces of an image.

        Args:
            image: uint8 [height, width, 3], RGB.

        Returns:
            Faces, largest box first.
        """
        rows = self._detect_at(image, self.size)
        longer = min(self.size, max(image.shape[:2]))
        # A face that fills the frame is too large for the network at a large working size.
        if longer > FILLING_SIZE and (len(rows) == 0 or longer > 2 * FILLING_SIZE):
            rows = _suppress(np.concatenate([rows, self._detect_at(image, FILLING_SIZE)]))
        faces = [
            Face(
                box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
                landmarks=row[4:14].reshape(5, 2),
                score=float(row[14]),
            )
            for row in rows
        ]
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])

    def _detect_at(self, image: Image, size: int) -> npt.NDArray[np.float32]:
        """YuNet's rows, float32 [n, 15], in the image's own pixels."""
        height, width = image.shape[:2]
        scale = min(1.0, size / max(height, width))
        working = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, working, interpolation=cv2.INTER_AREA) if scale < 1 else image
        network = self._network()
        network.setInputSize(working)
        _, rows = network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if rows is None:
            return np.empty((0, 15), np.float32)
        rows[:, 0:14:2] *= width / working[0]
        rows[:, 1:14:2] *= height / working[1]
        return np.asarray(rows[np.isfinite(rows).all(axis=1)], np.float32)

    def _network(self) -> Any:
        # FaceDetectorYN keeps state between calls: each thread has its own.
        if not hasattr(self._local, "network"):
            self._local.network = cv2.FaceDetectorYN.create(
                str(WEIGHTS), "", (FILLING_SIZE, FILLING_SIZE), SCORE_THRESHOLD, NMS_THRESHOLD
            )
        return self._local.network


def _suppress(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Non-maximum suppression over rows that come from two working sizes."""
    keep = cv2.dnn.NMSBoxes(rows[:, :4].tolist(), rows[:, 14].tolist(), SCORE_THRESHOLD, NMS_THRESHOLD)
    return rows[np.asarray(keep, np.intp)]
