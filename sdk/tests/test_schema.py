"""The JSON Schema and the loader are one: what the schema refuses the loader refuses, too."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from karvan_sdk import FIELD_TYPES, SLOTS, Manifest, ManifestInvalid, describe_hooks, load_manifest
from karvan_sdk.cli import main
from karvan_sdk.schema import FILES, schema_of

PLUGINS = Path(__file__).parents[2] / "plugins"
WHOLE = PLUGINS.glob("*/src/*/manifest.toml")
VALIDATORS = {file: Draft202012Validator(schema_of(file)) for file in FILES}

MANIFEST: dict[str, Any] = {
    "schema": 1,
    "id": "toy",
    "api": ">=0.1,<1",
    "icon": "rocket",
    "name": {"en": "Toy", "ru": "Игрушка"},
    "summary": "A toy.",
    "requires": {"crm": ">=0.1"},
    "conflicts": {"toys": "<2"},
    "after": ["crm"],
    "before": ["price_book"],
    "capabilities": ["http:*.example.org:8080", "files", "records:read:deal", "records:write:*"],
    "objects": ["car.toml"],
    "categories": ["play"],
    "languages": ["en", "fa"],
    "commands": ["wind-up"],
    "links": {"home": "https://example.org"},
    "fields": [{"object": "deal", "name": "score", "type": "integer", "label": "Score", "minimum": 0}],
    "hooks": [
        {"hook": "check_records", "objects": ["car"], "events": ["create"]},
        {"hook": "crm.find", "version": 1},
    ],
    "provides": {
        "hooks": [{"name": "find_line", "kind": "first", "arguments": ["number"], "summary": "A line."}],
        "slots": [{"name": "call", "title": "Call", "version": 2, "about_record": False}],
    },
    "widgets": [
        {
            "id": "card",
            "title": "Card",
            "slots": ["record.side", "crm.card@1"],
            "size": [4, 1],
            "budget_ms": 90,
        }
    ],
    "settings": [{"name": "limit", "type": "decimal", "default": "2.50", "minimum": 0, "required": True}],
    "public_routes": [{"surface": "api", "path": "/hook", "methods": ["POST"], "why": "Toys call."}],
}
OBJECT: dict[str, Any] = {
    "name": "car",
    "label": {"en": "Car"},
    "fields": [
        {"name": "name", "type": "text", "required": True, "max_length": 20, "pattern": "a*"},
        {"name": "price", "type": "decimal", "scale": 2, "maximum": "99.50", "help": {"en": "Of it."}},
        {"name": "colour", "type": "select", "options": ["red", {"value": "blue", "attributes": {"n": 1}}]},
        {
            "name": "deal",
            "type": "lookup",
            "target": "deal",
            "on_delete": "cascade",
            "relation": {"name": "cars", "columns": ["name"]},
        },
    ],
    "indexes": [{"fields": ["name", "price"]}],
    "views": [{"name": "all", "columns": ["name"], "sort": ["-price"], "filter": "price > 1"}],
    "layouts": [{"name": "record", "sections": [{"label": "A", "fields": ["name"]}], "path": "colour"}],
    "rules": [{"name": "dear", "condition": "price > 0", "message": "Too cheap.", "field": "price"}],
    "synonyms": ["Auto"],
    "in_navigation": False,
}


def toml(value: Any) -> str:
    """A value as TOML writes it; texts of JSON are texts of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def load(manifest: dict[str, Any], object: dict[str, Any]) -> Manifest:
    files = {"manifest.toml": manifest, "car.toml": object}

    def read(name: str) -> str:
        if name not in files:
            raise FileNotFoundError(name)
        return "\n".join(f"{json.dumps(k)} = {toml(v)}" for k, v in files[name].items())

    return load_manifest("toy", read)


def is_taken(manifest: dict[str, Any], object: dict[str, Any]) -> bool:
    try:
        load(manifest, object)
    except ManifestInvalid:
        return False
    return True


def is_valid(manifest: dict[str, Any], object: dict[str, Any]) -> bool:
    return VALIDATORS["manifest"].is_valid(manifest) and VALIDATORS["object"].is_valid(object)


@pytest.mark.parametrize("file", sorted(WHOLE), ids=lambda p: str(p.parts[-4]))
def test_every_first_party_manifest_passes_the_schema_and_the_loader(file: Path) -> None:
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    assert [e.message for e in VALIDATORS["manifest"].iter_errors(data)] == []
    for name in data.get("objects", ()):
        made = tomllib.loads((file.parent / name).read_text(encoding="utf-8"))
        assert [e.message for e in VALIDATORS["object"].iter_errors(made)] == []
    assert load_manifest(data["id"], lambda name: (file.parent / name).read_text(encoding="utf-8"))


# -- the battery -------------------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


words = st.text(alphabet="abé_-/.*:1 A", max_size=6) | st.sampled_from(
    ["", "x" * 33, "deal", "select", "page", "on", "list", "create", "text", "files", "en", ">=1", "/"]
)
values = st.recursive(
    st.booleans() | st.integers(-3, 2**31) | words | st.sampled_from([0.5, 1.0]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@st.composite
def mutants(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """The good documents with one or two places spoilt: replaced, taken out, or with a further key."""
    documents = copy.deepcopy({"manifest": MANIFEST, "object": OBJECT})
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([p for p in places(documents) if len(p) > 1]))
        holder, key = at(documents, path[:-1]), path[-1]
        act = draw(st.sampled_from(["replace", "remove", "add"]))
        if act == "replace":
            holder[key] = draw(values)
        elif act == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(words)] = draw(values)
        else:
            holder.append(draw(values))
    return documents["manifest"], documents["object"]


def test_the_documents_of_the_battery_are_good() -> None:
    assert is_valid(MANIFEST, OBJECT)
    assert is_taken(MANIFEST, OBJECT)


@given(mutants())
def test_what_the_schema_refuses_the_loader_refuses(spoilt: tuple[dict[str, Any], dict[str, Any]]) -> None:
    if not is_valid(*spoilt):
        event("refused by the schema")
        # an object that the manifest no longer names is not read
        assert not is_taken(*spoilt) or (
            VALIDATORS["manifest"].is_valid(spoilt[0]) and spoilt[0].get("objects", []) == []
        )


TABLES = [p for p in [(), *places(MANIFEST)] if isinstance(at(MANIFEST, p), dict)]


@pytest.mark.parametrize("path", TABLES, ids=lambda p: ".".join(map(str, p)) or "manifest")
def test_both_refuse_an_unknown_key_with_a_number_in_every_table(path: tuple[Any, ...]) -> None:
    spoilt = copy.deepcopy(MANIFEST)
    at(spoilt, path)["size_of_it"] = 1
    assert not is_valid(spoilt, OBJECT)
    assert not is_taken(spoilt, OBJECT)


LOADER_ALONE: dict[str, tuple[str, Any]] = {
    "an id that is not that of the entry point": ("id", "toys"),
    "an id that is reserved": ("id", "select"),
    "a range that is none": ("api", "about one"),
    "a range of a plugin that is none": ("requires", {"crm": "new"}),
    "a file that is not there": ("objects", ["cart.toml"]),
    "a hook asked once, with objects": ("hooks", [{"hook": "demo_records", "objects": ["car"]}]),
    "a hook asked per object, with events": ("hooks", [{"hook": "restrict_records", "events": ["create"]}]),
    "a version of a hook of the core": ("hooks", [{"hook": "demo_records", "version": 1}]),
    "a hook of a plugin that is not required": ("hooks", [{"hook": "onec.find", "version": 1}]),
    "a hook of a plugin without a version": ("hooks", [{"hook": "crm.find"}]),
    "a slot of a plugin that is not required": (
        "widgets",
        [{"id": "a", "title": "A", "slots": ["onec.a@1"]}],
    ),
    "an argument that is no name in Python": (
        "provides",
        {"hooks": [{"name": "find", "kind": "first", "arguments": ["class"]}]},
    ),
    "a pipeline without a value": ("provides", {"hooks": [{"name": "find", "kind": "pipeline"}]}),
    "two widgets of one id": ("widgets", [{"id": "a", "title": "A", "slots": ["record.side"]}] * 2),
    "two settings of one name": ("settings", [{"name": "a"}] * 2),
    "a select setting without options": ("settings", [{"name": "a", "type": "select"}]),
    "a secret that is no text": ("settings", [{"name": "a", "type": "integer", "secret": True}]),
    "a default that is no value of the setting": (
        "settings",
        [{"name": "a", "type": "integer", "default": "b"}],
    ),
    "a lookup without a target": ("fields", [{"object": "deal", "name": "a", "type": "lookup"}]),
    "a target without a lookup": ("fields", [{"object": "deal", "name": "a", "type": "text", "target": "b"}]),
    "options without a select": (
        "fields",
        [{"object": "deal", "name": "a", "type": "text", "options": ["b"]}],
    ),
    "an option that stands twice": (
        "fields",
        [{"object": "deal", "name": "a", "type": "select", "options": ["b", "b"]}],
    ),
    "an option without a value": (
        "fields",
        [{"object": "deal", "name": "a", "type": "select", "options": [""]}],
    ),
    "a scale without decimals": ("fields", [{"object": "deal", "name": "a", "type": "text", "scale": 2}]),
    "a unique field of a kind that can't": (
        "fields",
        [{"object": "deal", "name": "a", "type": "json", "unique": True}],
    ),
    "a field with a reserved name": ("fields", [{"object": "deal", "name": "owner", "type": "text"}]),
}
"""Where the loader is stricter than the schema: one value depends on another, on a file, or on a list."""


@pytest.mark.parametrize(("key", "value"), LOADER_ALONE.values(), ids=LOADER_ALONE)
def test_the_loader_alone_refuses(key: str, value: Any) -> None:
    manifest = {**MANIFEST, key: value}
    assert is_valid(manifest, OBJECT)
    assert not is_taken(manifest, OBJECT)


OBJECT_ALONE: dict[str, tuple[str, Any]] = {
    "a field that stands twice": ("fields", [{"name": "name", "type": "text"}] * 2),
    "a name field that is none": ("name_field", "price"),
    "an index over a field that is not there": ("indexes", [{"fields": ["size"]}]),
    "a column that is no field": ("views", [{"name": "all", "columns": ["size"]}]),
    "a sort by no field": ("views", [{"name": "all", "sort": ["-size"]}]),
    "a section with no field": ("layouts", [{"sections": [{"fields": ["size"]}]}]),
    "a reserved name": ("name", "select"),
}


@pytest.mark.parametrize(("key", "value"), OBJECT_ALONE.values(), ids=OBJECT_ALONE)
def test_the_loader_alone_refuses_of_an_object(key: str, value: Any) -> None:
    spoilt = {**OBJECT, key: value}
    assert is_valid(MANIFEST, spoilt)
    assert not is_taken(MANIFEST, spoilt)


# -- what it says ------------------------------------------------------------------------------------------


def keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, schema) of every key of every table."""
    for title, one in {"": schema, **schema["$defs"]}.items():
        for key, value in one["properties"].items():
            yield f"{title}.{key}", value


@pytest.mark.parametrize("file", FILES)
def test_every_key_has_a_description_of_one_line(file: str) -> None:
    found = dict(keys(schema_of(file)))
    assert len(found) > 20
    assert not [
        key for key, value in found.items() if not value["description"] or "\n" in value["description"]
    ]


def test_the_choices_are_those_of_the_code() -> None:
    definitions = schema_of("manifest")["$defs"]
    assert sorted(definitions["HookUse"]["properties"]["hook"]["anyOf"][0]["enum"]) == list(describe_hooks())
    assert definitions["WidgetUse"]["properties"]["slots"]["items"]["anyOf"][0]["enum"] == list(SLOTS)
    assert definitions["ForeignField"]["properties"]["type"]["enum"] == list(FIELD_TYPES)


@pytest.mark.parametrize("file", FILES)
def test_the_command_prints_the_schema(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", file]) == 0
    assert json.loads(capsys.readouterr().out) == schema_of(file)
