"""What is checked: the files of a distribution, from its source folder or its wheel, never imported."""

from __future__ import annotations

import configparser
import email
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

KINDS = (".py", ".toml", ".html", ".po")
FILES_MAX = 5_000
BYTES_MAX = 64 * 1024 * 1024
"""How much of a distribution is read: a wheel is a zip, and may be a bomb."""
LEFT_OUT = frozenset(("tests", "node_modules", "build", "dist", "__pycache__"))
GROUPS = ("karvan.plugins", "karvan.manifests")


class NoPlugin(Exception):
    """There is nothing to check at a path; of the command line alone, so it is no KarvanError."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"'{path}' can't be checked: {why}")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """What the packaging of a plugin says: requirements, and entry points by group; `file` holds it."""

    file: str
    requires: tuple[str, ...]
    entries: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """The texts of a distribution by path. `distribution` is None for a bare package folder.

    `manifests` are the paths of the manifests by the plugin's id.
    """

    files: Mapping[str, str]
    distribution: Distribution | None
    manifests: Mapping[str, str]

    @property
    def modules(self) -> Iterator[str]:
        """The paths of Python files."""
        return (path for path in sorted(self.files) if path.endswith(".py"))


def read_source(path: Path) -> Source:
    """Read a folder or a wheel; raises NoPlugin."""
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".whl" and path.is_file():
        return _read_wheel(path)
    raise NoPlugin(path, "it is neither a folder nor a wheel.")


def _read_folder(folder: Path) -> Source:
    project = folder / "pyproject.toml"
    distribution = None
    root = folder
    if project.is_file():
        distribution = _from_project(folder, project)
        root = folder / "src" if (folder / "src").is_dir() else folder
    files: dict[str, str] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(folder).parts
        if (
            path.suffix not in KINDS
            or not path.is_file()
            or _is_left_out(parts)
            or parts == ("pyproject.toml",)
        ):
            continue
        size += path.stat().st_size
        _check_size(folder, len(files), size)
        files["/".join(parts)] = path.read_text(encoding="utf-8-sig", errors="replace")
    if distribution is not None:
        files["pyproject.toml"] = project.read_text(encoding="utf-8", errors="replace")
    return _sourced(folder, files, distribution)


def _is_left_out(parts: tuple[str, ...]) -> bool:
    return any(part in LEFT_OUT or part.startswith(".") for part in parts)


def _check_size(path: Path, files: int, size: int) -> None:
    if files > FILES_MAX or size > BYTES_MAX:
        raise NoPlugin(path, f"it has more than {FILES_MAX} files or {BYTES_MAX} bytes.")


def _from_project(folder: Path, project: Path) -> Distribution:
    try:
        data: Any = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
        entries = {group: dict(data.get("entry-points", {}).get(group, {})) for group in GROUPS}
        return Distribution(
            file="pyproject.toml", requires=tuple(map(str, data.get("dependencies", ()))), entries=entries
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError, ValueError) as exc:
        raise NoPlugin(folder, f"pyproject.toml can't be read: {exc}") from exc


def _read_wheel(wheel: Path) -> Source:
    files: dict[str, str] = {}
    try:
        with zipfile.ZipFile(wheel) as opened:
            wanted = [i for i in opened.infolist() if _is_wanted(i.filename)]
            size = 0
            for info in wanted:
                with opened.open(info) as stream:
                    data = stream.read(BYTES_MAX - size + 1)
                size += len(data)
                _check_size(wheel, len(files), size)
                files[info.filename] = data.decode("utf-8-sig", "replace")
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, ValueError) as exc:
        # RuntimeError: an entry is encrypted, or packed in a way that zipfile does not know
        raise NoPlugin(wheel, f"it is no wheel: {exc}") from exc
    return _sourced(wheel, files, _from_metadata(wheel, files))


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    is_info = path.parent.suffix == ".dist-info" and path.name in ("METADATA", "entry_points.txt")
    return path.suffix in KINDS or is_info


def _from_metadata(wheel: Path, files: Mapping[str, str]) -> Distribution:
    file = next((name for name in files if name.endswith(".dist-info/METADATA")), None)
    if file is None:
        raise NoPlugin(wheel, "it has no METADATA.")
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case
    try:
        parser.read_string(next((t for n, t in files.items() if n.endswith("/entry_points.txt")), ""))
    except configparser.Error as exc:
        raise NoPlugin(wheel, f"entry_points.txt can't be read: {exc}") from exc
    requires = email.message_from_string(files[file]).get_all("Requires-Dist", [])
    entries = {group: dict(parser[group]) if group in parser else {} for group in GROUPS}
    return Distribution(file=file, requires=tuple(map(str, requires)), entries=entries)


def _sourced(path: Path, files: dict[str, str], distribution: Distribution | None) -> Source:
    manifests = {}
    for plugin, value in (distribution.entries["karvan.manifests"] if distribution else {}).items():
        package, _, name = value.partition(":")
        wanted = f"{package.strip().replace('.', '/')}/{name.strip()}"
        manifests[plugin] = next((f for f in files if f == wanted or f.endswith(f"/{wanted}")), wanted)
    if not manifests:
        found = [name for name in files if PurePosixPath(name).name == "manifest.toml"]
        manifests = {_id_in(files[name]): name for name in found}
    if not manifests:
        raise NoPlugin(path, "it has no manifest.toml.")
    return Source(files=files, distribution=distribution, manifests=manifests)


def _id_in(manifest: str) -> str:
    try:
        return str(tomllib.loads(manifest).get("id", ""))
    except tomllib.TOMLDecodeError:
        return ""
