"""What a wheel says of itself and its plugins, read from the zip alone: nothing imported or unpacked."""

from __future__ import annotations

import configparser
import email
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from karvan.plugins.discovery import MANIFESTS, PLUGINS
from karvan.plugins.index import IndexFailed, IndexFile
from karvan_sdk.manifest import Manifest, load_manifest

ENTRY_MAX = 16 * 1024 * 1024
"""Bytes that one file of a wheel may have to be read whole; manifests and metadata have some thousands."""
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted entry, and as NotImplementedError: a compression that zipfile does not know
    ValueError,  # no UTF-8, no metadata where it belongs
    configparser.Error,
)


@dataclass(frozen=True, kw_only=True)
class NewPlugin:
    """A plugin that an install brings. `entry` names its object, empty for one without code."""

    manifest: Manifest
    version: str
    distribution: str
    entry: str


def read_plugins(wheel: Path, file: IndexFile) -> list[NewPlugin]:
    """The plugins in a wheel, read from the zip alone; none for an ordinary dependency."""
    with _opened(wheel, file) as opened:
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


def read_metadata(wheel: Path, file: IndexFile) -> Message:
    """The METADATA in a wheel; raises IndexFailed."""
    with _opened(wheel, file) as opened:
        found = [n for n in opened.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} files of metadata where one is needed.")
        return email.message_from_bytes(_read(opened, found[0]))


# -- inside ------------------------------------------------------------------------------------------------


@contextmanager
def _opened(wheel: Path, file: IndexFile) -> Iterator[zipfile.ZipFile]:
    """The wheel as a zip; whatever is wrong with it inside the block becomes IndexFailed."""
    try:
        with zipfile.ZipFile(wheel) as opened:
            yield opened
    except UNREADABLE as exc:
        raise IndexFailed(url=file.url, reason=f"it is no wheel that can be read: {exc}") from exc


def _read(opened: zipfile.ZipFile, name: str) -> bytes:
    """One file of a wheel; raises ValueError where it unpacks to more than ENTRY_MAX, whatever it says."""
    with opened.open(name) as stream:
        found = stream.read(ENTRY_MAX + 1)
    if len(found) > ENTRY_MAX:
        raise ValueError(f"'{name}' in it has more than {ENTRY_MAX} bytes.")
    return found


def _entry_points(opened: zipfile.ZipFile, names: set[str]) -> dict[tuple[str, str], str]:
    place = next((n for n in names if n.endswith(".dist-info/entry_points.txt") and n.count("/") == 1), None)
    if place is None:
        return {}
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(_read(opened, place).decode())
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
        return _read(opened, path).decode()

    return read
