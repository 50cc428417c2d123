"""Which plugins are on in this workspace, and what must hold before that changes."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import importlib_metadata
from packaging.specifiers import SpecifierSet

from karvan.database import Database
from karvan.plugins.accidents import Accident, Accidents
from karvan.plugins.answered import Answers
from karvan.plugins.discovery import Discovery, Installed
from karvan.plugins.host import Host
from karvan.plugins.order import order_plugins
from karvan.plugins.probe import LIMITS, Limits, refuse_unfit, try_plugins
from karvan.plugins.suspensions import Suspensions, Tripped
from karvan.plugins.xray import Examined, XRay, examine
from karvan_sdk import declarations
from karvan_sdk.errors import ManifestInvalid, NotAllowed, PluginRefused, UnknownPlugin
from karvan_sdk.manifest import Manifest
from karvan_sdk.text import Text


class SchemaOfPlugins(Protocol):
    """What this package needs of `karvan.schema.changes`: each call is one transaction of its own."""

    def enable_plugin(self, actor: Any, manifest: Manifest, *, version: str = "") -> Any: ...
    def disable_plugin(self, actor: Any, plugin: str) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """One plugin as a list shows it.

    `state` is `off`, `on`, `degraded` (on, works in part), `failed` (on, its code is not used), `missing`
    (on, not installed), `suspended` (on, not called: it kept failing), `resting` (on, not called in safe
    mode) or `broken` (off, its manifest can't be read). `problems` says why, `trace` where it failed last;
    `warnings` tell what works and yet needs somebody.
    """

    id: str
    name: Text
    summary: Text
    state: str
    enabled: bool
    installed: bool
    version: str = ""
    author: str = ""
    license: str = ""
    distribution: str = ""
    requires: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trace: str = ""

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The JSON form, texts in one language."""
        found = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**found, "name": self.name(language) or self.id, "summary": self.summary(language)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What `enable` or `disable` did; `changed` is False where it was so already."""

    plugin: str
    enabled: bool
    changed: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A row of `k_plugin` that is on: the version and the manifest with which it was enabled."""

    version: str
    requires: Mapping[str, str]
    manifest: Mapping[str, Any]


Infos = list[PluginInfo]
Reasons = list[str]  # within the class `list` is its method


class Plugins:
    """The plugins of one workspace: what is there, what is on, and the two acts that change it."""

    def __init__(
        self,
        discovery: Discovery,
        host: Host,
        schema: SchemaOfPlugins,
        database: Database,
        accidents: Accidents,
        answers: Answers,
        suspensions: Suspensions,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        """`limits` hold for the trial of a plugin that is to be enabled."""
        self._discovery = discovery
        self._host = host
        self._schema = schema
        self._database = database
        self._accidents = accidents
        self._answers = answers
        self._limits = limits
        self._suspensions = suspensions

    # -- what is there ---------------------------------------------------------------------------------

    def list(self) -> Infos:
        """All installed plugins, and those that are on but not installed, by id."""
        installed = self._discovery.installed()
        rows = self._enabled()
        last = self._accidents.last()
        return [
            self._info(one, installed.get(one), rows.get(one), last.get(one))
            for one in sorted({*installed, *rows})
        ]

    def info(self, plugin: str) -> PluginInfo:
        """One plugin. Raises UnknownPlugin with the nearest name."""
        installed = self._discovery.get(plugin)
        row = self._enabled().get(plugin)
        if installed is None and row is None:
            raise self._unknown(plugin)
        return self._info(plugin, installed, row, self._accidents.last().get(plugin))

    def enabled(self) -> tuple[str, ...]:
        """The ids of the plugins that are on, by id."""
        return tuple(sorted(self._enabled()))

    def versions(self) -> Mapping[str, str]:
        """The versions of the plugins that are on, as they were enabled, by id."""
        return {plugin: row.version for plugin, row in self._enabled().items()}

    def needing(self, plugin: str) -> Reasons:
        """The enabled plugins that require this one, by id."""
        return sorted(other for other, row in self._enabled().items() if plugin in row.requires)

    def xray(self, also: Sequence[str] = (), new: Sequence[Examined] = ()) -> XRay:
        """What the enabled plugins add, touch and clash in, as if `also` and `new` (to be installed) were on.

        Made from manifests alone. Raises UnknownPlugin for one of `also` that is not installed.
        """
        for plugin in also:
            if self._discovery.get(plugin) is None:
                raise self._unknown(plugin)
        installed = self._discovery.installed()
        rows = self._enabled()
        names = sorted({*rows, *also} - {one.id for one in new})
        return examine([*(_examined(name, installed.get(name)) for name in names), *new])

    # -- the two acts ----------------------------------------------------------------------------------

    def enable(self, actor: Any, plugin: str) -> Outcome:
        """Switch a plugin on: its objects and fields are made (or found again), its hooks are called.

        Checks everything first, its code included (in a process of its own before it is imported here), and
        then changes. Raises UnknownPlugin, ManifestInvalid, PluginRefused, PluginUnfit, and what the schema
        refuses.
        """
        installed = self._discovery.get(plugin)
        if installed is None:
            raise self._unknown(plugin)
        if installed.manifest is None:
            raise ManifestInvalid(plugin, installed.errors)
        rows = self._enabled()
        row = rows.get(plugin)
        same = row is not None and row.version == installed.version
        if row is not None and same and row.manifest == _stored(installed.manifest):
            self._host.sync(tuple(sorted(rows)))
            return self._outcome(plugin, enabled=True, changed=False)
        self._check(installed, installed.manifest, rows)
        self._schema.enable_plugin(actor, installed.manifest, version=installed.version)
        self._accidents.give_chance(plugin)
        self._suspensions.lift(plugin)
        self._host.sync(self.enabled())
        return self._outcome(plugin, enabled=True, changed=True)

    def disable(self, actor: Any, plugin: str) -> Outcome:
        """Switch a plugin off. Its tables and their data are kept; its code is called no more.

        Raises UnknownPlugin; PluginRefused while another enabled plugin requires it.
        """
        rows = self._enabled()
        if plugin not in rows:
            if self._discovery.get(plugin) is None:
                raise self._unknown(plugin)
            return Outcome(plugin=plugin, enabled=False, changed=False)
        needed_by = self.needing(plugin)
        if needed_by:
            raise PluginRefused(
                plugin=plugin,
                action="disabled",
                reason=f"{_names(needed_by)} need{'s' if len(needed_by) == 1 else ''} it. "
                f"Disable {_names(needed_by)} first.",
            )
        self._schema.disable_plugin(actor, plugin)
        self._answers.forget(plugin)
        self._host.sync(self.enabled())
        return Outcome(plugin=plugin, enabled=False, changed=True)

    def resume(self, actor: Any, plugin: str) -> Outcome:
        """Call a suspended plugin again; its breakers and accidents count from now on.

        Raises UnknownPlugin for one that is not on, NotAllowed for who is no administrator.
        """
        if not actor.is_admin:
            raise NotAllowed(action="resume", object="plugins", reason="it needs an administrator.")
        if plugin not in self._enabled():
            raise UnknownPlugin(plugin, hint="Enable it first.")
        if self._host.suspension(plugin) is None:
            return self._outcome(plugin, enabled=True, changed=False)
        self._accidents.give_chance(plugin)
        self._suspensions.lift(plugin)
        self._host.sync(self.enabled())
        return self._outcome(plugin, enabled=True, changed=True)

    # -- inside ----------------------------------------------------------------------------------------

    def _check(self, installed: Installed, manifest: Manifest, rows: Mapping[str, _Row]) -> None:
        """Raise PluginRefused with every reason why this plugin can't be on beside the enabled ones."""
        others = {other: row for other, row in rows.items() if other != manifest.id}
        reasons = [
            *_check_api(manifest),
            *self._check_requires(manifest, others),
            *self._check_conflicts(manifest, others),
            *self._check_order(manifest, others),
        ]
        if not reasons and installed.entry and self._host.is_new(installed):
            found = try_plugins({installed.id: installed.distribution}, self._limits)
            refuse_unfit(installed.id, found)
        if not reasons:
            reasons += self._host.check(installed)
        if reasons:
            raise PluginRefused(plugin=manifest.id, action="enabled", reason=" ".join(reasons))

    def _check_requires(self, manifest: Manifest, others: Mapping[str, _Row]) -> Reasons:
        reasons = []
        for other, wanted in sorted(manifest.requires.items()):
            row = others.get(other)
            if row is not None:
                if not _within(row.version, wanted):
                    reasons.append(
                        f"it needs '{other}' {wanted}, this is {row.version}. "
                        f"Install a fitting version of '{other}'."
                    )
            elif self._discovery.get(other) is not None:
                reasons.append(f"it needs '{other}' {wanted}, which is off. Enable '{other}' first.")
            else:
                reasons.append(
                    f"it needs '{other}' {wanted}, which is not installed. Install it, then enable it first."
                )
        return reasons

    def _check_conflicts(self, manifest: Manifest, others: Mapping[str, _Row]) -> Reasons:
        reasons = []
        for other, row in sorted(others.items()):
            theirs = self._manifest(other)
            mine = manifest.conflicts.get(other)
            against = theirs.conflicts.get(manifest.id) if theirs else None
            version = self._version(manifest.id)
            if (mine is not None and _within(row.version, mine)) or (
                against is not None and _within(version, against)
            ):
                reasons.append(f"it conflicts with '{other}' {row.version}. Disable '{other}' first.")
        return reasons

    def _check_order(self, manifest: Manifest, others: Mapping[str, _Row]) -> Reasons:
        known = [found for other in others if (found := self._manifest(other)) is not None]
        _, stuck = order_plugins([*known, manifest])
        if manifest.id not in stuck:
            return []
        return [
            f"its order is a circle among {_names(stuck)}. "
            "Ask the authors to drop one of 'requires', 'after' or 'before'."
        ]

    def _manifest(self, plugin: str) -> Manifest | None:
        installed = self._discovery.get(plugin)
        return None if installed is None else installed.manifest

    def _version(self, plugin: str) -> str:
        installed = self._discovery.get(plugin)
        return "" if installed is None else installed.version

    def _enabled(self) -> dict[str, _Row]:
        with self._database.read() as connection:
            rows = connection.fetchall("SELECT id, version, manifest FROM k_plugin WHERE state = 'on'")
        found = {}
        for plugin, version, text in rows:
            manifest = json.loads(text)
            found[plugin] = _Row(version=version, requires=manifest.get("requires", {}), manifest=manifest)
        return found

    def _info(
        self, plugin: str, installed: Installed | None, row: _Row | None, accident: Accident | None
    ) -> PluginInfo:
        manifest = installed.manifest if installed else None
        problems = tuple(f"{e.field}: {e.message}" for e in installed.errors) if installed else ()
        state = "broken" if installed and manifest is None else "off"
        if row is not None:
            state, problems = self._fares(plugin, installed, problems)
            is_its = installed is not None and accident is not None and accident.version == installed.version
            if accident is not None and is_its and state != "suspended":
                problems = (*problems, accident.sentence())
        stored = row.manifest if row is not None else {}
        held = self._host.suspension(plugin)
        if row is not None and manifest is not None:
            problems += _not_granted(manifest, row)
        return PluginInfo(
            id=plugin,
            name=manifest.name if manifest else Text.of(stored.get("name", plugin)),
            summary=manifest.summary if manifest else Text.of(stored.get("summary", "")),
            state=state,
            enabled=row is not None,
            installed=installed is not None,
            version=installed.version if installed else row.version if row else "",
            author=installed.author if installed else "",
            license=installed.license if installed else "",
            distribution=installed.distribution if installed else "",
            requires=tuple(sorted(manifest.requires)) if manifest else (),
            objects=tuple(made.name for made in manifest.objects) if manifest else (),
            hooks=tuple(dict.fromkeys(use.hook for use in manifest.hooks)) if manifest else (),
            problems=problems,
            warnings=self._warnings(plugin),
            trace=held.trace if isinstance(held, Tripped) else "",
        )

    def _warnings(self, plugin: str) -> tuple[str, ...]:
        status = self._host.status().get(plugin)
        return status.warnings if status is not None else ()

    def _fares(
        self, plugin: str, installed: Installed | None, problems: tuple[str, ...]
    ) -> tuple[str, tuple[str, ...]]:
        if installed is None:
            return "missing", ("It is enabled here but not installed. Install it or disable it.",)
        status = self._host.status().get(plugin)
        if status is None:
            return ("failed" if installed.manifest is None else "on"), problems
        return ("on" if status.state == "ready" else status.state), status.problems

    def _outcome(self, plugin: str, *, enabled: bool, changed: bool) -> Outcome:
        status = self._host.status().get(plugin)
        return Outcome(
            plugin=plugin,
            enabled=enabled,
            changed=changed,
            problems=status.problems if status else (),
        )

    def _unknown(self, plugin: str) -> UnknownPlugin:
        near = difflib.get_close_matches(plugin, list(self._discovery.installed()), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Install its distribution first: karvan-{plugin}."
        return UnknownPlugin(plugin, hint=hint)


def _examined(plugin: str, installed: Installed | None) -> Examined:
    if installed is None:
        return Examined(id=plugin, manifest=None, why="it is enabled here but not installed.")
    why = "; ".join(f"{e.field}: {e.message}" for e in installed.errors)
    return Examined(id=plugin, manifest=installed.manifest, version=installed.version, why=why)


def _stored(manifest: Manifest) -> Any:
    """A manifest as its row gives it back."""
    return json.loads(json.dumps(declarations.dump(manifest)))


def _not_granted(manifest: Manifest, row: _Row) -> tuple[str, ...]:
    """What a plugin asks for since its code was exchanged, and did not when it was enabled."""
    new = [one for one in manifest.capabilities if one not in row.manifest.get("capabilities", ())]
    routes = [(one["surface"], one["path"]) for one in row.manifest.get("public_routes", ())]
    new += [f"public route {r.path}" for r in manifest.public_routes if (r.surface, r.path) not in routes]
    if not new:
        return ()
    return (f"It asks for more than when it was enabled: {', '.join(new)}. Enable it again to grant that.",)


def _check_api(manifest: Manifest) -> list[str]:
    version = importlib_metadata.version("karvan-sdk")
    if _within(version, manifest.api):
        return []
    return [
        f"it needs karvan-sdk {manifest.api}, this is {version}. "
        f"Upgrade Karvan or choose another version of '{manifest.id}'."
    ]


def _within(version: str, wanted: str) -> bool:
    return SpecifierSet(wanted).contains(version, prereleases=True)


def _names(plugins: Sequence[str]) -> str:
    return ", ".join(f"'{plugin}'" for plugin in plugins)
