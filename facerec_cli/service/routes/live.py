"""Live sources: which there are, what they show, who came and went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from facerec_cli.json_text import json_text
from facerec_cli.service.arrival import FORM_PROBLEMS
from facerec_cli.service.json_body import json_body, sent
from facerec_cli.service.live import LiveSource
from facerec_cli.service.problems import Problem, documented
from facerec_cli.service.records_live import LiveEvents, LiveSourceRecord, LiveSources, NewSource
from facerec_cli.service.records_people import MOST_ID
from facerec_cli.service.routes.common import EngineOf, LiveOf
from facerec_cli.service.routes.people import JPEG
from facerec_cli.service.settings import API, live_source

router = APIRouter(prefix=f"{API}/live", tags=["live"])
changing = APIRouter(prefix=f"{API}/live", tags=["live"])
"""What a service that is read-only has not."""
_LOOKS = 0.2
"""Seconds between looks at a source that somebody listens to."""
_QUIET = 15.0
"""Seconds of silence after which a listener, and whatever is in between, hears that the connection is alive."""
_MOMENT = 0.04
"""Seconds between looks for a newer picture."""
_WAIT = 2.0
"""Seconds that a newer picture is waited for."""

_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["arrived", "left", "source"]},
        "data": {"type": "string"},
    },
    "required": ["event", "data"],
}
_HEARD: dict[int | str, dict[str, Any]] = {
    200: {
        "model": LiveEvents,
        "description": "The newest events; server-sent events where `Accept: text/event-stream` asks for them: "
        "`arrived` and `left` have an event, and its number as id; `source` has the source, first and when its state "
        "or who is there changes. They end when the source is removed, or the service ends.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}
_WATCHED: dict[int | str, dict[str, Any]] = {200: {"model": LiveSourceRecord, "description": "It was watched already"}}
_SEEN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The newest picture, at most 1280 pixels wide or high, with boxes and names",
        "content": JPEG[200]["content"],
        "headers": {"Picture-Number": {"description": "give it as `after`", "schema": {"type": "integer"}}},
    },
    204: {"description": "There was no newer one in 2 s"},
}


async def _source(
    live: LiveOf, source: Annotated[int, Path(ge=1, le=MOST_ID, description="a source's id")]
) -> LiveSource:
    known = live.get(source)
    if known is None:
        raise Problem("not-found", "There is no such source, or not any more: look which there are.")
    return known


SourceOf = Annotated[LiveSource, Depends(_source)]


@router.get("", response_model=LiveSources, responses=documented())
async def list_sources(live: LiveOf, engine: EngineOf) -> dict[str, Any]:
    """List the cameras and streams that are watched."""
    return {"sources": [source.to_json() for source in live.all()], "most": engine.settings.limits.sources}


@changing.post(
    "",
    status_code=201,
    response_model=LiveSourceRecord,
    openapi_extra=json_body(NewSource),
    responses=_WATCHED | documented(*FORM_PROBLEMS, "source", "sources"),
)
async def add_source(
    asked: Annotated[NewSource, Depends(sent(NewSource))], live: LiveOf, response: Response
) -> dict[str, Any]:
    """Watch a camera or a stream, until it is removed or the service ends; an address may hold a password."""
    source, is_new = live.add(live_source(asked.source))
    response.status_code = 201 if is_new else 200
    return source.to_json()


@router.get("/{source:id}", response_model=LiveSourceRecord, responses=documented("not-found"))
async def show_source(source: SourceOf) -> dict[str, Any]:
    """Show how a source is, and who is there."""
    return source.to_json()


@changing.delete("/{source:id}", status_code=204, responses=documented("not-found"))
async def remove_source(source: SourceOf, live: LiveOf) -> None:
    """Watch a source no more, and forget who came and went."""
    live.remove(source)


@router.get("/{source:id}/picture", response_class=Response, responses=_SEEN | documented("not-found"))
async def show_picture(
    source: SourceOf,
    live: LiveOf,
    engine: EngineOf,
    after: Annotated[int, Query(ge=0, le=MOST_ID, description="the number of the picture that was seen last")] = 0,
) -> Response:
    """What a source shows now: waits up to 2 s for a picture newer than the one that was seen last."""
    with live.viewing():
        waited = 0.0
        while source.picture.number in (0, after) and waited < _WAIT and not engine.stopping.is_set():
            await asyncio.sleep(_MOMENT)
            waited += _MOMENT
        shown = await engine.read(source.picture.jpeg) if source.picture.number != after else None
    if shown is None:
        return Response(status_code=204)
    number, jpeg = shown
    return Response(jpeg, media_type="image/jpeg", headers={"Picture-Number": str(number)})


@router.get("/{source:id}/events", responses=_HEARD | documented("not-found"))
async def listen(
    source: SourceOf,
    live: LiveOf,
    engine: EngineOf,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=MOST_ID, description="the number of the last event that was heard")
    ] = 0,
) -> Response:
    """Hear who comes and goes: the events of a day, 300 at most, or those behind the last that was heard."""
    if "text/event-stream" not in accept:
        return Response(json_text({"events": source.events(last)}), media_type="application/json")
    heard = told_of(source, lambda: engine.stopping.is_set() or live.get(source.id) is not source, last)
    return StreamingResponse(heard, media_type="text/event-stream")


async def told_of(source: LiveSource, is_over: Callable[[], bool], last: int) -> AsyncIterator[str]:
    """The events of a source as text/event-stream, behind the last that was heard, until all is over."""
    known: tuple[Any, ...] = ()
    silent = 0.0
    while not is_over():
        for event in source.events(last):
            last, silent = event["id"], 0.0
            yield f"id: {last}\nevent: {event['event']}\ndata: {json_text(event)}\n\n"
        told = source.to_json()
        if known != (known := (told["state"], told["why"], told["present"])):
            silent = 0.0
            yield f"event: source\ndata: {json_text(told)}\n\n"
        if silent >= _QUIET:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_LOOKS)
        silent += _LOOKS
