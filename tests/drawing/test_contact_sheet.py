from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from facerec_cli.drawing.contact_sheet import Entry, Tile, contact_sheet


def tile(colour: int, *lines: str) -> Tile:
    return Tile(np.full((112, 112, 3), colour, np.uint8), lines)


def drawn(entries: list[Entry]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(contact_sheet(entries))) as sheet:
        assert sheet.format == "PNG"
        return np.asarray(sheet.convert("RGB"))


def test_faces_stand_side_by_side_and_are_not_changed() -> None:
    sheet = drawn([Entry("0.123", [tile(10, "Ada", "1.jpg"), tile(190, "Bea", "2.jpg")])])
    first, second = (np.argwhere((sheet == colour).all(axis=2)) for colour in (10, 190))
    assert len(first) >= 112**2
    assert len(second) >= 112**2
    # Letters have grey edges, which a median does not mind.
    assert np.median(first, axis=0)[0] == pytest.approx(np.median(second, axis=0)[0], abs=1)
    assert np.median(second, axis=0)[1] - np.median(first, axis=0)[1] == pytest.approx(116, abs=2)


def test_many_entries_fill_rows() -> None:
    one = drawn([Entry("a", [tile(10, "Ada")])])
    many = drawn([Entry("a", [tile(10, "Ada")])] * 30)
    assert one.shape[1] < 150
    assert 700 < many.shape[1] <= 1000
    assert many.shape[0] == one.shape[0] * -(-30 // (many.shape[1] // one.shape[1]))


@pytest.mark.parametrize("name", ["", "a" * 500, "王" * 80, "line\nbreak\x1b[31m", "\udcff\udcfe.jpg", "<b>$x$"])
def test_any_name_fits(name: str) -> None:
    plain, named = (drawn([Entry(text, [tile(10, text, text)])]) for text in ("x", name))
    assert plain.shape == named.shape
    # Nothing runs over the margin.
    assert (named[:, :12] == 255).all()
    assert (named[:, -8:] == 255).all()
