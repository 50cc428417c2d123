"""One Flask app over one workspace: where the surfaces are put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from jinja2 import PackageLoader
from werkzeug.wrappers import Response as WerkzeugResponse

from karvan import api, web
from karvan.database.models import db
from karvan.settings import Settings, load_settings
from karvan.vault import read_secret
from karvan.workspace import Workspace

API_PATHS = ("/api", "/health", "/ready", "/metrics")


class Sessions(SecureCookieSessionInterface):
    """Flask's signed session (it holds the forms' tokens only), not looked for where no cookie came."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request; without its cookie an empty one, for which no signer is built."""
        if self.get_cookie_name(app) not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)


class App(Flask):
    """Flask, whose errors below the API's paths are problems (RFC 9457) whatever their origin.

    Error handlers of blueprints don't see a path that no route matches, so this is decided here.
    """

    body_max: int = 0
    session_interface = Sessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: no view here is asynchronous, and asking costs each request."""
        return func

    def handle_user_exception(self, e: Exception) -> WerkzeugResponse:
        """Answer an exception that was raised while a request was served."""
        if not is_api_path(request.path):
            return super().handle_user_exception(e)  # type: ignore[return-value]
        return api.answer_exception(e, method=request.method, path=request.path, body_max=self.body_max)


def is_api_path(path: str) -> bool:
    """Whether errors at this path are answered as problems."""
    return any(path == known or path.startswith(f"{known}/") for known in API_PATHS)


def create_app(settings: Settings | None = None, workspace: Workspace | None = None) -> Flask:
    """The app of a workspace; without one it is opened with `settings`, else with the environment's."""
    if workspace is None:
        workspace = Workspace(settings or load_settings())
    settings = workspace.settings
    app = App("karvan", static_folder=None)
    app.body_max = settings.body_max
    app.url_map.merge_slashes = False  # an address names one thing; two slashes name nothing
    app.config.update(
        MAX_CONTENT_LENGTH=settings.body_max,
        KARVAN_ENGINE=workspace.database.engine,
        SQLALCHEMY_DATABASE_URI=settings.url,
        SECRET_KEY=read_secret(settings.home),
    )
    app.extensions["karvan"] = workspace
    app.teardown_request(lambda exc: workspace.deferred.run())
    app.jinja_loader = PackageLoader("karvan.api")
    db.init_app(app)
    api.setup(app, workspace)
    web.setup(app, workspace)
    app.teardown_request(lambda exc: workspace.figures.write_when_due())
    return app
