"""One request of a page: who asks, in which language, zone and colours, and how the answer is sealed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from flask import Response, g, request

from karvan.access.actors import Actor, Actors
from karvan.plugins import FigureStore, Host, PluginSettings
from karvan.records.reader import Reader
from karvan.records.service import Records
from karvan.settings import Settings
from karvan.web.formats import Formats, zone_of
from karvan.widgets import Layouts
from karvan_sdk.errors import NotSignedIn
from karvan_sdk.text import LANGUAGES

SESSION_COOKIE = "karvan_session"
LANGUAGE_COOKIE = "karvan_language"
THEME_COOKIE = "karvan_theme"
THEMES = ("auto", "light", "dark")
YEAR = 365 * 24 * 3600


class Workspace(Protocol):
    """What the pages need of a workspace (`karvan.workspace.Workspace` is one)."""

    @property
    def actors(self) -> Actors: ...
    @property
    def records(self) -> Records: ...
    @property
    def settings(self) -> Settings: ...
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


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What is known of the one who looks at the page. `nonce` lets our own inline style through."""

    actor: Actor | None
    formats: Formats
    theme: str
    nonce: str

    @property
    def language(self) -> str:
        """The language of the page."""
        return self.formats.language


def this_visit(workspace: Workspace) -> Visit:
    """The visit of this request, made on first use."""
    found: Visit | None = g.get("karvan_visit")
    if found is None:
        found = g.karvan_visit = _begin(workspace)
    return found


def signed_in(workspace: Workspace) -> Actor:
    """The actor of this request; raises NotSignedIn."""
    actor = this_visit(workspace).actor
    if actor is None:
        raise NotSignedIn
    return actor


def reader_of(workspace: Workspace) -> Reader:
    """The reader of this request, so that a page is made from one catalog: the one in force now.

    Proved at once, because a page puts together what it reads from several places: half of it from a
    catalog that this process has not seen to be gone would name what is no longer there.
    """
    found: Reader | None = g.get("karvan_reader")
    if found is None:
        found = workspace.records.read(signed_in(workspace))
        found.prove()
        g.karvan_reader = found
    return found


def _begin(workspace: Workspace) -> Visit:
    cookie = request.cookies.get(SESSION_COOKIE)
    actor = workspace.actors.by_session(cookie) if cookie else None
    theme = request.cookies.get(THEME_COOKIE, "auto")
    zone = (actor.timezone if actor else "") or workspace.settings.timezone
    return Visit(
        actor=actor,
        formats=Formats(language=_language(workspace, actor), zone=zone_of(zone), now=datetime.now(UTC)),
        theme=theme if theme in THEMES else "auto",
        nonce=secrets.token_urlsafe(16),
    )


def _language(workspace: Workspace, actor: Actor | None) -> str:
    """What was chosen in this browser, else the person's language, else the browser's.

    The cookie goes first because another worker may still know the person's language of a moment ago.
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    if actor is not None and actor.language in LANGUAGES:
        return actor.language
    return request.accept_languages.best_match(LANGUAGES) or workspace.settings.language


def local_address(address: str | None) -> str:
    """An address of our own to go on to; whatever leads elsewhere becomes the home page."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\", "/login")):
        return "/"
    return "/" if any(ord(c) < 32 for c in address) else address


def keep(answer: Response, name: str, value: str, max_age: int) -> None:
    """Set a cookie that scripts can't read and other sites can't send along."""
    answer.set_cookie(
        name, value, max_age=max_age, httponly=True, samesite="Lax", secure=request.is_secure, path="/"
    )


def seal(answer: Response, nonce: str) -> Response:
    """Add the headers that keep a page from running or showing what is not ours."""
    answer.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    answer.headers.setdefault("Cache-Control", "no-store")
    return answer
