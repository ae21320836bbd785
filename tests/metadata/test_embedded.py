"""XMP and orientation as photo files hold them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from facerec_cli.faces.headers import inspect
from facerec_cli.metadata.embedded import MAX_PACKET, Embedded, embedded_in
from tests.faces.pictures import STORED_AS, decoded, saved
from tests.metadata.packets import exiftool, needs_exiftool, write_by_exiftool

PACKET = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def found(data: bytes) -> Embedded:
    file = io.BytesIO(data)
    header = inspect(file, len(data))
    assert header
    return embedded_in(file, len(data), header)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((64, 48)).convert("RGB")


def with_packet(picture: Image.Image, kind: str, packet: bytes = PACKET) -> bytes:
    if kind == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return saved(picture, kind, pnginfo=info)
    if kind == "TIFF":
        return saved(picture, kind, tiffinfo={700: packet})
    return saved(picture, kind, xmp=packet)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_format_s_packet_is_found(kind: str, picture: Image.Image) -> None:
    assert found(with_packet(picture, kind)) == Embedded(1, (PACKET,))
    assert found(saved(picture, kind)) == Embedded()


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_photos_of_telephones_have_packets_and_no_orientation_to_know_of(kind: str, picture: Image.Image) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[274] = 6
    assert found(saved(picture, kind, xmp=PACKET, exif=exif.tobytes())) == Embedded(1, (PACKET,))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_the_orientation_is_the_one_that_photos_are_turned_by(kind: str, orientation: int) -> None:
    corner = Image.new("RGB", (64, 48))
    corner.paste("white", (0, 0, 32, 24))
    transpose = STORED_AS[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(corner if transpose is None else corner.transpose(transpose), kind, exif=exif, quality=95)
    assert found(data).orientation == orientation
    upright = decoded(data)
    assert upright.shape == (48, 64, 3) and upright[:20, :28].min() > 200 and upright[28:].max() < 60


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
def test_other_formats_hold_nothing(kind: str, picture: Image.Image) -> None:
    assert found(saved(picture, kind)) == Embedded()


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


def test_what_did_not_fit_in_a_jpeg_s_packet_is_put_together(picture: Image.Image) -> None:
    digest, other = b"0123456789ABCDEF" * 2, b"FEDCBA9876543210" * 2
    main = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>%s</x:xmpmeta>" % digest
    long = b"<long>%s</long>" % (b"x" * 100)

    def part(of: bytes, at: int, data: bytes) -> bytes:
        place = of + len(long).to_bytes(4, "big") + at.to_bytes(4, "big")
        return segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + place + data)

    plain = saved(picture, "JPEG")
    parts = [
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + main),
        part(digest, 50, long[50:]),
        part(other, 0, b"left over"),
        part(digest, 0, long[:50]),
    ]
    assert found(plain[:2] + b"".join(parts) + plain[2:]).packets == (main, long)


def test_a_packet_that_no_photo_has_is_not_read(picture: Image.Image) -> None:
    assert found(with_packet(picture, "TIFF", b" " * (MAX_PACKET + 1))).packets == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@given(data=st.data())
def test_damage_is_no_error(kind: str, data: st.DataObject) -> None:
    whole = with_packet(Image.new("RGB", (8, 8)), kind)
    file = io.BytesIO(whole)
    header = inspect(file, len(whole))
    assert header
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert 1 <= embedded_in(io.BytesIO(bytes(damaged)), len(damaged), header).orientation <= 8


@needs_exiftool
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_exiftool_s_places_are_known(ending: str, picture: Image.Image, tmp_path: Path) -> None:
    """It may write the XMP of a PNG after the picture."""
    photo = tmp_path / f"photo.{ending}"
    picture.save(photo)
    write_by_exiftool(photo, "Ada Lovelace", (0.5, 0.4, 0.2, 0.3), (64, 48))
    exiftool("-overwrite_original", "-n", "-Orientation=6", photo)
    embedded = found(photo.read_bytes())
    assert embedded.orientation == 6
    assert b"Ada Lovelace" in embedded.packets[0]
