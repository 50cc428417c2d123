"""Puts the pages into the Flask app: languages, forms' protection, templates, static files, error pages."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, request
from flask_babel import Babel
from flask_wtf.csrf import CSRFProtect
from markupsafe import Markup

from karvan.web import assets, cells, faults, plugin_pages
from karvan.web.pages import make_blueprint
from karvan.web.visit import Workspace, seal, this_visit

TRANSLATIONS = Path(__file__).parents[1] / "translations"


def setup(app: Flask, workspace: Workspace) -> None:
    """Make `app` show the pages of `workspace`. Call it once, before the first request; `app`
    needs its secret key by then.

    Whatever lies below `/api` is left alone: the API checks its own callers and answers its own errors.
    """
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)  # a form may stay open over a weekend
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)  # `_guard_forms` calls it, for pages only
    app.config.setdefault("SESSION_COOKIE_NAME", "karvan_page")
    app.config.setdefault("SESSION_COOKIE_SAMESITE", "Lax")
    app.config.setdefault("BABEL_TRANSLATION_DIRECTORIES", str(TRANSLATIONS))
    csrf = CSRFProtect(app)
    Babel(
        app,
        locale_selector=lambda: this_visit(workspace).formats.locale,
        timezone_selector=lambda: this_visit(workspace).formats.zone.key,
    )
    app.jinja_env.globals.update(
        icon=assets.icon,
        avatar=lambda name, classes="": Markup(cells.avatar(name, classes)),  # noqa: S704  escaped in there
        vendor_url=assets.vendor_url,
        own_url=assets.own_url,
        font_faces=assets.font_faces,
        safe_mode=workspace.settings.safe_mode,
    )
    blueprint = make_blueprint(workspace, csrf.protect)

    @blueprint.before_request
    def _guard_forms() -> None:
        if request.endpoint != plugin_pages.ENDPOINT:  # a public route of a plugin has no form of ours
            csrf.protect()

    @app.after_request
    def _seal_pages(answer: Response) -> Response:
        if answer.mimetype == "text/html" and not _is_api():
            seal(answer, this_visit(workspace).nonce)
        return answer

    app.add_url_rule("/static/<path:name>", "karvan_static", lambda name: assets.send_static(name))
    app.register_blueprint(blueprint)
    faults.install(app, workspace)


def _is_api() -> bool:
    return request.path == "/api" or request.path.startswith("/api/")
