"""Finds installed plugins and reads their manifests from files; never imports a plugin."""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

import importlib_metadata

from karvan.plugins import remembered
from karvan.plugins.remembered import Found, Memory, Stamp, is_current, stamp
from karvan_sdk.errors import FieldError, ManifestInvalid
from karvan_sdk.manifest import Manifest, load_manifest

PLUGINS = "karvan.plugins"
MANIFESTS = "karvan.manifests"

Stamps = list[tuple[str, int, int]]
log = logging.getLogger("karvan.plugins")
Distribution = Any  # the package's own name for it differs between its releases


@dataclass(frozen=True, kw_only=True)
class Installed:
    """One installed plugin. `manifest` is None where it can't be read; `errors` then say why.

    `entry` names the object that is handed to pluggy (`karvan_crm.plugin:plugin`), empty for a plugin
    without code. Version, author and licence are the distribution's.
    """

    id: str
    manifest: Manifest | None
    version: str = ""
    author: str = ""
    license: str = ""
    distribution: str = ""
    entry: str = ""
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Index:
    """What one look at the disk gave, and the times by which it is known to hold still."""

    folders: Stamp
    files: Stamp
    found: Mapping[str, Installed]


class Discovery:
    """The plugins installed in this process's environment; a second look is a few stats of directories.

    `memory` is a file that keeps what was read for the next process.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._index: _Index | None = None
        self._memory = memory

    def installed(self) -> Mapping[str, Installed]:
        """Every installed plugin by id, broken ones included. Never raises for what a plugin holds."""
        with self._lock:
            folders = stamp(sys.path)
            index = self._index
            if index is None or index.folders != folders or not is_current(index.files):
                index = self._index = self._look(folders)
            return index.found

    def get(self, plugin: str) -> Installed | None:
        """The installed plugin of this id, or None."""
        return self.installed().get(plugin)

    def _look(self, folders: Stamp) -> _Index:
        memory = remembered.read(self._memory, folders) if self._memory else None
        if memory is None:
            memory = _read_all(folders)
            if self._memory is not None:
                remembered.write(self._memory, memory)
        return _Index(folders=folders, files=memory.files, found=_understand(memory.found))


def is_declared(installed: Installed) -> bool:
    """Whether the distribution itself names this entry point: what a file kept never decides what runs."""
    try:
        entries = importlib_metadata.distribution(installed.distribution).entry_points
    except (importlib_metadata.PackageNotFoundError, ValueError):
        return False
    return any((e.group, e.name, e.value) == (PLUGINS, installed.id, installed.entry) for e in entries)


def find(distribution: str, plugin: str) -> Installed:
    """A plugin of one distribution, read anew. Raises PackageNotFoundError or KeyError without one."""
    found = _plugins_of(importlib_metadata.distribution(distribution), distribution, [])
    return _understand(found)[plugin]


def _read_all(folders: Stamp) -> Memory:
    found: list[Found] = []
    distributions: list[Any] = []
    files: Stamps = []
    names: set[str] = set()
    for distribution in importlib_metadata.distributions():
        home = getattr(distribution, "_path", None)
        before = stamp([home] if home is not None else [])
        name = _meta(distribution, "Name")
        if not name:
            continue
        distributions += before
        key = name.lower().replace("_", "-")
        if key in names:  # the first on sys.path is the one that would be imported
            continue
        names.add(key)
        here = _plugins_of(distribution, name, files)
        if here and home is not None:  # edited in place, the folder's own time stays
            distributions += stamp(f"{home}/{file}" for file in ("METADATA", "PKG-INFO", "entry_points.txt"))
        found += here
    return Memory(folders=folders, distributions=tuple(distributions), files=tuple(files), found=tuple(found))


def _understand(found: Iterable[Found]) -> Mapping[str, Installed]:
    """The plugins by id, from what was read of them."""
    plugins: dict[str, Installed] = {}
    for one in found:
        installed = _load(one)
        other = plugins.get(one.id)
        plugins[one.id] = installed if other is None else _clash(other, installed)
    return MappingProxyType(dict(sorted(plugins.items())))


def _load(found: Found) -> Installed:
    empty = Installed(
        id=found.id,
        manifest=None,
        version=found.version,
        author=found.author,
        license=found.license,
        distribution=found.distribution,
        entry=found.entry,
    )
    if not found.has_manifest:
        wrong = _finding(MANIFESTS, f"The distribution has no entry point '{found.id}' in this group.")
        return replace(empty, errors=(wrong,))

    def read(name: str) -> str:
        if name in found.texts:
            return found.texts[name]
        raise FileNotFoundError(found.lacking.get(name, f"'{name}' was not read."))

    try:
        return replace(empty, manifest=load_manifest(found.id, read))
    except ManifestInvalid as exc:
        return replace(empty, errors=exc.errors)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        # a value of a shape that no rule foresaw; the file is bad, the list of plugins must still stand
        return replace(empty, errors=(_finding("manifest.toml", f"{type(exc).__name__}: {exc}"),))


def _plugins_of(distribution: Distribution, name: str, files: Stamps) -> list[Found]:
    entries = {
        (e.group, e.name): e.value for e in distribution.entry_points if e.group in (PLUGINS, MANIFESTS)
    }
    found = []
    for plugin in sorted({name for _, name in entries}):
        value = entries.get((MANIFESTS, plugin))
        texts: dict[str, str] = {}
        lacking: dict[str, str] = {}
        if value is not None:
            _read_texts(plugin, _reader(distribution, value, files), texts, lacking)
        found.append(
            Found(
                id=plugin,
                version=_meta(distribution, "Version"),
                author=_meta(distribution, "Author") or _meta(distribution, "Author-email"),
                license=_meta(distribution, "License-Expression") or _meta(distribution, "License"),
                distribution=name,
                entry=entries.get((PLUGINS, plugin), ""),
                has_manifest=value is not None,
                texts=texts,
                lacking=lacking,
            )
        )
    return found


def _clash(first: Installed, second: Installed) -> Installed:
    why = f"'{first.distribution}' and '{second.distribution}' both bring the plugin '{first.id}'."
    return replace(first, manifest=None, errors=(*first.errors, _finding("id", why)))


def _read_texts(
    plugin: str, read: Callable[[str], str], texts: dict[str, str], lacking: dict[str, str]
) -> None:
    """Note what the loader reads of a manifest, and what it can't; what it finds is found again from that."""

    def note(name: str) -> str:
        try:
            text = texts[name] = read(name)
        except (OSError, ValueError) as exc:
            lacking[name] = str(exc)
            raise
        return text

    try:
        load_manifest(plugin, note)
    except (ManifestInvalid, ValueError, TypeError, KeyError, AttributeError) as exc:
        log.debug("The manifest of '%s' is broken: %s", plugin, exc)


def _reader(distribution: Distribution, value: str, files: Stamps) -> Callable[[str], str]:
    """How to read the texts beside the manifest that an entry point like `karvan_crm:manifest.toml` names."""
    package, _, relative = (part.strip() for part in value.partition(":"))

    def read(name: str) -> str:
        manifest = _locate(distribution, package, relative, files)
        path = manifest if name == "manifest.toml" else manifest.parent / name
        if not path.resolve().is_relative_to(manifest.parent.resolve()):
            raise FileNotFoundError(f"'{name}' leaves the folder of the manifest.")
        files.extend(stamp([path]))
        return path.read_text(encoding="utf-8")

    return read


def _locate(distribution: Distribution, package: str, relative: str, files: Stamps) -> Path:
    """The manifest's file: from the distribution's own list, else (editable) where the package would be.

    Only the spec of a top-level package is asked for, which imports nothing. `files` gets the places where
    it was looked for in vain.
    """
    if not relative or not all(part.isidentifier() for part in package.split(".")):
        raise FileNotFoundError("The entry point must name a package and a file: 'package:manifest.toml'.")
    wanted = "/".join((*package.split("."), relative))
    for file in distribution.files or ():
        if file.as_posix() == wanted:
            path = Path(str(distribution.locate_file(file)))
            if path.is_file():
                return path
    top, *rest = package.split(".")
    spec = PathFinder.find_spec(top) or importlib.util.find_spec(top)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, *rest, relative)
        if path.is_file():
            return path
        files.extend(stamp([path]))
    files.extend(stamp([distribution.locate_file(wanted)]))
    raise FileNotFoundError(f"There is no file '{relative}' in the package '{package}'.")


def _meta(distribution: Distribution, key: str) -> str:
    try:
        metadata: Any = distribution.metadata
    except FileNotFoundError:  # what a broken uninstall left behind is no distribution
        return ""
    return str(metadata[key] or "") if metadata is not None and key in metadata else ""


def _finding(at: str, why: str) -> FieldError:
    return FieldError(field=at, code="manifest", template="{why}", params={"why": why})
