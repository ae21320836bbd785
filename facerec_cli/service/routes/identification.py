"""Who is it? Identify, verify, detect, embed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from facerec_cli.defaults import DEFAULT_FMR, DEFAULT_FPIR, UNKNOWN
from facerec_cli.errors import DatabaseError, NobodyEnrolledError, PhotoError
from facerec_cli.faces.extraction import Extraction, Face
from facerec_cli.faces.images import Photo, pixel_count
from facerec_cli.recognition.results import Identification, rounded
from facerec_cli.recognition.threshold import Threshold
from facerec_cli.recognition.verification import verify, verify_person
from facerec_cli.service.arrival import FORM_PROBLEMS, PhotoForm, form_body
from facerec_cli.service.engine import Engine, PendingError
from facerec_cli.service.problems import LOG, Problem, documented, problem_of
from facerec_cli.service.records import Detected, Embedded, Identified, Verified
from facerec_cli.service.routes.common import EngineOf, Fmr, Fpir, GivenThreshold, Largest
from facerec_cli.service.settings import API

router = APIRouter(prefix=API, tags=["identification"])


@router.post(
    "/identify",
    response_model=Identified,
    openapi_extra=form_body(),
    responses=documented(*FORM_PROBLEMS, "uncalibrated", "database"),
)
async def identify(
    request: Request,
    form: PhotoForm,
    engine: EngineOf,
    fpir: Fpir = DEFAULT_FPIR,
    threshold: GivenThreshold = None,
    top: Annotated[int, Query(ge=1, le=50, description="nearest people to list a face")] = 1,
) -> dict[str, Any]:
    """Name every face in photos, or say `unknown`.

    A photo that cannot be used says why in its place, and the others are done.
    """

    def look(photo: Photo) -> tuple[dict[str, Any], Threshold | None]:
        return _identified(engine, photo, fpir, threshold, top)

    while True:
        try:
            looked = await engine.look(form.photos, look, form.left)
            break
        except PendingError:
            await engine.embed_pending()
    for photo, _ in looked:
        request.app.state.metrics.looked(usable=photo["error"] is None)
        for face in photo["faces"]:
            request.app.state.metrics.named(known=face["name"] != UNKNOWN)
    in_force = next((one for _, one in looked if one), None)
    return {
        "photos": [photo for photo, _ in looked],
        "threshold": in_force
        and {
            "distance": in_force.distance,
            "fpir": in_force.rate,
            "people": in_force.people,
            "comparisons": in_force.comparisons,
            "explanation": in_force.explanation,
        },
    }


def _identified(
    engine: Engine, photo: Photo, fpir: float, distance: float | None, top: int
) -> tuple[dict[str, Any], Threshold | None]:
    """A photo's answer, and the threshold in force; runs on a thread."""
    try:
        seen = engine.recognizer.embed_photo(photo)
    except PhotoError as error:
        return _unusable(photo, error), None
    extraction = seen.extraction
    assert extraction is not None
    try:
        identifier = engine.identifier(fpir, distance)
        (result,) = identifier.decide_photos([seen], top=top)
        faces, in_force = [face.to_json() for face in result.faces], identifier.threshold
    except NobodyEnrolledError:
        nobody = [Identification(UNKNOWN, (), 0.0, face) for face in extraction.faces]
        faces, in_force = [face.to_json() | {"threshold": None} for face in nobody], None
    groups: dict[int, int | None] = {}
    # Who is unknown only because somebody asked strictly is no stranger.
    if engine.strangers and distance is None and fpir >= DEFAULT_FPIR:
        rows = [row for row, face in enumerate(faces) if face["name"] == UNKNOWN]
        unknown, embeddings = [extraction.faces[row] for row in rows], seen.embeddings[rows]
        try:
            kept = engine.strangers.remember(photo.source, photo.sha256, unknown, embeddings)
            groups = dict(zip(rows, kept, strict=True))
        except DatabaseError as error:  # a full disk keeps nobody from being named
            LOG.error("Strangers could not be remembered: %s", error)
    return _photo(extraction, [face | {"stranger": groups.get(row)} for row, face in enumerate(faces)]), in_force


@router.post(
    "/verify",
    response_model=Verified,
    openapi_extra=form_body(name="compare with this enrolled person, in place of a second photo"),
    responses=documented(*FORM_PROBLEMS, "unknown-person", "uncalibrated", "photo", "name", "database"),
)
async def verify_photos(
    form: PhotoForm,
    engine: EngineOf,
    fmr: Fmr = DEFAULT_FMR,
    threshold: GivenThreshold = None,
    largest: Largest = False,
) -> dict[str, Any]:
    """Say whether two photos, or a photo and somebody enrolled, show the same person."""
    name = form.fields.get("name")
    if len(form.photos) != (2 if name is None else 1):
        raise Problem("invalid", "Two photos are compared, or one and the field `name`: send these.")

    def look() -> dict[str, Any]:
        recognizer, photo = engine.recognizer, form.photos[0]
        if name is None:
            compared = verify(recognizer, photo, form.photos[1], fmr=fmr, threshold=threshold, largest=largest)
        else:
            compared = verify_person(
                recognizer, engine.gallery, name, photo, fmr=fmr, threshold=threshold, largest=largest
            )
        return compared.to_json()

    if name is not None and await engine.read(engine.is_pending):
        await engine.embed_pending()
    # The larger one says on which thread.
    (verified,) = await engine.look([max(form.photos, key=pixel_count)], lambda _: look(), form.left)
    return verified


@router.post(
    "/detect",
    response_model=Detected,
    openapi_extra=form_body(),
    responses=documented(*FORM_PROBLEMS),
)
async def detect(form: PhotoForm, engine: EngineOf) -> dict[str, Any]:
    """Find the faces in photos."""

    def look(photo: Photo) -> dict[str, Any]:
        try:
            seen = engine.recognizer.extract(photo)
        except PhotoError as error:
            return _unusable(photo, error)
        return _photo(seen, [_face(face) for face in seen.faces])

    return {"photos": await engine.look(form.photos, look, form.left)}


@router.post(
    "/embed",
    response_model=Embedded,
    openapi_extra=form_body(),
    responses=documented(*FORM_PROBLEMS, "database"),
)
async def embed(form: PhotoForm, engine: EngineOf) -> dict[str, Any]:
    """Find and embed the faces in photos, for programs that keep their own embeddings."""

    def look(photo: Photo) -> dict[str, Any]:
        try:
            seen = engine.recognizer.embed_photo(photo)
        except PhotoError as error:
            return _unusable(photo, error)
        assert seen.extraction is not None
        rows = zip(seen.faces, seen.embeddings, strict=True)
        return _photo(seen.extraction, [_face(face) | {"embedding": row.tolist()} for face, row in rows])

    bundle = engine.recognizer.bundle
    return {"model": bundle.name, "digest": bundle.digest, "photos": await engine.look(form.photos, look, form.left)}


def _photo(seen: Extraction, faces: list[dict[str, Any]]) -> dict[str, Any]:
    size = {"photo": seen.source, "width": seen.width, "height": seen.height}
    return size | {"note": seen.note, "error": None, "faces": faces}


def _unusable(photo: Photo, error: PhotoError) -> dict[str, Any]:
    size = {"photo": photo.source, "width": 0, "height": 0}
    return size | {"note": None, "error": problem_of(error).detail, "faces": []}


def _face(face: Face) -> dict[str, Any]:
    return {
        "box": [rounded(number, 1) for number in face.box],
        "landmarks": [[rounded(x, 1), rounded(y, 1)] for x, y in face.landmarks],
        "score": rounded(face.score),
        "quality": rounded(face.quality_score),
        "doubtful": face.doubtful,
    }
