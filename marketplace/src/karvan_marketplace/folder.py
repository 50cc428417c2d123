"""Watches the folder of wheels: looks at names, sizes and times, reads what changed, swaps one catalogue."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from karvan_marketplace.bundles import FOLDER, Bundle, read_bundle
from karvan_marketplace.catalogue import Catalogue, Refusal, make_catalogue
from karvan_marketplace.errors import BundleRefused, UnknownFile, WheelRefused
from karvan_marketplace.wheel import Stamp, Wheel, read_wheel

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0

_Stamps = Mapping[Path, Stamp]


@dataclass(frozen=True, kw_only=True)
class _State:
    """One look at the folder and what was read from it; a file's stamp says for how long that holds."""

    stamps: _Stamps = field(default_factory=lambda: MappingProxyType({}))
    read: Mapping[Path, Wheel | Bundle | Refusal] = field(default_factory=lambda: MappingProxyType({}))
    catalogue: Catalogue = field(default_factory=Catalogue)


class Folder:
    """The folder of wheels, and the catalogue of what lies in it.

    While one thread reads what changed, all others go on with the catalogue before.
    """

    def __init__(self, path: Path, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self.path = path
        self._look_every_s = look_every_s
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._state: _State | None = None

    def catalogue(self) -> Catalogue:
        """What is offered now. Looks at the folder again when the last look is older than a second."""
        state = self._state
        if state is None:
            return self.look()
        if time.monotonic() - self._looked_at >= self._look_every_s and self._looking.acquire(blocking=False):
            try:
                return self._look()
            finally:
                self._looking.release()
        return state.catalogue

    def look(self) -> Catalogue:
        """Look at the folder now, whenever the last look was."""
        with self._looking:
            return self._look()

    def open(self, filename: str) -> tuple[Wheel, BinaryIO]:
        """A wheel and its bytes, which are those that its hash was taken of. Raises UnknownFile.

        A file that was replaced since the last look is read anew first, so that no caller gets bytes that
        the index does not state.
        """
        for catalogue in (self.catalogue, self.look):
            wheel = catalogue().files.get(filename)
            if wheel is None:
                continue
            try:
                stream = wheel.path.open("rb")
            except FileNotFoundError:
                continue
            if Stamp.of(os.fstat(stream.fileno())) == wheel.stamp:
                return wheel, stream
            stream.close()
        raise UnknownFile(filename)

    def _look(self) -> Catalogue:
        """Make the next state if anything changed. The caller holds the lock."""
        before = self._state or _State()
        stamps = _stamps(self.path)
        if self._state is None or stamps != before.stamps:
            self._state = self._next(before, stamps)
            _tell(self._state.catalogue, {r.filename for r in before.catalogue.refused})
        self._looked_at = time.monotonic()
        return (self._state or before).catalogue

    def _next(self, before: _State, stamps: _Stamps) -> _State:
        read: dict[Path, Wheel | Bundle | Refusal] = {}
        for path, stamp in stamps.items():
            kept = before.read.get(path)
            if kept is not None and before.stamps.get(path) == stamp:
                read[path] = kept
            else:
                found = _read(path)
                if found is not None:
                    read[path] = found
        things = read.values()
        return _State(
            stamps=stamps,
            read=MappingProxyType(read),
            catalogue=make_catalogue(
                [thing for thing in things if isinstance(thing, Wheel)],
                [thing for thing in things if isinstance(thing, Bundle)],
                [thing for thing in things if isinstance(thing, Refusal)],
            ),
        )


def _stamps(folder: Path) -> _Stamps:
    """The wheels and bundles in the folder. A folder that is gone for a moment counts as empty."""
    found = {}
    for place, suffix in ((folder, ".whl"), (folder / FOLDER, ".toml")):
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as exc:
            if place == folder:
                log.warning("%s can't be read: %s", place, exc.strerror)
            continue
        for entry in entries:
            try:
                if entry.name.endswith(suffix) and entry.is_file():
                    found[Path(entry.path)] = Stamp.of(entry.stat())
            except OSError:
                log.info("%s vanished while the folder was read.", entry.path)
    return MappingProxyType(found)


def _read(path: Path) -> Wheel | Bundle | Refusal | None:
    """What the file holds, or the reason why it is not offered; None if it is gone meanwhile."""
    try:
        return read_wheel(path) if path.suffix == ".whl" else read_bundle(path)
    except (WheelRefused, BundleRefused) as exc:
        name = path.name if path.suffix == ".whl" else f"{FOLDER}/{path.name}"
        return Refusal(filename=name, reason=exc.message)
    except FileNotFoundError:
        return None
    except OSError as exc:
        return Refusal(filename=path.name, reason=f"It can't be read: {exc.strerror}.")


def _tell(catalogue: Catalogue, told: set[str]) -> None:
    for refusal in catalogue.refused:
        if refusal.filename not in told:
            log.warning("%s is not offered: %s", refusal.filename, refusal.reason)
    log.info(
        "Offering %d plugins and %d bundles; %d files, %d refused.",
        len(catalogue.plugins),
        len(catalogue.bundles),
        len(catalogue.files),
        len(catalogue.refused),
    )
