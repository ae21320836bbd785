"""Videos made of the sample photos: what a camera sees as it pans over a picture, or comes nearer."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from facerec_cli.faces.images import pixels

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""
Window: TypeAlias = tuple[float, float, float]
"""What a camera sees of a picture: the middle's x and y, and the width, pixels of the picture."""
SIZE = (640, 360)
"""Width and height of a clip, pixels, where nothing else is said."""
RATE = 30

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")


def view(picture: Pixels, window: Window, size: tuple[int, int] = SIZE) -> Pixels:
    """What a camera sees; grey beyond the picture's edges."""
    x, y, width = window
    scale = size[0] / width
    matrix = np.array([[scale, 0, size[0] / 2 - scale * x], [0, scale, size[1] / 2 - scale * y]])
    seen = cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=(120, 120, 120)
    )
    return np.asarray(seen, np.uint8)


def moving(
    picture: Pixels, begin: Window, end: Window, seconds: float, size: tuple[int, int] = SIZE, rate: float = RATE
) -> Iterator[Pixels]:
    """The frames of a camera that moves evenly from one view to another: a pan, a zoom, or both."""
    for share in np.linspace(0, 1, max(1, round(seconds * rate))):
        x, y, width = (1 - share) * np.array(begin) + share * np.array(end)
        yield view(picture, (float(x), float(y), float(width)), size)


def whole(picture: Pixels, size: tuple[int, int] = SIZE) -> Window:
    """The view of all of a picture."""
    height, width = picture.shape[:2]
    return width / 2, height / 2, max(width, height * size[0] / size[1])


def pan(photo: Path, seconds: float = 2.0, size: tuple[int, int] = SIZE, rate: float = RATE) -> Iterator[Pixels]:
    """A photo that goes by from right to left, whole in the middle of the clip; grey at its beginning and end."""
    picture = pixels(photo)
    x, y, width = whole(picture, size)
    yield from moving(picture, (x - width, y, width), (x + width, y, width), seconds, size, rate)


def zoom(photo: Path, seconds: float = 2.0, size: tuple[int, int] = SIZE, rate: float = RATE) -> Iterator[Pixels]:
    """A photo that comes nearer, from a third of the frame's height to all of it."""
    picture = pixels(photo)
    x, y, width = whole(picture, size)
    yield from moving(picture, (x, y, 3 * width), (x, y, width), seconds, size, rate)


def write_video(place: Path, frames: Iterable[Pixels], rate: float = RATE) -> Path:
    """Save frames as a video, by OpenCV alone: the name's ending says which (.mp4, .avi, .mkv)."""
    writer = None
    codec = cv2.VideoWriter.fourcc(*("MJPG" if place.suffix == ".avi" else "mp4v"))
    for frame in frames:
        writer = writer or cv2.VideoWriter(str(place), cv2.CAP_FFMPEG, codec, rate, frame.shape[1::-1])
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    assert writer is not None
    assert writer.isOpened()
    writer.release()
    return place


def write_h264(place: Path, frames: Iterable[Pixels], rate: float = RATE, options: Sequence[str] = ()) -> Path:
    """Save frames as H.264, as cameras and telephones do, by the ffmpeg program; see ``needs_ffmpeg``."""
    passed = iter(frames)
    first = next(passed)
    size = f"{first.shape[1]}x{first.shape[0]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(rate), "-i", "-"]
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *options, str(place)]
    with subprocess.Popen(["ffmpeg", "-loglevel", "error", "-y", *raw, *coded], stdin=subprocess.PIPE) as ffmpeg:
        assert ffmpeg.stdin
        for frame in chain([first], passed):
            ffmpeg.stdin.write(frame.tobytes())
        ffmpeg.stdin.close()
    assert ffmpeg.returncode == 0
    return place
