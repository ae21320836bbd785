from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facerec_cli.gallery.chipstore import (
    ChipFolder,
    ChipRecord,
    decode_chip,
    encode_chip,
    read_record,
    slug,
    with_record,
)

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
CHIP = np.random.default_rng(0).integers(0, 255, (112, 112, 3)).astype(np.uint8)
JPEG = encode_chip(CHIP)


@given(names, names, st.floats(0, 1), st.integers(0, 2**40))
def test_record_comes_back_and_changes_no_pixel(name: str, source: str, score: float, created: int) -> None:
    record = ChipRecord(1, name, "a" * 64, source, score, created)
    kept = with_record(JPEG, record)
    assert read_record(kept) == record
    assert np.array_equal(decode_chip(kept), decode_chip(JPEG))


def test_a_new_record_replaces_the_old_one() -> None:
    first = with_record(JPEG, ChipRecord(1, "Ada Byron", "a" * 64, "a.jpg", 0.9, 1))
    second = ChipRecord(1, "Ada Lovelace", "a" * 64, "a.jpg", 0.9, 1)
    assert with_record(first, second) == with_record(JPEG, second)


def test_other_programs_read_a_chip_with_its_record() -> None:
    kept = with_record(JPEG, ChipRecord(1, "Ada Lovelace", "a" * 64, "a.jpg", 0.9, 1))
    image = Image.open(io.BytesIO(kept))
    image.load()
    assert image.size == (112, 112)
    assert b"Ada Lovelace" in image.info["comment"]


def test_a_jpeg_without_a_record_has_none() -> None:
    assert read_record(JPEG) is None


@pytest.mark.parametrize("data", [b"", b"no picture", JPEG[: len(JPEG) // 2]])
def test_what_is_no_chip_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="picture"):
        decode_chip(data)


def test_a_picture_of_another_size_is_no_chip() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (100, 112)).save(buffer, "jpeg")
    with pytest.raises(ValueError, match="112x112"):
        decode_chip(buffer.getvalue())


@given(names, names)
def test_slugs_are_safe_and_different_for_different_names(one: str, other: str) -> None:
    assert "/" not in slug(one)
    assert "\\" not in slug(one)
    assert not slug(one).startswith(".")
    assert len(slug(one).encode()) <= 255
    assert (slug(one) == slug(other)) == (one == other)


@pytest.mark.parametrize(
    ("name", "start"), [("Ada Lovelace", "ada-lovelace-"), ("../../etc", "etc-"), ("王芳", "王芳-"), ("??", "person-")]
)
def test_slugs_are_legible(name: str, start: str) -> None:
    assert slug(name).startswith(start)


def test_chips_that_could_not_all_be_added_are_gone_and_the_cause_is_told(tmp_path: Path) -> None:
    chips = ChipFolder(tmp_path)
    with pytest.raises(OSError, match="no room"), chips.adding() as add:
        for photo in ("a", "b"):
            add(ChipRecord(1, "Ada", photo * 64, "a.jpg", 0.9, 1), JPEG)
        raise OSError("no room")
    assert chips.all_keys() == []
    assert list(chips.faces.iterdir()) == []
