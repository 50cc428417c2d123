"""What discovery read, kept in one file between processes: texts and times, no code and no conclusions.

Manifests are kept as they were written and go through the same loader again, so the file can spoil nothing
that a manifest could not. One that is not ours alone, or can't be understood, counts as none.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import karvan_sdk

FORMAT = 1
SIZE_MAX = 64 * 1024 * 1024
Stamp = tuple[tuple[str, int, int], ...]
"""Paths with the time of the last change and the size; -1 and -1 for what is not there."""
log = logging.getLogger("karvan.plugins")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One plugin as its distribution has it; `texts` are the manifest and the files beside it that were
    read, `lacking` why a file could not be."""

    id: str
    version: str
    author: str
    license: str
    distribution: str
    entry: str
    has_manifest: bool
    texts: Mapping[str, str]
    lacking: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """All that one look at the disk read, and what must be unchanged for it to hold."""

    folders: Stamp
    distributions: Stamp
    files: Stamp
    found: tuple[Found, ...]


def stamp(paths: Iterable[Any]) -> Stamp:
    """The paths as they are now."""
    taken = []
    for path in paths:
        try:
            seen = os.stat(path or ".")
        except OSError:
            taken.append((str(path), -1, -1))
        else:
            # a change that keeps the time it was made (`cp -p`) moves that of the entry
            taken.append((str(path), max(seen.st_mtime_ns, seen.st_ctime_ns), seen.st_size))
    return tuple(taken)


def is_current(found: Stamp) -> bool:
    """Whether all these paths are as they were."""
    return stamp(path for path, _, _ in found) == found


def read(path: Path, folders: Stamp) -> Memory | None:
    """What an earlier process kept, if nothing changed since; None for whatever else."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(opened, encoding="utf-8") as file:
            about = os.fstat(opened)
            if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
                return None
            data = json.loads(file.read(SIZE_MAX))
        if data["made_by"] != _maker() or _stamp_of(data["folders"]) != folders:
            return None
        memory = Memory(
            folders=folders,
            distributions=_stamp_of(data["distributions"]),
            files=_stamp_of(data["files"]),
            found=tuple(_found_of(one) for one in data["found"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return memory if is_current(memory.distributions) and is_current(memory.files) else None


def write(path: Path, memory: Memory) -> None:
    """Keep it for the next process; where that can't be, it reads everything again."""
    data = {
        "made_by": _maker(),
        "folders": memory.folders,
        "distributions": memory.distributions,
        "files": memory.files,
        "found": [
            vars(one) | {"texts": dict(one.texts), "lacking": dict(one.lacking)} for one in memory.found
        ],
    }
    draft = ""
    try:
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # readable by us alone
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(data, file)
        os.replace(draft, path)
    except OSError as exc:
        log.debug("The list of plugins can't be kept in %s: %s", path, exc)
        if draft:
            with suppress(OSError):  # it is the disk that fails; there is nothing more to do about it
                os.unlink(draft)


def _maker() -> list[Any]:
    """What reads manifests: another Python or another sdk may read them differently."""
    rules = Path(karvan_sdk.__file__).parent
    return [FORMAT, sys.version, *map(list, stamp([rules, *sorted(rules.glob("*.py"))]))]


def _stamp_of(data: Any) -> Stamp:
    return tuple((_text(path), int(time), int(size)) for path, time, size in data)


def _found_of(data: Any) -> Found:
    return Found(
        **{name: _text(data[name]) for name in ("id", "version", "author", "license", "entry")},
        distribution=_text(data["distribution"], least=1),
        has_manifest=data["has_manifest"] is True,
        texts={_text(name): _text(text) for name, text in data["texts"].items()},
        lacking={_text(name): _text(text) for name, text in data["lacking"].items()},
    )


def _text(value: Any, *, least: int = 0) -> str:
    if not isinstance(value, str) or len(value) < least:
        raise TypeError("a text is needed.")
    return value
