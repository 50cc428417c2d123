"""Installing plugins from an index: everything is thought through and shown, then done in one direction.

plan: resolve, download, check hashes, read manifests, plan the schema. apply: a new generation, a probe in a
process of its own, the pointer, then enable. Whatever fails before the pointer leaves nothing behind.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from karvan.plugins.discovery import MANIFESTS, PLUGINS, Discovery
from karvan.plugins.generations import CodeRefused, Generations, provided
from karvan.plugins.index import Index, IndexFailed, IndexFile
from karvan.plugins.order import order_plugins
from karvan.plugins.resolve import Resolver, Wanted
from karvan.plugins.state import Outcome, Plugins
from karvan_sdk.errors import PluginRefused
from karvan_sdk.manifest import Manifest, load_manifest

BUNDLE = "bundle:"
PROBE_S = 60
_PROBE = """
import importlib, sys
sys.path.append(sys.argv[1])
for entry in sys.argv[2:]:
    module, _, name = entry.partition(":")
    found = importlib.import_module(module)
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
"""


class SchemaToPreview(Protocol):
    """What an install needs of `karvan.schema.changes.Schema`."""

    def preview_plugins(self, actor: Any, manifests: Sequence[tuple[Manifest, str]]) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class NewPlugin:
    """A plugin that an install brings. `entry` names its object, empty for one without code."""

    manifest: Manifest
    version: str
    distribution: str
    entry: str


@dataclass(frozen=True, kw_only=True)
class InstallPlan:
    """What an install would do. `plugins` stand in the order in which they are enabled; `present` are asked
    for and installed already; `schema` is the plan of the schema, step by step."""

    index: str
    files: tuple[IndexFile, ...]
    wheels: tuple[Path, ...]
    plugins: tuple[NewPlugin, ...]
    present: tuple[str, ...]
    schema: tuple[Mapping[str, Any], ...]

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
        }


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
        index = Index(url)
        with TemporaryDirectory(prefix="karvan-install-") as folder:
            yield self._plan(actor, index, _requested(index, wanted), Path(folder))

    def apply(
        self, actor: Any, plan: InstallPlan, tell: Callable[[str], None] = lambda _: None
    ) -> list[Outcome]:
        """Do what a plan says; gives what was enabled, in order.

        Fails whole up to the pointer. Of the plugins to be enabled, those that were enabled stay so.
        """
        if plan.wheels:
            with self._generations.alone():
                number = self._generations.build(plan.wheels)
                tell(f"Unpacked {len(plan.wheels)} wheels into generation {number}.")
                try:
                    _probe(self._generations.site(number), [p.entry for p in plan.plugins if p.entry])
                except CodeRefused:
                    self._generations.discard(number)
                    raise
                self._generations.switch(number)
            if not self._generations.refresh():
                raise CodeRefused(
                    reason=f"Generation {number} is in place; this process still uses the one before. "
                    "Start Karvan again, then enable the plugins."
                )
        outcomes = []
        for plugin in (*(p.manifest.id for p in plan.plugins), *plan.present):
            outcomes.append(self._plugins.enable(actor, plugin))
            tell(f"Enabled {plugin}.")
        return outcomes

    # -- inside ----------------------------------------------------------------------------------------

    def _plan(self, actor: Any, index: Index, requested: Mapping[str, str], folder: Path) -> InstallPlan:
        self._generations.refresh()
        held = self._generations.distributions(self._generations.current())
        host = provided(self._generations.site(0).parents[1])
        there = {**host, **{name: one.version for name, one in held.items()}}
        present: list[str] = []
        files: list[IndexFile] = []
        found: dict[str, NewPlugin] = {}
        open_ = dict(requested)
        wanted: list[Wanted] = []
        while open_:  # plugins name the plugins they need in their manifests, which are in the wheels
            for plugin, specifier in open_.items():
                distribution = _distribution_of(index, plugin)
                if self._is_here(plugin, distribution, host):
                    present.append(plugin)
                else:
                    wanted.append(_wanted(plugin, distribution, specifier))
            resolver = Resolver(index, there, folder)
            files = resolver.resolve(wanted)
            found = {p.manifest.id: p for f in files for p in read_plugins(index.download(f, folder), f)}
            known = {*found, *present, *self._plugins.enabled()}
            missing = [p for p in requested if p not in known]
            if missing:
                raise CodeRefused(
                    reason=f"{index.url} offers no plugin '{missing[0]}'. Nothing was installed."
                )
            open_ = {
                other: ranges
                for p in found.values()
                for other, ranges in p.manifest.requires.items()
                if other not in known
            }
        plugins = _in_order(found)
        enabled = set(self._plugins.enabled())
        edits = [(p.manifest, p.version) for p in plugins]
        edits += [
            (one.manifest, one.version)
            for name in present
            if name not in enabled and (one := self._discovery.get(name)) and one.manifest
        ]
        plan = self._schema.preview_plugins(actor, edits)
        return InstallPlan(
            index=index.url,
            files=tuple(files),
            wheels=tuple(folder / f.filename for f in files),
            plugins=plugins,
            present=tuple(dict.fromkeys(present)),
            schema=tuple(plan.as_json()),
        )

    def _is_here(self, plugin: str, distribution: str, host: Mapping[str, str]) -> bool:
        """Whether a plugin is installed; one that the environment provides is not ours to install."""
        installed = self._discovery.get(plugin)
        name = str(canonicalize_name(installed.distribution if installed else distribution))
        if name in host:
            if plugin in self._plugins.enabled():
                return True
            raise PluginRefused(
                plugin=plugin,
                action="installed",
                reason=f"the environment provides it ({name} {host[name]}). Enable it: karvan plugins enable "
                f"{plugin}. To upgrade it: pip install -U {name}.",
            )
        return installed is not None


def read_plugins(wheel: Path, file: IndexFile) -> list[NewPlugin]:
    """The plugins in a wheel, read from the zip alone; none for an ordinary dependency."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            names = set(opened.namelist())
            entries = _entry_points(opened, names)
            return [
                NewPlugin(
                    manifest=load_manifest(plugin, _reader(opened, names, value)),
                    version=str(file.version),
                    distribution=file.project,
                    entry=entries.get((PLUGINS, plugin), ""),
                )
                for (group, plugin), value in entries.items()
                if group == MANIFESTS
            ]
    except (zipfile.BadZipFile, configparser.Error, UnicodeDecodeError) as exc:
        raise IndexFailed(url=file.url, reason=f"it is no wheel that can be read: {exc}") from exc


def _entry_points(opened: zipfile.ZipFile, names: set[str]) -> dict[tuple[str, str], str]:
    place = next((n for n in names if n.endswith(".dist-info/entry_points.txt") and n.count("/") == 1), None)
    if place is None:
        return {}
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(opened.read(place).decode())
    return {
        (group, name): value
        for group in (PLUGINS, MANIFESTS)
        if parser.has_section(group)
        for name, value in parser.items(group)
    }


def _reader(opened: zipfile.ZipFile, names: set[str], value: str) -> Callable[[str], str]:
    package, _, relative = (part.strip() for part in value.partition(":"))
    folder = "/".join((*package.split("."), relative)).rpartition("/")[0]

    def read(name: str) -> str:
        path = f"{folder}/{name}"
        if path not in names or ".." in name.split("/"):
            raise FileNotFoundError(f"There is no '{path}' in the wheel.")
        return opened.read(path).decode()

    return read


def _requested(index: Index, wanted: Sequence[str]) -> dict[str, str]:
    """Plugin id → version range, bundles opened, in the order in which they were asked for."""
    found: dict[str, str] = {}
    for text in wanted:
        if text.startswith(BUNDLE):
            bundle = index.bundle(text.removeprefix(BUNDLE))
            for entry in bundle.get("plugins", ()):
                found[str(entry["id"])] = str(entry.get("version", ""))
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as exc:
            raise CodeRefused(
                reason=f"'{text}' is no plugin: write an id, 'id>=1.2' or 'bundle:id'."
            ) from exc
        found[requirement.name] = str(requirement.specifier)
    return found


def _distribution_of(index: Index, plugin: str) -> str:
    entry = index.plugin(plugin)
    return str(entry["distribution"]) if entry and entry.get("distribution") else f"karvan-{plugin}"


def _wanted(plugin: str, distribution: str, specifier: str) -> Wanted:
    try:
        requirement = Requirement(f"{distribution}{specifier}")
    except InvalidRequirement as exc:
        raise CodeRefused(reason=f"'{specifier}' is no version range for '{plugin}'.") from exc
    return Wanted(requirement=requirement, by="this install")


def _in_order(found: Mapping[str, NewPlugin]) -> tuple[NewPlugin, ...]:
    ordered, stuck = order_plugins(p.manifest for p in found.values())
    if stuck:
        raise CodeRefused(reason=f"The order of these plugins is a circle: {', '.join(stuck)}.")
    return tuple(found[name] for name in ordered)


def _probe(site: Path, entries: Sequence[str]) -> None:
    """Import the new plugins in a process of their own; raises CodeRefused with what they said."""
    command = [sys.executable, "-c", _PROBE, str(site), *entries]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, capture_output=True, text=True, timeout=PROBE_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as exc:
        raise CodeRefused(
            reason=f"The new plugins did not load within {PROBE_S} seconds. Nothing was installed."
        ) from exc
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = said[-1] if said else f"the process ended with {done.returncode}"
        raise CodeRefused(reason=f"The new plugins can't be loaded: {why}. Nothing was installed.")
