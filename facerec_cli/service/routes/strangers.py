"""Faces that nobody knew: shown in groups, named, forgotten."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from facerec_cli.service.arrival import FORM_PROBLEMS
from facerec_cli.service.json_body import json_body, sent
from facerec_cli.service.people import outcome_of, person_json, status_of
from facerec_cli.service.problems import Problem, documented
from facerec_cli.service.records_people import MOST_ID, GroupPage, NamedStranger, NewName
from facerec_cli.service.routes.common import EngineOf, LiveOf
from facerec_cli.service.routes.people import JPEG
from facerec_cli.service.settings import API
from facerec_cli.service.strangers import Strangers

router = APIRouter(prefix=f"{API}/strangers", tags=["strangers"])


_ENROLLED_ALREADY: dict[int | str, dict[str, Any]] = {
    200: {"model": NamedStranger, "description": "All its photos were enrolled already"}
}


async def _strangers(engine: EngineOf) -> Strangers:
    if engine.strangers is None:
        raise Problem("not-found", "This service does not remember strangers: it is started so if they are to be.")
    return engine.strangers


StrangersOf = Annotated[Strangers, Depends(_strangers)]
GroupId = Annotated[int, Path(ge=1, le=MOST_ID, description="a group's id")]
FaceId = Annotated[int, Path(ge=1, le=MOST_ID, description="the id of one of its faces")]


@router.get("", response_model=GroupPage, responses=documented("not-found", "database"))
async def list_strangers(
    engine: EngineOf,
    strangers: StrangersOf,
    after: Annotated[
        str | None, Query(pattern="^[0-9]{1,9}-[0-9]{1,15}$", description="the `next` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List the faces that nobody knew, grouped by person, most often seen first."""
    place = None
    if after is not None:
        seen, _, group = after.partition("-")
        place = int(seen), int(group)
    groups, total = await engine.read(lambda: strangers.page(place, limit + 1))
    page = groups[:limit]
    return {
        "groups": [asdict(group) for group in page],
        "next": "{}-{}".format(*page[-1].place) if len(groups) > limit else None,
        "total": total,
        "kept": int(strangers.kept.total_seconds()),
    }


@router.get(
    "/{group:id}/faces/{face:id}/chip", response_class=Response, responses=JPEG | documented("not-found", "database")
)
async def show_chip(group: GroupId, face: FaceId, engine: EngineOf, strangers: StrangersOf) -> Response:
    """A face of a group."""
    chip = await engine.read(lambda: strangers.chip(group, face))
    if chip is None:
        raise _gone()
    return Response(chip, media_type="image/jpeg")


@router.post(
    "/{group:id}/name",
    status_code=201,
    response_model=NamedStranger,
    openapi_extra=json_body(NewName),
    responses=_ENROLLED_ALREADY | documented(*FORM_PROBLEMS, "not-found", "name", "database"),
)
async def name_stranger(
    group: GroupId,
    asked: Annotated[NewName, Depends(sent(NewName))],
    engine: EngineOf,
    strangers: StrangersOf,
    response: Response,
) -> dict[str, Any]:
    """Say who a group is: its best faces are enrolled, for somebody new or for somebody enrolled."""
    named = await engine.write(lambda: strangers.name(group, asked.name))
    if named is None:
        raise _gone()
    outcomes = [outcome_of(one) for one in named.enrolments]
    response.status_code = status_of(outcomes)
    return {
        "person": person_json(named.person),
        "outcomes": outcomes,
        "sightings": [asdict(sighting) for sighting in named.sightings],
    }


@router.delete("/{group:id}", status_code=204, responses=documented("not-found", "database"))
async def forget(group: GroupId, engine: EngineOf, strangers: StrangersOf, live: LiveOf) -> None:
    """Forget a group."""
    if not await engine.read(lambda: strangers.forget(group)):
        raise _gone()
    live.forget(lambda visit: visit.stranger == group)


@router.delete("", status_code=204, responses=documented("not-found", "database"))
async def forget_all(engine: EngineOf, strangers: StrangersOf, live: LiveOf) -> None:
    """Forget all strangers, and where those who have a name by now were seen."""
    await engine.read(strangers.forget_all)
    live.forget(lambda visit: not visit.decision.is_known)


def _gone() -> Problem:
    return Problem("not-found", "That is not remembered, or not any more: look who is.")
