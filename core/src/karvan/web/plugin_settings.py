"""The settings page of a plugin: its declared settings as a form. Only administrators come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from karvan.plugins.settings import SettingValue
from karvan.web.faults import by_field
from karvan.web.formats import Formats
from karvan.web.forms import Input
from karvan.web.visit import Workspace, signed_in, this_visit
from karvan_sdk.errors import NotAllowed, UnknownPlugin, ValidationFailed
from karvan_sdk.plugin_settings import Setting


def add_routes(web: Blueprint, workspace: Workspace) -> None:
    """One page per enabled plugin."""

    @web.get("/settings/plugins/<plugin>")
    def plugin_settings(plugin: str) -> str:
        _only_admin(workspace)
        return _page(workspace, plugin, {})

    @web.post("/settings/plugins/<plugin>")
    def change_plugin_settings(plugin: str) -> Response | tuple[str, int]:
        actor = signed_in(workspace)
        formats = this_visit(workspace).formats
        values = _changed(_declared(workspace, plugin), request.form, formats)
        try:
            workspace.plugin_settings.change(actor, plugin, values)
        except ValidationFailed as exc:
            return _page(workspace, plugin, by_field(exc.errors)), 422
        return redirect(url_for("web.plugin_settings", plugin=plugin, saved=1))


def _declared(workspace: Workspace, plugin: str) -> list[SettingValue]:
    try:
        return workspace.plugin_settings.list(plugin)
    except UnknownPlugin as exc:
        raise NotFound from exc


def _only_admin(workspace: Workspace) -> None:
    if not signed_in(workspace).is_admin:
        raise NotAllowed(action="see", object="settings", reason="it needs an administrator.")


def _page(workspace: Workspace, plugin: str, errors: Mapping[str, list[str]]) -> str:
    visit = this_visit(workspace)
    settings = _declared(workspace, plugin)
    info = workspace.plugins.info(plugin)
    return render_template(
        "plugin_settings.html",
        info=info,
        name=info.name(visit.language) or plugin,
        summary=info.summary(visit.language),
        inputs=[_input(s, visit.formats, errors.get(s.setting.name, [])) for s in settings],
        secrets={s.setting.name for s in settings if s.setting.secret and s.is_set},
        saved="saved" in request.args and not errors,
    )


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
    if value is None:
        return ""
    return formats.plain_number(str(value)) if declared.type in ("integer", "decimal") else str(value)


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
    return text
