"""The frames of a video, a camera or a stream, read on a thread of their own.

A file's frames come in order, none left out but by ``every``. Of a live source only the newest is kept, so that what is
shown is what happens, however long a frame is looked at; where the source is lost, it is sought until it is back.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from facerec_cli.errors import VideoError
from facerec_cli.faces.capture import Capture
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.sources import Source

AHEAD = 4
"""Frames of a file that are decoded before they are asked for."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds before a lost source is opened again: twice as long each time."""
PATIENCE = 1.0
"""Seconds that leaving waits for a reading thread, which may be waiting for its source."""
_JITTER = 0.001
"""Seconds by which a frame's time may be short of its place in the rhythm of ``every``."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a video.

    Attributes:
        image: uint8 [height, width, 3], RGB, upright.
        number: of the frame in its source, from 0; those that were left out count.
        position: seconds into the source: a file's own time stamps; of a live one, since its first frame.
        time: when it was received, UTC; None of a file.
    """

    image: Image
    number: int
    position: float
    time: datetime | None


class Stream:
    """The frames of a source, while it is entered: ``with Stream(source) as stream: for frame in stream``.

    Attributes:
        is_live: frames come as they happen, and the source is sought where it is lost; else it is a file, or a URL of
            one, and ends.
        size: width and height of the upright first frame, pixels.
        rate: frames a second, as the source says; 0 where it does not.
        seconds: how long a file says it is; 0 where it does not, and of a live source.
        skipped: frames of a live source that were not looked at because the caller was busy.
        is_lost: it is being sought.
        interruptions: how many times a live source was lost and found again.
    """

    def __init__(self, source: Source, *, every: float = 0.0, on_state: Callable[[str], None] | None = None) -> None:
        """Name a source; nothing is opened yet.

        Args:
            source: which.
            every: seconds from a frame to the next that is given; 0 for all.
            on_state: told in a clause, by the thread that asks for frames, when a live source is lost and when it is
                found again, and when a file ends before its time.
        """
        self.source = source
        self.is_live = source.is_live
        self.size = (0, 0)
        self.rate = self.seconds = 0.0
        self.skipped = 0
        self.is_lost = False
        self.interruptions = 0
        self._every = every
        self._on_state = on_state or (lambda state: None)
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()
        self._states: deque[str] = deque()
        self._error: VideoError | None = None
        self._is_open = self._is_over = self._is_stopped = False
        self._number = -1
        self._place = -1
        self._begun: float | None = None
        self._thread = threading.Thread(target=self._run, name="facerec-video", daemon=True)

    def __enter__(self) -> Stream:
        """Open the source and wait for its first frame.

        Raises:
            UnreadableVideoError: a file is missing, empty, no file, or not readable.
            UnsupportedVideoError: a file is no video.
            UnreachableSourceError: a camera or a URL gives no picture.
        """
        self._thread.start()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._is_open or self._is_over or self._is_stopped)
        except BaseException:
            self.stop()
            raise
        if self._error:
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE)

    def __iter__(self) -> Iterator[Frame]:
        """The frames, until the video ends or is stopped."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._states or self._is_over or self._is_stopped)
                states, self._states = self._states, deque()
                frame = self._frames.popleft() if self._frames and not self._is_stopped else None
                self._changed.notify_all()
            for state in states:
                self._on_state(state)
            if frame:
                yield frame
            elif self._is_stopped or (self._is_over and not states):
                break
        if self._error:
            raise self._error

    def stop(self) -> None:
        """End the iteration soon; from another thread or a signal's handler."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        """What the thread does."""
        try:
            capture = Capture(self.source)
            self.is_live, self.size, self.rate = capture.is_live, capture.size, capture.rate
            self.seconds = 0.0 if self.is_live else capture.seconds
            self._read(capture)
            while self.is_live and (again := self._found_again()):
                self._read(again)
        except VideoError as error:
            self._error = error
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _read(self, capture: Capture) -> None:
        """Take the frames of an open source until there are no more."""
        with capture:
            position = 0.0
            while not self._is_stopped:
                self._number += 1
                position = self._since_first() if self.is_live else capture.position
                place = int((position + _JITTER) / self._every) if self._every else self._number
                image = capture.image() if place != self._place else None
                if image is not None:
                    self._place = place
                    received = datetime.now(timezone.utc) if self.is_live else None
                    self._give(Frame(image, self._number, position, received))
                if not capture.advance():
                    break
            if not self.is_live and not self._is_stopped and capture.missing(position):
                self._tell(f"{self.source.name} breaks off after {position:.0f} of {capture.seconds:.0f} seconds")

    def _since_first(self) -> float:
        """Seconds since the first frame of a live source."""
        now = time.monotonic()
        self._begun = now if self._begun is None else self._begun
        return now - self._begun

    def _give(self, frame: Frame) -> None:
        with self._changed:
            if self.is_live:
                self.skipped += len(self._frames)
                self._frames.clear()
            else:
                self._changed.wait_for(lambda: len(self._frames) < AHEAD or self._is_stopped)
            self._frames.append(frame)
            self._is_open = True
            self._changed.notify_all()

    def _found_again(self) -> Capture | None:
        """A live source that was lost, open again; None where nobody wants it any more."""
        self.is_lost = not self._is_stopped
        if self.is_lost:
            self._tell(f"{self.source.name} is lost; it is sought until it is back")
        seconds = FIRST_WAIT
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._is_stopped, seconds):
                    return None
            try:
                capture = Capture(self.source)
            except VideoError:
                seconds = min(2 * seconds, LONGEST_WAIT)
                continue
            self.is_lost = False
            self.interruptions += 1
            self._tell(f"{self.source.name} is back")
            return capture

    def _tell(self, state: str) -> None:
        with self._changed:
            self._states.append(state)
            self._changed.notify_all()
