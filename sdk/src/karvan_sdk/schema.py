"""The JSON Schema of a plugin's files, draft 2020-12, for editors and other tools.

It is made of the tables that `load_manifest` reads by. What it refuses the loader refuses, too; the loader
is stricter where one value depends on another, or on other files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from karvan_sdk.declarations import OBJECT
from karvan_sdk.keys import Schema
from karvan_sdk.manifest import MANIFEST

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FILES: Mapping[str, Schema] = MappingProxyType({"manifest": MANIFEST, "object": OBJECT})
FILES = tuple(_FILES)
"""What there are schemas of: `manifest.toml`, and the file of one object."""


def schema_of(file: str) -> dict[str, Any]:
    """The whole JSON Schema of one of `FILES`; tables that occur within stand under `$defs`."""
    definitions: dict[str, Any] = {}
    whole = _FILES[file]
    body = {key: _gather(value, definitions) for key, value in whole.items()}
    return {
        "$schema": _DIALECT,
        "$id": f"urn:karvan:{file}:1",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _gather(part: Any, definitions: dict[str, Any]) -> Any:
    """The part with each titled table replaced by a reference to its definition."""
    if isinstance(part, list):
        return [_gather(one, definitions) for one in part]
    if not isinstance(part, Mapping):
        return part
    body = {key: _gather(value, definitions) for key, value in part.items()}
    title = part.get("title")
    if not isinstance(title, str):  # a widget has a key of that name
        return body
    about = {"description": body.pop("description")} if "description" in body else {}
    definitions[title] = body
    return {"$ref": f"#/$defs/{title}", **about}
