"""YuNet's network: an image to candidates (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2
from facerec_cli.parallel import usable_cores

WEIGHTS = Path(__file__).parent / "weights" / "yunet.onnx"
SEED_SCORE = 0.3
"""Least score of a candidate. Nothing this weak is a face yet: it says where to look closer."""
NMS_THRESHOLD = 0.3
STRIDES = (8, 16, 32)
TILE = 1088
"""Longest side that the network sees at once, pixels: a call takes 60 MB then, and what calls took together is kept."""
OVERLAP = 48
"""Pixels that neighbouring tiles share: what is larger than that is found at a smaller size."""
Rows = npt.NDArray[np.float32]
"""float32 [n, 15], a candidate a row: box (x, y, width, height), five landmarks (x, y), score."""


class Network:
    """YuNet at an image's own size; one instance serves many threads."""

    def __init__(self) -> None:
        """Load it."""
        from facerec_cli.runtime import new_session  # noqa: PLC0415 - who asks an index alone needs no networks

        self._session = new_session(WEIGHTS.read_bytes())
        self._outputs = [output.name for output in self._session.get_outputs()]
        # More calls at once than there are cores would take more memory and no less time.
        self._turns = threading.BoundedSemaphore(usable_cores())

    def candidates(self, image: Image) -> Rows:
        """Where faces may be, before suppression, in the image's pixels.

        Args:
            image: uint8 [height, width, 3], RGB; a large one is looked at tile by tile.
        """
        height, width = image.shape[:2]
        return np.concatenate(
            [
                _owned(self._tile(image[top:bottom, left:right]), (left, top), (right, bottom), (width, height))
                for top, bottom in _parts(height)
                for left, right in _parts(width)
            ]
        )

    def _tile(self, image: Image) -> Rows:
        # The network halves its input five times; what is added is black.
        down, right = (-side % STRIDES[-1] for side in image.shape[:2])
        padded = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT)
        with self._turns:
            found = self._session.run(None, {"image": padded[np.newaxis]})
        named = dict(zip(self._outputs, found, strict=True))
        return np.concatenate([_decode(named, stride, padded.shape[1] // stride) for stride in STRIDES])


def suppress(rows: Rows) -> Rows:
    """Non-maximum suppression: of candidates for one face the best; best first."""
    ordered = rows[np.argsort(-rows[:, 14], kind="stable")]
    return ordered[distinct(ordered[:, :4].tolist())]


def distinct(boxes: Sequence[Sequence[float]]) -> list[int]:
    """The numbers, ascending, of the boxes that show no face that one before them shows."""
    ranks = [float(rank) for rank in range(len(boxes), 0, -1)]
    return [int(number) for number in cv2.dnn.NMSBoxes(boxes, ranks, 0, NMS_THRESHOLD)]


def _parts(side: int) -> list[tuple[int, int]]:
    """Begin and end of the tiles along a side, as few as there can be and as short."""
    count = max(1, -(-(side - OVERLAP) // (TILE - OVERLAP)))
    if count == 1:
        return [(0, side)]
    length = -(-(side + (count - 1) * OVERLAP) // count)
    length += -length % STRIDES[-1]
    begins = [min(number * (length - OVERLAP), side - length) for number in range(count)]
    return [(begin, begin + length) for begin in begins]


def _owned(rows: Rows, begin: tuple[int, int], end: tuple[int, int], size: tuple[int, int]) -> Rows:
    """A tile's candidates in the image's pixels, without those that a neighbour sees better: nearer to its middle."""
    rows[:, [0, *range(4, 14, 2)]] += begin[0]
    rows[:, [1, *range(5, 14, 2)]] += begin[1]
    centres = rows[:, :2] + rows[:, 2:4] / 2
    margin = OVERLAP / 2
    least = [-np.inf if at == 0 else at + margin for at in begin]
    most = [np.inf if at == whole else at - margin for at, whole in zip(end, size, strict=True)]
    return rows[((centres >= least) & (centres < most)).all(axis=1)]


def _decode(named: dict[str, npt.NDArray[np.float32]], stride: int, columns: int) -> Rows:
    """The candidates of one of YuNet's three grids: the cells whose score reaches the least.

    Each cell predicts one face: its centre and its landmarks relative to the cell, in strides, and the logarithm of its
    size; the score is the geometric mean of the face's and the object's probability.
    """
    probabilities = np.clip(named[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(named[f"obj_{stride}"][0, :, 0], 0, 1)
    cells = np.flatnonzero(probabilities >= SEED_SCORE**2)
    boxes, points = named[f"bbox_{stride}"][0, cells], named[f"kps_{stride}"][0, cells]
    grid = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    sizes = np.exp(boxes[:, 2:]) * stride
    corners = (boxes[:, :2] + grid) * stride - sizes / 2
    landmarks = (points + np.tile(grid, 5)) * stride
    scores = np.sqrt(probabilities[cells])[:, np.newaxis]
    return np.concatenate([corners, sizes, landmarks, scores], axis=1, dtype=np.float32)
