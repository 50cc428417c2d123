"""The tables of docs/manifest.md, made of the JSON Schema; `python -m tests.manifest_tables` writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from karvan_sdk.schema import schema_of
from tests.source import ROOT

PAGE = ROOT / "docs" / "manifest.md"
TABLES = {
    "Keys": "manifest",
    "Hooks": "manifest.HookUse",
    "Offers": "manifest.Provides",
    "Offered hooks": "manifest.ProvidedHook",
    "Offered slots": "manifest.Slot",
    "Widgets": "manifest.WidgetUse",
    "Settings": "manifest.Setting",
    "Public routes": "manifest.PublicRoute",
    "Objects": "object",
    "Fields": "object.Field",
    "Options": "object.Option",
    "Relations": "object.Relation",
    "Indexes": "object.Index",
    "Views": "object.View",
    "Layouts": "object.Layout",
    "Sections": "object.Section",
    "Rules": "object.Rule",
}
"""Heading of the page → the table of the schema that stands under it."""
TEXT_OR_TEXTS = ("text", "table of texts")


def table_of(name: str) -> Mapping[str, Any]:
    """One table of a schema: `object.Field`; the file's own for `object`."""
    file, _, title = name.partition(".")
    schema = schema_of(file)
    found: Mapping[str, Any] = schema["$defs"][title] if title else schema
    return found


def render(name: str) -> str:
    """A table of the schema in Markdown."""
    table = table_of(name)
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in table["properties"].items():
        default = "needed" if key in table.get("required", ()) else say_default(value)
        about = value["description"].replace("|", "\\|")
        lines.append(f"| `{key}` | {say_values(value)} | {default} | {about} |")
    return "\n".join(lines) + "\n"


def say_default(value: Mapping[str, Any]) -> str:
    """The default as TOML writes it, or nothing."""
    return f"`{json.dumps(value['default'], ensure_ascii=False)}`" if "default" in value else ""


def say_values(value: Mapping[str, Any]) -> str:
    """What a value may be, in our words."""
    if "$ref" in value:
        return f"a table, see {say_link(value)}"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(say_values(one) for one in value["anyOf"]))
    kind = value.get("type")
    if kind == "array":
        return say_list(value)
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"table of {say_plural(inner)}" if inner else "table"
    if isinstance(kind, list):
        return " or ".join(say_values({"type": one}) for one in kind)
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", None: "any value"}
    return words[kind] + say_limits(value)


def say_limits(value: Mapping[str, Any]) -> str:
    if "maximum" in value:
        return f", {value['minimum']} to {value['maximum']:,}"
    return f", at most {value['maxLength']} characters" if "maxLength" in value else ""


def say_list(value: Mapping[str, Any]) -> str:
    items, least = value["items"], value.get("minItems")
    if least is not None and least == value.get("maxItems"):
        return f"list of {least} {say_plural(items)}{say_limits(items)}"
    return f"list of {say_plural(items)}" + (f", at least {least}" if least else "")


def say_plural(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return f"tables, see {say_link(value)}"
    if "enum" in value:
        return say_values(value)
    if "anyOf" in value:
        return " or ".join(say_plural(one) for one in value["anyOf"])
    if value.get("type") == "array":
        return f"lists of {say_plural(value['items'])}"
    return {"string": "texts", "integer": "whole numbers"}[value["type"]]


def say_link(value: Mapping[str, Any]) -> str:
    title = value["$ref"].rpartition("/")[2]
    titles = {name.partition(".")[2]: heading for heading, name in TABLES.items()}
    heading = titles["Field" if title == "ForeignField" else title]
    anchor = heading.lower().replace(" ", "-")
    return f"[{heading.lower()}](#{anchor})"


def filled(text: str) -> str:
    """The page with every table as the schema has it."""
    for heading, name in TABLES.items():
        pattern = rf"(^## {re.escape(heading)}\n(?:(?!^\||^## ).*\n)*)(?:^\|.*\n)+"
        text, count = re.subn(
            pattern, lambda found, name=name: found[1] + render(name), text, count=1, flags=re.MULTILINE
        )
        if count != 1:
            raise LookupError(f"there is no table under '{heading}' of {PAGE.name}")
    return text


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
