"""Finds installed plugins and reads their manifests from files; never imports a plugin."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

import importlib_metadata

from karvan_sdk.errors import FieldError, ManifestInvalid
from karvan_sdk.manifest import Manifest, load_manifest

PLUGINS = "karvan.plugins"
MANIFESTS = "karvan.manifests"

Stamp = tuple[tuple[str, int], ...]


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
    """The plugins installed in this process's environment; a second look is a few stats of directories."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index: _Index | None = None

    def installed(self) -> Mapping[str, Installed]:
        """Every installed plugin by id, broken ones included. Never raises for what a plugin holds."""
        with self._lock:
            folders = _stamp(sys.path)
            index = self._index
            if index is None or index.folders != folders or _stamp(p for p, _ in index.files) != index.files:
                index = self._index = _look(folders)
            return index.found

    def get(self, plugin: str) -> Installed | None:
        """The installed plugin of this id, or None."""
        return self.installed().get(plugin)


def find(distribution: str, plugin: str) -> Installed:
    """A plugin of one distribution, read anew. Raises PackageNotFoundError or KeyError without one."""
    found = importlib_metadata.distribution(distribution)
    return {one.id: one for one in _plugins_of(found, distribution, [])}[plugin]


def _look(folders: Stamp) -> _Index:
    found: dict[str, Installed] = {}
    files: list[str] = []
    names: set[str] = set()
    for distribution in importlib_metadata.distributions():
        name = _meta(distribution, "Name")
        if not name:
            continue
        key = name.lower().replace("_", "-")
        if key in names:  # the first on sys.path is the one that would be imported
            continue
        names.add(key)
        for one in _plugins_of(distribution, name, files):
            other = found.get(one.id)
            found[one.id] = one if other is None else _clash(other, one)
    return _Index(
        folders=folders,
        files=_stamp(files),
        found=MappingProxyType(dict(sorted(found.items()))),
    )


def _plugins_of(distribution: Distribution, name: str, files: list[str]) -> list[Installed]:
    entries = {
        (e.group, e.name): e.value for e in distribution.entry_points if e.group in (PLUGINS, MANIFESTS)
    }
    found = []
    for plugin in sorted({name for _, name in entries}):
        empty = Installed(
            id=plugin,
            manifest=None,
            version=_meta(distribution, "Version"),
            author=_meta(distribution, "Author") or _meta(distribution, "Author-email"),
            license=_meta(distribution, "License-Expression") or _meta(distribution, "License"),
            distribution=name,
            entry=entries.get((PLUGINS, plugin), ""),
        )
        value = entries.get((MANIFESTS, plugin))
        if value is None:
            wrong = _finding(MANIFESTS, f"The distribution has no entry point '{plugin}' in this group.")
            found.append(replace(empty, errors=(wrong,)))
            continue
        try:
            manifest = load_manifest(plugin, _reader(distribution, value, files))
        except ManifestInvalid as exc:
            found.append(replace(empty, errors=exc.errors))
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            # a value of a shape that no rule foresaw; the file is bad, the list of plugins must still stand
            why = f"{type(exc).__name__}: {exc}"
            found.append(replace(empty, errors=(_finding("manifest.toml", why),)))
        else:
            found.append(replace(empty, manifest=manifest))
    return found


def _clash(first: Installed, second: Installed) -> Installed:
    why = f"'{first.distribution}' and '{second.distribution}' both bring the plugin '{first.id}'."
    return replace(first, manifest=None, errors=(*first.errors, _finding("id", why)))


def _reader(distribution: Distribution, value: str, files: list[str]) -> Callable[[str], str]:
    """How to read the texts beside the manifest that an entry point like `karvan_crm:manifest.toml` names."""
    package, _, relative = (part.strip() for part in value.partition(":"))

    def read(name: str) -> str:
        manifest = _locate(distribution, package, relative)
        path = manifest if name == "manifest.toml" else manifest.parent / name
        if not path.resolve().is_relative_to(manifest.parent.resolve()):
            raise FileNotFoundError(f"'{name}' leaves the folder of the manifest.")
        files.append(str(path))
        return path.read_text(encoding="utf-8")

    return read


def _locate(distribution: Distribution, package: str, relative: str) -> Path:
    """The manifest's file: from the distribution's own list, else (editable) where the package would be.

    Only the spec of a top-level package is asked for, which imports nothing.
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
    raise FileNotFoundError(f"There is no file '{relative}' in the package '{package}'.")


def _meta(distribution: Distribution, key: str) -> str:
    try:
        metadata: Any = distribution.metadata
    except FileNotFoundError:  # what a broken uninstall left behind is no distribution
        return ""
    return str(metadata[key] or "") if metadata is not None and key in metadata else ""


def _finding(at: str, why: str) -> FieldError:
    return FieldError(field=at, code="manifest", template="{why}", params={"why": why})


def _stamp(paths: Any) -> Stamp:
    """The paths with their change times; -1 for what is not there."""
    found = []
    for path in paths:
        try:
            found.append((str(path), os.stat(path or ".").st_mtime_ns))
        except OSError:
            found.append((str(path), -1))
    return tuple(found)
