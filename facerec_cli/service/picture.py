"""What a live source shows now, with boxes and names: drawn once for all who look, and only if somebody does."""

from __future__ import annotations

import threading
from io import BytesIO

from PIL import Image as PillowImage

from facerec_cli.drawing.labels import Label, draw_labels
from facerec_cli.recognition.watching import Look

LONGEST = 1280
"""The picture's longer side at most, pixels."""
_QUALITY = 80


class Picture:
    """The newest look at a source; may be shared by threads.

    Attributes:
        number: of the look, from 1; 0 before there is any.
    """

    def __init__(self) -> None:
        """Show nothing yet."""
        self.number = 0
        self._look: Look | None = None
        self._lock, self._drawing = threading.Lock(), threading.Lock()
        self._drawn = 0, b""

    def show(self, look: Look) -> None:
        """Take the newest look."""
        with self._lock:
            self._look, self.number = look, self.number + 1

    def jpeg(self) -> tuple[int, bytes] | None:
        """Its number and JPEG, drawn where nobody has asked for it before; None before there is any; blocks."""
        with self._drawing:
            with self._lock:
                look, number = self._look, self.number
            if look is None:
                return None
            if self._drawn[0] != number:
                self._drawn = number, _drawn(look)
            return self._drawn


def _drawn(look: Look) -> bytes:
    picture = PillowImage.fromarray(look.frame.image)
    scale = min(1.0, LONGEST / max(picture.size))
    if scale < 1:
        size = round(picture.width * scale), round(picture.height * scale)
        picture = picture.resize(size, PillowImage.Resampling.BILINEAR, reducing_gap=2)
    labels = []
    for track in look.tracks:
        x, y, width, height = (number * scale for number in track.box)
        labels.append(Label((x, y, width, height), track.name, track.is_known))
    draw_labels(picture, labels)
    saved = BytesIO()
    picture.save(saved, "jpeg", quality=_QUALITY)
    return saved.getvalue()
