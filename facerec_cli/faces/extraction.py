"""Photo to chips: the one place that decodes, detects, aligns and measures."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import WORKING_SIZE
from facerec_cli.errors import NoFaceError, SeveralFacesError
from facerec_cli.faces.alignment import ALIGNMENT, Chip, align
from facerec_cli.faces.detector import DETECTION, Detection, Detector
from facerec_cli.faces.images import PhotoLike, opened, picture_of
from facerec_cli.faces.network import WEIGHTS
from facerec_cli.faces.quality import MEASUREMENT, Quality, measure, quality_score

PORTRAIT = 1.5
"""Where the largest face of a photo has so many times the area of the second, the photo is a portrait of that person.
Of 1,403 photos of Labeled Faces in the Wild 186 show several faces, 149 of them one so much larger: the person in 148.
"""


@cache
def extraction_version() -> int:
    """A number that changes with whatever decides which faces are found, their chips' pixels and their measures."""
    state = f"{ALIGNMENT} {DETECTION} {MEASUREMENT}".encode() + WEIGHTS.read_bytes()
    return int.from_bytes(hashlib.sha256(state).digest()[:7], "big")


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a photo.

    Attributes:
        box: x, y of the top-left corner, width, height, in the pixels of the upright full-resolution photo.
        landmarks: float32 [5, 2], x and y of the subject's right eye, left eye, nose tip, right and left mouth corner.
        score: detection confidence in [0, 1].
        chip: uint8 [112, 112, 3], RGB, aligned.
        doubtful: its alignment cannot be trusted: it may be upside down, or no face.
    """

    box: tuple[float, float, float, float]
    landmarks: npt.NDArray[np.float32]
    score: float
    chip: Chip
    doubtful: bool = False

    @cached_property
    def quality(self) -> Quality:
        """What may spoil it, measured when it is asked for."""
        return measure(self.chip, self.landmarks)

    @property
    def quality_score(self) -> float:
        """How likely it is to be matched with a good photo of the same person, from 0 to 1; see ``faces.quality``."""
        return quality_score(self.quality, self.score)


@dataclass(frozen=True, eq=False)
class Extraction:
    """The faces of a photo, largest first.

    Attributes:
        source: what people know the photo by.
        width: of the upright photo, pixels.
        height: of the upright photo, pixels.
        faces: all that were found.
        note: what of the photo was not looked at, as a clause that names it; None where nothing.
    """

    source: str
    width: int
    height: int
    faces: tuple[Face, ...]
    note: str | None = None

    def one_face(self, *, largest: bool = False, at: tuple[float, float] | None = None) -> Face:
        """The face of a photo that is to show one person: the only one, or that of a portrait.

        Args:
            largest: take the largest where there are several, however large the others are.
            at: take the face at this point, x and y in pixels of the upright photo: of several whose boxes hold it the
                one whose centre is nearest.

        Raises:
            NoFaceError: there is none, or none there.
            SeveralFacesError: there are several, none of them much larger than the others, and neither ``largest`` nor
                ``at`` says which.
        """
        if not self.faces:
            raise NoFaceError(f"{self.source} shows no face", "give a photo in which the face is clear and upright")
        if at is not None:
            return self._face_at(*at)
        if self.prominence < PORTRAIT and not largest:
            raise SeveralFacesError(f"{self.source} shows {len(self.faces)} faces", "crop it to the person")
        return self.faces[0]

    def _face_at(self, x: float, y: float) -> Face:
        def distance(face: Face) -> float:
            left, top, width, height = face.box
            return math.hypot(x - left - width / 2, y - top - height / 2)

        there = [face for face in self.faces if _holds(face.box, x, y)]
        if not there:
            raise NoFaceError(f"{self.source} shows no face at {x:g}, {y:g}", "name a point inside a face's box")
        return min(there, key=distance)

    @property
    def prominence(self) -> float:
        """How many times the area of the second face the largest has; infinite where there is no second."""
        areas = [face.box[2] * face.box[3] for face in self.faces[:2]]
        return areas[0] / areas[1] if len(areas) > 1 and areas[1] > 0 else math.inf

    @property
    def bystanders(self) -> str | None:
        """A clause that says whom of several faces ``one_face`` takes, for whoever did not ask for the largest."""
        if math.isinf(self.prominence):
            return None
        other = "the other" if len(self.faces) == 2 else "the next"
        return (
            f"{self.source} shows {len(self.faces)} faces; the largest, {self.prominence:.1f} times {other}, was taken"
        )


class Extractor:
    """Finds and cuts out faces; may be shared by threads."""

    def __init__(
        self, detection_size: int | None = WORKING_SIZE, *, thorough: bool = False, quick: bool = False
    ) -> None:
        """Load the detector.

        Args:
            detection_size: bound on a photo's longer side at detection, pixels; None to have it chosen by the photo.
            thorough: turn every photo, and look twice at every face that is not plainly upright.
            quick: for the frames of a video: faces that are about upright, in a third of the time where there are none.
        """
        self._detector = Detector(detection_size, thorough=thorough, quick=quick)
        self._made = partial(Extractor, detection_size, thorough=thorough, quick=quick)

    def __reduce__(self) -> tuple[Callable[[], Extractor], tuple[()]]:
        """Pickled for another machine, it is made anew there."""
        return self._made, ()

    def extract(self, photo: PhotoLike) -> Extraction:
        """The faces of a photo.

        Raises:
            PhotoError: the photo cannot be read.
        """
        with opened(photo) as at_hand:
            picture = picture_of(at_hand)
            faces = tuple(
                _face(detection, align(picture.image, detection.landmarks), picture.reduction)
                for detection in self._detector.detect(picture.image)
            )
            return Extraction(at_hand.source, picture.width, picture.height, faces, picture.note)


def _holds(box: tuple[float, float, float, float], x: float, y: float) -> bool:
    """Whether a box has a point in it, or on its edge."""
    left, top, width, height = box
    return left <= x <= left + width and top <= y <= top + height


def _face(detection: Detection, chip: Chip, reduction: int) -> Face:
    """A face in the pixels of a photo that was worked on reduced."""
    x, y, width, height = (number * reduction for number in detection.box)
    landmarks = detection.landmarks * np.float32(reduction)
    return Face((x, y, width, height), landmarks, detection.score, chip, detection.doubtful)
