"""Makes tiny wheels by hand, good ones and broken ones."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

MANIFEST = """\
schema = 1
id = "{id}"
api = ">=0.1,<1"
name = {{ en = "{title}", fa = "افزونهٔ {title}" }}
summary = {{ en = "Does what {title} does.", fa = "کار {title} را می‌کند." }}
{more}
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
OBJECT = """\
name = "{name}"
label = {{ en = "Parcel", fa = "بسته" }}
label_plural = {{ en = "Parcels", fa = "بسته‌ها" }}

[[fields]]
name = "name"
type = "text"
label = {{ en = "Name" }}
"""


def metadata(name: str, version: str, more: str = "", text: str = "") -> str:
    """A METADATA file; `more` are further headers, each with its line end."""
    return f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\n{text}"


def write_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    headers: str = "",
    text: str = "",
    entry_points: str = "",
    filename: str = "",
    without: tuple[str, ...] = (),
    overrides: Mapping[str, str | bytes] | None = None,
) -> Path:
    """A wheel that pip and uv can install, if `overrides` and `without` spoil nothing of its dist-info."""
    stem = name.replace("-", "_").replace(".", "_")
    info = f"{stem}-{version}.dist-info"
    found: dict[str, str | bytes] = {f"{stem}/__init__.py": "", **(files or {})}
    found[f"{info}/METADATA"] = metadata(name, version, headers, text)
    found[f"{info}/WHEEL"] = WHEEL
    if entry_points:
        found[f"{info}/entry_points.txt"] = entry_points
    found[f"{info}/RECORD"] = "".join(_record(n, c) for n, c in found.items()) + f"{info}/RECORD,,\n"
    found.update(overrides or {})
    path = folder / (filename or f"{stem}-{version}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for entry, content in found.items():
            if entry.removeprefix(f"{info}/") not in without:
                zipped.writestr(entry, content)
    return path


def write_plugin(
    folder: Path,
    plugin: str = "parcels",
    version: str = "1.0",
    *,
    title: str = "Parcels",
    distribution: str = "",
    more: str = "",
    manifest: str | None = None,
    files: Mapping[str, str | bytes] | None = None,
    headers: str = "Author: Ada Rowan\nLicense-Expression: MIT\nRequires-Python: >=3.8\n",
    text: str = "",
) -> Path:
    """A wheel that brings one plugin; `more` are further lines of its manifest, `files` lie beside it."""
    name = distribution or f"karvan-{plugin}"
    package = name.replace("-", "_").replace(".", "_")
    written = MANIFEST.format(id=plugin, title=title, more=more) if manifest is None else manifest
    beside = {f"{package}/{entry}": content for entry, content in (files or {}).items()}
    return write_wheel(
        folder,
        name,
        version,
        files={f"{package}/manifest.toml": written, **beside},
        headers=headers,
        text=text,
        entry_points=f"[karvan.manifests]\n{plugin} = {package}:manifest.toml\n",
    )


def _record(name: str, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"
