"""Photos listed by URL, as PubFig lists them (Kumar et al., ICCV 2009): fetch, verify, crop, one folder a person."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
from PIL import Image

from facerec_cli.datasets.addresses import PublicAlone, is_web_address
from facerec_cli.datasets.answers import (
    DEFAULT_SETTINGS,
    PassingError,
    Settings,
    SlowError,
    SourceError,
    answer,
    body,
    new_client,
)
from facerec_cli.datasets.workplace import unwritable, workplace
from facerec_cli.errors import FetchError, FetchFolderError, PhotoError, PrivateAddressError
from facerec_cli.files import move_in

LARGEST = 50_000_000
"""A listed photo of more bytes is not taken."""
_LONGEST_SIDE = 65_500
"""JPEG has no room for more pixels in a row."""
_LONGEST_NAME = 255
"""Of a folder, in bytes, on most file systems."""
_ENDING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What ends all photos, where other refusals end one: a name that is too long, a folder that is not the user's."""


@dataclass(frozen=True)
class ListedPhoto:
    """A line of a list: whose photo, its number, where it is, the face's rectangle (x0, y0, x1, y1), the file's MD5."""

    person: str
    number: int
    url: str
    rectangle: tuple[int, int, int, int]
    md5: str

    @property
    def file(self) -> Path:
        """Where its crop goes, below the lists' folder."""
        return Path(self.person, f"{self.number:04d}.jpg")


@dataclass(frozen=True)
class PhotoList:
    """What a list holds.

    Attributes:
        photos: of the lines that are as they should be.
        refused: for each other line, what is wrong with it.
    """

    photos: Sequence[ListedPhoto]
    refused: Sequence[FetchError]


def read_list(path: Path) -> PhotoList:
    """Read a list: tab-separated person, image number, url, rect, md5; lines that start with # are comments.

    Raises:
        FetchError: the file cannot be read, is no regular file, or lists nothing.
    """
    try:
        # A FIFO would be waited for, and a device has no end.
        if path.exists() and not path.is_file():
            raise FetchError(f"{path} is no regular file", "give a list of URLs")
        content = path.read_bytes()
    except OSError as error:
        raise FetchError(f"{path} cannot be read ({error.strerror or error})", "give a list of URLs") from error
    photos: list[ListedPhoto] = []
    refused: list[FetchError] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            photos.append(_read_line(line))
        except ValueError as error:
            refused.append(FetchError(f"{path}, line {number}, cannot be used, {error}", "correct it"))
    if not photos and not refused:
        raise FetchError(f"{path} lists no photo", "give a list of URLs")
    return PhotoList(photos, refused)


def fetch_listed(
    photos: Sequence[ListedPhoto],
    folder: Path,
    told: Callable[[ListedPhoto, str | FetchError], None] = lambda _photo, _outcome: None,
    settings: Settings = DEFAULT_SETTINGS,
    public_alone: PublicAlone | None = None,
) -> Counter[str]:
    """Fetch listed photos, several at once, going on past those that are not to be had.

    Args:
        photos: from ``read_list``.
        folder: gets a folder a person, with a crop a photo; a crop that is there is not fetched again.
        told: of each photo's outcome as it comes.
        settings: ``jobs`` downloads at once, each tried twice at most.
        public_alone: keeps the requests to public addresses; None for addresses of any kind.

    Returns:
        How many were ``fetched``, ``there already``, ``dead`` (no such host, file or answer), ``mismatched`` (the MD5
        differs), ``unreadable`` (no photo, or none of it in the rectangle) and ``refused`` (told as an error: at an
        address that is not public, or not to be written).

    Raises:
        FetchFolderError: the folder cannot be written, its disk is full, or another process fetches to it.
        NetworkSettingsError: what the environment says about the network cannot be used.
    """
    counts: Counter[str] = Counter()
    waiting = iter(dict.fromkeys(photos))
    endings: list[FetchFolderError] = []

    async def everything(client: httpx.AsyncClient, place: Path) -> None:
        listed = _Listed(client, folder, place, settings)

        async def work() -> None:
            try:
                for photo in waiting:
                    outcome = await listed.outcome(photo)
                    counts["refused" if isinstance(outcome, FetchError) else outcome] += 1
                    told(photo, outcome)
            except FetchFolderError as error:
                endings.append(error)
                tasks.cancel_scope.cancel()

        async with client, anyio.create_task_group() as tasks:
            for _ in range(settings.jobs):
                tasks.start_soon(work)

    with workplace(folder / ".lists.fetching") as place:
        anyio.run(everything, new_client(settings, public_alone=public_alone), place)
    if endings:
        raise endings[0]
    return counts


class _Listed:
    """Photos on their way to one folder."""

    def __init__(self, client: httpx.AsyncClient, folder: Path, place: Path, settings: Settings) -> None:
        self.client, self.folder, self.place, self.settings = client, folder, place, settings

    async def outcome(self, photo: ListedPhoto) -> str | FetchError:
        """What comes of a photo; raises FetchFolderError for what ends all."""
        target = self.folder / photo.file
        try:
            if target.exists():
                return "there already"
            data = await self._content(photo.url)
            if data is None:
                return "dead"
            if hashlib.md5(data, usedforsecurity=False).hexdigest() != photo.md5:
                return "mismatched"
            return await anyio.to_thread.run_sync(self._store, data, photo, target)
        except PrivateAddressError as error:
            return PrivateAddressError(f"{photo.url} of {photo.person} was not fetched, {error}", error.remedy)
        except OSError as error:
            refusal = unwritable(target, error)
            if error.errno in _ENDING:
                raise refusal from error
            return refusal

    async def _content(self, url: str) -> bytes | None:
        """A URL's bytes, or None where it has none to give."""
        for attempt in range(2):
            if attempt:
                await anyio.sleep(self.settings.pause)
            try:
                return await self._once(url)
            except (SourceError, SlowError):
                return None
            except (httpx.TransportError, PassingError):
                continue
        return None

    async def _once(self, url: str) -> bytes:
        data = bytearray()
        async with answer(self.client, url, self.settings) as response:
            async for chunk in body(response, self.settings):
                data += chunk
                if len(data) > LARGEST:
                    raise SourceError(f"it does not end after {LARGEST:,} bytes")
        return bytes(data)

    def _store(self, data: bytes, photo: ListedPhoto, target: Path) -> str:
        from facerec_cli.faces.images import Photo, pixels  # noqa: PLC0415 - OpenCV, only when a photo came

        try:
            image = pixels(Photo(photo.url, data))
        except PhotoError:
            return "unreadable"
        x0, y0, x1, y1 = photo.rectangle
        crop = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
        if crop.size == 0 or max(crop.shape) > _LONGEST_SIDE:
            return "unreadable"
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = self.place / f"{os.urandom(8).hex()}.jpg"
        try:
            Image.fromarray(crop).save(beside, "jpeg", quality=95)
            move_in(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        return "fetched"


def _read_line(line: bytes) -> ListedPhoto:
    """Read a line; raises ValueError, which says what is wrong with it."""
    try:
        fields = line.decode("utf-8").strip().split("\t")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    if len(fields) != 5:
        raise ValueError("it is not person, image number, url, x0,y0,x1,y1 and md5 between tabs")
    person, number, url, rectangle, md5 = fields
    _check_person(person)
    _check_url(url)
    if not re.fullmatch("[0-9]{1,9}", number):
        raise ValueError("its image number is none")
    if not re.fullmatch("-?[0-9]{1,9}(,-?[0-9]{1,9}){3}", rectangle):
        raise ValueError("its rectangle is not x0,y0,x1,y1")
    if not re.fullmatch("[0-9a-fA-F]{32}", md5):
        raise ValueError("its MD5 has not 32 hex digits")
    x0, y0, x1, y1 = map(int, rectangle.split(","))
    return ListedPhoto(person, int(number), url, (x0, y0, x1, y1), md5.lower())


def _check_person(person: str) -> None:
    if not person or person.startswith(".") or not {"/", "\\"}.isdisjoint(person):
        raise ValueError("its person cannot be a folder's name")
    if any(unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in person):
        raise ValueError("its person has control characters")
    if len(person.encode()) > _LONGEST_NAME:
        raise ValueError(f"its person is longer than {_LONGEST_NAME} bytes")


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"its URL is none ({error})") from error
    if not is_web_address(parsed):
        raise ValueError("its URL is no web address")
