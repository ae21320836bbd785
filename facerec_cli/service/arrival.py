"""How photos arrive: multipart forms, bounded in bytes, number and time, and never written to a disk."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from facerec_cli.faces.images import Photo
from facerec_cli.gallery.chipstore import MAX_SOURCE
from facerec_cli.service.problems import BusyProblem, Problem
from facerec_cli.service.settings import Limits

_MOST_FIELDS = 8
_FIELD_BYTES = 8192
_PATIENCE = 5.0
"""Seconds for which the rest of what is refused for its size is awaited, so that the client hears the answer."""


@dataclass(frozen=True)
class Form:
    """What came.

    Attributes:
        photos: each with the name that its file had.
        fields: what else was said.
        left: returns when whoever sent it waits no more.
    """

    photos: tuple[Photo, ...]
    fields: Mapping[str, str]
    left: Callable[[], Awaitable[None]]

    def field(self, name: str) -> str:
        """A field that must be there.

        Raises:
            Problem: it is not.
        """
        if name not in self.fields:
            raise Problem("invalid", f"The form has no field `{name}`: add it.")
        return self.fields[name]


class Arrivals:
    """Receives forms; its coroutines belong to one event loop."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing in work."""
        self._limits = limits
        self._bytes = 0

    @asynccontextmanager
    async def form(self, request: Request) -> AsyncIterator[Form]:
        """The form of a request; what came of it counts as in work until the block ends.

        Raises:
            Problem: it is none, too large, too slow, or has too many photos or none.
        """
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise Problem("media-type", "Photos come as multipart/form-data, in parts named `photos`: send such.")
        # Python knows charsets that make no text of bytes, or take long for it; browsers and programs send UTF-8.
        if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
            raise Problem("media-type", "The form is not in UTF-8: send it so.")
        came = _Came()
        parser = _Parser(
            request.headers,
            self._stream(request, came),
            max_files=self._limits.photos,
            max_fields=_MOST_FIELDS,
            max_part_size=_FIELD_BYTES,
        )
        try:
            try:
                photos, fields = await self._read(parser)
            except ClientDisconnect:
                raise Problem("invalid", "The request ended before it was whole: send it again.") from None
            yield Form(photos, fields, lambda: _end_of(request))
        finally:
            self._bytes -= came.bytes

    async def _read(self, parser: MultiPartParser) -> tuple[tuple[Photo, ...], dict[str, str]]:
        try:
            data = await parser.parse()
        except MultiPartException as error:
            most = f"at most {self._limits.photos} photos and {_MOST_FIELDS} fields"
            raise Problem("invalid", f"The form cannot be read ({error.message.rstrip('.')}): send {most}.") from error
        photos, fields = [], {}
        for name, value in data.multi_items():
            if isinstance(value, str):
                fields[name] = value
                continue
            if name != "photos":
                raise Problem("invalid", "A file of the form is not named `photos`: name it so.")
            if (value.size or 0) > self._limits.photo_bytes:
                most = f"{self._limits.photo_bytes >> 20} MB"
                raise Problem("too-large", f"{_source(value)} has more than {most}: scale it down.")
            photos.append(Photo(_source(value), await value.read()))
            await value.close()
        if not photos:
            raise Problem("invalid", "The form has no photo: send at least one, in a part named `photos`.")
        return tuple(photos), fields

    async def _stream(self, request: Request, came: _Came) -> AsyncGenerator[bytes, None]:
        limits, begun, stream = self._limits, time.monotonic(), request.stream()
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limits.request_bytes:
            # Who waits to be asked for the body is not asked.
            raise await self._too_large(None if "expect" in request.headers else stream)
        while True:
            left = limits.seconds + came.bytes / limits.least_rate - (time.monotonic() - begun)
            try:
                with anyio.fail_after(max(left, 0)):
                    chunk = await anext(stream, b"")
            except TimeoutError:
                detail = f"The request did not arrive within {limits.seconds:.0f} s: send it faster."
                raise Problem("too-slow", detail, headers={"Connection": "close"}) from None
            if not chunk:
                return
            if self._bytes + len(chunk) > limits.bytes_in_work:
                raise BusyProblem
            came.bytes += len(chunk)
            self._bytes += len(chunk)
            if came.bytes > limits.request_bytes:
                raise await self._too_large(stream)
            yield chunk

    async def _too_large(self, stream: AsyncGenerator[bytes, None] | None) -> Problem:
        """What to say, once the client has had time to send the rest: many hear nothing before."""
        with anyio.move_on_after(_PATIENCE):
            if stream:
                async for _chunk in stream:
                    pass
        most = f"{self._limits.request_bytes >> 20} MB"
        return Problem("too-large", f"The request has more than {most}: send fewer or smaller photos.")


async def _end_of(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@dataclass
class _Came:
    """How many bytes of a request have come."""

    bytes: int = 0


class _Parser(MultiPartParser):
    """One that keeps files in memory, which is bounded: faces do not belong into a disk's temporary files."""

    spool_max_size = 1 << 40


def _source(upload: UploadFile) -> str:
    """What people know an upload by: the last part of its file's name, whatever system it comes from."""
    name = (upload.filename or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name).strip()
    return shown[:MAX_SOURCE] or "photo"


async def _photo_form(request: Request) -> AsyncIterator[Form]:
    arrivals: Arrivals = request.app.state.arrivals
    async with arrivals.form(request) as form:
        yield form


PhotoForm = Annotated[Form, Depends(_photo_form)]
"""A route's parameter that is its form."""
FORM_PROBLEMS = ("too-slow", "too-large", "media-type")
"""What may be wrong with any form; see ``problems.documented``."""


def form_body(**fields: str) -> dict[str, Any]:
    """For a route's ``openapi_extra``: photos, and fields by what each means; one with a ``*`` before must be there."""
    properties: dict[str, Any] = {
        "photos": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary"},
            "description": "JPEG, PNG, WebP, BMP, TIFF or GIF, HEIC and AVIF where the service has their library",
        }
    }
    required = ["photos"]
    for name, meaning in fields.items():
        properties[name] = {"type": "string", "description": meaning.removeprefix("*")}
        required += [name] if meaning.startswith("*") else []
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
