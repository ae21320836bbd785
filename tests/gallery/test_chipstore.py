from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from facerec_cli.errors import UnusableNameError
from facerec_cli.gallery.base import clean_name
from facerec_cli.gallery.chipstore import (
    ChipFolder,
    ChipRecord,
    decode_chip,
    encode_chip,
    kept_source,
    read_record,
    slug,
    with_record,
)

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
CHIP = np.random.default_rng(0).integers(0, 255, (112, 112, 3)).astype(np.uint8)
JPEG = encode_chip(CHIP)


def is_clean(name: str) -> bool:
    try:
        return clean_name(name) == name
    except UnusableNameError:
        return False


@given(names, names, st.floats(0, 1), st.integers(0, 2**36))
def test_record_comes_back_and_changes_no_pixel(name: str, source: str, score: float, created: int) -> None:
    assume(is_clean(name))
    record = ChipRecord(1, name, "a" * 64, source, score, created)
    kept = with_record(JPEG, record)
    assert read_record(kept) == record
    assert np.array_equal(decode_chip(kept), decode_chip(JPEG))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/ada/photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("/", ""),
        ("a\0b.jpg", "a\ufffdb.jpg"),
        ("\udcff.jpg", "\ufffd.jpg"),
        ("x" * 300, "x" * 255),
    ],
)
def test_of_a_source_the_file_name_is_kept(source: str, name: str) -> None:
    assert kept_source(source) == name
    record = ChipRecord(1, "Ada", "a" * 64, name, 0.9, 1)
    assert read_record(with_record(JPEG, record)) == record


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


@pytest.fixture
def chips(tmp_path: Path) -> ChipFolder:
    return ChipFolder(tmp_path, lambda: 0o600)


def test_a_chip_goes_with_its_folder_and_takes_no_other_along(chips: ChipFolder) -> None:
    first = chips.free_key("Ada", "a" * 64, ())
    chips.add(first, JPEG)
    second = chips.free_key("Ada", "a" * 64, ())
    assert second != first
    chips.add(second, JPEG)
    assert chips.all_keys() == (sorted([first, second]), [])
    chips.remove([first])
    assert chips.read(second) == JPEG
    chips.remove([second, "faces/ada/never.jpg"])
    assert list(chips.faces.iterdir()) == []


@pytest.mark.parametrize("key", ["../outside.jpg", "faces/../outside.jpg", "/outside.jpg", "faces/a/../../outside.jpg"])
def test_a_key_never_leads_out(chips: ChipFolder, tmp_path: Path, key: str) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(JPEG)
    with pytest.raises(ValueError, match="not in faces/"):
        chips.read(key)
    with pytest.raises(NotADirectoryError):
        chips.add(key, b"")
    chips.remove([key])
    assert outside.read_bytes() == JPEG


def test_links_are_never_followed(chips: ChipFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "chip.jpg").write_bytes(JPEG)
    chips.add("faces/ada/1.jpg", JPEG)
    (chips.faces / "link").symlink_to(outside)
    (chips.faces / "ada" / "2.jpg").symlink_to(outside / "chip.jpg")
    keys, odd = chips.all_keys()
    assert keys == ["faces/ada/1.jpg", "faces/ada/2.jpg"]
    assert len(odd) == 1 and "link is not a folder" in odd[0]
    with pytest.raises(ValueError, match="not in faces/"):
        chips.read("faces/link/chip.jpg")
    with pytest.raises(OSError):
        chips.read("faces/ada/2.jpg")
    chips.remove(["faces/link/chip.jpg", "faces/ada/2.jpg"])
    assert (outside / "chip.jpg").exists()


def test_a_fifo_is_no_chip(chips: ChipFolder) -> None:
    chips.add("faces/ada/1.jpg", JPEG)
    os.mkfifo(chips.faces / "ada" / "2.jpg")
    with pytest.raises(ValueError, match="not a chip"):
        chips.read("faces/ada/2.jpg")


RECORD = {"id": 1, "name": "Ada", "sha256": "a" * 64, "source": "a.jpg", "score": 0.9, "created": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"sha256": "../../../hol"},
        {"sha256": "A" * 64},
        {"name": "unknown"},
        {"name": "a\nb"},
        {"name": " Ada"},
        {"created": 2**60},
        {"created": -1},
        {"created": 1e400},
        {"id": 0},
        {"id": 2**63},
        {"score": float("nan")},
        {"score": 7},
        {"source": "x" * 300},
        {"source": "\udc80"},
        {"source": "a\0b"},
        {"name": None, "deep": json.loads("[" * 500 + "]" * 500)},
    ],
)
def test_a_record_that_cannot_be_true_is_none(fields: dict[str, object]) -> None:
    good = with_record(JPEG, ChipRecord(**RECORD))  # type: ignore[arg-type]
    assert read_record(good) is not None
    payload = json.dumps(RECORD | fields).encode()
    start = 4 + int.from_bytes(JPEG[4:6], "big")
    forged = JPEG[:start] + b"\xff\xfe" + (len(payload) + 2).to_bytes(2, "big") + payload + JPEG[start:]
    assert read_record(forged) is None


def test_a_record_nested_without_end_is_none() -> None:
    start = 4 + int.from_bytes(JPEG[4:6], "big")
    payload = b"[" * 60_000
    forged = JPEG[:start] + b"\xff\xfe" + (len(payload) + 2).to_bytes(2, "big") + payload + JPEG[start:]
    assert read_record(forged) is None
