"""The page of the x-ray: what plugins add, touch and clash in. Only administrators come in."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from werkzeug.exceptions import NotFound

from karvan.plugins.order import Placed
from karvan.plugins.xray import Finding, XRay
from karvan.web.visit import Workspace, reader_of, signed_in, this_visit
from karvan_sdk.errors import NotAllowed, UnknownPlugin
from karvan_sdk.manifest import EVENTS


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """One page: the enabled plugins, with one more (`also`), for one object and event or for all."""

    @web.get("/settings/plugins/x-ray")
    def xray() -> str:
        if not signed_in(workspace).is_admin:
            raise NotAllowed(action="see", object="plugins", reason="it needs an administrator.")
        reader = reader_of(workspace)
        language = this_visit(workspace).language
        also, object = request.args.get("also", ""), request.args.get("object", "")
        event = request.args.get("event", "")
        found = _look(workspace, also)
        placed = {one.plugin: one for one in found.order}
        hooks = {name: found.meeting(name, object, event) for name in found.hooks}
        off = [(p.id, p.name(language) or p.id) for p in workspace.plugins.list() if not p.enabled]
        return render_template(
            "xray.html",
            xray=found,
            findings=[(one.severity, say_finding(one)) for one in found.findings],
            hooks={name: rows for name, rows in hooks.items() if rows},
            reasons={name: say_reason(one) for name, one in placed.items()},
            off=off,
            events=EVENTS,
            names=sorted(reader.catalog.objects),
            asked={"also": also, "object": object, "event": event},
        )


def say_finding(one: Finding) -> str:
    """A finding in the language of the page."""
    return str(_(one.template)).format(**one.params)


def say_reason(placed: Placed) -> str:
    """Why a plugin stands where it does, in the language of the page."""
    texts = {
        "requires": _("it requires %(plugin)s", plugin=placed.behind),
        "after": _("it asks to stand after %(plugin)s", plugin=placed.behind),
        "before": _("%(plugin)s asks to stand before it", plugin=placed.behind),
        "id": _("by its id"),
    }
    return str(texts[placed.because])


def _look(workspace: Workspace, also: str) -> XRay:
    try:
        found: XRay = workspace.plugins.xray([also] if also else [])
    except UnknownPlugin as exc:
        raise NotFound from exc
    return found
