"""The service itself: its health, model, threshold and metrics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from facerec_cli.defaults import DEFAULT_FPIR, VERSION
from facerec_cli.encoders.bundle import find_bundles, resolve_bundle
from facerec_cli.recognition.threshold import counts_in, rule_in
from facerec_cli.service.engine import Engine
from facerec_cli.service.problems import documented
from facerec_cli.service.records import Distance, Rate, Record
from facerec_cli.service.routes.common import EngineOf, Fpir
from facerec_cli.service.settings import API

router = APIRouter(prefix=API, tags=["service"])

STEPS = tuple(float(f"{10 ** (exponent / 20):.2g}") for exponent in range(-60, -19))
"""Shares of strangers named, 0.1 to 10 %, each 12 % more than the one before."""


class Health(Record):
    """Whether the service is there."""

    status: Literal["live", "ready"]


class LimitsInForce(Record):
    """What one request may hold."""

    photos: int
    photo_bytes: int
    request_bytes: int


class Service(Record):
    """What the service is."""

    version: str
    model: str
    read_only: bool
    strangers_kept: float | None = Field(description="seconds for which strangers are remembered, or null")
    people: int
    photos: int = Field(description="enrolled")
    sources: int = Field(description="cameras and streams that are watched")
    limits: LimitsInForce


class Model(Record):
    """A model that the service's machine has."""

    name: str
    digest: str
    embedding_size: int
    description: str
    in_use: bool


class Models(Record):
    """All models."""

    models: list[Model]


class Step(Record):
    """The threshold for a share of strangers named."""

    fpir: Rate
    threshold: Distance
    explanation: str


class CalibrationInForce(Record):
    """What distances mean among those enrolled now: a probability is 1 / (1 + exp(slope (distance - threshold)))."""

    model: str
    people: int
    comparisons: float
    fpir: Rate
    threshold: Distance
    slope: float
    explanation: str
    steps: Annotated[list[Step], Field(description="from 0.1 to 10 % of strangers named")]


@router.get("/health/live", response_model=Health)
async def live() -> dict[str, str]:
    """Whether the service runs; needs no token."""
    return {"status": "live"}


@router.get("/health/ready", response_model=Health, responses=documented("database"))
async def ready(engine: EngineOf) -> dict[str, str]:
    """Whether the service can answer: its model is loaded, its database readable; needs no token."""
    await engine.read(engine.gallery.snapshot)
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented() | {200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"}},
)
async def metrics(request: Request, engine: EngineOf) -> Response:
    """Counts and durations, for Prometheus."""
    request.app.state.metrics.waiting.set(engine.requests)
    return Response(request.app.state.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/service", response_model=Service, responses=documented("database"))
async def service(request: Request, engine: EngineOf) -> dict[str, Any]:
    """What the service is, and what it takes."""
    counts = await engine.read(lambda: engine.gallery.snapshot().photo_counts())
    kept, limits = engine.settings.strangers_kept, engine.settings.limits
    return {
        "version": VERSION,
        "model": engine.recognizer.bundle.name,
        "read_only": engine.settings.read_only,
        "strangers_kept": kept and kept.total_seconds(),
        "people": sum(counts.values()),
        "photos": sum(photos * people for photos, people in counts.items()),
        "sources": len(request.app.state.live.all()),
        "limits": {
            "photos": limits.photos,
            "photo_bytes": limits.photo_bytes,
            "request_bytes": limits.request_bytes,
        },
    }


@router.get("/models", response_model=Models, responses=documented("database"))
async def models(engine: EngineOf) -> dict[str, Any]:
    """The models that the service could be started with, and the one that it uses."""
    return {"models": await engine.read(lambda: _models(engine))}


def _models(engine: Engine) -> list[dict[str, Any]]:
    used = engine.recognizer.bundle
    bundles = [resolve_bundle(name) for name in find_bundles()]
    if used.digest not in {bundle.digest for bundle in bundles}:
        bundles.insert(0, used)
    return [
        {
            "name": bundle.name,
            "digest": bundle.digest,
            "embedding_size": bundle.embedding_size,
            "description": str(bundle.about.get("description", "")),
            "in_use": bundle.digest == used.digest,
        }
        for bundle in bundles
    ]


@router.get(
    "/calibration",
    response_model=CalibrationInForce,
    responses=documented("nobody-enrolled", "uncalibrated", "database"),
)
async def calibration(engine: EngineOf, fpir: Fpir = DEFAULT_FPIR) -> dict[str, Any]:
    """The threshold in force among those enrolled, why, and what it would be for other shares of strangers named."""
    return await engine.read(lambda: engine.kept(("calibration", fpir), lambda: _calibration(engine, fpir)))


def _calibration(engine: Engine, fpir: float) -> dict[str, Any]:
    snapshot, bundle = engine.gallery.snapshot(), engine.recognizer.bundle
    counts = counts_in(snapshot)
    first, *others = (rule_in(snapshot, bundle, rate=rate, photo_counts=counts).threshold for rate in (fpir, *STEPS))
    assert first.curve is not None
    return {
        "model": bundle.name,
        "people": first.people,
        "comparisons": first.comparisons,
        "fpir": fpir,
        "threshold": first.distance,
        "slope": first.curve.slope,
        "explanation": first.explanation,
        "steps": [
            {"fpir": rate, "threshold": step.distance, "explanation": step.explanation}
            for rate, step in zip(STEPS, others, strict=True)
        ],
    }
