"""Videos with boxes and names: whole or not at all, and in true time however the frames arrive.

Of the encoders in OpenCV's wheels, which have none for H.264, on a core at 1280 × 720: MPEG-4 Part 2 takes 0.02 s a
frame, and players show it, browsers do not; VP8 takes 0.06 s, and both do; VP9 0.3 s. Sound they cannot write.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from facerec_cli.errors import AnnotatedVideoError
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2
from facerec_cli.files import is_text, new_file, refusal

CODECS = {".mp4": "mp4v", ".webm": "VP80"}
"""By the ending of a video's name."""
LONGEST_STILL = 2.0
"""Seconds that a frame is shown at most: a stream that is lost for an hour leaves no hour of one picture."""


class VideoFile:
    """A video of a constant frame rate; use as a context manager, which ends it whole also where the work breaks off.

    Each frame is shown until the next one's time; of frames that are nearer together than the rate has room for, some
    are left out.
    """

    def __init__(self, place: Path, size: tuple[int, int], rate: float) -> None:
        """Begin, beside its place.

        Args:
            place: where it goes in the end, whatever was there; its ending says how it is encoded.
            size: width and height, pixels; frames of another size are scaled.
            rate: frames a second.

        Raises:
            AnnotatedVideoError: it cannot be written, or not with this ending.
        """
        self._place, self._size, self._rate = place, size, rate
        self._last: Image | None = None
        self._written = 0
        self._position = self._left_out = 0.0
        codec = CODECS.get(place.suffix.lower())
        if codec is None:
            raise AnnotatedVideoError(f"{place} is no kind of video that can be written", f"end it in {_or(CODECS)}")
        if not is_text(place):
            raise AnnotatedVideoError(f"{place} is no text in UTF-8", "choose another name")
        if place.is_dir():
            raise AnnotatedVideoError(f"{place} is a folder", "name a file in it")
        self._file = ExitStack()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._beside = self._file.enter_context(new_file(place, ending=place.suffix.lower()))
        except OSError as error:
            raise self._refused(error) from error
        self._writer = cv2.VideoWriter(str(self._beside), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, size)
        if not self._writer.isOpened():
            self._beside.unlink()
            raise AnnotatedVideoError(f"OpenCV has no encoder for {place} here", "install OpenCV from its wheel")

    def __enter__(self) -> VideoFile:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the video in its place; nothing where it has no frame.

        Raises:
            AnnotatedVideoError: it cannot be written.
        """
        self._writer.release()
        if not self._written:
            self._beside.unlink()
            return
        if not self._is_whole():
            self._beside.unlink()
            raise AnnotatedVideoError(f"{self._place} cannot be written whole", "free some space on its disk")
        try:
            self._file.close()
        except OSError as refused:
            raise self._refused(refused) from refused

    def add(self, image: Image, position: float) -> None:
        """Add a frame, uint8 [height, width, 3] RGB, that is to be seen from a position on, seconds."""
        if self._last is None:
            self._left_out = position
        else:
            self._left_out += max(0.0, position - self._position - LONGEST_STILL)
        self._position = position
        place = int((position - self._left_out) * self._rate + 0.5)
        while self._last is not None and self._written < place:
            self._write(self._last)
        if self._written <= place:
            scaled = image if image.shape[1::-1] == self._size else cv2.resize(image, self._size)
            last = self._last = np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2BGR), np.uint8)
            self._write(last)

    def _write(self, frame: Image) -> None:
        self._writer.write(frame)
        self._written += 1

    def _is_whole(self) -> bool:
        """Whether the file has all frames: of a full disk OpenCV says nothing."""
        written = cv2.VideoCapture(str(self._beside), cv2.CAP_FFMPEG)
        try:
            return written.isOpened() and round(written.get(cv2.CAP_PROP_FRAME_COUNT)) >= self._written
        finally:
            written.release()

    def _refused(self, error: OSError) -> AnnotatedVideoError:
        return AnnotatedVideoError(f"{self._place} cannot be written: {refusal(error).reason}", refusal(error).remedy)


def _or(words: dict[str, str]) -> str:
    return " or ".join(words)
