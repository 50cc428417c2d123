"""Settings of plugins in one workspace: what differs from the default is a row, seen by all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from karvan.access.actors import Actor
from karvan.database import Database
from karvan.metadata.store import Catalogs
from karvan.plugins.discovery import Discovery
from karvan_sdk.errors import FieldError, NotAllowed, UnknownPlugin, ValidationFailed
from karvan_sdk.plugin_settings import Setting


@dataclass(frozen=True, kw_only=True)
class SettingValue:
    """A declared setting with its value (JSON form; a secret's is never told) and whether it was set."""

    setting: Setting
    value: Any
    is_set: bool

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The JSON form of the API."""
        declared = self.setting
        return {
            "name": declared.name,
            "type": declared.type,
            "label": declared.label(language) or declared.name,
            "help": declared.help(language),
            "required": declared.required,
            "secret": declared.secret,
            "default": declared.default,
            "value": self.value,
            "is_set": self.is_set,
        }


class PluginSettings:
    """The settings of the plugins of one workspace. A change raises the metadata version, so that every
    worker sees it with its next request."""

    def __init__(self, database: Database, catalogs: Catalogs, discovery: Discovery) -> None:
        self._database = database
        self._catalogs = catalogs
        self._discovery = discovery

    def list(self, plugin: str) -> list[SettingValue]:
        """All declared settings of an enabled plugin; raises UnknownPlugin."""
        stored = self._catalogs.current().settings.get(plugin, {})
        return [
            SettingValue(
                setting=declared,
                value=None if declared.secret else stored.get(declared.name, declared.default),
                is_set=declared.name in stored,
            )
            for declared in self._declared(plugin)
        ]

    def change(self, actor: Actor, plugin: str, values: Mapping[str, Any]) -> None:
        """Set what `values` names (JSON form); None takes a setting back to its default.

        Raises UnknownPlugin, NotAllowed for who is no administrator, ValidationFailed with all findings.
        """
        if not actor.is_admin:
            raise NotAllowed(action="change", object="settings", reason="it needs an administrator.")
        declared = {s.name: s for s in self._declared(plugin)}
        errors = []
        for name, value in values.items():
            if name not in declared:
                errors.append(
                    FieldError(
                        field=name,
                        code="unknown_field",
                        template="There is no setting '{name}'.",
                        params={"name": name},
                    )
                )
            elif value is not None and (finding := declared[name].check(value)) is not None:
                errors.append(finding)
        if errors:
            raise ValidationFailed(errors)
        with self._database.write() as transaction:
            for name, value in values.items():
                transaction.execute("DELETE FROM k_setting WHERE plugin = ? AND name = ?", (plugin, name))
                if value is not None and (value != declared[name].default or declared[name].secret):
                    transaction.execute(
                        "INSERT INTO k_setting (plugin, name, value) VALUES (?, ?, ?)",
                        (plugin, name, orjson.dumps(value).decode()),
                    )
            transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")

    def _declared(self, plugin: str) -> tuple[Setting, ...]:
        installed = self._discovery.get(plugin)
        if installed is None or installed.manifest is None or plugin not in self._catalogs.current().plugins:
            raise UnknownPlugin(plugin, hint="Enable it first.")
        return installed.manifest.settings
