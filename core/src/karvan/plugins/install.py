"""Installing plugins from an index: everything is thought through and shown, then done in one direction.

plan: resolve, download, check hashes, read manifests, plan the schema. apply: a new generation, a probe in a
process of its own, the pointer, then enable. Whatever fails before the pointer leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from karvan.plugins.discovery import Discovery
from karvan.plugins.generations import CodeRefused, Distribution, Generations, provided
from karvan.plugins.index import Index, IndexFailed, IndexFile
from karvan.plugins.order import order_plugins
from karvan.plugins.probe import INSTALL, try_plugins
from karvan.plugins.resolve import Resolver, Wanted
from karvan.plugins.state import Outcome, Plugins
from karvan.plugins.wheels import NewPlugin, read_plugins
from karvan.plugins.xray import Examined, Finding, say_finding
from karvan_sdk.errors import BadInput, KarvanError, ManifestInvalid, NotAllowed, PluginRefused
from karvan_sdk.manifest import Manifest
from karvan_sdk.names import check_plugin_id

BUNDLE = "bundle:"
ROUNDS_MAX = 50


class SchemaToPreview(Protocol):
    """What an install needs of `karvan.schema.changes.Schema`."""

    def preview_plugins(self, actor: Any, manifests: Sequence[tuple[Manifest, str]]) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class InstallPlan:
    """What an install would do. `plugins` are new, `present` asked for or needed and installed already;
    `order` is the one in which all of them are enabled; `schema` is the plan of the schema, step by step.
    `held` is what the generation held when this was planned, `findings` are the errors and warnings of the
    x-ray about what is to be enabled."""

    index: str
    files: tuple[IndexFile, ...]
    wheels: tuple[Path, ...]
    plugins: tuple[NewPlugin, ...]
    present: tuple[str, ...]
    order: tuple[str, ...]
    schema: tuple[Mapping[str, Any], ...]
    held: Mapping[str, Distribution]
    findings: tuple[Finding, ...] = ()

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """The plan as plain data, for people and programs."""
        return {
            "index": self.index,
            "downloads": [
                {"file": f.filename, "version": str(f.version), "sha256": f.sha256, "size": f.size}
                for f in self.files
            ],
            "plugins": [
                {
                    "id": p.manifest.id,
                    "name": p.manifest.name(language),
                    "version": p.version,
                    "distribution": p.distribution,
                    "capabilities": list(p.manifest.capabilities),
                    "public_routes": [
                        {"path": r.path, "methods": list(r.methods), "why": r.why(language)}
                        for r in p.manifest.public_routes
                    ],
                }
                for p in self.plugins
            ],
            "present": list(self.present),
            "schema": list(self.schema),
            "findings": [say_finding(one) for one in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class _Demand:
    """A plugin that is to be on, in which versions, and who says so."""

    plugin: str
    versions: str
    by: str


class Installer:
    """Installs plugins into the generations of one home and enables them in one workspace."""

    def __init__(
        self, generations: Generations, discovery: Discovery, plugins: Plugins, schema: SchemaToPreview
    ) -> None:
        self._generations = generations
        self._discovery = discovery
        self._plugins = plugins
        self._schema = schema

    @contextmanager
    def plan(self, actor: Any, wanted: Sequence[str], url: str) -> Iterator[InstallPlan]:
        """Think an install through; `wanted` are plugin ids, `id>=1.2` or `bundle:id`.

        What was downloaded is kept while the block lasts. Raises CodeRefused, IndexFailed, PluginRefused,
        ManifestInvalid, and what the schema refuses.
        """
        _only_admin(actor)
        index = Index(url)
        with TemporaryDirectory(prefix="karvan-install-") as folder:
            yield self._plan(actor, index, _requested(index, wanted), Path(folder))

    def apply(
        self, actor: Any, plan: InstallPlan, tell: Callable[[str], None] = lambda _: None
    ) -> list[Outcome]:
        """Do what a plan says; gives what was enabled, in order.

        Fails whole up to the pointer. Of the plugins to be enabled, those that were enabled stay so, and the
        error says which.
        """
        _only_admin(actor)
        if plan.wheels:
            self._put_in_place(plan, tell)
        outcomes: list[Outcome] = []
        for plugin in plan.order:
            try:
                outcomes.append(self._plugins.enable(actor, plugin))
            except KarvanError as exc:
                if not plan.wheels and not any(o.changed for o in outcomes):
                    raise
                raise CodeRefused(reason=_say_half(plan, outcomes, exc)) from exc
            tell(f"Enabled {plugin}." if outcomes[-1].changed else f"{plugin} is enabled already.")
        return outcomes

    # -- inside ----------------------------------------------------------------------------------------

    def _put_in_place(self, plan: InstallPlan, tell: Callable[[str], None]) -> None:
        """A new generation with the wheels of a plan, tried, pointed to, and used by this process."""
        with self._generations.alone():
            self._check_unmoved(plan)
            number = self._generations.build(plan.wheels)
            tell(f"Unpacked {len(plan.wheels)} wheels into generation {number}.")
            try:
                _try(self._generations.site(number), plan.plugins)
            except BaseException:
                self._generations.discard(number)
                raise
            self._generations.switch(number)
        if not self._generations.refresh():
            raise CodeRefused(
                reason=f"Generation {number} is in place; this process still uses the one before. "
                f"Start Karvan again, then enable: {', '.join(plan.order)}."
            )

    def _check_unmoved(self, plan: InstallPlan) -> None:
        """Raise CodeRefused where another install took away or changed what this plan stands on."""
        now = self._generations.distributions(self._generations.current())
        moved = sorted(name for name, one in plan.held.items() if now.get(name) != one)
        moved += sorted(f.project for f in plan.files if f.project in now)
        if moved:
            raise CodeRefused(
                reason=f"{', '.join(moved)} changed while this install was planned. Nothing was installed. "
                "Plan it again."
            )

    def _plan(self, actor: Any, index: Index, requested: Sequence[_Demand], folder: Path) -> InstallPlan:
        if not self._generations.refresh():
            raise CodeRefused(
                reason="Another version of a plugin is in place than this process uses. Start Karvan again."
            )
        held = self._generations.distributions(self._generations.current())
        host = provided(self._generations.site(0).parents[1])
        resolver = Resolver(index, {**host, **{name: one.version for name, one in held.items()}}, folder)
        files, found, here = self._gather(index, resolver, requested, host, folder)
        self._check(found)
        enabled = set(self._plugins.enabled())
        manifests = {**{n: m for n, m in here.items() if n not in found}, **_manifests(found)}
        versions = {n: found[n].version if n in found else self._version(n) for n in manifests}
        order = _in_order(manifests, [d.plugin for d in requested])
        edits = [(manifests[n], versions[n]) for n in order if n in found or n not in enabled]
        return InstallPlan(
            index=index.url,
            files=tuple(files),
            wheels=tuple(folder / f.filename for f in files),
            plugins=tuple(found[n] for n in order if n in found),
            present=tuple(n for n in order if n not in found),
            order=order,
            schema=tuple(self._schema.preview_plugins(actor, edits).as_json()),
            held=held,
            findings=self._findings(order, found),
        )

    def _findings(self, order: Sequence[str], found: Mapping[str, NewPlugin]) -> tuple[Finding, ...]:
        """What the x-ray says about the plugins to be enabled, without its notes."""
        new = [Examined(id=n, manifest=p.manifest, version=p.version) for n, p in found.items()]
        xray = self._plugins.xray([n for n in order if n not in found], new)
        return tuple(f for f in xray.about(order) if f.severity != "note")

    def _gather(
        self,
        index: Index,
        resolver: Resolver,
        requested: Sequence[_Demand],
        host: Mapping[str, str],
        folder: Path,
    ) -> tuple[list[IndexFile], dict[str, NewPlugin], dict[str, Manifest]]:
        """(wheels, plugins in them, plugins that are here) for what was asked for and all that needs.

        Which plugins a plugin needs stands in its manifest, that in its wheel, and which wheel that is can
        change with what is needed: it is done again until nothing changes.
        """
        enabled = set(self._plugins.enabled())
        needs: list[_Demand] = []
        for _ in range(ROUNDS_MAX):
            demands = [*requested, *needs]
            here = {d.plugin: m for d in demands if (m := self._here(index, d, host)) is not None}
            files = resolver.resolve([_wanted(index, d) for d in demands if d.plugin not in here])
            found = _plugins_of(index, files, folder)
            lacking = [d for d in demands if d.plugin not in here and d.plugin not in found]
            if lacking:
                one = lacking[0]
                raise CodeRefused(
                    reason=f"{index.url} offers no plugin '{one.plugin}', which {one.by} needs. "
                    "Nothing was installed."
                )
            off = {n: (m, self._version(n)) for n, m in here.items() if n not in enabled}
            new = {n: (p.manifest, p.version) for n, p in found.items()}
            more = [
                _Demand(plugin=other, versions=versions, by=f"plugin {name} {version}")
                for name, (manifest, version) in sorted({**off, **new}.items())
                for other, versions in sorted(manifest.requires.items())
            ]
            if more == needs:
                return files, found, here
            needs = more
        raise CodeRefused(reason="What these plugins need changes without end. Nothing was installed.")

    def _here(self, index: Index, demand: _Demand, host: Mapping[str, str]) -> Manifest | None:
        """The manifest of a plugin that is installed, None where it is to be fetched.

        Raises PluginRefused where it is here and not as it is wanted: an install moves nothing, and what the
        environment provides is not ours to install.
        """
        plugin = demand.plugin
        installed = self._discovery.get(plugin)
        if installed is None:
            name = str(canonicalize_name(_distribution_of(index, plugin)))
            if name in host:
                raise _refused(plugin, f"the environment has {name} {host[name]}, and no such plugin in it.")
            return None
        name = str(canonicalize_name(installed.distribution))
        if name in host and plugin not in self._plugins.enabled():
            raise _refused(
                plugin,
                f"the environment provides it ({name} {installed.version}). Enable it: karvan plugins enable "
                f"{plugin}. To upgrade it: pip install -U {name}.",
            )
        if demand.versions and not _within(installed.version, demand.versions):
            way = (
                f"Upgrade it: pip install -U {name}."
                if name in host
                else f"Uninstall it first, its data is kept: karvan plugins uninstall {plugin}."
            )
            raise _refused(
                plugin,
                f"{demand.by} needs {plugin} {demand.versions}, and {installed.version} is here. {way}",
            )
        if installed.manifest is None:
            raise ManifestInvalid(plugin, installed.errors)
        return installed.manifest

    def _check(self, found: Mapping[str, NewPlugin]) -> None:
        """Raise PluginRefused for a new plugin that could not be enabled here or would spoil another."""
        sdk = importlib_metadata.version("karvan-sdk")
        others = {
            one.id: (one.manifest, one.version)
            for name in self._plugins.enabled()
            if (one := self._discovery.get(name)) is not None and one.manifest is not None
        }
        others |= {name: (new.manifest, new.version) for name, new in found.items()}
        for name, new in found.items():
            holder = self._discovery.get(name)
            if holder is not None:
                raise _refused(
                    name, f"{new.distribution} brings it, and {holder.distribution} has it already."
                )
            if not _within(sdk, new.manifest.api):
                raise _refused(
                    name, f"{name} {new.version} needs karvan-sdk {new.manifest.api}, this is {sdk}."
                )
            for other, (manifest, version) in sorted(others.items()):
                if other == name:
                    continue
                mine, theirs = new.manifest.conflicts.get(other), manifest.conflicts.get(name)
                if (mine is not None and _within(version, mine)) or (
                    theirs is not None and _within(new.version, theirs)
                ):
                    raise _refused(name, f"it conflicts with '{other}' {version}. Do without one of the two.")

    def _version(self, plugin: str) -> str:
        installed = self._discovery.get(plugin)
        return "" if installed is None else installed.version


def _only_admin(actor: Any) -> None:
    if not actor.is_admin:
        raise NotAllowed(action="install", object="plugins", reason="it needs an administrator.")


def _try(site: Path, plugins: Sequence[NewPlugin]) -> None:
    """Load new plugins in a process of their own; raises CodeRefused with what is wrong with them."""
    new = {p.manifest.id: p.distribution for p in plugins if p.entry}
    found = try_plugins(new, INSTALL, site=site)
    if found.problems:
        raise CodeRefused(reason=f"The new plugins can't be loaded: {found.reason} Nothing was installed.")


def _refused(plugin: str, reason: str) -> PluginRefused:
    return PluginRefused(plugin=plugin, action="installed", reason=f"{reason} Nothing was installed.")


def _within(version: str, wanted: str) -> bool:
    return SpecifierSet(wanted).contains(version, prereleases=True)


def _manifests(found: Mapping[str, NewPlugin]) -> dict[str, Manifest]:
    return {name: new.manifest for name, new in found.items()}


def _say_half(plan: InstallPlan, done: Sequence[Outcome], error: KarvanError) -> str:
    """What an install did before it failed, and how to go on."""
    left = plan.order[len(done) :]
    code = "The code is installed. " if plan.wheels else ""
    on = f"Enabled: {', '.join(o.plugin for o in done)}. " if done else ""
    return (
        f"{error.message} {code}{on}Not enabled: {', '.join(left)}. When the reason is gone: "
        f"karvan plugins enable {left[0]}"
    )


def _plugins_of(index: Index, files: Sequence[IndexFile], folder: Path) -> dict[str, NewPlugin]:
    """The plugins in wheels; raises PluginRefused where two bring the same."""
    found: dict[str, NewPlugin] = {}
    for file in files:
        for new in read_plugins(index.download(file, folder), file):
            other = found.setdefault(new.manifest.id, new)
            if other is not new:
                raise _refused(new.manifest.id, f"{other.distribution} and {new.distribution} both bring it.")
    return found


def _requested(index: Index, wanted: Sequence[str]) -> list[_Demand]:
    """What was asked for, bundles opened, in this order."""
    found: list[_Demand] = []
    for text in wanted:
        if text.startswith(BUNDLE):
            found += _opened(index, text)
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as exc:
            raise _unreadable(text) from exc
        if requirement.extras or requirement.marker or requirement.url:
            raise _unreadable(text)
        versions = str(requirement.specifier)
        found.append(_Demand(plugin=check_plugin_id(requirement.name), versions=versions, by="this install"))
    return found


def _unreadable(text: str) -> BadInput:
    return BadInput(f"'{text}' is no plugin: write an id, 'id>=1.2' or 'bundle:id'.", field="plugins")


def _opened(index: Index, text: str) -> list[_Demand]:
    """The plugins of a bundle."""
    name = text.removeprefix(BUNDLE)
    entries = index.bundle(name).get("plugins")
    if not isinstance(entries, list) or not all(isinstance(e, dict) and "id" in e for e in entries):
        raise IndexFailed(url=index.url, reason=f"its bundle '{name}' lists no plugins.")
    try:
        return [
            _Demand(
                plugin=check_plugin_id(str(e["id"])),
                versions=str(SpecifierSet(str(e.get("version") or ""))),
                by=f"bundle {name}",
            )
            for e in entries
        ]
    except InvalidSpecifier as exc:
        raise IndexFailed(url=index.url, reason=f"its bundle '{name}' has a wrong range: {exc}.") from exc


def _distribution_of(index: Index, plugin: str) -> str:
    entry = index.plugin(plugin)
    return str(entry["distribution"]) if entry and entry.get("distribution") else f"karvan-{plugin}"


def _wanted(index: Index, demand: _Demand) -> Wanted:
    try:
        requirement = Requirement(f"{_distribution_of(index, demand.plugin)}{demand.versions}")
    except InvalidRequirement as exc:
        reason = f"what its catalogue says of '{demand.plugin}' is no distribution: {exc}"
        raise IndexFailed(url=index.url, reason=reason) from exc
    return Wanted(requirement=requirement, by=demand.by)


def _in_order(manifests: Mapping[str, Manifest], asked: Sequence[str]) -> tuple[str, ...]:
    """As asked for, and each after what it needs; raises CodeRefused for a circle."""
    _, stuck = order_plugins(manifests.values())
    if stuck:
        raise CodeRefused(
            reason=f"The order of these plugins is a circle: {', '.join(stuck)}. Nothing was installed."
        )
    done: dict[str, None] = {}

    def put(plugin: str) -> None:
        if plugin not in done:
            for other in sorted(manifests[plugin].requires):
                if other in manifests:
                    put(other)
            done[plugin] = None

    for plugin in (*asked, *sorted(manifests)):
        if plugin in manifests:
            put(plugin)
    return tuple(done)
