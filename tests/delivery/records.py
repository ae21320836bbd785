"""Events as every door writes them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def record(
    name: str = "Ada Lovelace", event: str = "arrived", *, visit: int = 1, stranger: int | None = None
) -> dict[str, Any]:
    """An event at the camera of a door; the picture is of a real face's size."""
    photo = Path(__file__).parents[1] / "data" / "jacinda_ardern_2018.jpg"
    return {
        "event": event,
        "source": "camera 0",
        "visit": visit,
        "name": name,
        "stranger": stranger,
        "time": "2026-05-04T10:20:30.400Z",
        "position": 1.5,
        "seconds": 2.25,
        "frames": 12,
        "distance": 0.4321,
        "threshold": 0.6,
        "probability": 0.9876,
        "candidates": [],
        "box": [10.0, 20.0, 100.0, 120.0],
        "landmarks": [[1.0, 2.0]] * 5,
        "score": 0.95,
        "quality": 0.9,
        "at": 2.0,
        "chip": base64.b64encode(photo.read_bytes()[:6000]).decode(),
    }


def until(condition: Callable[[], object]) -> None:
    """Wait for what comes by itself; a minute is never needed."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
