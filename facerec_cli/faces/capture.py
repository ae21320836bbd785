"""An open video as OpenCV reads it, by FFmpeg or a camera's driver, frame after frame."""

from __future__ import annotations

import math
import socket
import time
from pathlib import Path

import numpy as np

from facerec_cli.errors import UnreachableSourceError, UnsupportedVideoError, VideoError
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.headers import inspect
from facerec_cli.faces.opencv import cv2
from facerec_cli.faces.sources import PORTS, Source, check_file

TIMEOUT = 10.0
"""Seconds in which a stream must be open, and each of its frames be there."""
LIVE_THREADS = 2
"""That decode a stream: each but one keeps a frame back, and of a camera's few frames a second that is late."""
_MISSED = 1.0
"""Seconds of a file's end that may be missing: what files say of their length is not that exact."""


class Capture:
    """A source that is open, at one of its frames: the first to begin with."""

    def __init__(self, source: Source) -> None:
        """Open it and read its first frame.

        Raises:
            UnreadableVideoError: a file is missing, empty, no file, or not readable.
            UnsupportedVideoError: a file is no video.
            UnreachableSourceError: a camera or a URL gives no picture.
        """
        if not source.is_live:
            check_file(source)
            _check_moving(source)
        begun = time.monotonic()
        self._capture = _opened(source)
        self._number = -1
        self._position = 0.0
        self._stretch = self._pixel_shape()
        first = self.image() if self.advance() else None
        if first is None:
            self._capture.release()
            raise _problem(source, has_waited=time.monotonic() - begun >= TIMEOUT)
        self.size = first.shape[1], first.shape[0]
        """Width and height of the upright first frame, pixels."""
        self.rate = _known(self._capture.get(cv2.CAP_PROP_FPS))
        """Frames a second, as the source says; 0 where it does not."""
        frames = _known(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.seconds = frames / self.rate if self.rate else 0.0
        """How long it is, as it says; 0 where it does not."""
        url = source.url
        self.is_live = source.is_live and not (url and url.scheme.startswith("http") and self.seconds)
        """It has no end; what has one is a file, or a URL of one."""

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    @property
    def position(self) -> float:
        """The frame's time stamp, seconds; never less than of one before, and of its number where there is none."""
        stamp = _known(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if not stamp and self.rate:
            stamp = self._number / self.rate
        self._position = max(self._position, stamp)
        return self._position

    def advance(self) -> bool:
        """Go on to the next frame; whether there is one."""
        self._number += 1
        begun = time.monotonic()
        is_there = self._capture.grab()
        # Where nothing came in time, OpenCV still hands out what the decoder had kept, a timeout for each.
        return is_there and time.monotonic() - begun < TIMEOUT

    def image(self) -> Image | None:
        """The frame, uint8 [height, width, 3], RGB, upright; None where it cannot be decoded."""
        try:
            is_there, image = self._capture.retrieve()
        except cv2.error:
            is_there = False
        if not is_there:
            return None
        if self._stretch != (1, 1):
            image = cv2.resize(image, None, fx=self._stretch[0], fy=self._stretch[1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

    def _pixel_shape(self) -> tuple[float, float]:
        """By what a frame is to be wider and higher, as pixels need not be square: a face would be too narrow."""
        width = _known(self._capture.get(cv2.CAP_PROP_SAR_NUM))
        height = _known(self._capture.get(cv2.CAP_PROP_SAR_DEN))
        if not 0.2 < width / (height or math.inf) < 5:
            return 1, 1
        if self._capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180:
            width, height = height, width
        return max(1, width / height), max(1, height / width)

    def missing(self, position: float) -> bool:
        """Whether a file that ends at a position, seconds, should have gone on."""
        return position + _MISSED < self.seconds


def _opened(source: Source) -> cv2.VideoCapture:
    if isinstance(source.address, int):
        return cv2.VideoCapture(source.address)
    # A path is no pattern of several files' names, and what stands before a colon no protocol.
    address = source.address if source.is_live else f"file:{Path(source.address).absolute()}"
    milliseconds = round(TIMEOUT * 1000)
    settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    if source.is_live:
        settings += [cv2.CAP_PROP_N_THREADS, LIVE_THREADS]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, settings)


def _check_moving(source: Source) -> None:
    """See that a file is no photo: FFmpeg would take it for a video of one frame, and not turn it upright."""
    path = Path(str(source.address))
    with path.open("rb") as file:
        if inspect(file, path.stat().st_size):
            raise UnsupportedVideoError(f"{source.name} is a photo", "give a video, or identify it as a photo")


def _problem(source: Source, *, has_waited: bool) -> VideoError:
    """Why a source gives no picture, as far as that can be found out: FFmpeg's own words may have the password."""
    url = source.url
    if not source.is_live:
        problem = f"{source.name} is no video that can be read"
        return UnsupportedVideoError(problem, "convert it, for example to MP4 with H.264")
    if not url:
        return UnreachableSourceError(f"{source.name} gives no picture", "check that it is there, free, and allowed")
    try:
        socket.create_connection((url.hostname or "", url.port or PORTS[url.scheme]), TIMEOUT).close()
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"{source.name} cannot be reached ({reason})"
        return UnreachableSourceError(problem, "check host and port, and that the camera is on")
    if has_waited:
        problem = f"{source.name} gives no video within {TIMEOUT:.0f} seconds"
        return UnreachableSourceError(problem, "try again, and see whether another program shows it")
    return UnreachableSourceError(f"{source.name} gives no video", "check the path, the user and the password")


def _known(number: float) -> float:
    """What OpenCV says of a video, or 0 where that is nothing: it also says NaN, and less than nothing."""
    return number if math.isfinite(number) and number > 0 else 0.0
