"""What the routes share: the engine, what is watched, and parameters."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.convertors import StringConvertor, register_url_convertor

from facerec_cli.service.engine import Engine
from facerec_cli.service.live import Live


class _Id(StringConvertor):
    """An id in a path: what has more digits is too long for anybody's."""

    regex = "[0-9]{1,16}"


register_url_convertor("id", _Id())


# Dependencies are coroutines: others are called on threads, which wait for those that look at photos.
async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


async def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


EngineOf = Annotated[Engine, Depends(_engine)]
LiveOf = Annotated[Live, Depends(_live)]
Fpir = Annotated[
    float,
    Query(gt=0, lt=1, allow_inf_nan=False, description="share of strangers that may be named; the threshold follows"),
]
Fmr = Annotated[
    float,
    Query(
        gt=0, lt=1, allow_inf_nan=False, description="share of pairs of different people that may be called the same"
    ),
]
GivenThreshold = Annotated[
    float | None,
    Query(ge=0, allow_inf_nan=False, description="the largest distance that is a match, in place of a rate"),
]
Largest = Annotated[bool, Query(description="take the largest face of a photo with several")]
