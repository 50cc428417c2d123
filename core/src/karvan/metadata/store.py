"""From the metadata rows to the catalog in force: read with the version, swapped whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from karvan.database import Connection, Database, Transaction
from karvan.metadata.catalog import Catalog, Definition, build_catalog
from karvan_sdk.errors import KarvanError

COLUMNS = (
    "uid", "kind", "owner", "parent", "name", "physical", "shipped", "override", "detached", "position",
)  # fmt: skip


class NotMade(KarvanError):
    """The database holds no workspace of this version yet."""

    code = "not_made"
    template = "This database holds no workspace yet. Run: karvan init --admin YOU@EXAMPLE.COM"


def read_definitions(connection: Connection) -> tuple[Definition, ...]:
    """All metadata rows, detached ones too."""
    rows = connection.fetchall(f"SELECT {', '.join(COLUMNS)} FROM k_definition ORDER BY position, uid")
    return tuple(
        Definition(
            uid=r[0],
            kind=r[1],
            owner=r[2],
            parent=r[3],
            name=r[4],
            physical=r[5],
            shipped=orjson.loads(r[6]),
            override=orjson.loads(r[7]),
            detached=bool(r[8]),
            position=r[9],
        )
        for r in rows
    )


def read_plugins(connection: Connection) -> tuple[str, ...]:
    """The ids of the enabled plugins."""
    return tuple(r[0] for r in connection.fetchall("SELECT id FROM k_plugin WHERE state = 'on' ORDER BY id"))


def read_manifests(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """What the enabled plugins declared when they were enabled, by plugin."""
    rows = connection.fetchall("SELECT id, manifest FROM k_plugin WHERE state = 'on' ORDER BY id")
    return MappingProxyType({r[0]: orjson.loads(r[1]) for r in rows})


def read_settings(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """What was set for all, of all plugins, by plugin and name."""
    return _by_plugin(
        connection.fetchall("SELECT plugin, name, value FROM k_setting WHERE scope = 'system'"), orjson.loads
    )


def read_own_settings(connection: Connection, plugin: str, person: int) -> Mapping[str, Any]:
    """What a person set of a plugin for himself, by name."""
    rows = connection.fetchall(
        "SELECT name, value FROM k_setting WHERE plugin = ? AND scope = 'user' AND scope_id = ?",
        (plugin, person),
    )
    return {name: orjson.loads(value) for name, value in rows}


def read_locks(connection: Connection) -> Mapping[str, Mapping[str, str]]:
    """The settings that people can't set for themselves and why, by plugin and name."""
    return _by_plugin(connection.fetchall("SELECT plugin, name, reason FROM k_setting_lock"), str)


def _by_plugin(rows: Iterable[Any], read: Callable[[Any], Any]) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for plugin, name, value in rows:
        found.setdefault(plugin, {})[name] = read(value)
    return MappingProxyType(found)


def read_version(connection: Connection) -> int:
    """The version of the metadata now."""
    row = connection.fetchone("SELECT version FROM k_state WHERE id = 1")
    if row is None:
        raise NotMade
    version: int = row[0]
    return version


def row_values(definition: Definition) -> tuple[object, ...]:
    """The values of a metadata row, in the order of `COLUMNS`."""
    return (
        definition.uid,
        definition.kind,
        definition.owner,
        definition.parent,
        definition.name,
        definition.physical,
        orjson.dumps(dict(definition.shipped)).decode(),
        orjson.dumps(dict(definition.override)).decode(),
        definition.detached,
        definition.position,
    )


def write_definitions(transaction: Transaction, old: Iterable[Definition], new: Iterable[Definition]) -> None:
    """Bring the metadata rows from `old` to `new`, touching only those that differ."""
    before = {d.uid: d for d in old}
    after = {d.uid: d for d in new}
    gone = [(uid,) for uid, d in before.items() if after.get(uid) != d]
    if gone:
        transaction.execute_many("DELETE FROM k_definition WHERE uid = ?", gone)
    fresh = [row_values(d) for uid, d in after.items() if before.get(uid) != d]
    transaction.insert_many("k_definition", COLUMNS, fresh)


class Catalogs:
    """The catalog of one workspace in this process. Readers take one reference and keep it.

    `complete` is given each new catalog before it is handed out and adds what plugins have to say (the host
    takes its plugins from it). It may be called from several threads, never for a catalog that is in force.
    """

    def __init__(self, database: Database, complete: Callable[[Catalog], Catalog] | None = None) -> None:
        self._database = database
        self._complete = complete
        self._known: Catalog | None = None
        self._lock = threading.Lock()

    def known(self) -> Catalog:
        """The catalog as this process last saw it; the guard of a read proves whether it still holds."""
        return self._known or self.current()

    def current(self) -> Catalog:
        """The catalog in force now."""
        with self._database.read() as connection:
            return self.at(connection, read_version(connection))

    def at(self, connection: Connection, version: int) -> Catalog:
        """The catalog of `version`, which the caller has just read on this connection.

        Should the metadata change between the two statements, the newer catalog comes back.
        """
        known = self._known
        if known is not None and known.version == version:
            return known
        with self._lock:
            known = self._known
            if known is not None and known.version == version:
                return known
            made = self._read(connection)
            if known is None or made.version >= known.version:
                if self._complete:  # before the reference moves: whoever has the catalog has its plugins
                    made = self._complete(made)
                self._known = made
            return made

    def _read(self, connection: Connection) -> Catalog:
        while True:
            version = read_version(connection)
            definitions, manifests = read_definitions(connection), read_manifests(connection)
            settings, locks = read_settings(connection), read_locks(connection)
            if read_version(connection) == version:  # nobody changed them while they were read
                made = build_catalog(
                    version, definitions, tuple(manifests), manifests=manifests, settings=settings
                )
                return replace(made, locks=locks)
