"""Photos composed of the sample photos: several people side by side."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def side_by_side(place: Path, *photos: tuple[Path, int]) -> Path:
    """A photo of several, each scaled to a height in pixels, saved at a place."""
    scaled = []
    for path, height in photos:
        with Image.open(path) as picture:
            scaled.append(picture.convert("RGB").resize((picture.width * height // picture.height, height)))
    together = Image.new("RGB", (sum(one.width for one in scaled), max(one.height for one in scaled)), "grey")
    left = 0
    for one in scaled:
        together.paste(one, (left, 0))
        left += one.width
    together.save(place, quality=92)
    return place
