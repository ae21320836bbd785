"""When a video shows another scene from one frame to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facerec_cli.faces.decoding import Image

_POINTS = 32
"""Points that are compared, along each side of a frame."""
_LEAST = 20.0
"""Grey levels by which the points differ at a cut, at least, on average; within a scene it is 1 to 10."""
_SUDDEN = 3.0
"""How many times as much as it did just before: a camera that turns fast changes as much, but again and again."""
_MEMORY = 0.7
"""How much of what the picture changes by is remembered from frame to frame."""


class Cuts:
    """Looks out for cuts."""

    def __init__(self) -> None:
        self._points: npt.NDArray[np.float64] | None = None
        self._usual: float | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether a frame, uint8 [height, width, 3], begins another scene than the one before it."""
        rows, columns = (np.linspace(0, size - 1, _POINTS).astype(int) for size in image.shape[:2])
        points = image[np.ix_(rows, columns)].mean(axis=2)
        before, self._points = self._points, points
        if before is None:
            return False
        change = float(np.abs((points - points.mean()) - (before - before.mean())).mean())
        usual = change if self._usual is None else self._usual
        is_cut = change > max(_LEAST, _SUDDEN * usual)
        if not is_cut:
            self._usual = _MEMORY * usual + (1 - _MEMORY) * change
        return is_cut
