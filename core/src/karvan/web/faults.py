"""Errors as pages. Below `/api` nothing is touched: the API answers its own."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable

from flask import Flask, Response, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response as Answer

from karvan.plugins import CallerUnknown
from karvan.web.visit import SESSION_COOKIE, Workspace, this_visit
from karvan_sdk.errors import (
    BadInput,
    FieldError,
    InUse,
    KarvanError,
    NotAllowed,
    NotSignedIn,
    PluginFailed,
    RecordNotFound,
    Unavailable,
    UnknownField,
    UnknownObject,
    UnknownPlugin,
)

log = logging.getLogger(__name__)
STATUS: dict[type[KarvanError], int] = {
    BadInput: 400,
    UnknownField: 400,
    CallerUnknown: 401,
    NotAllowed: 403,
    UnknownObject: 404,
    UnknownPlugin: 404,
    RecordNotFound: 404,
    InUse: 409,
    PluginFailed: 500,
    Unavailable: 503,
}


def say(error: FieldError | KarvanError) -> str:
    """The message of an error in the language of the page."""
    return str(_(error.template)).format(**error.params)


def by_field(errors: Iterable[FieldError]) -> dict[str, list[str]]:
    """The messages by field; those about the whole record stand under the empty name."""
    found: dict[str, list[str]] = {}
    for error in errors:
        found.setdefault(error.field, []).append(say(error))
    return found


def install(app: Flask, workspace: Workspace) -> None:
    """Answer what goes wrong on a page with a page."""

    def page(status: int, title: str, text: str, code: str = "") -> Response:
        visit = this_visit(workspace)
        html = render_template("error.html", visit=visit, status=status, title=title, text=text, code=code)
        return make_response(html, status)

    @app.errorhandler(NotSignedIn)
    def _to_login(error: NotSignedIn) -> Answer:
        actor = this_visit(workspace).actor
        if actor is not None and actor.credential is not None:
            workspace.actors.forget(actor.credential)  # what this worker remembered no longer holds
        here = request.full_path.rstrip("?") if request.method == "GET" else "/"
        answer = redirect(url_for("web.login", next=None if here == "/" else here))
        answer.delete_cookie(SESSION_COOKIE)
        return answer

    @app.errorhandler(CSRFError)
    def _stale_form(error: CSRFError) -> Response:
        return page(
            400,
            _("The form is too old"),
            _("Nothing was saved. Go back, reload the page and send it again."),
        )

    @app.errorhandler(KarvanError)
    def _known(error: KarvanError) -> Response:
        status = next((STATUS[c] for c in type(error).__mro__ if c in STATUS), 422)
        title = _title(status)
        return page(status, title, say(error))

    @app.errorhandler(HTTPException)
    def _plain(error: HTTPException) -> Response | HTTPException:
        status = error.code or 500
        if status < 400 or error.response is not None:
            return error
        code = ""
        if isinstance(error, InternalServerError):
            code = secrets.token_hex(3).upper()
            log.error("page failed, error id %s", code, exc_info=error.original_exception)
        return page(status, _title(status), _text(status), code)


def _title(status: int) -> str:
    titles = {
        403: _("Not allowed"),
        404: _("Not found"),
        409: _("Something needs it"),
        503: _("Not available now"),
    }
    if status >= 500:
        return str(titles.get(status) or _("Our fault"))
    return str(titles.get(status) or _("This can't be done"))


def _text(status: int) -> str:
    if status == 404:
        return str(_("There is nothing at this address, or it is not for you to see."))
    if status >= 500:
        return str(_("Nothing was saved. Try again; if it happens again, tell your administrator."))
    return str(_("Go back and try another way."))
