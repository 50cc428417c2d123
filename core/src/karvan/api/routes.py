"""The table of all routes of the API, and the one way from a request to its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, request
from werkzeug.routing import BaseConverter

from karvan.api import audit, meta, plugins, records, system, widgets
from karvan.api.call import Call, Workspace, identify
from karvan.api.docs import add_docs
from karvan.api.plugin_routes import add_plugin_routes
from karvan.api.reply import Reply
from karvan.metadata.schemas import Schemas
from karvan_sdk.errors import NotSignedIn

View = Callable[..., Reply]


@dataclass(frozen=True, kw_only=True)
class Route:
    """A path below `/api/v1` with what answers there, by method."""

    path: str
    views: dict[str, View]


class RecordId(BaseConverter):
    """A record id in a path: digits that Python's `int` takes without a limit of its own."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        """The number."""
        return int(value)


def _route(path: str, **views: View) -> Route:
    return Route(path=path, views=views)


ROUTES = (
    _route("/records/<object>", GET=records.list_records, POST=records.create_record),
    _route(
        "/records/<object>/<record_id:id>",
        GET=records.get_record, PATCH=records.update_record, DELETE=records.delete_record,
    ),
    _route("/records/<object>/<record_id:id>/history", GET=records.list_history),
    _route("/records/<object>/<record_id:id>/related/<relation>", GET=records.list_related),
    _route("/records/<object>/<record_id:id>/restore", POST=records.restore_record),
    _route("/records/<object>/bulk", POST=records.change_many),
    _route("/records/<object>/aggregate", POST=records.aggregate_records),
    _route("/trash/<object>", GET=records.list_trash),
    _route("/meta/objects", GET=meta.list_objects, POST=meta.create_object),
    _route(
        "/meta/objects/<object>",
        GET=meta.get_object, PATCH=meta.update_object, DELETE=meta.detach_object,
    ),
    _route("/meta/objects/<object>/fields", GET=meta.list_fields, POST=meta.create_fields),
    _route(
        "/meta/objects/<object>/fields/<field>",
        GET=meta.get_field, PATCH=meta.update_field, DELETE=meta.detach_field,
    ),
    _route("/meta/objects/<object>/fields/<field>/options", POST=meta.add_options),
    _route("/plugins", GET=plugins.list_plugins),
    _route("/plugins/x-ray", GET=plugins.xray),
    _route("/plugins/<plugin>/enable", POST=plugins.enable_plugin),
    _route("/plugins/<plugin>/disable", POST=plugins.disable_plugin),
    _route("/plugins/<plugin>/resume", POST=plugins.resume_plugin),
    _route("/plugins/<plugin>/x-ray", GET=plugins.xray_with),
    _route("/plugins/<plugin>/figures", GET=plugins.list_figures),
    _route("/plugins/<plugin>/settings", GET=plugins.list_settings, PATCH=plugins.change_settings),
    _route(
        "/plugins/<plugin>/settings/<setting>/lock",
        PUT=plugins.lock_setting, DELETE=plugins.unlock_setting,
    ),
    _route("/plugins/<plugin>/audit", GET=audit.list_plugin_audit),
    _route("/audit", GET=audit.list_audit),
    _route("/widgets", GET=widgets.list_widgets, PATCH=widgets.choose_widget),
    _route("/me", GET=system.show_me),
    _route("/me/settings", GET=plugins.list_own_settings),
    _route("/me/settings/<plugin>", PATCH=plugins.change_own_settings),
)  # fmt: skip


def add_routes(app: Flask, workspace: Workspace) -> None:
    """Add the API to the app."""
    app.url_map.converters["record_id"] = RecordId
    schemas = Schemas()
    for route in ROUTES:
        for method, view in route.views.items():
            app.add_url_rule(
                f"/api/v1{route.path}",
                endpoint=f"api.{view.__module__.rpartition('.')[2]}.{view.__name__}",
                view_func=_serve(view, workspace, schemas),
                methods=[method],
            )
    _add_system_routes(app, workspace, schemas)
    add_docs(app, workspace)
    add_plugin_routes(app, workspace)


def _add_system_routes(app: Flask, workspace: Workspace, schemas: Schemas) -> None:
    specs = system.Specs()

    def show_spec(call: Call) -> Reply:
        return system.show_spec(call, specs)

    app.add_url_rule(
        "/api/openapi.json", endpoint="api.spec", view_func=_serve(show_spec, workspace, schemas)
    )
    app.add_url_rule(
        "/metrics", endpoint="api.metrics", view_func=_serve(system.show_metrics, workspace, schemas)
    )
    app.add_url_rule("/health", endpoint="api.health", view_func=lambda: system.show_health(workspace))
    app.add_url_rule("/ready", endpoint="api.ready", view_func=lambda: system.show_readiness(workspace))


def _serve(view: View, workspace: Workspace, schemas: Schemas) -> Callable[..., Reply]:
    def serve(**path: Any) -> Reply:
        environ = request.environ
        actor = identify(workspace, environ)
        try:
            return view(Call(workspace, environ, actor, schemas), **path)
        except NotSignedIn:
            # the sign-in has ended since this worker last saw it
            if actor.credential is not None:
                workspace.actors.forget(actor.credential)
            raise

    return serve
