"""Photos listed by URL, as PubFig lists them (Kumar et al., ICCV 2009): fetch, verify, crop, one folder a person."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
from PIL import Image

from facerec_cli.datasets.download import DEFAULT_SETTINGS, Settings, new_client, unwritable
from facerec_cli.errors import FetchError, PhotoError
from facerec_cli.files import new_file

LARGEST = 50_000_000
"""A listed photo of more bytes is not taken."""


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


def read_list(path: Path) -> list[ListedPhoto]:
    """Read a list: tab-separated person, image number, url, rect, md5; lines that start with # are comments.

    Raises:
        FetchError: the file cannot be read, or a line is not of that form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FetchError(f"{path} cannot be read ({error})", "give a list of URLs") from error
    photos = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            person, image, url, rectangle, md5 = line.strip().split("\t")
            x0, y0, x1, y1 = (int(side) for side in rectangle.split(","))
            if "/" in person or "\\" in person or person.strip(". ") == "":
                raise ValueError("a name that is no folder name")
            photos.append(ListedPhoto(person, int(image), url, (x0, y0, x1, y1), md5.lower()))
        except ValueError as error:
            raise FetchError(
                f"{path}, line {number}, is not person, image number, url, x0,y0,x1,y1 and md5 between tabs ({error})",
                "correct it",
            ) from error
    return photos


def fetch_listed(
    photos: Sequence[ListedPhoto],
    folder: Path,
    told: Callable[[ListedPhoto, str], None] = lambda _photo, _outcome: None,
    settings: Settings = DEFAULT_SETTINGS,
) -> Counter[str]:
    """Fetch listed photos, several at once, going on past those that are not to be had.

    Args:
        photos: from ``read_list``.
        folder: gets a folder a person, with a crop a photo; a crop that is there is not fetched again.
        told: of each photo's outcome as it comes.
        settings: ``jobs`` downloads at once, each tried twice at most.

    Returns:
        How many were ``fetched``, ``there already``, ``dead`` (no such host, file or answer), ``mismatched`` (the MD5
        differs) and ``unreadable`` (no photo, or none of it in the rectangle).

    Raises:
        FetchFolderError: a crop cannot be written.
    """
    counts: Counter[str] = Counter()
    waiting = iter(dict.fromkeys(photos))

    async def work(client: httpx.AsyncClient) -> None:
        for photo in waiting:
            outcome = await _one(client, photo, folder, settings)
            counts[outcome] += 1
            told(photo, outcome)

    async def everything() -> None:
        async with new_client(settings) as client, anyio.create_task_group() as tasks:
            for _ in range(settings.jobs):
                tasks.start_soon(work, client)

    anyio.run(everything)
    return counts


async def _one(client: httpx.AsyncClient, photo: ListedPhoto, folder: Path, settings: Settings) -> str:
    target = folder / photo.file
    if target.exists():
        return "there already"
    data = None
    for attempt in range(2):
        if attempt:
            await anyio.sleep(settings.pause)
        data = await _body(client, photo.url)
        if data is not None:
            break
    if data is None:
        return "dead"
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != photo.md5:
        return "mismatched"
    return await anyio.to_thread.run_sync(_store, data, photo, target)


async def _body(client: httpx.AsyncClient, url: str) -> bytes | None:
    """A URL's bytes, or None where it has none to give."""
    try:
        async with client.stream("GET", url) as response:
            if not response.is_success:
                return None
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > LARGEST:
                    return None
            return bytes(data)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _store(data: bytes, photo: ListedPhoto, target: Path) -> str:
    from facerec_cli.faces.images import Photo, pixels  # noqa: PLC0415 - OpenCV, only when a photo came

    try:
        image = pixels(Photo(photo.url, data))
    except PhotoError:
        return "unreadable"
    x0, y0, x1, y1 = photo.rectangle
    crop = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if crop.size == 0:
        return "unreadable"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with new_file(target) as beside:
            Image.fromarray(crop).save(beside, "jpeg", quality=95)
    except OSError as error:
        raise unwritable(target, error) from error
    return "fetched"
