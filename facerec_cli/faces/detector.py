"""Find faces with YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2
from facerec_cli.runtime import new_session

WEIGHTS = Path(__file__).parent / "weights" / "yunet.onnx"
FILLING_SIZE = 320
"""Longer side, pixels, at which faces that fill the frame are found: YuNet knows faces up to about this size."""
SCORE_THRESHOLD = 0.8
"""At 0.8 no face is missed in LFW's 13,233 photos (0.9, OpenCV's default, misses 137)."""
NMS_THRESHOLD = 0.3
STRIDES = (8, 16, 32)


@dataclass(frozen=True, eq=False)
class Detection:
    """Where a face is in a photo, in the pixels of the upright full-resolution photo.

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
        """Load the network.

        Args:
            size: bound on the photo's longer side at detection, pixels. Faces from about 16 pixels up at this
                size are found; photos are never enlarged.
        """
        self.size = size
        self._session = new_session(WEIGHTS.read_bytes())
        self._outputs = [output.name for output in self._session.get_outputs()]

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces of an image.

        Args:
            image: uint8 [height, width, 3], RGB.

        Returns:
            Where they are, largest box first.
        """
        rows = self._detect_at(image, self.size)
        longer = min(self.size, max(image.shape[:2]))
        # A face that fills the frame is too large for the network at a large working size.
        if longer > FILLING_SIZE and (len(rows) == 0 or longer > 2 * FILLING_SIZE):
            rows = np.concatenate([rows, self._detect_at(image, FILLING_SIZE)])
        detections = [
            Detection(
                box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
                landmarks=row[4:14].reshape(5, 2),
                score=float(row[14]),
            )
            for row in _suppress(rows)
        ]
        return sorted(detections, key=lambda face: -face.box[2] * face.box[3])

    def _detect_at(self, image: Image, size: int) -> npt.NDArray[np.float32]:
        """Candidates before suppression, float32 [n, 15]: box, landmarks, score, in the image's own pixels."""
        height, width = image.shape[:2]
        scale = min(1.0, size / max(height, width))
        working = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, working, interpolation=cv2.INTER_AREA) if scale < 1 else image
        # The network halves its input five times; what is added is black.
        down, right = -working[1] % STRIDES[-1], -working[0] % STRIDES[-1]
        padded = cv2.copyMakeBorder(small, 0, down, 0, right, cv2.BORDER_CONSTANT)
        named = dict(zip(self._outputs, self._session.run(None, {"image": padded[np.newaxis]}), strict=True))
        rows = np.concatenate([_decode(named, stride, padded.shape[1] // stride) for stride in STRIDES])
        rows[:, 0:14:2] *= width / working[0]
        rows[:, 1:14:2] *= height / working[1]
        return rows


def _decode(named: dict[str, npt.NDArray[np.float32]], stride: int, columns: int) -> npt.NDArray[np.float32]:
    """The rows of one of YuNet's three grids, float32 [n, 15], for the cells whose score reaches the threshold.

    Each cell predicts one face: its centre and its landmarks relative to the cell, in strides, and the logarithm of its
    size; the score is the geometric mean of the face's and the object's probability.
    """
    probabilities = np.clip(named[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(named[f"obj_{stride}"][0, :, 0], 0, 1)
    cells = np.flatnonzero(probabilities >= SCORE_THRESHOLD**2)
    boxes, points = named[f"bbox_{stride}"][0, cells], named[f"kps_{stride}"][0, cells]
    grid = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    sizes = np.exp(boxes[:, 2:]) * stride
    corners = (boxes[:, :2] + grid) * stride - sizes / 2
    landmarks = (points + np.tile(grid, 5)) * stride
    scores = np.sqrt(probabilities[cells])[:, np.newaxis]
    return np.concatenate([corners, sizes, landmarks, scores], axis=1, dtype=np.float32)


def _suppress(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Non-maximum suppression."""
    keep = cv2.dnn.NMSBoxes(rows[:, :4].tolist(), rows[:, 14].tolist(), SCORE_THRESHOLD, NMS_THRESHOLD)
    return rows[np.asarray(keep, np.intp)]
