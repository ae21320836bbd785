"""JSON that clients send: small, whole within a time, and what a model asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from facerec_cli.service.problems import Problem

Model = TypeVar("Model", bound=BaseModel)

MOST = 16 << 10
"""Bytes."""
_SECONDS = 10.0


def sent(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that reads a model from a request's body; raises ``Problem`` where it is something else."""

    async def read(request: Request) -> Model:
        kind, _ = parse_options_header(request.headers.get("content-type"))
        if kind != b"application/json":
            raise Problem("media-type", "This is asked for as application/json: send such.")
        try:
            with anyio.fail_after(_SECONDS):
                return model.model_validate_json(await _bytes(request))
        except TimeoutError:
            detail = f"The request did not arrive within {_SECONDS:.0f} s: send it faster."
            raise Problem("too-slow", detail, headers={"Connection": "close"}) from None
        except ClientDisconnect:
            raise Problem("invalid", "The request ended before it was whole: send it again.") from None
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise RequestValidationError([one | {"loc": ("body", *one["loc"])} for one in found]) from None

    return read


async def _bytes(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST:
            most = f"The request has more than {MOST >> 10} kB: send less."
            raise Problem("too-large", most, headers={"Connection": "close"})
    return bytes(body)


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's ``openapi_extra``: what ``sent`` reads."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
