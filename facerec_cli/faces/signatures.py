"""How files of pictures begin, whatever they are called."""

from __future__ import annotations

START_BYTES = 16
"""As much of a file as tells."""

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"GIF87a", b"GIF89a")
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"})


def starts_like_a_photo(start: bytes) -> bool:
    """Whether a file that begins so is a JPEG, PNG, TIFF, GIF, WebP, BMP, HEIC or AVIF picture, or says that it is."""
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    if start.startswith(b"BM"):  # a text may begin so too, but for the four bytes that are kept zero
        return start[6:10] == bytes(4)
    return start.startswith(_STARTS) or (start[4:8] == b"ftyp" and start[8:12] in _BRANDS)
