"""Reads one wheel: its names, its metadata and the manifests of its plugins, from the zip alone."""

from __future__ import annotations

import configparser
import email.utils
import hashlib
import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from karvan_marketplace.archive import Archive, is_inside, opened
from karvan_marketplace.errors import WheelRefused
from karvan_sdk.errors import ManifestInvalid
from karvan_sdk.manifest import Manifest, load_manifest

MANIFESTS = "karvan.manifests"
ICON = "icon.svg"
ICON_MAX = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What tells one state of a file from another without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """The stamp in what `stat` told."""
        return cls(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)


@dataclass(frozen=True, kw_only=True)
class PluginInWheel:
    """A plugin as one wheel brings it. `icon` is an SVG, or None where the wheel has none."""

    manifest: Manifest
    icon: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One file of the index. `project` is the normalised name (PEP 503), `metadata` the METADATA file as
    it stands in the zip, `requires_python` empty where the wheel names none.
    """

    path: Path
    stamp: Stamp
    project: str
    name: str
    version: Version
    build: BuildTag
    tags: frozenset[Tag]
    sha256: str
    metadata: bytes = field(repr=False)
    metadata_sha256: str
    requires_python: str = ""
    requires_dist: tuple[str, ...] = ()
    summary: str = ""
    author: str = ""
    license: str = ""
    plugins: tuple[PluginInWheel, ...] = ()

    @property
    def filename(self) -> str:
        """The name under which it is offered."""
        return self.path.name

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.stamp.size

    @property
    def uploaded_at(self) -> datetime:
        """When the file came into the folder, as far as its own time tells."""
        return datetime.fromtimestamp(self.stamp.mtime_ns // 1000 / 1_000_000, UTC)

    @property
    def is_preview(self) -> bool:
        """Whether it is an alpha, beta, candidate or development release (PEP 440)."""
        return self.version.is_prerelease


def read_wheel(path: Path) -> Wheel:
    """Read the wheel at `path`. Raises WheelRefused with the rule it breaks, OSError where it is gone."""
    try:
        name, version, build, tags = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion) as exc:
        raise WheelRefused(f"Its name is no wheel's: {exc}") from exc
    with path.open("rb") as stream:
        stamp = Stamp.of(os.fstat(stream.fileno()))
        with opened(stream) as archive:
            folder = _dist_info(archive, name, version)
            metadata = _read(archive, f"{folder}/METADATA")
            fields = _fields(metadata)
            _check_names(fields, name, version)
            plugins = _plugins(archive, folder)
        sha256 = _digest(stream)
    return Wheel(
        path=path,
        stamp=stamp,
        project=name,
        name=fields.get("name", name),
        version=version,
        build=build,
        tags=tags,
        sha256=sha256,
        metadata=metadata,
        metadata_sha256=hashlib.sha256(metadata).hexdigest(),
        requires_python=_range(fields.get("requires_python", "")),
        requires_dist=_requirements(fields.get("requires_dist", [])),
        summary=fields.get("summary", ""),
        author=_author(fields),
        license=fields.get("license_expression", "") or fields.get("license", ""),
        plugins=plugins,
    )


def describe(wheel: Wheel) -> tuple[str, str]:
    """The long description and its media type, from the metadata."""
    fields = _fields(wheel.metadata)
    return fields.get("description", ""), fields.get("description_content_type", "")


def _dist_info(archive: Archive, name: str, version: Version) -> str:
    """The wheel's own folder of metadata, as complete as pip and uv need it."""
    found = sorted({n.split("/")[0] for n in archive.names if n.split("/")[0].endswith(".dist-info")})
    if len(found) != 1:
        raise WheelRefused(f"It must have one .dist-info folder, it has {', '.join(found) or 'none'}.")
    folder = found[0]
    said, _, number = folder.removesuffix(".dist-info").rpartition("-")
    try:
        fits = canonicalize_name(said) == name and Version(number) == version
    except InvalidVersion:
        fits = False
    if not fits:
        raise WheelRefused(f"Its folder '{folder}' does not belong to the name of the file.")
    lacking = [n for n in ("METADATA", "WHEEL", "RECORD") if f"{folder}/{n}" not in archive.names]
    if lacking:
        raise WheelRefused(f"'{folder}' lacks {', '.join(lacking)}.")
    return folder


def _read(archive: Archive, name: str) -> bytes:
    archive.text(name)  # it is UTF-8 (PEP 566)
    return archive.read(name)


def _fields(metadata: bytes) -> RawMetadata:
    return parse_email(metadata)[0]


def _check_names(fields: RawMetadata, name: str, version: Version) -> None:
    said, number = fields.get("name", ""), fields.get("version", "")
    try:
        fits = canonicalize_name(said) == name and Version(number) == version
    except InvalidVersion:
        fits = False
    if not fits:
        raise WheelRefused(f"Its METADATA says '{said} {number}', its file name '{name} {version}'.")


def _range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as exc:
        raise WheelRefused(f"Its Requires-Python '{text}' is no version range.") from exc
    return text


def _requirements(lines: list[str]) -> tuple[str, ...]:
    for line in lines:
        try:
            Requirement(line)
        except InvalidRequirement as exc:
            raise WheelRefused(f"Its Requires-Dist '{line}' can't be understood.") from exc
    return tuple(lines)


def _author(fields: RawMetadata) -> str:
    """The author's name, else the one beside the address, else the maintainer's."""
    for plain, address in (
        (fields.get("author", ""), fields.get("author_email", "")),
        (fields.get("maintainer", ""), fields.get("maintainer_email", "")),
    ):
        if plain:
            return plain
        named = [name or mail for name, mail in email.utils.getaddresses([address]) if name or mail]
        if named:
            return ", ".join(named)
    return ""


def _digest(stream: BufferedReader) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


# -- plugins -----------------------------------------------------------------------------------------------


def _plugins(archive: Archive, folder: str) -> tuple[PluginInWheel, ...]:
    name = f"{folder}/entry_points.txt"
    if name not in archive.names:
        return ()
    entries = _entry_points(archive.text(name))
    return tuple(_plugin(archive, plugin, value) for plugin, value in sorted(entries.items()))


def _entry_points(text: str) -> Mapping[str, str]:
    """The manifests that `entry_points.txt` names: plugin id → `package:manifest.toml`."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        why = " ".join(str(exc).split())
        raise WheelRefused(f"Its entry_points.txt can't be understood: {why}") from exc
    return dict(parser[MANIFESTS]) if MANIFESTS in parser else {}


def _plugin(archive: Archive, plugin: str, value: str) -> PluginInWheel:
    package, _, relative = (part.strip() for part in value.partition(":"))
    if not all(part.isidentifier() for part in package.split(".")) or not is_inside(relative):
        raise WheelRefused(
            f"The entry point '{plugin} = {value}' must name a package and a file: 'package:manifest.toml'."
        )
    path = "/".join((*package.split("."), relative))
    try:
        manifest = load_manifest(plugin, _reader(archive, path))
    except ManifestInvalid as exc:
        raise WheelRefused(exc.message) from exc
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        # a value of a shape that no rule foresaw; the file is bad, the server must still stand
        raise WheelRefused(f"Manifest of '{plugin}': {type(exc).__name__}: {exc}") from exc
    icon = posixpath.join(posixpath.dirname(path), ICON)
    return PluginInWheel(
        manifest=manifest, icon=archive.read(icon, ICON_MAX) if icon in archive.names else None
    )


def _reader(archive: Archive, manifest: str) -> Callable[[str], str]:
    """How `load_manifest` reads texts beside the manifest; none outside the manifest's folder."""
    folder = posixpath.dirname(manifest)

    def read(name: str) -> str:
        if name == "manifest.toml":
            return archive.text(manifest)
        if not is_inside(name):
            raise WheelRefused(f"Its manifest names '{name}', which leaves the folder of the manifest.")
        return archive.text(f"{folder}/{name}")

    return read
