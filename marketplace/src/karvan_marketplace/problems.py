"""The only place that knows the statuses of errors: one table, one body (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestedRangeNotSatisfiable

from karvan_marketplace import errors
from karvan_sdk.errors import KarvanError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[type[KarvanError], HTTPStatus] = MappingProxyType(
    {
        errors.QueryTooLong: HTTPStatus.BAD_REQUEST,
        errors.NotOffered: HTTPStatus.NOT_FOUND,
        errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    }
)
"""Every error that may leave the marketplace; a class that is not here is answered as its base is."""


def status_of(error: Exception) -> HTTPStatus:
    """The status of an answer to an error."""
    if isinstance(error, HTTPException) and error.code:
        return HTTPStatus(error.code)
    for cls in type(error).__mro__:
        if cls in STATUSES:
            return STATUSES[cls]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def log_faults(error: Exception, method: str, path: str) -> None:
    """Write what nobody foresaw to the log."""
    if status_of(error) is HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s failed", method, path, exc_info=error)


def problem(error: Exception, *, method: str, path: str) -> Response:
    """The answer to whatever was raised. What nobody foresaw is answered without details."""
    status = status_of(error)
    code, detail = _words(error, status, method, path[:200])
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    answer = Response(json.dumps(body) + "\n", status.value, content_type=MEDIA_TYPE)
    answer.headers["Cache-Control"] = "no-store"
    if isinstance(error, MethodNotAllowed):
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    if isinstance(error, RequestedRangeNotSatisfiable):
        answer.headers["Content-Range"] = f"bytes */{error.length}"
    if isinstance(error, errors.NotAcceptable):
        answer.headers["Vary"] = "Accept"
    return answer


def _words(error: Exception, status: HTTPStatus, method: str, path: str) -> tuple[str, str]:
    """The stable code and the sentence."""
    if isinstance(error, KarvanError) and status is not HTTPStatus.INTERNAL_SERVER_ERROR:
        return error.code, error.message
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return "method_not_allowed", f"{method} is not offered at {path}; use {allowed}."
    if status is HTTPStatus.NOT_FOUND:
        return "no_route", f"Nothing answers at {path}."
    if isinstance(error, HTTPException) and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "bad_request", error.description or "The request can't be understood."
    return "internal_error", "Something went wrong on our side. It was written to the log."
