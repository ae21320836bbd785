"""A window on this machine's screen that shows one picture after another."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType

from facerec_cli.errors import WindowError
from facerec_cli.faces.decoding import Image
from facerec_cli.faces.opencv import cv2

_ESCAPE = 27
_TRIAL = b"import cv2; cv2.namedWindow('facerec')"


class Window:
    """A window; use as a context manager, by one thread, the main one.

    Attributes:
        is_wanted: until q or Esc is pressed in it, or it is closed.
    """

    def __init__(self, title: str) -> None:
        """Open it.

        Args:
            title: what stands above it.

        Raises:
            WindowError: there is no screen, or this OpenCV has no windows.
        """
        if not cv2.currentUIFramework():
            raise WindowError("This OpenCV has no windows", "put opencv-python in place of opencv-python-headless")
        if not _has_screen():
            raise WindowError("There is no screen that a window can be shown on", "run it where there is one")
        self._title = title
        self.is_wanted = True
        self._is_shown = False
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def __enter__(self) -> Window:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        cv2.destroyAllWindows()

    def show(self, image: Image) -> None:
        """Show a picture, uint8 [height, width, 3] RGB, in place of the one before."""
        if not self._is_shown:
            cv2.resizeWindow(self._title, *image.shape[1::-1])
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._is_shown = True

    def attend(self) -> None:
        """Heed what was done to the window; to be called several times a second."""
        key = cv2.waitKey(1) & 0xFF
        is_closed = self._is_shown and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        if is_closed or key in (_ESCAPE, ord("q")):
            self.is_wanted = False


def _has_screen() -> bool:
    """Whether windows can be opened: without a display Qt, which OpenCV's have on Linux, ends the whole process."""
    if sys.platform != "linux":
        return True
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        return False
    tried = subprocess.run([sys.executable, "-"], input=_TRIAL, capture_output=True, check=False)
    return tried.returncode == 0
