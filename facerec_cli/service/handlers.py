"""Has all that goes wrong in an application answered as problems."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Mount

from facerec_cli.errors import FacerecError
from facerec_cli.service.problems import Problem, problem_of
from facerec_cli.service.settings import API


def handle_problems(app: FastAPI) -> None:
    """Answer what goes wrong in an application."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(FacerecError)
    async def _error(_request: Request, error: FacerecError) -> JSONResponse:
        return problem_of(error).response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, invalid: RequestValidationError) -> JSONResponse:
        found = [{"in": list(map(str, error["loc"])), "problem": str(error["msg"])} for error in invalid.errors()]
        where, what = ".".join(found[0]["in"]), found[0]["problem"]
        return Problem("invalid", f"{where} is not as it should be: {what}.", errors=found).response()

    @app.exception_handler(HTTPException)
    async def _refused(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code in (404, 405) and request.url.path.startswith(API):
            error = _refused_by_api(request)
        kind, detail = {
            404: ("not-found", "There is nothing here: see /api/v1/openapi.json for what there is."),
            405: ("method", "That cannot be done here: see /api/v1/openapi.json for what can."),
        }.get(error.status_code, ("invalid", f"The request cannot be read ({error.detail}): see /api/v1/openapi.json."))
        return Problem(kind, detail, headers=error.headers).response()

    @app.exception_handler(Exception)
    async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
        return Problem("internal", "The service met something it did not expect: its log says what.").response()


def _refused_by_api(request: Request) -> HTTPException:
    """What cannot be done in the API: the page, which is asked last, knows the methods of files alone."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    methods = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return HTTPException(405, headers={"Allow": ", ".join(methods)}) if methods else HTTPException(404)
