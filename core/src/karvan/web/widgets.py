"""Widgets of a page: drawn in one request per slot, each behind its own guard, and their settings page.

A widget that is off for a person is not in the page, so nothing asks for it; it is refused here too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, make_response, redirect, render_template, request
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as Answer

from karvan.access.moment import Moment
from karvan.plugins import Place
from karvan.web.cells import expandable
from karvan.web.faults import say
from karvan.web.plugin_pages import draw, frame
from karvan.web.visit import Workspace, local_address, reader_of, signed_in, this_visit
from karvan.widgets import Arranged, arrange
from karvan_sdk.errors import BadInput, KarvanError, PluginFailed, UnknownPlugin

CALL_CARD = "global.call_card"
log = logging.getLogger("karvan.widgets")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A widget as the page shows it: its HTML, or why it could not be drawn."""

    widget: Arranged
    title: str
    html: Markup
    failure: str = ""
    told: str = ""
    refused: str = ""


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """The fragments of slots, the forms of widgets, and the page on which people choose."""

    @web.get("/_w")
    def slot() -> Response:
        """All widgets of one slot that are on for this person, in order."""
        place = _place(workspace, request.args)
        started = perf_counter()
        shown = [_draw(workspace, w, place) for w in on(workspace, place.slot, place.object)]
        answer = make_response(
            render_template("slot.html", shown=[s for s in shown if s.html or s.failure], place=place)
        )
        answer.headers["Server-Timing"] = f"widgets;dur={(perf_counter() - started) * 1000:.1f}"
        return answer

    @web.post("/_w/<widget>/<action>")
    def act(widget: str, action: str) -> Answer | str:
        """What a form of a widget asks for; answered with the widget drawn anew."""
        place = _place(workspace, request.args)
        found = next((w for w in on(workspace, place.slot, place.object) if w.id == widget), None)
        if found is None:
            raise NotFound
        told, refused = _act(workspace, found, action, place)
        if "HX-Request" not in request.headers and not refused:
            return redirect(_page_of(place))
        place = _place(workspace, request.args)  # read anew: the record may have changed
        if refused:
            place = replace(place, form=_form())
        shown = _draw(workspace, found, place, told=told, refused=refused)
        return render_template("slot.html", shown=[shown], place=place)

    @web.get("/settings/widgets")
    def widgets() -> str:
        return render_template("widgets.html", slots=_by_slot(workspace))

    @web.post("/settings/widgets")
    def choose() -> Answer:
        """Switch one widget, move it by one, or take every choice back."""
        actor = signed_in(workspace)
        assert actor.id is not None  # who is signed in is a person
        form = request.form
        if "reset" in form:
            workspace.layouts.reset(actor.id)
        else:
            slot, widget = form.get("slot", ""), form.get("widget", "")
            ids = [w.id for w in everything(workspace, slot)]
            if widget not in ids:
                raise NotFound
            if "enabled" in form:
                workspace.layouts.switch(actor.id, slot, widget, form["enabled"] == "1")
            elif form.get("move") in ("up", "down"):
                workspace.layouts.order(actor.id, slot, moved(ids, widget, form["move"]))
        return redirect(local_address(form.get("next")) if form.get("next") else "/settings/widgets")


def everything(workspace: Workspace, slot: str, object: str = "") -> list[Arranged]:
    """Every widget of a slot in the order of this person, on or off."""
    reader_of(workspace)  # the catalog in force, so that the host knows its plugins
    if slot not in workspace.host.slots():
        raise BadInput(f"There is no slot '{slot}'.", field="slot")
    choices = g.get("karvan_choices")
    if choices is None:
        choices = g.karvan_choices = workspace.layouts.of_user(signed_in(workspace).id)
    return arrange(slot, workspace.host.widgets(slot, object), choices)


def on(workspace: Workspace, slot: str, object: str = "") -> list[Arranged]:
    """The widgets of a slot that are on for this person, in order."""
    return [w for w in everything(workspace, slot, object) if w.enabled]


def address(slot: str, object: str = "", id: int | None = None) -> str:
    """The address of a slot's fragment."""
    return "/_w?" + urlencode({"slot": slot, **({"object": object, "id": id} if object else {})})


def moved(ids: Sequence[str], widget: str, direction: str) -> list[str]:
    """The ids with one moved by one place; at the end it stays where it is."""
    at = ids.index(widget)
    to = min(max(at + (-1 if direction == "up" else 1), 0), len(ids) - 1)
    found = [i for i in ids if i != widget]
    found.insert(to, widget)
    return found


# -- drawing -----------------------------------------------------------------------------------------------


def _place(workspace: Workspace, given: Mapping[str, str]) -> Place:
    slot, object, id_ = given.get("slot", ""), given.get("object", ""), given.get("id", "")
    reader = reader_of(workspace)  # the catalog in force, so that the host knows its plugins
    known = workspace.host.slots().get(slot)
    if known is None:
        raise BadInput(f"There is no slot '{slot}'.", field="slot")
    record = None
    if known.about_record:
        object_type = reader.catalog.object(object)
        if not (id_.isdecimal() and len(id_) < 19):
            raise BadInput("The id of a record is needed here.", field="id")
        record = reader.get(object, int(id_), expand=expandable(object_type.fields.values()))
    else:
        object = ""
    query = urlencode({"slot": slot, **({"object": object, "id": id_} if object else {})})
    return Place(
        slot=slot, object=object, record=record, action=lambda widget, name: f"/_w/{widget}/{name}?{query}"
    )


def _page_of(place: Place) -> str:
    return f"/{place.object}/{place.record['id']}" if place.record is not None else "/"


def _moment(workspace: Workspace, plugin: str, *, writable: bool) -> Moment:
    actor = signed_in(workspace)
    return workspace.records.moment(
        actor,
        source=f"plugin:{plugin}",
        writable=writable,
        language=this_visit(workspace).language,
        catalog=reader_of(workspace).catalog,  # proved once for all widgets of the request
    )


def _draw(
    workspace: Workspace, widget: Arranged, place: Place, *, told: str = "", refused: str = ""
) -> Shown:
    moment = _moment(workspace, widget.plugin, writable=False)
    title = widget.use.title(this_visit(workspace).language) or widget.id
    started = perf_counter()
    html, failure = "", ""
    try:
        html = workspace.host.render(widget.plugin, widget.use.id, moment, place, draw, frame)
    except PluginFailed as exc:
        failure = exc.message
    ms = (perf_counter() - started) * 1000
    outcome = "failed" if failure else "drawn"
    log.info("widget %s %s in %s for user %s: %.1f ms", widget.id, outcome, place.slot, moment.actor_id, ms)
    return Shown(
        widget=widget,
        title=title,
        html=Markup(html),  # noqa: S704  a plugin's template escapes; its code is trusted
        failure=failure,
        told=told,
        refused=refused,
    )


def _act(workspace: Workspace, widget: Arranged, action: str, place: Place) -> tuple[str, str]:
    """(what the widget told, why it refused)."""
    moment = _moment(workspace, widget.plugin, writable=True)
    try:
        told = workspace.host.act(widget.plugin, widget.use.id, action, _form(), moment, place, draw, frame)
    except UnknownPlugin as exc:
        raise NotFound from exc
    except PluginFailed:
        return "", str(_("The plugin failed. Nothing was saved."))
    except KarvanError as exc:
        findings = getattr(exc, "errors", ())
        text = " ".join(say(e) for e in findings) if findings else say(exc)
        return "", text.encode(errors="replace").decode()  # a plugin may have put half a character into it
    return told, ""


def _form() -> dict[str, str]:
    """The fields of a widget's form, without our own."""
    return {name: value for name, value in request.form.items() if name != "csrf_token"}


def _by_slot(workspace: Workspace) -> list[dict[str, Any]]:
    language = this_visit(workspace).language
    found = []
    reader_of(workspace)  # the catalog in force, so that the host knows its plugins
    for slot in workspace.host.slots().values():
        widgets = everything(workspace, slot.name)
        if widgets:
            found.append({"slot": slot, "title": slot.title(language), "widgets": widgets})
    return found
