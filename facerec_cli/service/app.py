"""The application: API and page behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from facerec_cli.defaults import VERSION
from facerec_cli.service.arrival import Arrivals
from facerec_cli.service.engine import Engine
from facerec_cli.service.guard import Guard
from facerec_cli.service.handlers import handle_problems
from facerec_cli.service.jobs import Jobs
from facerec_cli.service.live import Live
from facerec_cli.service.metrics import Metrics
from facerec_cli.service.observing import Observer
from facerec_cli.service.problems import Problem
from facerec_cli.service.routes import about, identification, jobs, live, people, strangers
from facerec_cli.service.settings import API
from facerec_cli.service.strangers import forget_in_time

PAGE = Path(__file__).with_name("page")
CHANGING = ("people", "jobs", "strangers")
"""What a service that is read-only has not: all that shows or changes who is enrolled."""


def make_app(engine: Engine, ready: Callable[[], None]) -> ASGIApp:
    """The application of an engine.

    Args:
        engine: what does the work.
        ready: called once requests can be answered.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await engine.read(engine.load)
        for source in engine.settings.watched:
            app.state.live.add(source)
        ready()
        async with anyio.create_task_group() as beside:
            if engine.strangers:
                beside.start_soon(forget_in_time, engine.strangers)
            yield
            beside.cancel_scope.cancel()
        await engine.read(app.state.live.close)
        app.state.jobs.close()
        engine.close()

    app = FastAPI(
        title="facerec",
        summary="Name the faces in photos by the people enrolled, or say unknown.",
        version=VERSION,
        lifespan=lifespan,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.engine, app.state.metrics = engine, Metrics()
    app.state.jobs = Jobs(engine.recognizer, engine.gallery)
    app.state.live = Live(engine)
    app.state.arrivals = Arrivals(engine.settings.limits)
    handle_problems(app)
    for always in (about.router, identification.router, live.router):
        app.include_router(always)
    for changing in () if engine.settings.read_only else (people.router, jobs.router, strangers.router, live.changing):
        app.include_router(changing)
    if engine.settings.read_only:
        for part in CHANGING:
            app.add_api_route(f"{API}/{part}{{rest:path}}", _refuse, methods=_METHODS, include_in_schema=False)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    return Observer(Guard(app, engine.settings), app.state.metrics)


_METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]


async def _refuse() -> None:
    raise Problem("read-only", "This service only identifies: ask one that was not started read-only.")
