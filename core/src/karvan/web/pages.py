"""The pages that belong to no object: the door, home, settings; and the blueprint that holds them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from karvan.metadata.catalog import ObjectType
from karvan.records.shapes import ListQuery
from karvan.web import lists, plugin_pages, plugin_settings, records, widgets, xray
from karvan.web.assets import vendor_files
from karvan.web.cells import expandable, moment_html
from karvan.web.formats import LANGUAGE_NAMES
from karvan.web.visit import (
    LANGUAGE_COOKIE,
    SESSION_COOKIE,
    THEME_COOKIE,
    THEMES,
    YEAR,
    Workspace,
    keep,
    local_address,
    reader_of,
    signed_in,
    this_visit,
)
from karvan_sdk.errors import NotSignedIn
from karvan_sdk.text import LANGUAGES

RECENT = 5
OPEN_TO_ALL = frozenset({"web.login", "web.sign_in", "web.choose_look", plugin_pages.ENDPOINT})
"""What answers without a signed-in person; pages of plugins know their callers themselves."""


def make_blueprint(workspace: Workspace, check_form: Callable[[], None]) -> Blueprint:
    """All pages of a workspace. `check_form` refuses a form that does not come from one of them."""
    web = Blueprint("web", __name__, template_folder="templates")

    @web.before_request
    def _needs_actor() -> None:
        if request.endpoint not in OPEN_TO_ALL:
            signed_in(workspace)

    @web.context_processor
    def _for_every_page() -> dict[str, Any]:
        visit = this_visit(workspace)
        return {
            "visit": visit,
            "formats": visit.formats,
            "language": visit.language,
            "objects": _Objects(workspace),
            "plural": lambda object_type: plural(object_type, visit.language),
            "singular": lambda object_type: singular(object_type, visit.language),
            "moment": lambda value: Markup(moment_html(value, visit.formats)),  # noqa: S704  escaped in there
            "example": example,
            "languages": LANGUAGE_NAMES,
            "themes": THEMES,
            "complete": bool(vendor_files()),
            "widgets_on": lambda slot, object="": widgets.on(workspace, slot, object),
            "slot_address": widgets.address,
        }

    @web.get("/login")
    def login() -> str | Response:
        if this_visit(workspace).actor is not None:
            return redirect("/")
        return render_template(
            "login.html", error="", email="", after=local_address(request.args.get("next"))
        )

    @web.post("/login")
    def sign_in() -> str | Response | tuple[str, int]:
        email, after = request.form.get("email", ""), local_address(request.form.get("next"))
        try:
            cookie = workspace.actors.sign_in(email, request.form.get("password", ""))
        except NotSignedIn:
            text = _("This address and password don't belong together.")
            return render_template("login.html", error=text, email=email, after=after), 422
        answer = redirect(after)
        keep(answer, SESSION_COOKIE, cookie, workspace.settings.session_days * 24 * 3600)  # type: ignore[arg-type]
        return answer

    @web.post("/logout")
    def logout() -> Response:
        workspace.actors.sign_out(request.cookies.get(SESSION_COOKIE, ""))
        answer = redirect(url_for("web.login"))
        answer.delete_cookie(SESSION_COOKIE)
        answer.delete_cookie(LANGUAGE_COOKIE)  # the next person has a language of their own
        return answer

    @web.post("/settings/look")
    def choose_look() -> Response:
        """Language and colours; for who is signed in the language goes with the person."""
        actor = this_visit(workspace).actor
        answer = redirect(local_address(request.form.get("next")))
        language, theme = request.form.get("language"), request.form.get("theme")
        if language in LANGUAGES:
            keep(answer, LANGUAGE_COOKIE, language, YEAR)  # type: ignore[arg-type]
            if actor is not None and actor.id is not None:
                workspace.actors.set_preferences(actor.id, language=language, timezone=actor.timezone)
        if theme in THEMES:
            keep(answer, THEME_COOKIE, theme, YEAR)  # type: ignore[arg-type]
        return answer

    @web.get("/")
    def home() -> str:
        reader = reader_of(workspace)
        visit = this_visit(workspace)
        shown = [o for o in reader.catalog.objects.values() if o.declaration.in_navigation]
        cards = [_card(reader, object_type, visit) for object_type in shown]
        return render_template("home.html", cards=cards)

    @web.get("/settings")
    def settings() -> str:
        reader_of(workspace)
        language = this_visit(workspace).language
        plugins = [p.as_dict(language) for p in workspace.plugins.list() if p.enabled]
        return render_template("settings.html", plugins=plugins)

    plugin_pages.add_routes(web, workspace, check_form)
    widgets.add_routes(web, workspace)
    xray.add_routes(web, workspace)
    plugin_settings.add_routes(web, workspace)
    lists.add_routes(web, workspace)
    records.add_routes(web, workspace)
    return web


class _Objects:
    """The objects that a page lists, read when it does: an error page must not need the database."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __iter__(self) -> Iterator[ObjectType]:
        if this_visit(self._workspace).actor is None:
            return iter(())
        return iter(reader_of(self._workspace).catalog.objects.values())


def _card(reader: Any, object_type: ObjectType, visit: Any) -> dict[str, Any]:
    name = object_type.name_field
    query = ListQuery(
        sort=("-updated_at",), limit=RECENT, count="estimate", fields=("id", name, "updated_at", "owner"),
        expand=expandable([object_type.fields["owner"]]),
    )  # fmt: skip
    page = reader.list(object_type.name, query)
    return {
        "object": object_type,
        "count": lists.shown_count(page, visit.formats),
        "rows": [lists.with_title(object_type, row) for row in page.rows],
    }


def example(object_type: ObjectType) -> str:
    """A filter that works for this object, to show how one is written."""
    for field in object_type.own_fields.values():
        if field.kind.name == "select" and field.declaration.options:
            return f'{field.name} = "{field.declaration.options[0].value}"'
    return "created_at in last_days(7)"


def plural(object_type: ObjectType, language: str) -> str:
    """What many records of an object are called."""
    declared = object_type.declaration
    return declared.label_plural(language) or declared.label(language) or object_type.name


def singular(object_type: ObjectType, language: str) -> str:
    """What one record of an object is called."""
    return object_type.declaration.label(language) or object_type.name
