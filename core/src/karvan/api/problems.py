"""The only place that knows HTTP statuses: one table from error class to status, one error body (RFC 9457).

Where the fault stands decides between 400 and 422: in the query, a header or the JSON itself it is 400, in
the values of a well-formed body 422. `docs/rest.md` holds the table; a test holds it to this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import RoutingException

from karvan.api.reply import Reply
from karvan.mail import MailFailed
from karvan.metadata.store import NotMade
from karvan.plugins import CallerUnknown, CodeRefused, IndexFailed
from karvan.vault import SecretLost
from karvan_sdk import errors as sdk
from karvan_sdk.errors import FieldError, KarvanError, ValidationFailed
from karvan_sdk.expressions import ExpressionError

log = logging.getLogger(__name__)


class RouteNotFound(KarvanError):
    """Nothing answers at this path."""

    code = "no_route"
    template = "Nothing answers at {path}."


class FieldNotFound(sdk.UnknownField):
    """The field that the path names does not exist."""


class RelationNotFound(KarvanError):
    """The relation that the path names does not exist."""

    code = "unknown_relation"
    template = "'{object}' has no relation '{relation}'."


class WrongMethod(KarvanError):
    """The path is known, the method is not offered there."""

    code = "method_not_allowed"
    template = "{method} is not offered at {path}; use {allowed}."


class BadRequest(KarvanError):
    """The request as a whole can't be understood."""

    code = "bad_request"
    template = "{reason}"


class BadQuery(KarvanError):
    """One or more query parameters or headers can't be understood; `errors` lists all of them."""

    code = "bad_query"
    template = "{summary}"

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(summary=ValidationFailed(self.errors).message)


class BadJson(KarvanError):
    """The body is not JSON."""

    code = "bad_json"
    template = "The body is not JSON: {reason}"


class WrongMediaType(KarvanError):
    """The body is not declared as JSON."""

    code = "wrong_media_type"
    template = "The body must be sent as application/json, not as '{given}'."


class BodyTooLarge(KarvanError):
    """The body is larger than the setting `body_max`."""

    code = "body_too_large"
    template = "The body is larger than {limit} bytes. Send less at once."


class VersionNeeded(KarvanError):
    """A change needs `If-Match`, so that nobody's change is overwritten unseen (RFC 6585)."""

    code = "version_needed"
    template = "Send If-Match with the record's ETag (or * to overwrite whatever stands there)."


class IdempotencyMismatch(KarvanError):
    """The same `Idempotency-Key` came with another request."""

    code = "idempotency_mismatch"
    template = "The Idempotency-Key was used for another request. Choose a new key for a new request."


class CsrfFailed(KarvanError):
    """A change with the session cookie needs the token of the page in `X-CSRFToken`."""

    code = "csrf_failed"
    template = "The X-CSRFToken header is missing or wrong. Reload the page and try again."


class Broken(KarvanError):
    """A fault of Karvan itself; the log has the details, the answer has none."""

    code = "internal_error"
    template = "Something went wrong on our side. It was written to the log."


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one class of errors is answered."""

    status: int
    title: str


def _row(status: int, title: str) -> Answer:
    return Answer(status=status, title=title)


ANSWERS: Mapping[type[KarvanError], Answer] = MappingProxyType(
    {
        BadJson: _row(400, "The body is not JSON"),
        BadQuery: _row(400, "The query can't be understood"),
        BadRequest: _row(400, "The request can't be understood"),
        ExpressionError: _row(400, "The expression can't be understood"),
        sdk.BadInput: _row(400, "The input can't be understood"),
        sdk.InvalidName: _row(400, "The name breaks the naming rules"),
        sdk.UnknownField: _row(400, "No such field"),
        sdk.NotSignedIn: _row(401, "Sign in first"),
        CallerUnknown: _row(401, "Caller unknown"),
        CsrfFailed: _row(403, "The page's token is missing"),
        sdk.NotAllowed: _row(403, "Not allowed"),
        RouteNotFound: _row(404, "Nothing here"),
        FieldNotFound: _row(404, "No such field"),
        RelationNotFound: _row(404, "No such relation"),
        sdk.RecordNotFound: _row(404, "No such record"),
        sdk.UnknownObject: _row(404, "No such object"),
        sdk.UnknownPlugin: _row(404, "No such plugin"),
        WrongMethod: _row(405, "Method not offered"),
        sdk.Conflict: _row(409, "It exists already"),
        sdk.InUse: _row(409, "Something needs it"),
        CodeRefused: _row(409, "The code can't be put in place"),
        sdk.PluginRefused: _row(409, "The plugin can't be switched now"),
        sdk.SchemaRefused: _row(409, "The schema can't be changed this way"),
        sdk.VersionMismatch: _row(412, "Changed by somebody else"),
        BodyTooLarge: _row(413, "The body is too large"),
        WrongMediaType: _row(415, "Send JSON"),
        IdempotencyMismatch: _row(422, "The key was used for another request"),
        sdk.ManifestInvalid: _row(422, "The manifest is not valid"),
        sdk.Rejected: _row(422, "Refused by a rule of a plugin"),
        ValidationFailed: _row(422, "The values are not valid"),
        VersionNeeded: _row(428, "Say which version you changed"),
        Broken: _row(500, "Our fault"),
        sdk.PluginFailed: _row(500, "A plugin failed"),
        sdk.HttpFailed: _row(502, "Another server did not answer"),
        MailFailed: _row(502, "The mail server did not take it"),
        IndexFailed: _row(502, "The index can't be trusted or asked"),
        NotMade: _row(503, "No workspace yet"),
        SecretLost: _row(503, "A secret can't be opened"),
        sdk.TryLater: _row(503, "Not now"),
        sdk.Unavailable: _row(503, "Not available now"),
    }
)
"""Every error that may leave the API. A class that is not here is answered as its nearest base is."""

MEDIA_TYPE = "application/problem+json"
_OTHER = Answer(status=500, title="Our fault")


def answer_of(error: KarvanError) -> Answer:
    """The row of the table for an error."""
    for cls in type(error).__mro__:
        found = ANSWERS.get(cls)
        if found:
            return found
    return _OTHER


def problem_body(error: KarvanError) -> dict[str, Any]:
    """The error body: the same keys whatever the origin."""
    answer = answer_of(error)
    body: dict[str, Any] = {
        "type": f"/docs/errors#{error.code}",
        "title": answer.title,
        "status": answer.status,
        "code": error.code,
        "detail": error.message,
        "errors": [e.as_dict() for e in findings_of(error)],
    }
    if isinstance(error, sdk.VersionMismatch):
        body["current_version"] = error.current
    if isinstance(error, sdk.PluginFailed):
        body["plugin"] = error.plugin
    return body


def findings_of(error: KarvanError) -> tuple[FieldError, ...]:
    """What the error says about single inputs."""
    found = getattr(error, "errors", None)
    if found is not None:
        return tuple(found)
    field = getattr(error, "field", "")
    if field:
        return (FieldError(field=field, code=error.code, template=error.template, params=error.params),)
    return ()


def at_input(error: KarvanError, field: str) -> list[FieldError]:
    """The findings of an error, each naming the input (a parameter or a key of the body) it came in by."""
    found = findings_of(error)
    if not found:
        return [FieldError(field=field, code=error.code, template=error.template, params=error.params)]
    return [FieldError(field=field, code=f.code, template=f.template, params=f.params) for f in found]


def problem_reply(error: KarvanError) -> Reply:
    """The answer to an error, with the headers that its status asks for."""
    answer = answer_of(error)
    body = problem_body(error)
    headers = []
    if isinstance(error, sdk.NotSignedIn):
        headers.append(("WWW-Authenticate", "Bearer"))
    if isinstance(error, WrongMethod):
        headers.append(("Allow", str(error.params["allowed"])))
    if answer.status == 503:
        headers.append(("Retry-After", str(error.params.get("retry_after", 1))))
    return Reply(orjson.dumps(body), answer.status, headers, media_type=MEDIA_TYPE)


def answer_exception(exc: Exception, *, method: str, path: str, body_max: int) -> Reply:
    """The answer to whatever was raised while a request of the API was served.

    An exception that nobody foresaw is logged with its trace and answered without details.
    """
    error = _as_karvan(exc, method=method, path=path, body_max=body_max)
    if answer_of(error).status == 500:
        log.error("%s %s failed", method, path, exc_info=exc)
    return problem_reply(error)


def _as_karvan(exc: Exception, *, method: str, path: str, body_max: int) -> KarvanError:
    if isinstance(exc, KarvanError):
        return exc
    if isinstance(exc, MethodNotAllowed):
        allowed = ", ".join(sorted(exc.valid_methods or ()))
        return WrongMethod(method=method, path=path[:200], allowed=allowed)
    if isinstance(exc, RequestEntityTooLarge):
        return BodyTooLarge(limit=body_max)
    if isinstance(exc, RoutingException) or (isinstance(exc, HTTPException) and exc.code == 404):
        return RouteNotFound(path=path[:200])
    if isinstance(exc, HTTPException) and exc.code and 400 <= exc.code < 500:
        return BadRequest(reason=exc.description or "The request can't be understood.")
    return Broken()
