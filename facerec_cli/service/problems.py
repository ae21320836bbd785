"""What went wrong, as clients read it: Problem Details for HTTP APIs (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from facerec_cli import errors
from facerec_cli.errors import FacerecError
from facerec_cli.json_text import json_text

LOG = logging.getLogger("facerec.service")
MEDIA_TYPE = "application/problem+json"
KINDS: Mapping[str, tuple[int, str]] = {
    "token": (401, "A token is needed"),
    "host": (421, "Not this service's name"),
    "origin": (403, "Asked for by another site"),
    "read-only": (403, "Read-only"),
    "not-found": (404, "Not found"),
    "unknown-person": (404, "No such person"),
    "method": (405, "Not to be done there"),
    "too-slow": (408, "Too slow"),
    "name-taken": (409, "Name taken"),
    "sources": (409, "Too many live sources"),
    "nobody-enrolled": (409, "Nobody enrolled"),
    "uncalibrated": (409, "Model not calibrated"),
    "too-large": (413, "Too large"),
    "media-type": (415, "Media type not taken"),
    "photo": (422, "Unusable photo"),
    "name": (422, "Unusable name"),
    "source": (422, "Unusable live source"),
    "invalid": (422, "Invalid request"),
    "database": (500, "Database unusable"),
    "internal": (500, "Internal error"),
    "busy": (503, "Busy"),
    "database-away": (503, "Database out of reach"),
}
"""What can go wrong: HTTP status and title."""

_BY_ERROR: Mapping[type[FacerecError], tuple[str, str]] = {
    errors.SeveralFacesError: ("photo", "{error}: crop it to the person, or say which face is meant."),
    errors.MissingDecoderError: ("photo", "{error}: save it as JPEG."),
    errors.PhotoTooLargeError: ("too-large", "{error}: {remedy}."),
    errors.PhotoError: ("photo", "{error}: {remedy}."),
    errors.UnknownPersonError: ("unknown-person", "Nobody of that name is enrolled: look who is."),
    errors.NameTakenError: ("name-taken", "Somebody of that name is enrolled: choose another, or merge the two."),
    errors.VideoError: ("source", "{error}: {remedy}."),
    errors.PersonError: ("name", "{error}: {remedy}."),
    errors.NobodyEnrolledError: ("nobody-enrolled", "Nobody is enrolled: enrol somebody first."),
    errors.UncalibratedModelError: ("uncalibrated", "The model is not calibrated: give a threshold."),
    errors.UnreachableDatabaseError: (
        "database-away",
        "The database of the service does not answer: ask again in a few seconds.",
    ),
    errors.UncertainChangeError: (
        "database",
        "The database of the service was lost as the change became final: look whether it is made.",
    ),
    errors.FacerecError: ("database", "The service cannot use its database or model: its log says why."),
}
"""By the error's class, or the nearest that it derives from: which problem, and in which words. What an error says
itself is told where it can name no path of this machine."""


_AWAY = 5
"""Seconds after which a database that did not answer may be back."""


class Problem(Exception):
    """A request that is not answered as asked."""

    def __init__(self, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **extras: Any) -> None:
        """Describe it.

        Args:
            kind: one of ``KINDS``.
            detail: one sentence: what is wrong, and what to do.
            headers: of the answer.
            extras: further members of it.
        """
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.extras = kind, detail, dict(headers or {}), extras
        self.status, self.title = KINDS[kind]

    def to_json(self) -> dict[str, Any]:
        """The problem as clients get it."""
        problem = {"type": f"urn:facerec:problem:{self.kind}", "title": self.title, "status": self.status}
        return problem | {"detail": self.detail} | self.extras

    def response(self) -> JSONResponse:
        """The answer."""
        return _ProblemResponse(self.to_json(), self.status, self.headers, MEDIA_TYPE)


class BusyProblem(Problem):
    """There is more to do than is taken on: the client is to come again."""

    def __init__(self, seconds: int = 1) -> None:
        """Say when."""
        detail = f"The service has more to do than it can: ask again in {seconds} s."
        super().__init__("busy", detail, headers={"Retry-After": str(seconds)})


class _ProblemResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        return json_text(content).encode()


def problem_of(error: FacerecError) -> Problem:
    """An error of the floors below, as clients may read it; what they may not goes to the log."""
    kind, words = next(_BY_ERROR[base] for base in type(error).__mro__ if base in _BY_ERROR)
    if KINDS[kind][0] >= 500:
        LOG.error("%s%s", error, f": {error.remedy}" if error.remedy else "")
    headers = {"Retry-After": str(_AWAY)} if kind == "database-away" else None
    return Problem(kind, words.format(error=error, remedy=error.remedy or "give another"), headers=headers)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """For a route's ``responses``: the problems it may answer, besides those that any may."""
    found: dict[int | str, dict[str, Any]] = {}
    away = ["database-away"] if "database" in kinds else []
    for kind in (*kinds, *away, "token", "host", "origin", "busy", "invalid"):
        status, title = KINDS[kind]
        example = {"type": f"urn:facerec:problem:{kind}", "title": title, "status": status, "detail": "…"}
        examples: dict[str, Any] = {}
        content = {MEDIA_TYPE: {"schema": _SCHEMA, "examples": examples}}
        known = found.setdefault(status, {"description": title, "content": content})
        known["content"][MEDIA_TYPE]["examples"][kind] = {"value": example}
        if title not in known["description"]:
            known["description"] += f"; {title[0].lower()}{title[1:]}"
    return found


_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "one sentence: what is wrong, and what to do"},
    },
    "required": ["type", "title", "status", "detail"],
}
