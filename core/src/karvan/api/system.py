"""Who am I, is the process up, does the database answer, and what does the API look like."""

from __future__ import annotations

import threading

import orjson

from karvan.api.call import Call, Workspace
from karvan.api.etags import is_known
from karvan.api.openapi import build_spec
from karvan.api.parameters import refuse_parameters
from karvan.api.reply import Reply, empty_reply, json_reply
from karvan.metadata.catalog import Catalog
from karvan.plugins import MEDIA_TYPE, render_metrics


def show_me(call: Call) -> Reply:
    """The person whose token or session this is."""
    refuse_parameters(call.query)
    actor = call.prove()
    return json_reply(
        {
            "data": {
                "id": actor.id,
                "email": actor.email,
                "name": actor.name,
                "is_admin": actor.is_admin,
                "language": actor.language,
                "timezone": actor.timezone,
            }
        }
    )


def show_health(workspace: Workspace) -> Reply:
    """The process is up; nothing else is asked. It says whether plugins are called."""
    return json_reply({"status": "ok", "safe_mode": workspace.settings.safe_mode})


def show_metrics(call: Call) -> Reply:
    """What plugins cost since they were first called, as Prometheus reads it; for administrators."""
    refuse_parameters(call.query)
    call.prove_admin("plugins")
    return Reply(render_metrics(call.workspace.figures.always()).encode(), media_type=MEDIA_TYPE)


def show_readiness(workspace: Workspace) -> Reply:
    """The database answers and the catalog loads; raises Unavailable or NotMade otherwise."""
    return json_reply({"status": "ok", "catalog": workspace.catalogs.current().version})


class Specs:
    """The OpenAPI description of the newest catalog version, as JSON text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version = -1
        self._text = b""

    def of(self, catalog: Catalog) -> bytes:
        """The description; made at the first call per version."""
        with self._lock:
            if self._version != catalog.version:
                self._text = orjson.dumps(build_spec(catalog))
                self._version = catalog.version
            return self._text


def show_spec(call: Call, specs: Specs) -> Reply:
    """The description of the API as it is now."""
    refuse_parameters(call.query)
    reader = call.workspace.records.read(call.actor)
    reader.prove()
    etag = f'"{reader.catalog.version}"'
    if is_known(call.header("HTTP_IF_NONE_MATCH"), etag):
        return empty_reply(304, [("ETag", etag)])
    return Reply(specs.of(reader.catalog), 200, [("ETag", etag)])
