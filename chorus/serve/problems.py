"""Errors as JSON of one line, with the status of their kind; the server stays up."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from chorus.errors import ChorusError
from chorus.serve.refusals import Busy, Unauthorized, status_of

_log = logging.getLogger(__name__)


def tell_problems(app: FastAPI) -> None:
    """Let every error of an app be a line."""
    app.add_exception_handler(ChorusError, _chorus)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _defect)


def _chorus(_: Request, error: Exception) -> JSONResponse:
    headers = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(error.seconds)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    status = status_of(error) if isinstance(error, ChorusError) else 500
    return _line(status, str(error), headers)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """The first of what does not fit, and how many more do not."""
    wrong = error.errors() if isinstance(error, RequestValidationError) else []
    where = ".".join(str(part) for part in wrong[0]["loc"]) if wrong else "request"
    got = " ".join(repr(wrong[0].get("input"))[:80].split()) if wrong else "another"
    more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return _line(422, f"{where}: {wrong[0]['msg'] if wrong else error}, got {got}{more}")


def _http(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else error
    return _line(status, f"{request.method} {request.url.path[:100]}: {detail}. See /docs.")


def _left(_: Request, error: Exception) -> JSONResponse:
    return _line(400, "upload: expected the whole file, got an end before it")  # which nobody reads


def _defect(_: Request, error: Exception) -> JSONResponse:
    """A card that is full, or a mistake of ours, which the log tells of."""
    if type(error).__name__ == "OutOfMemoryError":  # torch's
        return _line(507, f"model: the card's memory is used up: {str(error).splitlines()[0]}")
    return _line(500, f"defect: {type(error).__name__}; the server's log says where")


def _line(status: int, line: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": " ".join(line.split())}, status_code=status, headers=headers)
