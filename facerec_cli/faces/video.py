"""Frames of a video, as they come from a camera, a file or a stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from facerec_cli.faces.decoding import Image


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        image: uint8 [height, width, 3], RGB, upright.
        number: of the frame in the source, from 0, skipped ones counted.
        position: seconds into the source; of a live source, since its first frame.
        time: when it was received, in UTC; None of a file.
    """

    image: Image
    number: int
    position: float
    time: datetime | None
