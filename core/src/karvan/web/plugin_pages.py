"""Pages of plugins, their templates, and the frame around them: one catch-all below `/x/<plugin>`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, render_template, request
from flask_babel import gettext as _
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.wrappers import Response

from karvan.plugins import Door, serve
from karvan.web import assets
from karvan.web.cells import avatar, moment_html
from karvan.web.formats import Formats
from karvan.web.visit import Workspace, signed_in, this_visit

METHODS = ("GET", "HEAD", "POST")
ENDPOINT = "web.plugin_page"


def add_routes(web: Blueprint, workspace: Workspace, check_form: Callable[[], None]) -> None:
    """The catch-all; `check_form` refuses a form that does not come from our own page."""

    def identify() -> Any:
        actor = signed_in(workspace)
        reader = workspace.records.read(actor)
        reader.prove()
        check_form()
        return reader.actor

    door = Door(
        surface="page",
        identify=identify,
        moment=lambda actor, source, catalog: workspace.records.moment(
            actor, source=source, language=this_visit(workspace).language, catalog=catalog
        ),
        draw=draw,
        frame=frame,
    )

    def plugin_page(plugin: str, path: str = "") -> Response:
        return serve(workspace.host, door, plugin, f"/{path}", request)

    for rule in ("/x/<plugin>", "/x/<plugin>/", "/x/<plugin>/<path:path>"):
        web.add_url_rule(rule, "plugin_page", plugin_page, methods=METHODS, provide_automatic_options=False)


def draw(ctx: Any, template: str, values: Mapping[str, Any]) -> str:
    """HTML of a plugin's own template, with the formats and macros that its author may use."""
    if ctx.package is None:
        raise FileNotFoundError(f"Plugin '{ctx.plugin}' has no package with templates.")
    found = _environment(ctx.package).get_template(template)
    visit = _visit()
    return found.render(
        **{
            "ctx": ctx,
            "_": ctx.t,
            "ui": _macros(),
            "formats": visit.formats,
            "language": visit.language,
            **_shown(visit.formats),
            **values,
        }
    )


def frame(ctx: Any, title: str, html: str) -> str:
    """A plugin's HTML as a whole page; without our navigation for who is not signed in."""
    template = "plugin_door.html" if _visit().actor is None else "plugin_page.html"
    return render_template(template, title=title, content=Markup(html))  # noqa: S704  drawn above


@lru_cache(maxsize=256)
def _environment(package: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader(package / "templates"), autoescape=True, undefined=StrictUndefined
    )
    made.globals.update(icon=assets.icon, avatar=lambda name, classes="": Markup(avatar(name, classes)))  # noqa: S704
    return made


def _visit() -> Any:
    return this_visit(current_app.extensions["karvan"])


def _macros() -> Any:
    """The macros of the pages, with the texts and the form's token of this request."""
    context: dict[str, Any] = {}
    current_app.update_template_context(context)
    return current_app.jinja_env.get_template("ui.html").make_module({**context, "_": _})


def _shown(formats: Formats) -> Mapping[str, Any]:
    """Functions that show a JSON value of the API in the reader's language; empty for None."""

    def money(value: Any, code: str | None = None) -> str:
        return "" if value in (None, "") else formats.money(_number_of(value), code, 2)

    def number(value: Any, scale: int | None = None) -> str:
        if value in (None, ""):
            return ""
        found = _number_of(value)
        if scale is None:
            found = found.normalize() if found else Decimal(0)
            scale = max(0, -int(found.as_tuple().exponent))
        return formats.number(found, scale)

    def percent(value: Any) -> str:
        return "" if value in (None, "") else formats.percent(_number_of(value))

    def day(value: str | None) -> str:
        return formats.day(date.fromisoformat(value)) if value else ""

    def moment(value: str | None) -> Markup:
        return Markup(moment_html(value, formats)) if value else Markup("")  # noqa: S704  escaped in there

    return {"money": money, "number": number, "percent": percent, "day": day, "moment": moment}


def _number_of(value: Any) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation as exc:
        raise ValueError(f"{value!r} is no number.") from exc
