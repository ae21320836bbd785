"""Bulk enrolment: jobs that go on whether or not anybody listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import StreamingResponse

from facerec_cli.gallery.base import clean_name
from facerec_cli.json_text import json_text
from facerec_cli.service.arrival import FORM_PROBLEMS, PhotoForm, form_body
from facerec_cli.service.jobs import Job, Jobs
from facerec_cli.service.problems import Problem, documented
from facerec_cli.service.records_people import JobList, JobRecord
from facerec_cli.service.routes.common import EngineOf
from facerec_cli.service.settings import API

router = APIRouter(prefix=f"{API}/jobs", tags=["jobs"])
_LOOKS = 0.2
"""Seconds between looks at a job that somebody listens to."""
_QUIET = 15.0
"""Seconds of silence after which a listener, and whatever is in between, hears that the connection is alive."""


_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["outcome", "progress", "end"]},
        "data": {"type": "string"},
    },
    "required": ["event", "data"],
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `outcome` has what became of a photo, and its number as id; `progress` and "
        "`end` have the job. Without an `end` the service has ended.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


async def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


JobsOf = Annotated[Jobs, Depends(_jobs)]


async def _job(jobs: JobsOf, job: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="a job's id")]) -> Job:
    known = jobs.get(job)
    if known is None:
        raise Problem("not-found", "There is no such job, or it ended long ago: look which there are.")
    return known


JobOf = Annotated[Job, Depends(_job)]


@router.post("", status_code=201, response_model=JobRecord, responses=documented())
async def begin(jobs: JobsOf) -> dict[str, Any]:
    """Begin a job; without photos for 10 minutes it takes no more."""
    return jobs.create().to_json()


@router.get("", response_model=JobList, responses=documented())
async def list_jobs(jobs: JobsOf) -> dict[str, Any]:
    """List the jobs of the last hour."""
    return {"jobs": [job.to_json() for job in jobs.all()]}


@router.get("/{job}", response_model=JobRecord, responses=documented("not-found"))
async def show_job(job: JobOf) -> dict[str, Any]:
    """Show how far a job is."""
    return job.to_json()


@router.post(
    "/{job}/photos",
    status_code=202,
    response_model=JobRecord,
    openapi_extra=form_body(name="*whose photos they are"),
    responses=documented(*FORM_PROBLEMS, "name", "not-found"),
)
async def add_photos(job: JobOf, form: PhotoForm, jobs: JobsOf) -> dict[str, Any]:
    """Give a job photos of one person; what becomes of them is told by its events."""
    jobs.add(job, clean_name(form.field("name")), form.photos)
    return job.to_json()


@router.post("/{job}/finish", status_code=202, response_model=JobRecord, responses=documented("not-found"))
async def finish(job: JobOf, jobs: JobsOf) -> dict[str, Any]:
    """Say that no more photos come; the job is done when the last is."""
    jobs.finish(job)
    return job.to_json()


@router.delete("/{job}", status_code=202, response_model=JobRecord, responses=documented("not-found"))
async def stop(job: JobOf, jobs: JobsOf) -> dict[str, Any]:
    """Stop a job: what is enrolled stays so, and what is not is not enrolled any more."""
    jobs.stop(job)
    return job.to_json()


@router.get(
    "/{job}/events",
    response_class=StreamingResponse,
    responses=_STREAM | documented("not-found"),
)
async def listen(
    job: JobOf,
    jobs: JobsOf,
    engine: EngineOf,
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=10**9, description="the number of the last outcome that was heard")
    ] = 0,
) -> StreamingResponse:
    """Hear what becomes of a job's photos: from the first, or behind the last that was heard."""
    return StreamingResponse(told_of(job, jobs, engine.stopping, last), media_type="text/event-stream")


async def told_of(job: Job, jobs: Jobs, stopping: threading.Event, told: int) -> AsyncIterator[str]:
    """The events of a job as text/event-stream, behind so many outcomes, until it or the service ends."""
    progress, silent = "", 0.0
    while not stopping.is_set():
        jobs.tidy()
        # Whether it has ended is asked first: no outcome comes after that.
        has_ended, found, now = job.finished is not None, job.outcomes[told:], json_text(job.to_json())
        for outcome in found:
            told += 1
            yield f"id: {told}\nevent: outcome\ndata: {json_text(outcome)}\n\n"
        if now != progress:
            progress, silent = now, 0.0
            yield f"event: progress\ndata: {now}\n\n"
        if has_ended:
            yield f"event: end\ndata: {now}\n\n"
            return
        if silent >= _QUIET:
            silent = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_LOOKS)
        silent += _LOOKS
