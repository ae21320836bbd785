"""What ``facerec watch`` shows of the frames themselves: a video with boxes and names, and a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from facerec_cli.cli.progress import Reporter
from facerec_cli.cli.streams import shown

if TYPE_CHECKING:
    from facerec_cli.drawing.video import VideoFile
    from facerec_cli.drawing.window import Window
    from facerec_cli.faces.decoding import Image
    from facerec_cli.faces.video import Stream
    from facerec_cli.recognition.watching import Look

_LIVE_RATE = 15.0
"""Frames a second of a live source's video."""
_USUAL_RATE, _HIGHEST_RATE = 25.0, 240.0
"""Frames a second of a file's video: where the file does not say, and at most."""
_ATTENDING = 0.03
"""Seconds from one look at what was done to the window to the next."""


class Views:
    """Both, as far as they are wanted; use as a context manager."""

    def __init__(self, stream: Stream, reporter: Reporter, *, annotate: Path | None, every: float, shows: bool) -> None:
        """Begin.

        Args:
            stream: the source, open.
            reporter: told what cannot be drawn.
            annotate: where the video goes.
            every: seconds from one frame that is looked at to the next, 0 for all.
            shows: open the window.

        Raises:
            AnnotatedVideoError: the video cannot be written.
            WindowError: there can be no window.
        """
        self._stream, self._reporter = stream, reporter
        self._open = ExitStack()
        self._window: Window | None = None
        self._video: VideoFile | None = None
        self._warned: set[str] = set()
        if shows:
            from facerec_cli.drawing.window import Window

            self._window = self._open.enter_context(Window(shown(stream.source.name)))
        if annotate:
            from facerec_cli.drawing.video import VideoFile

            self._video = self._open.enter_context(VideoFile(annotate, stream.size, _rate(stream, every)))

    def __enter__(self) -> Views:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the window, and put the video in its place; errors as ``VideoFile``."""
        self._open.close()

    def attended(self, looks: Iterator[Look]) -> Iterator[Look]:
        """Looks as they come, shown; what is done to the window is heeded while they are waited for."""
        if self._window:
            from facerec_cli.parallel import taken_beside

            looks = taken_beside(looks, self._attend, _ATTENDING)
        for look in looks:
            if self._window or self._video:
                self._show(look)
            yield look

    def _show(self, look: Look) -> None:
        image = self._drawn(look)
        if self._video:
            self._video.add(image, look.frame.position)
        if self._window:
            self._window.show(image)
            self._attend()

    def _attend(self) -> None:
        if self._window:
            self._window.attend()
            if not self._window.is_wanted:
                self._stream.stop()

    def _drawn(self, look: Look) -> Image:
        import numpy as np
        from PIL import Image as PillowImage

        from facerec_cli.drawing.labels import Label, draw_labels

        picture = PillowImage.fromarray(look.frame.image)
        warnings = draw_labels(picture, [Label(track.box, track.name, track.is_known) for track in look.tracks])
        for warning in warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._reporter.warn(warning)
        return np.asarray(picture)


def _rate(stream: Stream, every: float) -> float:
    """Frames a second that a video of a source has."""
    own = _LIVE_RATE if stream.is_live else min(stream.rate or _USUAL_RATE, _HIGHEST_RATE)
    return min(own, 1 / every) if every else own
