"""Cameras of the network: Motion JPEG over HTTP on loopback, showing what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from facerec_cli.faces.images import pixels
from tests.videos import Pixels, view, whole

SIZE = (640, 480)
_PAUSE = 0.05
"""Seconds between two pictures."""


class Camera:
    """What it shows, and how many look."""

    def __init__(self, port: int = 0) -> None:
        self.is_over, self.viewers = threading.Event(), 0
        self._jpeg = b""
        self.show(None)
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                camera.viewers += 1
                with suppress(OSError):  # whoever looked is gone
                    self._film()
                camera.viewers -= 1

            def _film(self) -> None:
                while not camera.is_over.wait(_PAUSE):
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(camera._jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + camera._jpeg + b"\r\n")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/door.mjpg"

    def show(self, photo: Path | None) -> None:
        """Have a photo before it, or nothing."""
        frame: Pixels = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
        if photo:
            picture = pixels(photo)
            frame = view(picture, whole(picture, SIZE), SIZE)
        saved = BytesIO()
        Image.fromarray(frame).save(saved, "jpeg", quality=90)
        self._jpeg = saved.getvalue()

    def close(self) -> None:
        """Hang up on everybody, and answer nobody any more."""
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def camera(port: int = 0) -> Iterator[Camera]:
    """One that is there for the block."""
    there = Camera(port)
    try:
        yield there
    finally:
        if not there.is_over.is_set():
            there.close()
