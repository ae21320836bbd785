"""Which faces of a frame follow which of the frames before, by where they are.

Boxes alone say that; who somebody is, embeddings say (``following``). So whatever boxes cannot tell for sure is marked,
and looked at by its embedding before it is believed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.extraction import Face
from facerec_cli.recognition.assignment import assign

LOST = 1.5
"""Seconds for which a face that is no longer seen is looked for."""
_REACH = 0.4
"""How far from where it is expected a face may be, in sizes of the face, and how many more with each second."""
_REACH_A_SECOND = 4.0
_FARTHEST = 2.0
"""Sizes of the face: beyond, whoever it is is looked at anew."""
_CROWDED = 0.8
"""Sizes of the face within which another, or one that was lost there, may be taken for it."""
_JUMP = 0.4
"""Sizes of the face by which it may be off where it is expected without being in doubt."""
_GAP = 0.3
"""Seconds unseen after which a face that is found again is in doubt."""
_COASTING = 0.5
"""Seconds for which a face that is not seen is expected to go on as it went."""
_TURN = 0.5
"""How much of the velocity the latest step decides."""
_ALIKE = 0.7
"""Least correlation of a person's chip with that of the frame before; of LFW's people 1 % of pairs have more."""
_COARSE = slice(4, None, 8)
"""The rows and columns of a chip that are compared with the frame before."""


@dataclass(eq=False)
class Track:
    """A face over frames, as far as places tell.

    Attributes:
        centre: of the box, x and y, pixels.
        size: the root of the box's area, pixels.
        velocity: of the centre, pixels a second; None where it was seen but once.
        seen: position of the frame that showed it last, seconds.
        look: the chip, coarse, of mean 0 and length 1.
    """

    centre: npt.NDArray[np.float64]
    size: float
    velocity: npt.NDArray[np.float64] | None
    seen: float
    look: npt.NDArray[np.float64]

    @classmethod
    def begun(cls, face: Face, position: float) -> Track:
        """A track that begins with a face."""
        return cls(*_place(face), None, position, _look(face))

    def expected(self, position: float) -> npt.NDArray[np.float64]:
        """Where the centre should be by now."""
        if self.velocity is None:
            return self.centre
        return self.centre + self.velocity * min(position - self.seen, _COASTING)

    def reach(self, position: float) -> float:
        """How far from there it may be, in sizes of the face."""
        if self.velocity is None:  # which way it goes is not known yet
            return _FARTHEST
        return min(_REACH + _REACH_A_SECOND * (position - self.seen), _FARTHEST)

    def move(self, face: Face, position: float) -> bool:
        """Go on with a face; returns whether it is in doubt that it is the same person's."""
        centre, size = _place(face)
        look = _look(face)
        elapsed = max(position - self.seen, 0.01)
        is_doubtful = (
            math.dist(centre, self.expected(position)) > _JUMP * self.size
            or elapsed > _GAP
            or float(look @ self.look) < _ALIKE
        )
        before = np.zeros(2) if self.velocity is None else self.velocity
        self.velocity = before + _TURN * ((centre - self.centre) / elapsed - before)
        self.centre, self.size, self.seen, self.look = centre, size, position, look
        return is_doubtful


@dataclass(frozen=True, eq=False)
class Step:
    """A face of a frame and the track that it belongs to.

    Attributes:
        track: which.
        face: as the frame shows it.
        is_new: the track begins here.
        is_doubtful: it jumped, was lost and found, changed its looks, or others are so near that it may be theirs.
        is_crowded: others are so near.
    """

    track: Track
    face: Face
    is_new: bool
    is_doubtful: bool
    is_crowded: bool


class Tracker:
    """Follows the faces of a video; memory is bounded by the faces of a second or two."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []

    def follow(self, faces: Sequence[Face], position: float) -> list[Step]:
        """The track of each face of the next frame, in the faces' order.

        Args:
            faces: of the frame.
            position: of the frame, seconds; never falls.
        """
        self._tracks = [track for track in self._tracks if position - track.seen <= LOST]
        costs = np.array([[_cost(track, face, position) for face in faces] for track in self._tracks])
        costs = costs.reshape(len(self._tracks), len(faces))
        near = self._near(faces, position)
        known = {column: row for row, column in assign(costs, 1.0)}
        steps = []
        for number, face in enumerate(faces):
            if number in known:
                track = self._tracks[known[number]]
                is_crowded = bool(near[:, number].sum() > 1 or near[known[number]].sum() > 1)
                is_doubtful = track.move(face, position) or is_crowded
                steps.append(Step(track, face, False, is_doubtful, is_crowded))
            else:
                steps.append(Step(Track.begun(face, position), face, True, False, bool(near[:, number].any())))
        self._tracks += [step.track for step in steps if step.is_new]
        return steps

    def _near(self, faces: Sequence[Face], position: float) -> npt.NDArray[np.bool_]:
        """Which tracks, by row, are expected so near to which faces that they may be taken for them."""
        where = np.array([track.expected(position) for track in self._tracks]).reshape(-1, 1, 2)
        places = [_place(face) for face in faces]
        centres = np.array([centre for centre, _ in places]).reshape(1, -1, 2)
        return np.asarray(np.linalg.norm(where - centres, axis=2) < _CROWDED * np.array([size for _, size in places]))

    def forget(self, track: Track) -> None:
        """End a track: nothing that is seen later belongs to it."""
        self._tracks.remove(track)

    def is_followed(self, track: Track) -> bool:
        """Whether a face may still be found to belong to a track."""
        return track in self._tracks

    def cut(self) -> None:
        """End all tracks: the scene is another."""
        self._tracks.clear()


def _cost(track: Track, face: Face, position: float) -> float:
    """How little a face is where a track is expected; 1 and more: it is not there."""
    centre, size = _place(face)
    scale = abs(math.log2(size / track.size))
    if scale > 1:
        return math.inf
    apart = math.dist(centre, track.expected(position)) / math.sqrt(size * track.size)
    return math.hypot(apart / track.reach(position), scale)


def _place(face: Face) -> tuple[npt.NDArray[np.float64], float]:
    x, y, width, height = face.box
    return np.array([x + width / 2, y + height / 2]), max(math.sqrt(width * height), 1.0)


def _look(face: Face) -> npt.NDArray[np.float64]:
    coarse = face.chip[_COARSE, _COARSE].sum(axis=2, dtype=np.float64).ravel()
    coarse -= coarse.mean()
    return np.asarray(coarse / max(float(np.linalg.norm(coarse)), 1e-9))
