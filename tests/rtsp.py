"""A camera that speaks RTSP, as most do: a real server on loopback, which can be cut, stalled and restored."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from tests.videos import Pixels

_PYTHON = "/usr/bin/python3"
_SERVER = Path(__file__).parent / "rtsp_server.py"
_NEEDED = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ("multifilesrc", "jpegdec", "videoconvert", "x264enc", "rtph264pay")))
"""


def _is_installed() -> bool:
    if not Path(_PYTHON).is_file():
        return False
    return subprocess.run([_PYTHON, "-c", _NEEDED], capture_output=True, timeout=60, check=False).returncode == 0


needs_rtsp = pytest.mark.skipif(
    not _is_installed(),
    reason="Debian's packages python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{base,good,ugly} are not "
    "installed",
)


class RtspCamera:
    """A camera that shows frames again and again, 30 a second, to whoever looks; begun by ``restore``."""

    def __init__(self, folder: Path, frames: Iterable[Pixels]) -> None:
        """Keep what it shows, in an empty folder."""
        self._folder = folder
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / f"{number:05}.jpg", quality=90)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._server: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def restore(self) -> None:
        """Turn it on."""
        command = [_PYTHON, str(_SERVER), str(self.port), str(self._folder)]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout
        assert self._server.stdout.readline() == "ready\n"

    def stall(self) -> None:
        """Have it send nothing more, and hang up on nobody."""
        assert self._server
        self._server.send_signal(signal.SIGSTOP)

    def cut(self) -> None:
        """Turn it off, without a word to those that look."""
        if self._server and self._server.stdout:
            self._server.kill()
            self._server.wait()
            self._server.stdout.close()
            self._server = None
