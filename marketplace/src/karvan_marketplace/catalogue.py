"""All that the marketplace offers at one moment, as one value that never changes once it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType

from packaging.specifiers import SpecifierSet

from karvan_marketplace.bundles import Bundle, Wanted
from karvan_marketplace.wheel import PluginInWheel, Wheel
from karvan_sdk.manifest import Manifest
from karvan_sdk.text import Text


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that lies in the folder and is not offered, with the reason."""

    filename: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin with all its versions. `wheel` and `manifest` are those of the version that is installed
    when none is named: the newest release, or the newest preview where there is no release. `wheels` goes
    from newest to oldest.
    """

    id: str
    wheel: Wheel
    manifest: Manifest
    icon: bytes | None = field(repr=False)
    wheels: tuple[Wheel, ...]

    @property
    def version(self) -> str:
        """The version that is installed when none is named."""
        return str(self.wheel.version)

    def offers(self, versions: str) -> bool:
        """Whether some version lies in the range (PEP 440)."""
        wanted = SpecifierSet(versions)
        return any(wanted.contains(w.version, prereleases=True) for w in self.wheels)


@dataclass(frozen=True, kw_only=True)
class Set:
    """A bundle against what is offered: its plugins in the order of installing, and the ids that this
    marketplace can't give in the wanted range.
    """

    bundle: Bundle
    plugins: tuple[Wanted, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What is offered. `projects` maps normalised names to files from oldest to newest."""

    projects: Mapping[str, tuple[Wheel, ...]] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, Wheel] = field(default_factory=lambda: MappingProxyType({}))
    plugins: Mapping[str, Plugin] = field(default_factory=lambda: MappingProxyType({}))
    bundles: Mapping[str, Set] = field(default_factory=lambda: MappingProxyType({}))
    refused: tuple[Refusal, ...] = ()

    def label_of(self, object: str) -> Text:
        """What people call an object of this API name, in the plural; empty where no plugin here has it."""
        for plugin in self.plugins.values():
            for declared in plugin.manifest.objects:
                if declared.name == object:
                    return declared.label_plural or declared.label
        return Text()


def make_catalogue(
    wheels: Iterable[Wheel], bundles: Iterable[Bundle] = (), refused: Iterable[Refusal] = ()
) -> Catalogue:
    """Sort what was read into a catalogue; what contradicts itself is refused, with both names told."""
    refusals = list(refused)
    kept, more = _without_doubles(sorted(wheels, key=lambda w: w.filename))
    refusals += more
    kept, more = _without_clashes(kept)
    refusals += more
    kept.sort(key=lambda w: (w.project, w.version, w.filename))
    plugins = _plugins(kept)
    sets = {bundle.id: _match(bundle, plugins) for bundle in sorted(bundles, key=lambda b: b.id)}
    return Catalogue(
        projects=MappingProxyType({p: tuple(ws) for p, ws in groupby(kept, key=lambda w: w.project)}),
        files=MappingProxyType({w.filename: w for w in kept}),
        plugins=MappingProxyType(plugins),
        bundles=MappingProxyType(sets),
        refused=tuple(sorted(refusals, key=lambda r: r.filename)),
    )


def _without_doubles(wheels: list[Wheel]) -> tuple[list[Wheel], list[Refusal]]:
    """One file per release and platform: two spellings of one name would leave the choice to chance."""
    first: dict[object, Wheel] = {}
    refusals = []
    for wheel in wheels:
        key = (wheel.project, wheel.version, wheel.build, wheel.tags)
        other = first.setdefault(key, wheel)
        if other is not wheel:
            why = f"It is the same release of '{wheel.project}' as {other.filename}, which is offered."
            refusals.append(Refusal(filename=wheel.filename, reason=why))
    return list(first.values()), refusals


def _without_clashes(wheels: list[Wheel]) -> tuple[list[Wheel], list[Refusal]]:
    """No plugin id in two distributions: neither can be trusted to be the one that is meant."""
    holders: dict[str, set[str]] = {}
    for wheel in wheels:
        for plugin in wheel.plugins:
            holders.setdefault(plugin.manifest.id, set()).add(wheel.project)
    clashes = {plugin: sorted(projects) for plugin, projects in holders.items() if len(projects) > 1}
    kept, refusals = [], []
    for wheel in wheels:
        ids = sorted(p.manifest.id for p in wheel.plugins if p.manifest.id in clashes)
        if not ids:
            kept.append(wheel)
            continue
        names = " and ".join(f"'{project}'" for project in clashes[ids[0]])
        why = f"The distributions {names} both bring the plugin '{ids[0]}'. Take one of them away."
        refusals.append(Refusal(filename=wheel.filename, reason=why))
    return kept, refusals


def _plugins(wheels: list[Wheel]) -> dict[str, Plugin]:
    """The plugins by id. `wheels` are sorted from oldest to newest within a project."""
    found: dict[str, list[tuple[Wheel, PluginInWheel]]] = {}
    for wheel in wheels:
        for plugin in wheel.plugins:
            found.setdefault(plugin.manifest.id, []).append((wheel, plugin))
    return {plugin: _plugin(plugin, releases) for plugin, releases in sorted(found.items())}


def _plugin(plugin: str, releases: list[tuple[Wheel, PluginInWheel]]) -> Plugin:
    wheel, newest = next((r for r in reversed(releases) if not r[0].is_preview), releases[-1])
    return Plugin(
        id=plugin,
        wheel=wheel,
        manifest=newest.manifest,
        icon=newest.icon,
        wheels=tuple(w for w, _ in reversed(releases)),
    )


def _match(bundle: Bundle, plugins: Mapping[str, Plugin]) -> Set:
    missing = [w.id for w in bundle.plugins if w.id not in plugins or not plugins[w.id].offers(w.version)]
    return Set(bundle=bundle, plugins=_in_order(bundle.plugins, plugins), missing=tuple(missing))


def _in_order(wanted: tuple[Wanted, ...], plugins: Mapping[str, Plugin]) -> tuple[Wanted, ...]:
    """The order of the file, except that a plugin stands behind those of the bundle that it requires."""
    waiting = {one.id: one for one in wanted}
    ordered: list[Wanted] = []

    def take(one: Wanted) -> None:
        if waiting.pop(one.id, None) is None:  # taken already, or on the way in a circle
            return
        plugin = plugins.get(one.id)
        for required in plugin.manifest.requires if plugin else ():
            if required in waiting:
                take(waiting[required])
        ordered.append(one)

    for one in wanted:
        take(one)
    return tuple(ordered)
