"""Where enrolled chips are kept: each a JPEG under a key, with a record inside from which an index can be rebuilt."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Protocol

import numpy as np

from facerec_cli.errors import UnusableNameError
from facerec_cli.faces.alignment import CHIP_SIZE, Chip
from facerec_cli.faces.opencv import cv2
from facerec_cli.files import folder_mode, refusal, sync_folder, write_through
from facerec_cli.gallery.base import clean_name
from facerec_cli.json_text import json_text

QUALITY = 95
MAX_SOURCE = 255
"""Most letters of a photo's file name that are kept."""
_MOST_BYTES = 1 << 20
"""A chip has about 6 kB."""
_KEY = re.compile(r"faces(/[^/.\\:\0\ud800-\udfff][^/\\:\0\ud800-\udfff]*){2}(?<=\.jpg)")
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "id": (int,),
    "name": (str,),
    "sha256": (str,),
    "source": (str,),
    "score": (float, int),
    "created": (int,),
}
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

    def free_key(self, name: str, sha256: str, taken: Collection[str]) -> str:
        """A key for a new chip, by its person and the SHA-256 of its source photo: none that is in use or taken."""

    def read(self, key: str) -> bytes:
        """A chip's JPEG.

        Raises:
            FileNotFoundError: there is none of this key.
            ValueError: what is there is no chip.
        """

    def add(self, key: str, jpeg: bytes) -> None:
        """Keep a chip: its bytes are on the disk when this returns."""

    def remove(self, keys: Iterable[str]) -> None:
        """Forget chips, where they are there; all that can be, whatever is refused."""


class ChipFolder(ChipStore):
    """Chips as files that people can look at: ``faces/<name-slug>/<sha256-16>.jpg``, which is the key.

    Links in it are never followed: what they lead to is not ours.
    """

    def __init__(self, folder: Path, mode: Callable[[], int]) -> None:
        """Keep chips below ``folder``/faces, with these permissions."""
        self._folder = folder
        self._mode = mode
        self.faces = folder / "faces"

    def free_key(self, name: str, sha256: str, taken: Collection[str]) -> str:
        stem = f"faces/{slug(name)}/{sha256[:16]}"
        numbered = chain([f"{stem}.jpg"], (f"{stem}-{number}.jpg" for number in count(2)))
        return next(key for key in numbered if key not in taken and not os.path.lexists(self._folder / key))

    def all_keys(self) -> tuple[list[str], list[str]]:
        """Every key there is, sorted, and a clause for each thing there that is none.

        Raises:
            OSError: faces/ cannot be read.
        """
        keys: list[str] = []
        odd: list[str] = []
        if self.faces.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(self.faces))
        for person in sorted(self.faces.iterdir()):
            if person.is_symlink() or not person.is_dir():
                odd.append(f"{person} is not a folder of chips")
                continue
            try:
                chips = sorted(person.iterdir())
            except OSError as error:
                odd.append(f"{person} cannot be read, {refusal(error).reason}")
                continue
            for chip in chips:
                if chip.suffix == ".jpg":
                    keys.append(chip.relative_to(self._folder).as_posix())
        return keys, odd

    def read(self, key: str) -> bytes:
        # Non-blocking, so that a FIFO cannot hang the open.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        if not self._is_inside(key):
            raise ValueError("not in faces/")
        with os.fdopen(os.open(self._folder / key, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                raise ValueError("not a chip")
            return file.read()

    def add(self, key: str, jpeg: bytes) -> None:
        path, mode = self._folder / key, self._mode()
        if not self._is_inside(key):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
        for folder in (self.faces, path.parent):
            folder.mkdir(mode=folder_mode(mode), exist_ok=True)
        # What names a chip is the index, and that comes after it.
        write_through(path, jpeg, mode=mode)

    def remove(self, keys: Iterable[str]) -> None:
        folders = set()
        refused: OSError | None = None
        for key in filter(self._is_inside, keys):
            path = self._folder / key
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                refused = refused or error
            folders.add(path.parent)
        for folder in folders:
            with suppress(OSError):  # it holds other chips
                folder.rmdir()
        if folders and self.faces.is_dir():
            sync_folder(self.faces)
        if refused:
            raise refused

    def _is_inside(self, key: str) -> bool:
        """Whether a key is of a file in faces/, and not by a link somewhere else."""
        path = self._folder / key
        return bool(_KEY.fullmatch(key)) and not (self.faces.is_symlink() or path.parent.is_symlink())


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


def kept_source(source: str) -> str:
    """What is kept of what people know a photo by: its file name, as text, within ``MAX_SOURCE``."""
    # A file's name may be of another encoding.
    name = Path(source).name.encode(errors="surrogateescape").decode(errors="replace")
    return name.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_SOURCE]


def with_record(jpeg: bytes, record: ChipRecord) -> bytes:
    """The same JPEG with a record in a comment segment (ITU-T T.81, B.2.4.5), in place of any earlier one."""
    plain, start = without_record(jpeg), _after_app0(jpeg)
    payload = json_text(asdict(record), ensure_ascii=False).encode()
    return plain[:start] + _COMMENT + (len(payload) + 2).to_bytes(2, "big") + payload + plain[start:]


def without_record(jpeg: bytes) -> bytes:
    """The same JPEG without a record."""
    start = _after_app0(jpeg)
    rest = jpeg[start:]
    if rest[:2] == _COMMENT:
        rest = rest[2 + int.from_bytes(rest[2:4], "big") :]
    return jpeg[:start] + rest


def read_record(jpeg: bytes) -> ChipRecord | None:
    """The record inside a chip's JPEG, or None where there is none, or one that cannot be true."""
    start = _after_app0(jpeg)
    if jpeg[start : start + 2] != _COMMENT:
        return None
    length = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    try:
        fields = json.loads(jpeg[start + 4 : start + 2 + length])
        record = ChipRecord(**{name: fields[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    has_types = all(type(getattr(record, name)) in kinds for name, kinds in _FIELDS.items())
    return record if has_types and record == _cleaned(record) else None


def _cleaned(record: ChipRecord) -> ChipRecord | None:
    """The record with a name as it is stored, if its fields can be."""
    is_possible = (
        0 < record.id < 2**62
        and re.fullmatch("[0-9a-f]{64}", record.sha256)
        and len(record.source) <= MAX_SOURCE
        and "\0" not in record.source
        and 0 <= record.score <= 1
        and 0 <= record.created < 2**37
    )
    try:
        record.source.encode()
        return replace(record, name=clean_name(record.name)) if is_possible else None
    except (UnusableNameError, UnicodeEncodeError):
        return None


def slug(name: str) -> str:
    """A folder name for a person: legible, the same on every file system, and different for different names."""
    plain = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name).casefold()).strip("-_")[:40]
    return f"{plain or 'person'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _after_app0(jpeg: bytes) -> int:
    """Where the segments after the JFIF header start."""
    return 4 + int.from_bytes(jpeg[4:6], "big") if jpeg[2:4] == _APP0 else 2
