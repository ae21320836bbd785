"""Where enrolled chips are kept: each a JPEG under a key, with a record inside from which an index can be rebuilt."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from facerec_cli.faces.alignment import CHIP_SIZE, Chip
from facerec_cli.faces.opencv import cv2
from facerec_cli.files import sync_folder, write_through

QUALITY = 95
_APP0, _COMMENT = b"\xff\xe0", b"\xff\xfe"


@dataclass(frozen=True)
class ChipRecord:
    """What a chip says of itself; the fields are those of ``EnrolledFace``, created in Unix seconds."""

    id: int
    name: str
    sha256: str
    source: str
    score: float
    created: int


class ChipStore(Protocol):
    """Keeps chips; every method may raise ``OSError``."""

    def key(self, name: str, sha256: str) -> str:
        """The key of a chip, by its person and the SHA-256 of its source photo."""

    def read(self, key: str) -> bytes:
        """A chip's JPEG.

        Raises:
            FileNotFoundError: there is none of this key.
        """

    def adding(self) -> AbstractContextManager[Callable[[ChipRecord, bytes], None]]:
        """What takes chips with their records, durably; all of them go again if the block ends in an error."""

    def remove_person(self, name: str) -> None:
        """Forget all chips of a person."""


class ChipFolder(ChipStore):
    """Chips as files that people can look at: ``faces/<name-slug>/<sha256-16>.jpg``, which is the key."""

    def __init__(self, folder: Path) -> None:
        """Keep chips below ``folder``/faces."""
        self._folder = folder
        self.faces = folder / "faces"

    def key(self, name: str, sha256: str) -> str:
        return chip_path(name, sha256)

    def all_keys(self) -> list[str]:
        """Every key there is, sorted."""
        return [path.relative_to(self._folder).as_posix() for path in sorted(self.faces.glob("*/*.jpg"))]

    def read(self, key: str) -> bytes:
        return (self._folder / key).read_bytes()

    @contextmanager
    def adding(self) -> Iterator[Callable[[ChipRecord, bytes], None]]:
        written: list[Path] = []

        def add(record: ChipRecord, jpeg: bytes) -> None:
            path = self._folder / chip_path(record.name, record.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            # What names a chip is the index, and that comes after it.
            write_through(path, with_record(jpeg, record))

        try:
            yield add
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            for folder in {path.parent for path in written}:
                with suppress(OSError):  # it holds other chips
                    folder.rmdir()
            raise

    def remove_person(self, name: str) -> None:
        folder = self.faces / slug(name)
        if folder.is_dir():
            shutil.rmtree(folder)
            sync_folder(folder.parent)


def encode_chip(chip: Chip) -> bytes:
    """A chip, uint8 [112, 112, 3] RGB, as JPEG without a record."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(chip, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def decode_chip(jpeg: bytes) -> Chip:
    """A kept chip's pixels, uint8 [112, 112, 3] RGB.

    Raises:
        ValueError: the bytes are no picture of that size.
    """
    try:
        chip = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ValueError("not a picture") from error
    if chip is None or chip.shape != (CHIP_SIZE, CHIP_SIZE, 3):
        raise ValueError(f"not a {CHIP_SIZE}x{CHIP_SIZE} picture")
    return np.asarray(chip, np.uint8)


def with_record(jpeg: bytes, record: ChipRecord) -> bytes:
    """The same JPEG with a record in a comment segment (ITU-T T.81, B.2.4.5), in place of any earlier one."""
    start = _after_app0(jpeg)
    rest = jpeg[start:]
    if rest[:2] == _COMMENT:
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    payload = json.dumps(asdict(record), ensure_ascii=False).encode()
    return jpeg[:start] + _COMMENT + (len(payload) + 2).to_bytes(2, "big") + payload + rest


def read_record(jpeg: bytes) -> ChipRecord | None:
    """The record inside a chip's JPEG, or None where there is none."""
    start = _after_app0(jpeg)
    if jpeg[start : start + 2] != _COMMENT:
        return None
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    try:
        fields = json.loads(jpeg[start + 4 : start + 2 + length])
        return ChipRecord(
            id=int(fields["id"]),
            name=str(fields["name"]),
            sha256=str(fields["sha256"]),
            source=str(fields["source"]),
            score=float(fields["score"]),
            created=int(fields["created"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def slug(name: str) -> str:
    """A folder name for a person: legible, the same on every file system, and different for different names."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name).casefold()).strip("-_")[:40]
    return f"{plain or 'person'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def chip_path(name: str, sha256: str) -> str:
    """Where a chip lies in a database, by its person and the SHA-256 of its source photo."""
    return f"faces/{slug(name)}/{sha256[:16]}.jpg"


def _after_app0(jpeg: bytes) -> int:
    """Where the segments after the JFIF header start."""
    return 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == _APP0 else 2
