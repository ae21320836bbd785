"""Who is enrolled, and changes to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from facerec_cli.errors import DatabaseError, LostChipError, UncalibratedModelError
from facerec_cli.gallery.base import EnrolledFace, Person, Snapshot, clean_name
from facerec_cli.gallery.chipstore import encode_chip
from facerec_cli.recognition.checking import Finding, check
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.enrolment import enroll
from facerec_cli.recognition.lookalikes import lookalikes
from facerec_cli.recognition.results import rounded_beside
from facerec_cli.recognition.threshold import counts_in, enrolled_rule
from facerec_cli.service.arrival import FORM_PROBLEMS, Form, PhotoForm, form_body
from facerec_cli.service.engine import Engine
from facerec_cli.service.json_body import json_body, sent
from facerec_cli.service.people import face_of, outcome_of, person_json, person_of, search, status_of
from facerec_cli.service.problems import LOG, Problem, documented
from facerec_cli.service.records_people import (
    MOST_ID,
    Enrolled,
    EnrolledPhoto,
    FindingRecord,
    Findings,
    Merge,
    NewName,
    Pairs,
    PeoplePage,
    PersonRecord,
    PersonShown,
    Sightings,
)
from facerec_cli.service.routes.common import EngineOf, Largest, LiveOf
from facerec_cli.service.settings import API
from facerec_cli.service.strangers import Sighting

router = APIRouter(prefix=f"{API}/people", tags=["people"])
PersonId = Annotated[int, Path(ge=1, le=MOST_ID, description="a person's id")]
FaceId = Annotated[int, Path(ge=1, le=MOST_ID, description="the id of one of their photos")]
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"description": "A face, 112 by 112 pixels", "content": {"image/jpeg": {}}}
}


_AT = "`x,y` in pixels of the upright photo: the face there is the person's; with one photo only"
_ENROLLED_ALREADY: dict[int | str, dict[str, Any]] = {
    200: {"model": Enrolled, "description": "Nothing is new: what can be used was enrolled already"}
}


@router.get("", response_model=PeoplePage, responses=documented("database"))
async def list_people(
    engine: EngineOf,
    part: Annotated[str, Query(alias="search", max_length=200, description="part of the name, in any case")] = "",
    after: Annotated[int, Query(ge=0, le=MOST_ID, description="the `next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, Any]:
    """List who is enrolled, in the order of enrolment."""
    people, more, total = await engine.read(lambda: search(engine.gallery.snapshot(), part, after, limit))
    return {
        "people": [person_json(person) for person in people],
        "next": people[-1].id if more else None,
        "total": total,
    }


@router.post(
    "",
    status_code=201,
    response_model=Enrolled,
    openapi_extra=form_body(name="*whose photos they are", at=_AT),
    responses=_ENROLLED_ALREADY | documented(*FORM_PROBLEMS, "photo", "name", "database"),
)
async def enrol(form: PhotoForm, engine: EngineOf, response: Response, largest: Largest = False) -> dict[str, Any]:
    """Enrol photos of somebody new, or more of somebody enrolled.

    Of a photo with several people the face is taken that recurs in the others, or one much larger than the rest.
    """
    name = clean_name(form.field("name"))
    return await _enrol(engine, lambda _snapshot: name, form, largest, response)


@router.get("/check", response_model=Findings, responses=documented("database"))
async def check_people(engine: EngineOf) -> dict[str, Any]:
    """List photos and names that need a look; takes a while among very many people."""
    await engine.embed_pending()
    return {"findings": await engine.study(lambda: engine.kept("findings", lambda: _findings(engine)))}


@router.get("/lookalikes", response_model=Pairs, responses=documented("uncalibrated", "nobody-enrolled", "database"))
async def show_lookalikes(engine: EngineOf) -> dict[str, Any]:
    """List pairs of people who look alike; takes a while among very many people."""
    await engine.embed_pending()
    return {"pairs": await engine.study(lambda: engine.kept("pairs", lambda: _pairs(engine)))}


@router.get("/{person:id}", response_model=PersonShown, responses=documented("unknown-person", "database"))
async def show_person(person: PersonId, engine: EngineOf) -> dict[str, Any]:
    """Show somebody, and their photos."""

    def look() -> dict[str, Any]:
        snapshot = engine.gallery.snapshot()
        known = _known(snapshot, person)
        faces = [face.to_json() | {"id": face.id} for face in snapshot.faces(known.name)]
        return person_json(known) | {
            "faces": [{key: face[key] for key in EnrolledPhoto.model_fields} for face in faces]
        }

    return await engine.read(look)


@router.patch(
    "/{person:id}",
    response_model=PersonRecord,
    openapi_extra=json_body(NewName),
    responses=documented(*FORM_PROBLEMS, "unknown-person", "name-taken", "name", "database"),
)
async def rename_person(
    person: PersonId, asked: Annotated[NewName, Depends(sent(NewName))], engine: EngineOf
) -> dict[str, Any]:
    """Give somebody another name; the id stays."""

    def write() -> dict[str, Any]:
        before = _known(engine.gallery.snapshot(), person)
        engine.gallery.rename(before.name, asked.name)
        return person_json(_followed(engine, before, person))

    return await engine.write(write)


@router.delete("/{person:id}", status_code=204, responses=documented("unknown-person", "database"))
async def remove_person(person: PersonId, engine: EngineOf, live: LiveOf) -> None:
    """Forget somebody: chips, embeddings, name, and where they were seen."""

    def write() -> None:
        known = _known(engine.gallery.snapshot(), person)
        engine.gallery.remove(known.name)
        _followed(engine, known, None)
        live.forget(lambda visit: visit.decision.name == known.name)

    await engine.write(write)


@router.post(
    "/{person:id}/merge",
    response_model=PersonRecord,
    openapi_extra=json_body(Merge),
    responses=documented(*FORM_PROBLEMS, "unknown-person", "database"),
)
async def merge_person(
    person: PersonId, asked: Annotated[Merge, Depends(sent(Merge))], engine: EngineOf
) -> dict[str, Any]:
    """Give all photos of somebody to another, who is the same person; the first id and name are gone then.

    The photos that move get new ids.
    """
    if asked.into == person:
        raise Problem("invalid", "Nobody is merged into themselves: name two people.")

    def write() -> dict[str, Any]:
        snapshot = engine.gallery.snapshot()
        known, into = _known(snapshot, person), _known(snapshot, asked.into)
        engine.gallery.merge(known.name, into.name)
        embed_pending(engine.recognizer, engine.gallery)
        return person_json(_followed(engine, known, into.id))

    return await engine.write(write)


@router.post(
    "/{person:id}/photos",
    status_code=201,
    response_model=Enrolled,
    openapi_extra=form_body(at=_AT),
    responses=_ENROLLED_ALREADY | documented(*FORM_PROBLEMS, "photo", "unknown-person", "database"),
)
async def add_photos(
    person: PersonId, form: PhotoForm, engine: EngineOf, response: Response, largest: Largest = False
) -> dict[str, Any]:
    """Enrol more photos of somebody."""
    return await _enrol(engine, lambda snapshot: _known(snapshot, person).name, form, largest, response)


@router.delete(
    "/{person:id}/photos/{face:id}", status_code=204, responses=documented("unknown-person", "not-found", "database")
)
async def remove_photo(person: PersonId, face: FaceId, engine: EngineOf, live: LiveOf) -> None:
    """Forget a photo of somebody; with the last they are forgotten too."""

    def write() -> None:
        snapshot = engine.gallery.snapshot()
        known = _known(snapshot, person)
        engine.gallery.remove(known.name, [_photo(snapshot, known, face).id])
        embed_pending(engine.recognizer, engine.gallery)
        if person_of(engine.gallery.snapshot(), person) is None:
            _followed(engine, known, None)
            live.forget(lambda visit: visit.decision.name == known.name)

    await engine.write(write)


@router.get(
    "/{person:id}/chip",
    response_class=Response,
    responses=JPEG | documented("unknown-person", "not-found", "database"),
)
async def show_first_chip(person: PersonId, engine: EngineOf) -> Response:
    """The face of somebody's first photo."""

    def look() -> bytes:
        snapshot = engine.gallery.snapshot()
        return _chip(engine, snapshot.faces(_known(snapshot, person).name)[0])

    return Response(await engine.read(look), media_type="image/jpeg")


@router.get(
    "/{person:id}/photos/{face:id}/chip",
    response_class=Response,
    responses=JPEG | documented("unknown-person", "not-found", "database"),
)
async def show_chip(person: PersonId, face: FaceId, engine: EngineOf) -> Response:
    """The face of one of somebody's photos."""

    def look() -> bytes:
        snapshot = engine.gallery.snapshot()
        return _chip(engine, _photo(snapshot, _known(snapshot, person), face))

    return Response(await engine.read(look), media_type="image/jpeg")


@router.get("/{person:id}/sightings", response_model=Sightings, responses=documented("unknown-person", "database"))
async def show_sightings(person: PersonId, engine: EngineOf) -> dict[str, Any]:
    """Where somebody was seen before they had a name, where the service remembers strangers."""

    def look() -> list[Sighting]:
        known = _known(engine.gallery.snapshot(), person)
        return engine.strangers.sightings(known) if engine.strangers else []

    return {"sightings": [asdict(sighting) for sighting in await engine.read(look)]}


def _known(snapshot: Snapshot, person: int) -> Person:
    known = person_of(snapshot, person)
    if known is None:
        raise Problem("unknown-person", "Nobody enrolled has this id: look who is.")
    return known


def _photo(snapshot: Snapshot, person: Person, face: int) -> EnrolledFace:
    known = face_of(snapshot, person, face)
    if known is None:
        raise Problem("not-found", "The person has no photo of this id: look which there are.")
    return known


def _chip(engine: Engine, face: EnrolledFace) -> bytes:
    try:
        return encode_chip(engine.gallery.read_chip(face))
    except LostChipError:
        raise Problem("not-found", "The chip of this photo is missing or damaged: enrol it again.") from None


def _followed(engine: Engine, before: Person, after: int | None) -> Person:
    """Have what is remembered beside the gallery follow somebody; returns who they are now."""
    now = None if after is None else _known(engine.gallery.snapshot(), after)
    try:
        if engine.strangers:
            engine.strangers.renamed(before, now)
    except DatabaseError as error:  # the change itself is made, and is not to be repeated
        LOG.error("Where %d was seen does not follow: %s", before.id, error)
    return now or before


async def _enrol(
    engine: Engine, name_in: Callable[[Snapshot], str], form: Form, largest: bool, response: Response
) -> dict[str, Any]:
    at = _point(form)

    def write() -> dict[str, Any]:
        name = name_in(engine.gallery.snapshot())
        enrolments = enroll(engine.recognizer, engine.gallery, name, form.photos, largest=largest, at=at)
        outcomes = [outcome_of(one) for one in enrolments]
        if all(one.error for one in enrolments):
            why = outcomes[0]["error"] if len(outcomes) == 1 else "No photo can be used: `outcomes` says why."
            raise Problem("photo", why, outcomes=outcomes)
        return {"person": person_json(engine.gallery.snapshot().person(name)), "outcomes": outcomes}

    enrolled = await engine.write(write)
    response.status_code = status_of(enrolled["outcomes"])
    return enrolled


def _point(form: Form) -> tuple[float, float] | None:
    """Where the form says that the face is."""
    given = form.fields.get("at")
    if given is None:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?),(\d{1,9}(?:\.\d{1,9})?)", given, re.ASCII)
    if match is None or len(form.photos) > 1:
        raise Problem("invalid", "The field `at` is two numbers, as in `120,80`, and of one photo: send these.")
    return float(match[1]), float(match[2])


def _findings(engine: Engine) -> list[dict[str, Any]]:
    snapshot, recognizer = engine.gallery.snapshot(), engine.recognizer
    counts, rule = snapshot.photo_counts(), None
    if not counts:
        return []
    with suppress(UncalibratedModelError):  # which says nothing of likeness
        rule = enrolled_rule(recognizer.bundle, counts)
    return [_finding(snapshot, finding) for finding in check(recognizer, engine.gallery, snapshot, rule)]


def _finding(snapshot: Snapshot, finding: Finding) -> dict[str, Any]:
    told = finding.to_json()
    if finding.kind == "lost":  # why names a file of this machine
        told["complaint"] = "its chip is missing or damaged"
    ids = {
        "person": snapshot.person(finding.name).id,
        "face": finding.face.id if finding.face else None,
        "other_person": snapshot.person(finding.other).id if finding.other else None,
    }
    return {key: (told | ids)[key] for key in FindingRecord.model_fields}


def _pairs(engine: Engine) -> list[dict[str, Any]]:
    snapshot = engine.gallery.snapshot()
    rule = enrolled_rule(engine.recognizer.bundle, counts_in(snapshot))
    near = rule.threshold.distance
    return [
        {
            "name": pair.name,
            "person": snapshot.person(pair.name).id,
            "other": pair.other,
            "other_person": snapshot.person(pair.other).id,
            "distance": rounded_beside(pair.distance, near),
            "threshold": near,
        }
        for pair in lookalikes(snapshot, rule)
    ]
