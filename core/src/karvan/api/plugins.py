"""Plugins over HTTP: what is installed, and the switch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from karvan.access.actors import Actor
from karvan.api.call import Call
from karvan.api.parameters import refuse_parameters
from karvan.api.reply import Reply, json_reply
from karvan_sdk.errors import FieldError, ValidationFailed


def list_plugins(call: Call) -> Reply:
    """All installed plugins, and those that are on but not installed."""
    refuse_parameters(call.query)
    actor = call.prove()
    return json_reply({"data": [p.as_dict(actor.language) for p in call.workspace.plugins.list()]})


def xray(call: Call) -> Reply:
    """What the enabled plugins add, touch and clash in; from manifests alone."""
    return _xray(call, [])


def xray_with(call: Call, plugin: str) -> Reply:
    """The same, as if this installed plugin were on, too."""
    return _xray(call, [plugin])


def _xray(call: Call, also: list[str]) -> Reply:
    refuse_parameters(call.query)
    call.prove_admin("plugins")
    return json_reply({"data": call.workspace.plugins.xray(also).as_dict()})


def enable_plugin(call: Call, plugin: str) -> Reply:
    """Switch a plugin on; one that is on stays on."""
    refuse_parameters(call.query)
    actor = call.prove_admin("plugins")
    return json_reply({"data": asdict(call.workspace.plugins.enable(actor, plugin))})


def list_figures(call: Call, plugin: str) -> Reply:
    """What the calls of a plugin cost in the last seven days, by hook."""
    refuse_parameters(call.query)
    call.prove_admin("plugins")
    call.workspace.plugins.info(plugin)
    return json_reply({"data": [one.as_dict() for one in call.workspace.figures.of(plugin)]})


def resume_plugin(call: Call, plugin: str) -> Reply:
    """Call a suspended plugin again; one that is not suspended stays as it is."""
    refuse_parameters(call.query)
    actor = call.prove_admin("plugins")
    return json_reply({"data": asdict(call.workspace.plugins.resume(actor, plugin))})


def list_settings(call: Call, plugin: str) -> Reply:
    """The settings of an enabled plugin; what a secret holds is not told."""
    refuse_parameters(call.query)
    actor = call.prove_admin("settings")
    return json_reply({"data": _settings(call, actor, plugin)})


def change_settings(call: Call, plugin: str) -> Reply:
    """Set what the body names; null takes a setting back to its default."""
    refuse_parameters(call.query)
    _, values = call.read_object()
    actor = call.prove_admin("settings")
    call.workspace.plugin_settings.change(actor, plugin, values)
    return json_reply({"data": _settings(call, actor, plugin)})


def lock_setting(call: Call, plugin: str, setting: str) -> Reply:
    """Take a setting out of people's hands, with the reason in the body."""
    refuse_parameters(call.query)
    _, body = call.read_object()
    actor = call.prove_admin("settings")
    reason = body.get("reason")
    unknown = [key for key in body if key != "reason"]
    if unknown or not isinstance(reason, str):
        template = "A body with the text 'reason', and nothing else, is needed here."
        raise ValidationFailed([FieldError(field="reason", code="wrong_type", template=template)])
    call.workspace.plugin_settings.lock(actor, plugin, setting, reason)
    return json_reply({"data": _settings(call, actor, plugin)})


def unlock_setting(call: Call, plugin: str, setting: str) -> Reply:
    """Give a setting back to people."""
    refuse_parameters(call.query)
    actor = call.prove_admin("settings")
    call.workspace.plugin_settings.unlock(actor, plugin, setting)
    return json_reply({"data": _settings(call, actor, plugin)})


def list_own_settings(call: Call) -> Reply:
    """What the caller may set for himself of all plugins, as it holds for him."""
    refuse_parameters(call.query)
    actor = call.prove()
    found = call.workspace.plugin_settings
    return json_reply(
        {"data": [one for plugin in found.personal() for one in _own_settings(call, actor, plugin)]}
    )


def change_own_settings(call: Call, plugin: str) -> Reply:
    """Set for the caller what the body names; null takes a setting back to what it inherits."""
    refuse_parameters(call.query)
    _, values = call.read_object()
    actor = call.prove()
    call.workspace.plugin_settings.change_own(actor, plugin, values)
    return json_reply({"data": _own_settings(call, actor, plugin)})


def _own_settings(call: Call, actor: Actor, plugin: str) -> list[dict[str, Any]]:
    found = call.workspace.plugin_settings.list_own(actor, plugin)
    return [{"plugin": plugin, **one.as_dict(actor.language)} for one in found]


def _settings(call: Call, actor: Actor, plugin: str) -> list[dict[str, Any]]:
    return [s.as_dict(actor.language) for s in call.workspace.plugin_settings.list(plugin)]


def disable_plugin(call: Call, plugin: str) -> Reply:
    """Switch a plugin off; its records are kept."""
    refuse_parameters(call.query)
    actor = call.prove_admin("plugins")
    return json_reply({"data": asdict(call.workspace.plugins.disable(actor, plugin))})
