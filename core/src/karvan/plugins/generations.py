"""Generations: immutable folders of installed plugin code, and the one pointer that says which is in use.

`<home>/generations/gen-N/site` is put behind everything else on `sys.path`, so that what the environment
provides always wins. A generation is written under another name, flushed, and renamed; the pointer is moved
by `os.replace`. A process never mixes two versions of a distribution: it follows the pointer only while what
it may have imported is unchanged.
"""

from __future__ import annotations

import email
import fcntl
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import stat
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import importlib_metadata
from installer import install as unpack
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from karvan_sdk.errors import KarvanError

DRAFT = "new-"
MADE = "gen-"
KEPT = 3
"""Generations that stay on the disk for a way back, the one in use included."""
UNPACKED_MAX = 500 * 1024 * 1024
"""Bytes that one wheel may unpack to."""


class CodeRefused(KarvanError):
    """Code of plugins can't be put in place, or can't be used as it stands; the message says why."""

    code = "code_refused"
    template = "{reason}"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One distribution in a generation; `digest` stands for all its files."""

    name: str
    version: str
    digest: str


class Generations:
    """The generations of one home. Nothing is made before the first install."""

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "generations"
        self._active: int | None = None
        self._seen: dict[str, Distribution] = {}
        self._held: list[int] = []

    # -- what is there ---------------------------------------------------------------------------------

    def current(self) -> int | None:
        """The number of the generation in use, None where nothing was installed yet."""
        try:
            return int((self._folder / "current").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except ValueError as exc:
            raise CodeRefused(reason=f"{self._folder / 'current'} does not hold a number.") from exc

    def site(self, number: int) -> Path:
        """The folder of a generation that goes on the path."""
        return self._folder / f"{MADE}{number}" / "site"

    def distributions(self, number: int | None) -> Mapping[str, Distribution]:
        """What a generation holds, by normalised name."""
        if number is None:
            return {}
        found = {}
        for name, one in _distributions([str(self.site(number))]):
            record = one.read_text("RECORD") or ""
            digest = hashlib.sha256(record.encode()).hexdigest()
            found[name] = Distribution(name=name, version=_meta(one, "Version"), digest=digest)
        return found

    def requirements(self, number: int | None) -> Mapping[str, tuple[str, ...]]:
        """Normalised names that each distribution of a generation requires, by its own name."""
        if number is None:
            return {}
        return {
            name: tuple(str(canonicalize_name(Requirement(text).name)) for text in one.requires or ())
            for name, one in _distributions([str(self.site(number))])
        }

    def check(self) -> None:
        """Raise CodeRefused where a distribution stands in the generation and in the environment, too."""
        mine = self.distributions(self.current())
        twice = sorted(set(mine) & set(provided(self._folder)))
        if twice:
            raise CodeRefused(
                reason=f"{', '.join(twice)} is installed in generation {self.current()} and provided by the "
                "environment as well. The environment's is used. Remove one of them: pip uninstall "
                f"{twice[0]}, or: karvan plugins uninstall <its plugin>."
            )

    # -- this process ----------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Let this process see the generation in use; False where that needs a new process.

        A generation that only adds or takes away distributions is taken up at once. One in which a version
        differs from any that this process ever had on its path is not, even if that was taken away meanwhile:
        what is imported already would be mixed with it.
        """
        wanted = self.current()
        if wanted == self._active or wanted is None:
            return wanted == self._active
        new = self.distributions(wanted)
        if any(new[name] != one for name, one in self._seen.items() if name in new):
            return False
        self._hold(wanted)
        if self._active is not None:
            sys.path[:] = [
                str(self.site(wanted)) if p == str(self.site(self._active)) else p for p in sys.path
            ]
        else:
            sys.path.append(str(self.site(wanted)))
        self._seen.update(new)
        self._active = wanted
        importlib.invalidate_caches()
        return True

    def leave(self) -> None:
        """Take the generation off this process's path."""
        if self._active is not None:
            mine = str(self.site(self._active))
            sys.path[:] = [p for p in sys.path if p != mine]
            self._active = None
        while self._held:
            os.close(self._held.pop())

    def _hold(self, number: int) -> None:
        """Keep a generation from being tidied away while this process lives: packages that were imported
        from it go on reading their files there."""
        handle = os.open(self.site(number), os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._held.append(handle)

    # -- a new one -------------------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off other installs and uninstalls of this home; clears away what a killed one left, and old
        generations that no process uses."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._tidy()
            yield
        finally:
            os.close(handle)

    def build(self, wheels: Sequence[Path] = (), without: Sequence[str] = ()) -> int:
        """Make the next generation: the current one, without some distributions, with these wheels.

        Call it inside `alone`. The pointer stays where it is. Raises CodeRefused.
        """
        number = 1 + max(self._numbers(), default=0)
        draft = self._folder / f"{DRAFT}{number}"
        try:
            self._fill(draft, wheels, without)
        except BaseException:
            _remove(draft)
            raise
        os.rename(draft, self._folder / f"{MADE}{number}")
        _flush(self._folder)
        return number

    def switch(self, number: int) -> None:
        """Move the pointer. From here on every new process uses this generation."""
        draft = self._folder / f"{DRAFT}current"
        with draft.open("w", encoding="ascii") as stream:
            stream.write(f"{number}\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, self._folder / "current")
        _flush(self._folder)

    def discard(self, number: int) -> None:
        """Remove a generation that was built and never used."""
        _remove(self._folder / f"{MADE}{number}")

    # -- inside ----------------------------------------------------------------------------------------

    def _numbers(self) -> list[int]:
        return [int(p.name.removeprefix(MADE)) for p in self._folder.glob(f"{MADE}*")]

    def _fill(self, draft: Path, wheels: Sequence[Path], without: Sequence[str]) -> None:
        site = draft / "site"
        now = self.current()
        if now is None:
            site.mkdir(parents=True)
        else:
            shutil.copytree(self.site(now), site, ignore=shutil.ignore_patterns("__pycache__"))
            _set_writable(site)
        for name in without:
            _take_out(site, name)
        for wheel in wheels:
            _put_in(site, wheel, draft)
        shutil.rmtree(draft / "bin", ignore_errors=True)
        _set_read_only(site)
        _flush(draft)

    def _tidy(self) -> None:
        """Remove drafts, generations that were never pointed to, and old ones that nobody holds."""
        for left in self._folder.glob(f"{DRAFT}*"):
            _remove(left)
        now = self.current() or 0
        old = sorted((n for n in self._numbers() if n <= now), reverse=True)[KEPT:]
        for number in (*old, *(n for n in self._numbers() if n > now)):
            if not self._is_held(number):
                self.discard(number)

    def _is_held(self, number: int) -> bool:
        try:
            handle = os.open(self.site(number), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False


def provided(generations: Path) -> Mapping[str, str]:
    """The distributions of the environment by normalised name with their versions, generations left out."""
    folders = [p for p in sys.path if not Path(p or ".").absolute().is_relative_to(generations)]
    found: dict[str, str] = {}
    for name, one in _distributions(folders):
        found.setdefault(name, _meta(one, "Version"))  # the first on the path is the one that is imported
    return found


def _distributions(folders: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Distributions with their normalised names; one without a name is a leftover of another installer."""
    for one in importlib_metadata.distributions(path=list(folders)):
        if name := _meta(one, "Name"):
            yield str(canonicalize_name(name)), one


def _meta(distribution: Any, key: str) -> str:
    try:
        metadata = distribution.metadata
    except FileNotFoundError:  # a folder without METADATA, as a broken removal leaves it
        return ""
    return str(metadata[key] or "") if metadata is not None and key in metadata else ""


# -- files -------------------------------------------------------------------------------------------------


def _put_in(site: Path, wheel: Path, draft: Path) -> None:
    """Unpack one wheel. Its scripts are not kept: plugins bring their commands through `karvan x`."""
    schemes = {name: str(site) for name in ("purelib", "platlib")}
    schemes |= {name: str(draft / "bin") for name in ("scripts", "headers", "data")}
    destination = SchemeDictionaryDestination(schemes, sys.executable, "posix")
    try:
        _check_size(wheel)
        with WheelFile.open(wheel) as source:
            _check_names(source)
            _refuse_shadows(site, source, wheel.name)
            source.validate_record(validate_contents=True)
            unpack(source, destination, {"INSTALLER": b"karvan\n"})
    except (InstallerError, OSError, ValueError, KeyError, AssertionError, zipfile.BadZipFile) as exc:
        raise CodeRefused(reason=f"'{wheel.name}' can't be unpacked: {exc}") from exc


def _check_names(source: WheelFile) -> None:
    """Raise ValueError where the METADATA is another distribution's than the name of the file says."""
    fields = email.message_from_string(source.read_dist_info("METADATA"))
    said, version = str(fields.get("Name", "")), str(fields.get("Version", ""))
    if canonicalize_name(said) != canonicalize_name(source.distribution) or (
        Version(version) != Version(source.version)
    ):
        raise ValueError(f"its METADATA says '{said} {version}'")


def _refuse_shadows(site: Path, source: WheelFile, name: str) -> None:
    """Raise where a wheel would bring what is there already (CodeRefused), or more than modules."""
    for top in sorted(set(_tops(source))):
        if not re.fullmatch(r"[^\W\d]\w*(\.[\w.-]+)?", top) or top.endswith(".pth"):
            raise ValueError(f"it brings '{top}', which is neither a package nor a module.")
        if (site / top).exists():
            raise CodeRefused(reason=f"'{name}' brings '{top}', which another installed distribution has.")
        if _is_provided(top.partition(".")[0], site.parents[1]):
            raise CodeRefused(reason=f"'{name}' brings '{top}', which the environment has already.")


def _tops(source: WheelFile) -> Iterable[str]:
    """What a wheel brings at the top of the path, its own metadata left out."""
    for (path, _, _), _, _ in source.get_contents():
        parts = PurePosixPath(path).parts
        if parts[0] == source.data_dir:
            if parts[1:2] in (("purelib",), ("platlib",)):
                yield from parts[2:3]
        elif parts[0] != source.dist_info_dir:
            yield parts[0]


def _check_size(wheel: Path) -> None:
    """Raise ValueError for a wheel that is a bomb; zipfile never gives more than the sizes said here."""
    with zipfile.ZipFile(wheel) as opened:
        if sum(one.file_size for one in opened.infolist()) > UNPACKED_MAX:
            raise ValueError(f"it unpacks to more than {UNPACKED_MAX} bytes.")


def _is_provided(module: str, generations: Path) -> bool:
    """Whether a top-level module can be imported from outside of all generations."""
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None:
        return False
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.has_location else ())]
    return not any(Path(str(p)).is_relative_to(generations) for p in places)


def _take_out(site: Path, name: str) -> None:
    for one in importlib_metadata.distributions(path=[str(site)]):
        if canonicalize_name(_meta(one, "Name")) != name:
            continue
        for file in one.files or ():
            path = Path(str(one.locate_file(file)))
            if path.resolve().is_relative_to(site.resolve()):
                path.unlink(missing_ok=True)
    for folder in sorted((p for p in site.rglob("*") if p.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _set_writable(site: Path) -> None:
    for path in (site, *site.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _set_read_only(site: Path) -> None:
    """Files and folders of a generation are never written again; flushed, so that a crash can't thin them."""
    for path in (*sorted(site.rglob("*"), reverse=True), site):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
        _flush(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        _set_writable(path)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
