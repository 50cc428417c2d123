"""Taking plugins out: what stands in the way and all that goes is said first; a purge leaves nothing.

A purge needs no code of the plugin: the metadata rows and the tables below know everything by owner.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson
from packaging.utils import canonicalize_name

from karvan.access.actors import Actor
from karvan.database import Database, Transaction
from karvan.metadata.catalog import Definition
from karvan.metadata.store import read_definitions
from karvan.plugins.discovery import Discovery
from karvan.plugins.generations import Generations
from karvan.plugins.state import Plugins
from karvan.schema.edits import DisablePlugin, Edit, Purge
from karvan_sdk.errors import InUse, NotAllowed, PluginRefused, SchemaRefused, UnknownPlugin, ValidationFailed
from karvan_sdk.names import check_plugin_id

RESIDUE: Sequence[tuple[str, str, str]] = (
    ("k_setting", "plugin = ?", "{plugin}"),
    ("k_setting_lock", "plugin = ?", "{plugin}"),
    ("k_audit", "substr(subject, 1, length(?)) = ?", "plugin/{plugin}/settings/"),
    ("k_layout", "substr(widget, 1, length(?)) = ?", "{plugin}."),
    ("k_delivery", "plugin = ?", "{plugin}"),
    ("k_outbox", "object = ?", "{plugin}"),
    ("k_job", "plugin = ?", "{plugin}"),
    ("k_secret", "plugin = ?", "{plugin}"),
    ("k_accident", "plugin = ?", "{plugin}"),
    ("k_suspension", "plugin = ?", "{plugin}"),
    ("k_restriction", "plugin = ?", "{plugin}"),
    ("k_figure", "plugin = ?", "{plugin}"),
)
"""Rows about a plugin outside the metadata: table, condition, value."""

CHANGES: Sequence[tuple[str, str]] = (
    ("k_history", "changes"),
    ("k_outbox", "payload"),
    ("k_delivery", "payload"),
)
"""Where values of the plugin's fields on others' records are kept by field uid: table, column."""
BATCH = 500


class SchemaToPurge(Protocol):
    """What an uninstall needs of `karvan.schema.changes.Schema`."""

    def purge(self, actor: Any, owner: str, object: str = "", field: str = "") -> Any: ...
    def preview(self, actor: Any, *edits: Edit) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Going:
    """A table or column of the plugin, with how many records hold something in it."""

    kind: str
    physical: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class UninstallPlan:
    """What an uninstall would do. With `blockers` it can't be done; `notes` say what stays, and why."""

    plugin: str
    purge: bool
    blockers: tuple[str, ...]
    distributions: tuple[str, ...]
    data: tuple[Going, ...]
    rows: Mapping[str, int]
    files: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "plugin": self.plugin,
            "purge": self.purge,
            "blockers": list(self.blockers),
            "distributions": list(self.distributions),
            "data": [{"kind": d.kind, "physical": d.physical, "rows": d.rows} for d in self.data],
            "rows": dict(self.rows),
            "files": self.files,
            "notes": list(self.notes),
        }


class Uninstaller:
    """Takes plugins out of one workspace, and their code out of the generations of its home."""

    def __init__(
        self,
        home: Path,
        database: Database,
        generations: Generations,
        discovery: Discovery,
        plugins: Plugins,
        schema: SchemaToPurge,
    ) -> None:
        self._home = home
        self._database = database
        self._generations = generations
        self._discovery = discovery
        self._plugins = plugins
        self._schema = schema

    def plan(self, plugin: str, *, purge: bool) -> UninstallPlan:
        """Everything that would go, and what stands in the way. Raises UnknownPlugin."""
        check_plugin_id(plugin)  # it names a folder
        definitions, rows, files = self._definitions(plugin), self._rows(plugin), self._files(plugin)
        here = self._discovery.get(plugin) is not None or self._is_known(plugin)
        if not here and not definitions and not any(rows.values()) and not files:
            raise UnknownPlugin(plugin)
        going, notes = self._code(plugin)
        return UninstallPlan(
            plugin=plugin,
            purge=purge,
            blockers=self._blockers(plugin, going, purge=purge),
            distributions=going,
            data=tuple(self._data(definitions)) if purge else (),
            rows=rows if purge else {},
            files=len(files) if purge else 0,
            notes=(
                *notes,
                *self._freed(plugin),
                *(() if purge else ("Its tables, fields and records are kept.",)),
            ),
        )

    def apply(self, actor: Any, plan: UninstallPlan) -> None:
        """Do what a plan says: off, data, then code. Raises PluginRefused where something needs it.

        Each step leaves what the next attempt finds done, so an uninstall that was cut off is done again.
        """
        if not actor.is_admin:
            raise NotAllowed(action="uninstall", object="plugins", reason="it needs an administrator.")
        if plan.blockers:
            raise PluginRefused(plugin=plan.plugin, action="uninstalled", reason=" ".join(plan.blockers))
        if plan.plugin in self._plugins.enabled():
            self._plugins.disable(actor, plan.plugin)
        if plan.purge:
            self._schema.purge(actor, f"plugin:{plan.plugin}")
            self._clear(plan.plugin)
        if self._generations.current() is None:
            return
        with self._generations.alone():
            going, _ = self._code(plan.plugin)
            if going:
                self._generations.switch(self._generations.build(without=going))
        self._generations.refresh()

    # -- inside ----------------------------------------------------------------------------------------

    def _is_known(self, plugin: str) -> bool:
        """Whether the plugin was ever enabled here and not purged since."""
        with self._database.read() as connection:
            return connection.fetchone("SELECT 1 FROM k_plugin WHERE id = ?", (plugin,)) is not None

    def _freed(self, plugin: str) -> tuple[str, ...]:
        """Of which objects more will be seen than before."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT DISTINCT d.name FROM k_restriction r JOIN k_definition d ON d.uid = r.object"
                " WHERE r.plugin = ? AND r.condition <> '' ORDER BY d.name",
                (plugin,),
            )
        names = ", ".join(row[0] for row in rows)
        return (f"It narrows who sees and changes: {names}. That ends with it.",) if names else ()

    def _files(self, plugin: str) -> list[Path]:
        return [p for p in (self._home / "files" / plugin).rglob("*") if p.is_file()]

    def _blockers(self, plugin: str, going: Sequence[str], *, purge: bool) -> tuple[str, ...]:
        """Everything that stands in the way, one sentence or two each."""
        found = [f"'{other}' needs it. Uninstall it first." for other in self._plugins.needing(plugin)]
        for other, needs in self._generations.requirements(self._generations.current()).items():
            needed = sorted({*needs} & {*going})
            if needed and other not in going:
                found.append(f"The installed {other} needs the code of {needed[0]}. Uninstall it first.")
        on = plugin in self._plugins.enabled()
        edits: list[Edit] = [DisablePlugin(plugin=plugin)] if on and not found else []
        edits += [Purge(owner=f"plugin:{plugin}")] if purge and not found else []
        try:
            self._schema.preview(Actor.system(), *edits)
        except (InUse, SchemaRefused, ValidationFailed) as exc:
            found.append(exc.message)
        return tuple(found)

    def _definitions(self, plugin: str) -> list[Definition]:
        with self._database.read() as connection:
            return [d for d in read_definitions(connection) if d.owner == f"plugin:{plugin}"]

    def _code(self, plugin: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(distributions that go, notes): the plugin's own and those that nothing else needs."""
        installed = self._discovery.get(plugin)
        held = self._generations.distributions(self._generations.current())
        if installed is None:
            return (), ("Its code is not installed.",)
        name = str(canonicalize_name(installed.distribution))
        if name not in held:
            note = f"The environment provides its code; to remove it: pip uninstall {name}."
            return (), (note,)
        others = [
            p.id
            for p in self._discovery.installed().values()
            if p.id != plugin and canonicalize_name(p.distribution) == name
        ]
        if others:
            return (), (f"Its code stays: '{others[0]}' is in the same distribution.",)
        plugins = {str(canonicalize_name(p.distribution)) for p in self._discovery.installed().values()}
        return tuple(_unneeded(self._generations, name, plugins - {name})), ()

    def _data(self, definitions: Sequence[Definition]) -> list[Going]:
        """The plugin's tables, and its columns on tables of others."""
        with self._database.read() as connection:
            everything = {d.uid: d for d in read_definitions(connection)}
            found = []
            for one in definitions:
                if one.kind == "object":
                    row = connection.fetchone(f'SELECT count(*) FROM "{one.physical}"')
                elif one.kind == "field" and everything[one.parent].owner != one.owner:
                    row = connection.fetchone(
                        f'SELECT count(*) FROM "{everything[one.parent].physical}"'
                        f' WHERE "{one.physical}" IS NOT NULL'
                    )
                else:
                    continue
                found.append(Going(kind=one.kind, physical=one.physical, rows=row[0] if row else 0))
        return found

    def _rows(self, plugin: str) -> dict[str, int]:
        with self._database.read() as connection:
            found = {}
            for table, condition, value in RESIDUE:
                text = f"SELECT count(*) FROM {table} WHERE {condition}"
                row = connection.fetchone(text, _values(condition, value, plugin))
                found[table] = row[0] if row else 0
            row = connection.fetchone(
                "SELECT count(*) FROM k_history WHERE changes LIKE ? OR substr(object, 1, length(?)) = ?",
                (f"%{_mark(plugin)}%", *(f"plugin:{plugin}/",) * 2),
            )
            found["k_history"] = row[0] if row else 0
        return found

    def _clear(self, plugin: str) -> None:
        with self._database.write() as transaction:
            for table, condition, value in RESIDUE:
                text = f"DELETE FROM {table} WHERE {condition}"
                transaction.execute(text, _values(condition, value, plugin))
            for table, column in CHANGES:
                _forget_values(transaction, table, column, _mark(plugin))
            transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")
        folder = self._home / "files" / plugin
        if folder.is_dir():
            shutil.rmtree(folder)
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()


def _values(condition: str, value: str, plugin: str) -> tuple[str, ...]:
    return (value.format(plugin=plugin),) * condition.count("?")


def _mark(plugin: str) -> str:
    """What the uids of a plugin's fields hold, on its own objects and on others'."""
    return f"#field/plugin:{plugin}/"


def _forget_values(transaction: Transaction, table: str, column: str, mark: str) -> None:
    """Take a plugin's fields out of the changes of others' records; that there was a change stays known."""
    last = 0
    while rows := transaction.fetchall(
        f"SELECT id, {column} FROM {table} WHERE id > ? AND {column} LIKE ? ORDER BY id LIMIT {BATCH}",
        (last, f"%{mark}%"),
    ):
        last = rows[-1][0]
        kept = [({k: v for k, v in orjson.loads(text).items() if mark not in k}, id) for id, text in rows]
        transaction.execute_many(
            f"UPDATE {table} SET {column} = ? WHERE id = ?",
            [(orjson.dumps(changes).decode(), id) for changes, id in kept],
        )


def _unneeded(generations: Generations, name: str, plugins: set[str]) -> list[str]:
    """The distribution and, of the same generation, what only it needs."""
    needs = generations.requirements(generations.current())
    kept = {n for n in needs if n in plugins}
    open_ = list(kept)
    while open_:
        for other in needs.get(open_.pop(), ()):
            if other in needs and other not in kept and other != name:
                kept.add(other)
                open_.append(other)
    reached, open_ = {name}, [name]
    while open_:
        for other in needs.get(open_.pop(), ()):
            if other in needs and other not in reached:
                reached.add(other)
                open_.append(other)
    return sorted(reached - kept)
