"""What a wheel says of the plugins in it, read from the zip alone: nothing is imported, nothing unpacked."""

from __future__ import annotations

import configparser
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from karvan.plugins.discovery import MANIFESTS, PLUGINS
from karvan.plugins.index import IndexFailed, IndexFile
from karvan_sdk.manifest import Manifest, load_manifest


@dataclass(frozen=True, kw_only=True)
class NewPlugin:
    """A plugin that an install brings. `entry` names its object, empty for one without code."""

    manifest: Manifest
    version: str
    distribution: str
    entry: str


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
