"""The API of plugins: one catch-all below `/api/x/<plugin>`, with the callers and errors of REST."""

from __future__ import annotations

from typing import Any, NoReturn

from flask import Flask, request
from werkzeug.wrappers import Response

from karvan.access.actors import Actor
from karvan.api.call import Workspace, identify
from karvan.plugins import Door, serve
from karvan_sdk.errors import NotAllowed, NotSignedIn

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def add_plugin_routes(app: Flask, workspace: Workspace) -> None:
    """Add the catch-all to the app. It is one route for ever: plugins come and go behind it."""
    door = Door(
        surface="api",
        identify=lambda: _proved(workspace),
        moment=lambda actor, source, catalog: workspace.records.moment(actor, source=source, catalog=catalog),
        draw=_no_pages,
        frame=_no_pages,
    )

    def answer(plugin: str, path: str = "") -> Response:
        return serve(workspace.host, door, plugin, f"/{path}", request)

    for rule in ("/api/x/<plugin>", "/api/x/<plugin>/", "/api/x/<plugin>/<path:path>"):
        app.add_url_rule(
            rule, endpoint="api.plugin", view_func=answer, methods=METHODS, provide_automatic_options=False
        )


def _proved(workspace: Workspace) -> Actor:
    """Who is asking, as the database knows him now."""
    actor = identify(workspace, request.environ)
    try:
        reader = workspace.records.read(actor)
        reader.prove()
    except NotSignedIn:
        if actor.credential is not None:
            workspace.actors.forget(actor.credential)
        raise
    return reader.actor


def _no_pages(*_: Any) -> NoReturn:
    raise NotAllowed(action="draw", object="a page", reason="an endpoint of the API answers with data.")
