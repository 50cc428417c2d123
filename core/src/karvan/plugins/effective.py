"""What a setting is worth: the value of the strongest scope that holds one which its declaration accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from karvan.access.moment import Moment
from karvan.vault import SecretLost, Vault
from karvan_sdk.plugin_settings import SETTING_SCOPES, Setting

DEFAULT = "default"
"""Where a value comes from that nobody set."""
SYSTEM = "system"
USER = "user"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What stands in the database for one setting in one scope; a secret's is sealed."""

    scope: str
    scope_id: int
    value: Any


@dataclass(frozen=True, kw_only=True)
class Effective:
    """The value in force in JSON form, the scope it comes from (`default` where nobody set it).

    `problems` tell of stored values that were passed over; `lost` says that one of them is a secret that
    can't be opened any more.
    """

    value: Any
    source: str
    problems: tuple[str, ...] = ()
    lost: bool = False


def place_of(plugin: str, name: str, scope: str, scope_id: int) -> str:
    """The place for which a secret is sealed."""
    return f"setting/{scope}/{scope_id}/{plugin}/{name}"


def resolve(plugin: str, setting: Setting, stored: Sequence[Stored], vault: Vault) -> Effective:
    """The effective value of one setting. `stored` holds at most one value per scope, in any order; a scope
    that the setting does not declare does not count."""
    by_scope = {s.scope: s for s in stored if s.scope in setting.scopes}
    problems: list[str] = []
    lost = False
    for scope in reversed(SETTING_SCOPES):
        found = by_scope.get(scope)
        if found is None:
            continue
        try:
            value = _open(plugin, setting, found, vault)
        except SecretLost as exc:
            lost = True
            problems.append(f"The secret setting '{setting.name}' must be entered again: {exc.message}")
            continue
        wrong = setting.check(value)
        if wrong is None:
            return Effective(value=value, source=scope, problems=tuple(problems), lost=lost)
        problems.append(
            f"The setting '{setting.name}' holds a value that is no longer accepted, so what it inherits is "
            f"in force: {wrong.message}"
        )
    return Effective(value=setting.default, source=DEFAULT, problems=tuple(problems), lost=lost)


def _open(plugin: str, setting: Setting, found: Stored, vault: Vault) -> Any:
    if not setting.secret:
        if isinstance(found.value, str) and Vault.is_sealed(found.value):
            place = place_of(plugin, setting.name, found.scope, found.scope_id)
            raise SecretLost(place=place, reason="it was entered as a secret, and is none any more.")
        return found.value
    sealed = found.value if isinstance(found.value, str) else ""
    return vault.open(sealed, place_of(plugin, setting.name, found.scope, found.scope_id))


def hash_settings(stored: Mapping[str, Any]) -> str:
    """What tells two states of a plugin's settings apart: of what `Catalog.settings` holds of it, 16 hex
    digits. What a person sets for himself does not count."""
    text = orjson.dumps(dict(stored), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]


class SettingsOf:
    """The settings of one plugin as its code gets them: Python values by name."""

    def __init__(self, plugin: str, declared: Sequence[Setting], vault: Vault) -> None:
        self._plugin = plugin
        self._declared = declared
        self._vault = vault
        self._personal = frozenset(s.name for s in declared if USER in s.scopes)
        self._known: tuple[Any, Mapping[str, Any]] | None = None

    def at(self, moment: Moment) -> Mapping[str, Any]:
        """The values for whom the moment belongs to: the person's own before the system's."""
        stored = moment.catalog.settings.get(self._plugin, _NOTHING)
        system = self._system(stored)
        own = (
            moment.own_settings(self._plugin) if self._personal and moment.actor_id is not None else _NOTHING
        )
        locked = moment.catalog.locks.get(self._plugin, _NOTHING)
        chosen = {
            s.name: s.read(self._resolve(s, stored, own, moment.actor_id))
            for s in self._declared
            if s.name in own and s.name in self._personal and s.name not in locked
        }
        return MappingProxyType({**system, **chosen}) if chosen else system

    def _system(self, stored: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self._known  # one reference, so that threads see both or none
        if known is None or known[0] is not stored:
            values = {s.name: s.read(self._resolve(s, stored, _NOTHING, None)) for s in self._declared}
            known = self._known = (stored, MappingProxyType(values))
        return known[1]

    def _resolve(
        self, setting: Setting, system: Mapping[str, Any], own: Mapping[str, Any], person: int | None
    ) -> Any:
        found = stored_of(setting.name, system, own, person)
        return resolve(self._plugin, setting, found, self._vault).value


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def stored_of(
    name: str, system: Mapping[str, Any], own: Mapping[str, Any], person: int | None
) -> list[Stored]:
    """What is stored for one setting, scope by scope; `own` is what the person set for himself."""
    found = [Stored(scope=SYSTEM, scope_id=0, value=system[name])] if name in system else []
    if person is not None and name in own:
        found.append(Stored(scope=USER, scope_id=person, value=own[name]))
    return found
