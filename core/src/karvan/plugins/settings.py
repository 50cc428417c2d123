"""Settings of plugins in one workspace: what was set is a row per scope, secrets sealed, changes audited.

What holds for all is part of the catalog, so every process sees it with its next request; what a person set
for himself is read when his moment asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from karvan.access.actors import Actor
from karvan.access.guard import enter
from karvan.database import Database, Transaction, audit
from karvan.metadata.catalog import Catalog
from karvan.metadata.store import Catalogs, read_locks, read_own_settings
from karvan.plugins.discovery import Discovery
from karvan.plugins.effective import SYSTEM, USER, place_of, resolve, stored_of
from karvan.plugins.host import Host
from karvan.vault import Vault
from karvan_sdk.errors import FieldError, NotAllowed, UnknownPlugin, ValidationFailed
from karvan_sdk.plugin_settings import Setting

REASON_MAX = 500
"""The longest reason of a lock, in characters."""
SECRET = {"secret": True}
"""What the audit shows of a secret that is set."""


@dataclass(frozen=True, kw_only=True)
class SettingValue:
    """A declared setting as one scope sees it, in JSON form; what a secret holds is never told.

    `value` is in force, `source` the scope it comes from (`default` where nobody set it), `inherited` what
    would be in force without this scope. `is_set` says that this scope holds a value, `problems` why stored
    ones are passed over; `lost` that a secret must be entered again. `lock` is the reason why people can't
    set it for themselves, None where they can.
    """

    setting: Setting
    value: Any
    is_set: bool
    source: str
    inherited: Any
    lost: bool = False
    lock: str | None = None
    problems: tuple[str, ...] = ()

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
            "scopes": list(declared.scopes),
            "default": declared.default,
            "value": self.value,
            "is_set": self.is_set,
            "source": self.source,
            "inherited": self.inherited,
            "lost": self.lost,
            "lock": self.lock,
            "problems": list(self.problems),
        }


class PluginSettings:
    """The settings of the plugins of one workspace. A change for all raises the metadata version, so that
    every worker sees it with its next request."""

    def __init__(self, database: Database, catalogs: Catalogs, discovery: Discovery, vault: Vault) -> None:
        self._database = database
        self._catalogs = catalogs
        self._discovery = discovery
        self._vault = vault

    def list(self, plugin: str) -> Found:
        """All declared settings of an enabled plugin as they hold for all; raises UnknownPlugin."""
        catalog = self._catalogs.current()
        return [self._value(catalog, plugin, declared, {}, None) for declared in self._declared(plugin)]

    def list_own(self, actor: Actor, plugin: str) -> Found:
        """The settings of an enabled plugin that a person may set for himself, as they hold for him.

        Raises UnknownPlugin.
        """
        personal = [s for s in self._declared(plugin) if USER in s.scopes]
        if actor.id is None or not personal:
            return []
        with self._database.read() as connection:
            own = read_own_settings(connection, plugin, actor.id)
        catalog = self._catalogs.current()
        return [self._value(catalog, plugin, declared, own, actor.id) for declared in personal]

    def personal(self) -> tuple[str, ...]:
        """The enabled plugins that have settings for people to set for themselves, by id."""
        return tuple(
            plugin
            for plugin in self._catalogs.current().plugins
            if any(USER in s.scopes for s in self._of(plugin))
        )

    def change(self, actor: Actor, plugin: str, values: Mapping[str, Any]) -> None:
        """Set for all what `values` names (JSON form); None takes a setting back to its default.

        Raises UnknownPlugin, NotAllowed for who is no administrator, ValidationFailed with all findings.
        """
        self._change(actor, plugin, values, SYSTEM)

    def change_own(self, actor: Actor, plugin: str, values: Mapping[str, Any]) -> None:
        """Set for the actor himself what `values` names; None takes a setting back to what it inherits.

        Raises UnknownPlugin, NotAllowed for the system, ValidationFailed with all findings: a locked setting
        is one.
        """
        self._change(actor, plugin, values, USER)

    def lock(self, actor: Actor, plugin: str, name: str, reason: str) -> None:
        """Take a setting out of people's hands; what they set is kept and does not count meanwhile.

        Raises UnknownPlugin, NotAllowed, ValidationFailed.
        """
        self._check_lockable(plugin, name)
        text = reason.strip()
        if not text or len(text) > REASON_MAX:
            raise ValidationFailed(
                [
                    _wrong(
                        "reason", "Give a reason of 1 to {most} characters.", field="reason", most=REASON_MAX
                    )
                ]
            )
        with self._database.write() as transaction:
            proved, _ = enter(transaction, actor)
            _check_admin(proved)
            before = read_locks(transaction).get(plugin, {}).get(name)
            _write_lock(transaction, plugin, name, text)
            audit.append(transaction, actor.id, "setting.locked", _subject(plugin, name), before, text)
            _raise_version(transaction)

    def unlock(self, actor: Actor, plugin: str, name: str) -> None:
        """Give a setting back to people; one that is not locked stays so. Raises as `lock` does."""
        self._check_lockable(plugin, name)
        with self._database.write() as transaction:
            proved, _ = enter(transaction, actor)
            _check_admin(proved)
            before = read_locks(transaction).get(plugin, {}).get(name)
            if before is None:
                return
            _write_lock(transaction, plugin, name, None)
            audit.append(transaction, actor.id, "setting.unlocked", _subject(plugin, name), before)
            _raise_version(transaction)

    def changes(self, subject: str = "", limit: int = 50, before: int | None = None) -> audit.AuditPage:
        """The newest entries of the audit about a subject; the caller shows them to administrators only."""
        with self._database.read() as connection:
            return audit.read(connection, subject=subject, limit=limit, before=before)

    def examine(self, catalog: Catalog, host: Host) -> None:
        """Tell the host which stored settings of a new catalog are passed over, and why."""
        for plugin in catalog.plugins:
            found = [self._value(catalog, plugin, s, {}, None) for s in self._of(plugin)]
            host.warn(plugin, "settings", [text for one in found for text in one.problems])

    # -- inside ----------------------------------------------------------------------------------------

    def _change(self, actor: Actor, plugin: str, values: Mapping[str, Any], scope: str) -> None:
        declared = {s.name: s for s in self._declared(plugin)}
        findings = [_check(declared.get(name), name, value, scope) for name, value in values.items()]
        errors = [finding for finding in findings if finding is not None]
        with self._database.write() as transaction:
            proved, _ = enter(transaction, actor)
            if scope == SYSTEM:
                _check_admin(proved)
            elif proved.id is None:
                raise NotAllowed(action="change", object="settings", reason="it needs a person.")
            else:
                locks = read_locks(transaction).get(plugin, {})
                errors += [_locked(name, locks[name]) for name in values if name in locks]
            if errors:
                raise ValidationFailed(errors)
            scope_id = 0 if scope == SYSTEM or proved.id is None else proved.id
            place = _Place(transaction, plugin, scope, scope_id)
            moved = [self._set(place, declared[name], value, proved.id) for name, value in values.items()]
            if any(moved) and scope == SYSTEM:
                _raise_version(transaction)

    def _set(self, place: _Place, declared: Setting, value: Any, actor_id: int | None) -> bool:
        """Bring one row to a value and write it down; says whether anything changed."""
        before = place.read(declared.name)
        if before == value and not (declared.secret and value is not None):
            return False
        if value is not None and declared.secret:
            text = place_of(place.plugin, declared.name, place.scope, place.scope_id)
            place.write(declared.name, self._vault.seal(value, text))
            before, value = before and SECRET, SECRET
        else:
            place.write(declared.name, value)
            before = before and SECRET if declared.secret else before
        place.append(actor_id, declared.name, before, value)
        return True

    def _value(
        self, catalog: Catalog, plugin: str, declared: Setting, own: Mapping[str, Any], person: int | None
    ) -> SettingValue:
        lock = catalog.locks.get(plugin, {}).get(declared.name) if USER in declared.scopes else None
        system = catalog.settings.get(plugin, {})
        stored = stored_of(declared.name, system, own if lock is None else {}, person)
        here = resolve(plugin, declared, stored, self._vault)
        if person is None:
            inherited, is_set = declared.default, declared.name in system
        else:
            below = [s for s in stored if s.scope == SYSTEM]
            inherited, is_set = resolve(plugin, declared, below, self._vault).value, declared.name in own
        return SettingValue(
            setting=declared,
            value=None if declared.secret else here.value,
            is_set=is_set,
            source=here.source,
            inherited=None if declared.secret else inherited,
            lost=here.lost,
            lock=lock,
            problems=here.problems,
        )

    def _check_lockable(self, plugin: str, name: str) -> None:
        declared = {s.name: s for s in self._declared(plugin)}.get(name)
        if declared is None:
            raise ValidationFailed([_unknown(name)])
        if USER not in declared.scopes:
            raise ValidationFailed(
                [_wrong("scope", "Only what people set for themselves can be locked.", field=name)]
            )

    def _declared(self, plugin: str) -> tuple[Setting, ...]:
        installed = self._discovery.get(plugin)
        if installed is None or installed.manifest is None or plugin not in self._catalogs.current().plugins:
            raise UnknownPlugin(plugin, hint="Enable it first.")
        return installed.manifest.settings

    def _of(self, plugin: str) -> tuple[Setting, ...]:
        installed = self._discovery.get(plugin)
        return installed.manifest.settings if installed and installed.manifest else ()


Found = list[SettingValue]  # within the class `list` is its method


@dataclass(frozen=True)
class _Place:
    """The rows of one plugin in one scope, inside a transaction."""

    transaction: Transaction
    plugin: str
    scope: str
    scope_id: int

    def read(self, name: str) -> Any:
        row = self.transaction.fetchone(
            "SELECT value FROM k_setting WHERE plugin = ? AND name = ? AND scope = ? AND scope_id = ?",
            (self.plugin, name, self.scope, self.scope_id),
        )
        return None if row is None else orjson.loads(row[0])

    def write(self, name: str, value: Any) -> None:
        key = (self.plugin, name, self.scope, self.scope_id)
        self.transaction.execute(
            "DELETE FROM k_setting WHERE plugin = ? AND name = ? AND scope = ? AND scope_id = ?", key
        )
        if value is not None:
            self.transaction.execute(
                "INSERT INTO k_setting (plugin, name, scope, scope_id, value) VALUES (?, ?, ?, ?, ?)",
                (*key, orjson.dumps(value).decode()),
            )

    def append(self, actor_id: int | None, name: str, before: Any, after: Any) -> None:
        subject = _subject(self.plugin, name)
        if self.scope != SYSTEM:
            subject += f"/{self.scope}/{self.scope_id}"
        audit.append(self.transaction, actor_id, "setting.changed", subject, before, after)


def seal_secrets(transaction: Transaction, vault: Vault, plugin: str = "") -> None:
    """Seal what stands in the clear of secret settings, of one plugin or of all known ones; in the audit too.

    Which are secret say the manifests with which the plugins were enabled, so their code may be gone.
    """
    rows = transaction.fetchall("SELECT id, manifest FROM k_plugin")
    secrets = {
        (id_, declared["name"])
        for id_, manifest in rows
        if plugin in ("", id_)
        for declared in orjson.loads(manifest).get("settings", ())
        if declared.get("secret")
    }
    if not secrets:
        return
    stored = transaction.fetchall("SELECT plugin, name, scope, scope_id, value FROM k_setting")
    sealed = 0
    for owner, name, scope, scope_id, text in stored:
        value = orjson.loads(text)
        if (owner, name) not in secrets or (isinstance(value, str) and Vault.is_sealed(value)):
            continue
        place = _Place(transaction, owner, scope, scope_id)
        clear = value if isinstance(value, str) else text
        place.write(name, vault.seal(clear, place_of(owner, name, scope, scope_id)))
        audit.hide_values(transaction, _subject(owner, name), SECRET)
        sealed += 1
    if sealed:
        _raise_version(transaction)


def _check(declared: Setting | None, name: str, value: Any, scope: str) -> FieldError | None:
    if declared is None:
        return _unknown(name)
    if scope not in declared.scopes:
        return (
            _wrong("scope", "Each person sets this for himself.", field=name)
            if scope == SYSTEM
            else _wrong("scope", "This is set for all, by an administrator.", field=name)
        )
    return None if value is None else declared.check(value)


def _unknown(name: str) -> FieldError:
    return FieldError(
        field=name, code="unknown_field", template="There is no setting '{name}'.", params={"name": name}
    )


def _locked(name: str, reason: str) -> FieldError:
    return _wrong("locked", "An administrator has locked this setting: {reason}", field=name, reason=reason)


def _wrong(code: str, template: str, *, field: str, **params: Any) -> FieldError:
    return FieldError(field=field, code=code, template=template, params=params)


def _check_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed(action="change", object="settings", reason="it needs an administrator.")


def _write_lock(transaction: Transaction, plugin: str, name: str, reason: str | None) -> None:
    transaction.execute("DELETE FROM k_setting_lock WHERE plugin = ? AND name = ?", (plugin, name))
    if reason is not None:
        transaction.execute(
            "INSERT INTO k_setting_lock (plugin, name, reason) VALUES (?, ?, ?)", (plugin, name, reason)
        )


def _raise_version(transaction: Transaction) -> None:
    transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")


def _subject(plugin: str, name: str) -> str:
    return f"plugin/{plugin}/settings/{name}"
