"""The static manifest of a plugin: all that can be known of it without importing it.

A manifest is `manifest.toml` in the plugin's package; each object stands in a TOML file of its own beside
it, named under `objects`. Version, author, licence and dependencies come from the distribution's metadata.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from karvan_sdk import declarations
from karvan_sdk.errors import FieldError, InvalidName, ManifestInvalid, ValidationFailed
from karvan_sdk.fields import FIELD_TYPES, Field
from karvan_sdk.hookspecs import POLICIES, HookKind
from karvan_sdk.names import check_name, check_plugin_id
from karvan_sdk.objects import Object
from karvan_sdk.text import Text

EVENTS = ("create", "update", "delete", "restore")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_label(value: Any) -> bool:
    return _is_text(value) or _is_texts_by_key(value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(one) for one in value)


def _is_texts_by_key(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(one) for one in value.values())


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


_Shape = tuple[Callable[[Any], bool], str]
_TEXT: _Shape = (_is_text, "A text is needed here.")
_LABEL: _Shape = (_is_label, "A text, or a text per language, is needed here.")
_TEXTS: _Shape = (_is_list_of_texts, "A list of texts is needed here.")
_BY_KEY: _Shape = (_is_texts_by_key, "A table of texts is needed here.")
_TABLES: _Shape = (_is_list_of_tables, "A list of tables is needed here.")

_SHAPES: Mapping[str, _Shape] = {
    "schema": (lambda value: True, ""),
    "id": _TEXT,
    "name": _LABEL,
    "summary": _LABEL,
    "icon": _TEXT,
    "api": _TEXT,
    "requires": _BY_KEY,
    "after": _TEXTS,
    "before": _TEXTS,
    "conflicts": _BY_KEY,
    "capabilities": _TEXTS,
    "objects": _TEXTS,
    "fields": _TABLES,
    "hooks": _TABLES,
    "categories": _TEXTS,
    "links": _BY_KEY,
}
_HOOK_SHAPES: Mapping[str, _Shape] = {"hook": _TEXT, "objects": _TEXTS, "events": _TEXTS}
KEYS = frozenset(_SHAPES)
HOOK_KEYS = frozenset(_HOOK_SHAPES)


@dataclass(frozen=True, kw_only=True)
class HookUse:
    """One hook that the plugin implements, with the objects (`*` for all) and events it listens to."""

    hook: str
    objects: tuple[str, ...] = ("*",)
    events: tuple[str, ...] = EVENTS

    def listens(self, object: str, event: str) -> bool:
        """Whether this use covers an object (API name) and event."""
        return event in self.events and ("*" in self.objects or object in self.objects)


@dataclass(frozen=True, kw_only=True)
class ForeignField:
    """A field that the plugin adds to an object of somebody else (by API name)."""

    object: str
    field: Field


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a plugin declares. `requires` and `conflicts` map plugin ids to version ranges (PEP 440).

    `api` is the range of karvan-sdk versions it works with; `after` and `before` order its hooks against
    other plugins'.
    """

    id: str
    name: Text
    summary: Text
    api: str
    icon: str = "puzzle"
    requires: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    conflicts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    capabilities: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()
    fields: tuple[ForeignField, ...] = ()
    hooks: tuple[HookUse, ...] = ()
    categories: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def load_manifest(plugin: str, read: Callable[[str], str]) -> Manifest:
    """Read the manifest of `plugin`.

    `read` gives the text of a file named relative to the manifest ("manifest.toml",
    "objects/deal.toml"). Raises ManifestInvalid with every finding and its key; an OSError of `read` for
    an object's file is one of the findings.
    """
    errors: list[FieldError] = []

    def wrong(at: str, template: str, **params: Any) -> None:
        errors.append(FieldError(field=at, code="manifest", template=template, params=params))

    try:
        data = tomllib.loads(read("manifest.toml"))
    except (tomllib.TOMLDecodeError, OSError) as exc:
        raise ManifestInvalid(
            plugin,
            [FieldError(field="manifest.toml", code="manifest", template="{why}", params={"why": str(exc)})],
        ) from exc

    given = data.keys()
    data = _well_formed(data, _SHAPES, "", wrong)
    if data.get("schema") != 1:
        wrong("schema", "This host reads manifests with schema = 1.")
    if data.get("id") != plugin:
        wrong("id", "The manifest says '{id}', its entry point '{plugin}'.", id=data.get("id"), plugin=plugin)
    for key in ("name", "summary", "api"):
        if key not in given or (key in data and not data[key]):
            wrong(key, "This key is required.")
    try:
        check_plugin_id(plugin)
    except InvalidName as exc:
        wrong("id", "{why}", why=exc.message)
    for at, ranges in (
        ("api", {"karvan-sdk": data.get("api", "")}),
        ("requires", data.get("requires", {})),
        ("conflicts", data.get("conflicts", {})),
    ):
        for name, text in ranges.items():
            try:
                SpecifierSet(text)
            except (InvalidSpecifier, TypeError):
                wrong(at, "'{text}' is no version range for {name}.", text=text, name=name)

    objects: list[Object] = []
    for path in data.get("objects", []):
        try:
            objects.append(declarations.load_object(tomllib.loads(read(path)), at=path))
        except ValidationFailed as exc:
            errors.extend(exc.errors)
        except (tomllib.TOMLDecodeError, OSError) as exc:
            wrong(path, "{why}", why=str(exc))
    for made in objects:
        errors.extend(check_object(made))

    foreign: list[ForeignField] = []
    for number, entry in enumerate(data.get("fields", [])):
        at = f"fields[{number}]"
        rest = {k: v for k, v in entry.items() if k != "object"}
        if not isinstance(entry.get("object"), str):
            wrong(f"{at}.object", "This key is required.")
            continue
        try:
            declared = declarations.load_field(rest, at=at)
        except ValidationFailed as exc:
            errors.extend(exc.errors)
            continue
        errors.extend(check_field(declared, at=at))
        foreign.append(ForeignField(object=entry["object"], field=declared))

    hooks: list[HookUse] = []
    for number, declared_hook in enumerate(data.get("hooks", [])):
        at = f"hooks[{number}]"
        entry = _well_formed(declared_hook, _HOOK_SHAPES, f"{at}.", wrong)
        policy = POLICIES.get(entry.get("hook", ""))
        if policy is None:
            wrong(at, "There is no hook '{hook}'.", hook=entry.get("hook"))
            continue
        events = tuple(entry.get("events", EVENTS))
        for event in events:
            if event not in EVENTS:
                wrong(at, "There is no event '{event}'.", event=event)
        if policy.kind is HookKind.COLLECT and ("objects" in entry or "events" in entry):
            wrong(at, "'{hook}' is asked once, not per object or event.", hook=entry["hook"])
        hooks.append(HookUse(hook=entry["hook"], objects=tuple(entry.get("objects", ("*",))), events=events))

    if errors:
        raise ManifestInvalid(plugin, errors)
    return Manifest(
        id=plugin,
        name=Text.of(data["name"]),
        summary=Text.of(data["summary"]),
        api=data["api"],
        icon=data.get("icon", "puzzle"),
        requires=MappingProxyType(dict(data.get("requires", {}))),
        after=tuple(data.get("after", ())),
        before=tuple(data.get("before", ())),
        conflicts=MappingProxyType(dict(data.get("conflicts", {}))),
        capabilities=tuple(data.get("capabilities", ())),
        objects=tuple(objects),
        fields=tuple(foreign),
        hooks=tuple(hooks),
        categories=tuple(data.get("categories", ())),
        links=MappingProxyType(dict(data.get("links", {}))),
    )


def _well_formed(
    data: Mapping[str, Any], shapes: Mapping[str, _Shape], at: str, wrong: Callable[..., None]
) -> dict[str, Any]:
    """The keys that are known and have the right shape; the others are told to `wrong`."""
    found = {}
    for key, value in data.items():
        if key not in shapes:
            wrong(f"{at}{key}", "Unknown key '{key}'.", key=key)
        elif not shapes[key][0](value):
            wrong(f"{at}{key}", shapes[key][1])
        else:
            found[key] = value
    return found


def check_field(declared: Field, *, at: str, types: tuple[str, ...] = FIELD_TYPES) -> list[FieldError]:
    """Findings about one field declaration that hold whatever object it stands on."""
    errors: list[FieldError] = []

    def wrong(key: str, template: str, **params: Any) -> None:
        errors.append(
            FieldError(
                field=f"{at}.{key}" if at else key, code="declaration", template=template, params=params
            )
        )

    try:
        check_name(declared.name, "field name")
    except InvalidName as exc:
        wrong("name", "{why}", why=exc.message)
    if declared.type not in types:
        wrong("type", "There is no field type '{type}'; choose one of: {types}.",
              type=declared.type, types=", ".join(types))  # fmt: skip
    if declared.type == "lookup" and not declared.target:
        wrong("target", "A lookup needs the object it points to.")
    if declared.type != "lookup" and (declared.target or declared.relation):
        wrong("target", "Only a lookup has a target and a relation.")
    if declared.type != "select" and (declared.options or declared.option_types):
        wrong("options", "Only a select field has options.")
    values = [o.value for o in declared.options]
    for value in {v for v in values if values.count(v) > 1}:
        wrong("options", "The option '{value}' stands twice.", value=value)
    for value in values:
        if not value.strip() or len(value) > 200:
            wrong("options", "An option needs a value of 1 to 200 characters.")
    if declared.scale is not None and (
        declared.type not in ("decimal", "currency", "percent") or not 0 <= declared.scale <= 8
    ):
        wrong("scale", "A scale of 0 to 8 belongs to decimal, currency and percent fields only.")
    if declared.max_length is not None and not 1 <= declared.max_length <= 1_000_000:
        wrong("max_length", "A length from 1 to 1,000,000 is needed.")
    if declared.unique and declared.type in ("long_text", "json", "boolean"):
        wrong("unique", "A {type} field cannot be unique.", type=declared.type)
    return errors


def check_object(declared: Object) -> list[FieldError]:
    """Findings about one object declaration: names, duplicates, fields that views and layouts name."""
    errors: list[FieldError] = []
    at = declared.name

    def wrong(key: str, template: str, **params: Any) -> None:
        errors.append(FieldError(field=f"{at}.{key}", code="declaration", template=template, params=params))

    try:
        check_name(declared.name, "object name")
    except InvalidName as exc:
        wrong("name", "{why}", why=exc.message)
    names = [f.name for f in declared.fields]
    for name in {n for n in names if names.count(n) > 1}:
        wrong("fields", "The field '{name}' stands twice.", name=name)
    for one in declared.fields:
        errors.extend(check_field(one, at=f"{at}.{one.name}"))
    key_field = declared.field(declared.name_field)
    if key_field is None or key_field.type not in ("text", "email", "phone", "url"):
        wrong("name_field", "'{name}' is no text field of this object.", name=declared.name_field)
    known = set(names) | {"id", "owner", "created_at", "updated_at", "created_by", "updated_by"}
    used = [(f"indexes[{i}]", f) for i, ix in enumerate(declared.indexes) for f in ix.fields]
    used += [(f"views.{v.name}.columns", f) for v in declared.views for f in v.columns]
    used += [(f"views.{v.name}.sort", f.lstrip("-")) for v in declared.views for f in v.sort]
    used += [(f"layouts.{x.name}", f) for x in declared.layouts for s in x.sections for f in s.fields]
    for key, name in used:
        if name not in known:
            wrong(key, "There is no field '{name}' on this object.", name=name)
    return errors
