"""One request of the API: who asks and what was sent, read straight from the WSGI environment."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol

import orjson
from flask import request
from flask_wtf.csrf import validate_csrf

from karvan.access.actors import TOKEN_PREFIX, Actor, Actors
from karvan.api.problems import BadJson, CsrfFailed, WrongMediaType
from karvan.database import Database
from karvan.metadata.schemas import Schemas
from karvan.metadata.store import Catalogs
from karvan.plugins import FigureStore, Host, PluginSettings
from karvan.records.service import Records
from karvan.settings import Settings
from karvan.widgets import Layouts
from karvan_sdk.errors import FieldError, NotAllowed, NotSignedIn, ValidationFailed

SESSION_COOKIE = "karvan_session"
SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class Workspace(Protocol):
    """What the API needs of a workspace (`karvan.workspace.Workspace` is one)."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def catalogs(self) -> Catalogs: ...
    @property
    def actors(self) -> Actors: ...
    @property
    def records(self) -> Records: ...
    @property
    def schema(self) -> Any: ...
    @property
    def plugins(self) -> Any: ...
    @property
    def plugin_settings(self) -> PluginSettings: ...
    @property
    def host(self) -> Host: ...
    @property
    def figures(self) -> FigureStore: ...
    @property
    def layouts(self) -> Layouts: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `actor` is as this worker knows it; reads and writes prove it."""

    workspace: Workspace
    environ: Mapping[str, Any]
    actor: Actor
    schemas: Schemas

    @property
    def query(self) -> str:
        """The query string as it was sent."""
        text: str = self.environ["QUERY_STRING"]
        return text

    def header(self, name: str) -> str | None:
        """A request header, by its WSGI name (`HTTP_IF_MATCH`)."""
        return self.environ.get(name)

    def read_body(self) -> tuple[bytes, Any]:
        """The bytes of the body and the JSON in them.

        Raises WrongMediaType, BadJson, and Werkzeug's RequestEntityTooLarge.
        """
        given = self.environ.get("CONTENT_TYPE") or ""
        if given.partition(";")[0].strip().lower() != "application/json":
            raise WrongMediaType(given=given[:80])
        body = request.get_data(cache=False)
        try:
            return body, orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise BadJson(reason=str(exc)) from exc

    def read_object(self) -> tuple[bytes, dict[str, Any]]:
        """The bytes of the body and the JSON object in them; another JSON value raises ValidationFailed."""
        body, value = self.read_body()
        if not isinstance(value, dict):
            raise ValidationFailed(
                [FieldError(field="", code="wrong_type", template="The body must be a JSON object.")]
            )
        return body, value

    def prove(self) -> Actor:
        """The actor as the database knows it now; raises NotSignedIn when the sign-in has ended."""
        reader = self.workspace.records.read(self.actor)
        reader.prove()
        return reader.actor

    def prove_admin(self, what: str) -> Actor:
        """The actor, who must be an administrator to change `what`; raises NotAllowed otherwise."""
        actor = self.prove()
        if not actor.is_admin:
            raise NotAllowed(action="change", object=what, reason="it needs an administrator.")
        return actor

    def hash_request(self, body: bytes) -> str:
        """What tells this request from another one with the same Idempotency-Key."""
        environ = self.environ
        digest = hashlib.sha256()
        for part in (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"]):
            digest.update(part.encode() + b"\0")
        digest.update(body)
        return digest.hexdigest()


def identify(workspace: Workspace, environ: Mapping[str, Any]) -> Actor:
    """Who is asking: a bearer token, or the session cookie together with the page's CSRF token.

    Raises NotSignedIn or CsrfFailed.
    """
    authorization = environ.get("HTTP_AUTHORIZATION")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        actor = None
        if scheme.lower() == "bearer" and token.startswith(TOKEN_PREFIX):
            actor = workspace.actors.by_token(token)
    else:
        cookie = _session_of(environ.get("HTTP_COOKIE"))
        actor = workspace.actors.by_session(cookie) if cookie else None
        if actor is not None and environ["REQUEST_METHOD"] not in SAFE:
            _check_csrf(environ.get("HTTP_X_CSRFTOKEN"))
    if actor is None:
        raise NotSignedIn
    return actor


def _session_of(cookies: str | None) -> str | None:
    if not cookies or SESSION_COOKIE not in cookies:
        return None
    try:
        found = SimpleCookie(cookies).get(SESSION_COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _check_csrf(token: str | None) -> None:
    try:
        validate_csrf(token)
    except ValueError as exc:  # wtforms' ValidationError is one
        raise CsrfFailed from exc
