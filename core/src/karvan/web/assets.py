"""The browser files: which there are, where they are served, and the drawings of the icons.

Vendor files come from the build hook; where they are missing the pages still work and say so.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Response, abort, request, send_from_directory
from markupsafe import Markup

STATIC = Path(__file__).parent / "static"
YEAR = 365 * 24 * 3600
_BOX = '<rect x="4" y="4" width="16" height="16" rx="3"/>'
"""What is drawn for an unknown icon, and for every icon where the drawings are missing."""

_FONTS = (
    (
        "Inter Variable",
        "inter-latin.woff2",
        "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+2000-206F,U+20AC,U+2122,U+2191,"
        "U+2193,U+2212,U+2215,U+FEFF,U+FFFD",
    ),
    ("Inter Variable", "inter-cyrillic.woff2", "U+0301,U+0400-045F,U+0490-0491,U+04B0-04B1,U+2116"),
    (
        "Vazirmatn",
        "vazirmatn-arabic.woff2",
        "U+0600-06FF,U+0750-077F,U+200C-200D,U+FB50-FDFF,U+FE70-FEFF",
    ),
)


@lru_cache(maxsize=1)
def vendor_files() -> dict[str, str]:
    """Vendor file to its hashed name; empty where the build left them out."""
    manifest = STATIC / "vendor/manifest.json"
    if not manifest.exists():
        return {}
    files: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    return files


@lru_cache(maxsize=1)
def _drawings() -> dict[str, str]:
    file = STATIC / "vendor/icons.json"
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


@lru_cache(maxsize=8)
def _own_hash(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]


def vendor_url(name: str) -> str | None:
    """The address of a vendor file, or None where it is missing."""
    found = vendor_files().get(name)
    return f"/static/vendor/{found}" if found else None


def own_url(name: str) -> str:
    """The address of one of our own files; it changes with the content."""
    return f"/static/{name}?v={_own_hash(name)}"


@lru_cache(maxsize=1)
def font_faces() -> Markup:
    """The `@font-face` rules of the fonts that are there."""
    rules = [
        f'@font-face{{font-family:"{family}";src:url({vendor_url(name)}) format("woff2");font-weight:100 900;'
        f"font-display:swap;unicode-range:{chars}}}"
        for family, name, chars in _FONTS
        if vendor_url(name)
    ]
    return Markup("\n".join(rules))  # noqa: S704  made of constants and of our own manifest


@lru_cache(maxsize=512)
def icon(name: str, classes: str = "") -> Markup:
    """An icon as inline SVG, hidden from screen readers: the word stands beside it."""
    drawn = _drawings().get(name, _BOX)
    more = f" {classes}" if classes else ""
    svg = Markup('<svg class="k-icon{}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>')
    return svg.format(more, Markup(drawn))  # noqa: S704  the drawings are files of the package


def send_static(name: str) -> Response:
    """Answer one static file, packed where the browser takes that; names with a hash are kept for a year."""
    named_by_content = name.startswith("vendor/") or "v" in request.args
    packed = STATIC / f"{name}.gz"
    options: dict[str, Any] = {"max_age": YEAR if named_by_content else None}
    if "gzip" in request.headers.get("Accept-Encoding", "") and name in _packed_names() and packed.exists():
        options["mimetype"] = "text/css" if name.endswith(".css") else "text/javascript"
        answer = send_from_directory(STATIC, f"{name}.gz", **options)
        answer.headers["Content-Encoding"] = "gzip"
    elif name.startswith("."):
        abort(404)
    else:
        answer = send_from_directory(STATIC, name, **options)
    answer.headers["Vary"] = "Accept-Encoding"
    if named_by_content:
        answer.cache_control.immutable = True
    return answer


@lru_cache(maxsize=1)
def _packed_names() -> frozenset[str]:
    return frozenset(f"vendor/{name}" for name in vendor_files().values() if name.endswith((".css", ".js")))
