"""Find the faces of a photo, whichever way they are turned, and say of which that cannot be told for sure.

The photo is looked at reduced, and each candidate that is not plainly an upright face once more, closer. The photo as a
whole is turned only where that leaves no face, or shows one to be turned: others are then turned as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.decoding import Image
from facerec_cli.faces.levelling import Look, levelled, look_closer, looks_of
from facerec_cli.faces.network import Network, Rows, distinct, suppress
from facerec_cli.faces.working import LEAST_SIZE, reduced, working_size

DETECTION = 2
"""Counts up when ``Detector`` begins to find other faces, or other landmarks: chips that were kept are made anew."""
FILLING_SIZE = 320
"""Longer side, pixels, at which faces that fill the frame are found: YuNet knows faces up to about this size."""
LARGEST = 80
"""Pixels. A larger face is taken from where the photo is smaller: here a tile may show but a part of it."""
SCORE_THRESHOLD = 0.8
"""At 0.8 no face is missed in LFW's 13,233 photos (0.9, OpenCV's default, misses 137)."""
ACCEPTED_SCORE = 0.88
"""Least score of a closer look that shows a face; what had ``SCORE_THRESHOLD`` without it is in doubt."""
SURE_SCORE = 0.915
"""From here on a face is upright. Upside down, the highest of 1,500 of LFW's has 0.91; upright, 82 % have more."""
PLAIN_SCORE = 0.905
"""Where no face has that much, the photo itself may be turned."""
SURE_TILT = 6.0
"""Most tilt of the landmarks, degrees, of a face that is plainly upright: it is less than half of the face's."""
SEARCHED_SCORE = 0.6
"""Least score of what is looked at all the way round."""
TURNED_SCORE = 0.6
"""Least score of a candidate in the photo turned."""
TURNED_SIZE = 1024
"""Bound on the longer side of the photo turned, pixels."""
GLANCES = 6
"""Candidates below ``SCORE_THRESHOLD`` that a quick look goes closer to, the best, once. Of 60 of LFW's faces, five in
a frame of 1280 x 720 and 32 pixels high, it finds all so, and 57 % without; turned by 20 degrees, 87 % and 30 %.
"""
UPRIGHT = 12.0
"""Degrees by which a face is turned that stays as it was first seen."""


@dataclass(frozen=True, eq=False)
class Detection:
    """Where a face is in a photo, in the pixels of the upright full-resolution photo.

    Attributes:
        box: x, y of the top-left corner, width, height.
        landmarks: float32 [5, 2], x and y of the subject's right eye, left eye, nose tip, right and left mouth corner.
        score: detection confidence in [0, 1].
        doubtful: no look showed that it is a face, and that its landmarks are not upside down.
    """

    box: tuple[float, float, float, float]
    landmarks: npt.NDArray[np.float32]
    score: float
    doubtful: bool = False


@dataclass(frozen=True, eq=False)
class _Found:
    """A face.

    Attributes:
        look: as it is returned.
        score: of the look that shows it most upright, at the same turn.
        is_whole: the look is one at the whole photo.
    """

    look: Look
    score: float
    is_whole: bool

    @property
    def quarters(self) -> int:
        """By how many quarters the photo is to be turned clockwise for the face to be upright."""
        return round(self.look.angle / 90) % 4

    @property
    def is_plain(self) -> bool:
        """The whole photo shows it, and it looks upright there."""
        return self.is_whole and self.score >= PLAIN_SCORE

    @property
    def is_doubtful(self) -> bool:
        """No look shows an upright face."""
        return self.score < ACCEPTED_SCORE


class Detector:
    """YuNet at a working size and closer; one instance serves many threads."""

    def __init__(self, size: int | None = None, *, thorough: bool = False, quick: bool = False) -> None:
        """Load the network.

        Args:
            size: bound on the photo's longer side at detection, pixels, or None to have it chosen by the photo. Faces
                from about 16 pixels up at this size are found; photos are never enlarged.
            thorough: turn every photo, and look closer at every face that is not plainly upright, to align it better.
            quick: for the frames of a video: turn nothing, and look closer at few candidates, once. Faces are found
                that are about upright; of those turned by 40 degrees or more, most are not.
        """
        self.size = size
        self._thorough = thorough
        self._quick = quick
        self._network = Network()

    def detect(self, image: Image) -> list[Detection]:
        """Find the faces of an image.

        Args:
            image: uint8 [height, width, 3], RGB.

        Returns:
            Where they are, largest box first.
        """
        working = reduced(image, working_size(image, self.size))
        seen = self._seen(image, working, 0)
        if self._quick:
            faces = sum(look.score >= SCORE_THRESHOLD for look in seen)
            seen = seen[: faces + GLANCES]
        found = self._settled(image, seen)
        if self._quick:
            turns: set[int] = set()
        elif self._thorough or all(one.score < PLAIN_SCORE for one in found):
            turns = {1, 2, 3}
        else:
            turns = {one.quarters for one in found} - {0}
        if not found and not self._thorough:
            working = reduced(working, TURNED_SIZE)
        for turn in sorted(turns):
            found = self._with_turned(image, working, turn, found)
        detections = [
            Detection(one.look.box, one.look.landmarks.astype(np.float32), one.look.score, one.is_doubtful)
            for one in found
        ]
        return sorted(detections, key=lambda face: -face.box[2] * face.box[3])

    def _seen(self, image: Image, working: Image, turn: int = 0) -> list[Look]:
        """The candidates of a photo that was reduced, and is turned clockwise by so many quarters, best first."""
        turned = np.ascontiguousarray(np.rot90(working, -turn))
        rows = suppress(self._at_sizes(turned))
        height, width = working.shape[:2]
        ratio = np.array([[image.shape[1] / width], [image.shape[0] / height]])
        matrix = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), turn)
        offset = np.array([[0, 0], [0, height], [width, height], [width, 0]][turn], np.float64)
        return looks_of(rows, ratio * np.column_stack([matrix, offset]), 90.0 * turn)

    def _at_sizes(self, image: Image) -> Rows:
        """The candidates of an image at its own size and, as what is large there is not found, at smaller ones."""
        sizes, parts, smaller = _sizes(max(image.shape[:2])), [], image
        for size in sizes:
            smaller = reduced(smaller, size)
            rows = self._network.candidates(smaller)
            if size > LEAST_SIZE:
                rows = rows[rows[:, 2:4].max(axis=1) <= LARGEST]
            rows[:, 0:14:2] *= image.shape[1] / smaller.shape[1]
            rows[:, 1:14:2] *= image.shape[0] / smaller.shape[0]
            parts.append(rows)
            if size == sizes[0] <= LEAST_SIZE and (rows[:, 14] >= SCORE_THRESHOLD).any():
                break
        return np.concatenate(parts)

    def _with_turned(self, image: Image, working: Image, turn: int, found: list[_Found]) -> list[_Found]:
        """The faces found, and those that a photo shows as it is turned clockwise by so many quarters."""
        plain = [one.look.box for one in found if one.is_plain and one.quarters == 0]
        seen = [look for look in self._seen(image, working, turn) if look.score >= TURNED_SCORE]
        new = [number - len(plain) for number in distinct([*plain, *(look.box for look in seen)])][len(plain) :]
        turned = [one for one in self._settled(image, [seen[number] for number in new]) if not one.is_doubtful]
        return _distinct(sorted([*turned, *found], key=lambda one: (not one.is_plain, -one.score)))

    def _settled(self, image: Image, seen: Sequence[Look]) -> list[_Found]:
        """The faces among candidates, best first."""
        return _distinct([one for one in (self._settle(image, look) for look in seen) if one])

    def _settle(self, image: Image, look: Look) -> _Found | None:
        """A candidate, looked at as closely as it needs; None where it is no face."""
        is_face, is_level = look.score >= SCORE_THRESHOLD, abs(look.tilt) <= SURE_TILT
        if look.score >= SURE_SCORE and is_level:
            return _Found(look, look.score, is_whole=True)
        angle = look.angle if is_level else look.upright_angle
        if self._quick:
            return self._glanced(image, look, angle)
        best = self._best_look(image, look, angle)
        if best.score < ACCEPTED_SCORE and not is_face:
            return None
        if best.score < ACCEPTED_SCORE or (is_face and not self._thorough and _is_level(best.angle - look.angle)):
            return _Found(look, best.score, is_whole=True)
        best = levelled(self._network, image, best)
        return _Found(best, best.score, is_whole=False)

    def _glanced(self, image: Image, look: Look, angle: float) -> _Found | None:
        """What a candidate that is not plainly an upright face is after one closer look by an angle."""
        closer = look_closer(self._network, image, look, [angle])
        best = _best([look, *closer])
        if best.score >= ACCEPTED_SCORE:
            best = levelled(self._network, image, best)
        elif look.score < SCORE_THRESHOLD:
            return None
        return _Found(best, best.score, is_whole=best is look)

    def _best_look(self, image: Image, face: Look, angle: float) -> Look:
        """The look that shows a face most upright: this, or a closer one by an angle or turned further."""
        looks = [face]
        if face.score < SCORE_THRESHOLD or angle != face.angle:  # most are upright, or nothing
            looks += look_closer(self._network, image, face, [angle])
            if looks[-1].score >= SURE_SCORE or _best(looks).score < SEARCHED_SCORE:
                return looks[-1]
        looks += look_closer(self._network, image, face, [angle + turn for turn in range(0, 360, 90)])
        if _best(looks).score < ACCEPTED_SCORE:
            looks += look_closer(self._network, image, face, [angle + turn for turn in range(45, 360, 90)])
        if _best(looks).score < SURE_SCORE:  # the box may have been too bad to cut the face by
            for look in sorted(looks[1:], key=lambda look: -look.score)[:2]:
                looks += look_closer(self._network, image, look, [look.upright_angle])
        return _best(looks)


def _best(looks: Sequence[Look]) -> Look:
    return max(looks, key=lambda look: look.score)


def _distinct(found: Sequence[_Found]) -> list[_Found]:
    return [found[number] for number in distinct([one.look.box for one in found])]


def _is_level(angle: float) -> bool:
    return abs((angle + 180) % 360 - 180) <= UPRIGHT


def _sizes(longer: int) -> list[int]:
    """The sizes, pixels, at which an image with such a longer side is looked at."""
    sizes = [longer]
    while sizes[-1] > LEAST_SIZE:
        sizes.append(max(LEAST_SIZE, sizes[-1] // 4))
    return [*sizes, FILLING_SIZE] if longer > FILLING_SIZE else sizes
