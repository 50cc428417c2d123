"""Settings of plugins as forms: for all, where only administrators come in, and for oneself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import orjson
from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from karvan.plugins.effective import SYSTEM, USER
from karvan.plugins.settings import SECRET, SettingValue
from karvan.web.faults import by_field
from karvan.web.formats import Formats
from karvan.web.forms import Input
from karvan.web.visit import Workspace, signed_in, this_visit
from karvan_sdk.errors import NotAllowed, UnknownPlugin, ValidationFailed
from karvan_sdk.plugin_settings import Setting

CHANGES = 20
"""Entries of the audit on the page of a plugin."""


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """One page per enabled plugin for administrators, one for everybody."""
    _add_own_routes(web, workspace)

    @web.get("/settings/plugins/<plugin>")
    def plugin_settings(plugin: str) -> str:
        _only_admin(workspace)
        return _page(workspace, plugin, {})

    @web.post("/settings/plugins/<plugin>/resume")
    def resume_plugin(plugin: str) -> Response:
        workspace.plugins.resume(signed_in(workspace), plugin)
        return redirect(url_for("web.plugin_settings", plugin=plugin))

    @web.post("/settings/plugins/<plugin>/disable")
    def disable_plugin(plugin: str) -> Response:
        _only_admin(workspace)
        workspace.plugins.disable(signed_in(workspace), plugin)
        return redirect(url_for("web.settings"))

    @web.post("/settings/plugins/<plugin>")
    def change_plugin_settings(plugin: str) -> Response | tuple[str, int]:
        actor = signed_in(workspace)
        formats = this_visit(workspace).formats
        values = _asked(_for_all(_declared(workspace, plugin)), request.form, formats)
        try:
            workspace.plugin_settings.change(actor, plugin, values)
        except ValidationFailed as exc:
            return _page(workspace, plugin, by_field(exc.errors)), 422
        return redirect(url_for("web.plugin_settings", plugin=plugin, saved=1))

    @web.post("/settings/plugins/<plugin>/lock")
    def lock_plugin_setting(plugin: str) -> Response | tuple[str, int]:
        """Take a setting out of people's hands, or give it back."""
        actor, form = signed_in(workspace), request.form
        _declared(workspace, plugin)
        try:
            if "unlock" in form:
                workspace.plugin_settings.unlock(actor, plugin, form["unlock"])
            else:
                name, reason = form.get("lock", ""), form.get("reason", "")
                workspace.plugin_settings.lock(actor, plugin, name, reason)
        except ValidationFailed as exc:
            _only_admin(workspace)
            return _page(workspace, plugin, by_field(exc.errors)), 422
        return redirect(url_for("web.plugin_settings", plugin=plugin, saved=1))


def _add_own_routes(web: Blueprint, workspace: Workspace) -> None:
    @web.get("/settings/me")
    def own_settings() -> str:
        language = this_visit(workspace).language
        found = [workspace.plugins.info(plugin) for plugin in workspace.plugin_settings.personal()]
        plugins = [
            {"id": p.id, "name": p.name(language) or p.id, "summary": p.summary(language)} for p in found
        ]
        return render_template("own_settings.html", plugins=plugins)

    @web.get("/settings/me/<plugin>")
    def own_plugin_settings(plugin: str) -> str:
        return _own_page(workspace, plugin, {})

    @web.post("/settings/me/<plugin>")
    def change_own_plugin_settings(plugin: str) -> Response | tuple[str, int]:
        actor, formats = signed_in(workspace), this_visit(workspace).formats
        open_ones = [s for s in _own(workspace, plugin) if s.lock is None]
        try:
            workspace.plugin_settings.change_own(actor, plugin, _asked(open_ones, request.form, formats))
        except ValidationFailed as exc:
            return _own_page(workspace, plugin, by_field(exc.errors)), 422
        return redirect(url_for("web.own_plugin_settings", plugin=plugin, saved=1))


def _declared(workspace: Workspace, plugin: str) -> list[SettingValue]:
    try:
        return workspace.plugin_settings.list(plugin)
    except UnknownPlugin as exc:
        raise NotFound from exc


def _for_all(found: list[SettingValue]) -> list[SettingValue]:
    return [s for s in found if SYSTEM in s.setting.scopes]


def _own(workspace: Workspace, plugin: str) -> list[SettingValue]:
    try:
        found = workspace.plugin_settings.list_own(signed_in(workspace), plugin)
    except UnknownPlugin as exc:
        raise NotFound from exc
    if not found:
        raise NotFound
    return found


def _only_admin(workspace: Workspace) -> None:
    if not signed_in(workspace).is_admin:
        raise NotAllowed(action="see", object="settings", reason="it needs an administrator.")


def _page(workspace: Workspace, plugin: str, errors: Mapping[str, list[str]]) -> str:
    visit = this_visit(workspace)
    settings = _declared(workspace, plugin)
    info = workspace.plugins.info(plugin)
    return render_template(
        "plugin_settings.html",
        own=False,
        info=info,
        name=info.name(visit.language) or plugin,
        summary=info.summary(visit.language),
        inputs=[_input(s, visit.formats, errors.get(s.setting.name, [])) for s in _for_all(settings)],
        found={s.setting.name: s for s in settings},
        personal=[s for s in settings if USER in s.setting.scopes],
        errors=errors,
        changes=_changes(workspace, plugin),
        saved="saved" in request.args and not errors,
        figures=workspace.figures.of(plugin),
    )


def _own_page(workspace: Workspace, plugin: str, errors: Mapping[str, list[str]]) -> str:
    visit = this_visit(workspace)
    settings = _own(workspace, plugin)
    info = workspace.plugins.info(plugin)
    return render_template(
        "plugin_settings.html",
        own=True,
        info=info,
        name=info.name(visit.language) or plugin,
        summary=info.summary(visit.language),
        inputs=[_input(s, visit.formats, errors.get(s.setting.name, [])) for s in settings if s.lock is None],
        found={s.setting.name: s for s in settings},
        personal=[s for s in settings if s.lock is not None],
        errors=errors,
        changes=[],
        saved="saved" in request.args and not errors,
    )


def _changes(workspace: Workspace, plugin: str) -> list[dict[str, Any]]:
    """The newest entries of the audit about the plugin, as the page shows them."""
    names = {actor.id: actor.name for actor in workspace.actors.users()}
    page = workspace.plugin_settings.changes(f"plugin/{plugin}", CHANGES)
    return [
        {
            "at": entry.at.isoformat(),
            "who": "Karvan" if entry.actor_id is None else names.get(entry.actor_id, f"#{entry.actor_id}"),
            "action": entry.action,
            "subject": entry.subject.removeprefix(f"plugin/{plugin}").removeprefix("/settings/"),
            "before": _told(entry.before),
            "after": _told(entry.after),
        }
        for entry in page.entries
    ]


def _told(value: Any) -> str:
    """A value of the audit in one short line."""
    if value == SECRET:
        return "•••"
    text = "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:79]}…"


def _input(found: SettingValue, formats: Formats, errors: list[str]) -> Input:
    declared, language = found.setting, formats.language
    posted = request.form.get(declared.name) if request.method == "POST" else None
    value: Any = _shown(declared, found.value, formats) if posted is None else posted
    return Input(
        name=declared.name,
        label=declared.label(language) or declared.name,
        kind="secret" if declared.secret else declared.type,
        value=value,
        help=declared.help(language),
        required=declared.required,
        wide=declared.type == "long_text",
        options=tuple((o.value, o.label(language) or o.value) for o in declared.options),
        errors=tuple(errors),
    )


def _shown(declared: Setting, value: Any, formats: Formats) -> Any:
    if declared.type == "boolean":
        return bool(value)
    if value is None or value == "":
        return ""
    if declared.type == "date":
        return formats.plain_day(date.fromisoformat(value))
    if declared.type == "datetime":
        return formats.plain_moment(datetime.fromisoformat(value.upper()))
    return formats.plain_number(str(value)) if declared.type in ("integer", "decimal") else str(value)


def _asked(found: list[SettingValue], form: Mapping[str, str], formats: Formats) -> dict[str, Any]:
    """What the form asks for: one setting taken back to what it inherits, else all that was typed."""
    if "reset" in form:
        return {form["reset"]: None}
    return _changed(found, form, formats)


def _changed(found: list[SettingValue], form: Mapping[str, str], formats: Formats) -> dict[str, Any]:
    """What differs from what the form showed: what nobody touched goes on inheriting."""
    values = {}
    for one in found:
        typed = _typed(one.setting, form, formats)
        if one.setting.secret:
            if typed is not None:  # an empty one stays as it is
                values[one.setting.name] = typed
        elif typed != _plain(one) or one.problems:
            values[one.setting.name] = typed
    return values


def _plain(found: SettingValue) -> Any:
    return bool(found.value) if found.setting.type == "boolean" else found.value


def _typed(declared: Setting, form: Mapping[str, str], formats: Formats) -> Any:
    """The JSON value of what was typed; None where nothing was."""
    text = form.get(declared.name, "")
    if declared.type == "boolean":
        return text == "1"
    if not text.strip():
        return None
    if declared.type in ("integer", "decimal"):
        number = formats.read_number(text)
        whole = declared.type == "integer" and number.removeprefix("-").isdecimal() and len(number) < 19
        return int(number) if whole else number
    if declared.type == "date":
        return formats.read_day(text)
    if declared.type == "datetime":
        return formats.read_moment(text)
    return text
