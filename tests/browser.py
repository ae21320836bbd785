"""The Chromium that is installed, for the tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Launch = Callable[..., "Browser"]
"""Start it, with further switches."""


@contextmanager
def launching() -> Iterator[Launch]:
    """Within the block Chromium can be started, and no other event loop run; it skips where none is."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium is installed: apt install chromium")
    # Chromium's sandbox is not for root.
    needed = ["--no-sandbox"] if os.geteuid() == 0 else []
    # What a page shows in the end is tested, not how soon on a busy machine.
    playwright.expect.set_options(timeout=60_000)
    with playwright.sync_playwright() as driver:
        yield lambda *switches: driver.chromium.launch(executable_path=path, args=[*needed, *switches])
