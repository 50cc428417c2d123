"""The static manifest of a plugin: all that can be known of it without importing it.

A manifest is `manifest.toml` in the plugin's package; each object stands in a TOML file of its own beside
it, named under `objects`. Version, author, licence and dependencies come from the distribution's metadata.
"""

from __future__ import annotations

import keyword
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from karvan_sdk import declarations
from karvan_sdk.capabilities import CAPABILITY
from karvan_sdk.errors import FieldError, InvalidName, ManifestInvalid, ValidationFailed
from karvan_sdk.fields import FIELD_TYPES, Field
from karvan_sdk.hookspecs import POLICIES, HookKind
from karvan_sdk.keys import NOTHING, Key, Reader, Schema, table
from karvan_sdk.names import PATTERN, PLUGIN_ID_MAX, check_name, check_plugin_id
from karvan_sdk.objects import Object
from karvan_sdk.plugin_settings import TEXT_MAX, Setting
from karvan_sdk.provides import CORE_PAGES, ProvidedHook, Provides, publisher_of, split_reference
from karvan_sdk.text import LANGUAGES, Text
from karvan_sdk.values import NUMBER
from karvan_sdk.widgets import SLOTS, Slot, WidgetUse

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


def _shape(fits: Callable[[Any], bool], message: str, **schema: Any) -> Reader:
    """A reader that takes a value as it is, or says what is needed."""

    def read(value: Any, at: str, findings: list[tuple[str, str]]) -> Any:
        if not fits(value):
            findings.append((at, message))
        return value

    return Reader(read, schema)


_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_ANY = _shape(lambda value: True, "")
_TEXT = _shape(_is_text, "A text is needed here.", type="string")
_LABEL = _shape(
    _is_label, "A text, or a text per language, is needed here.", anyOf=[{"type": "string"}, _STRINGS]
)
_TEXTS = _shape(_is_list_of_texts, "A list of texts is needed here.", type="array", items={"type": "string"})
_BY_KEY = _shape(_is_texts_by_key, "A table of texts is needed here.", **_STRINGS)
_TABLE = _shape(lambda value: isinstance(value, dict), "A table is needed here.", type="object")
_WHOLE = _shape(lambda value: type(value) is int, "A whole number is needed here.", type="integer")
_TABLES = _shape(_is_list_of_tables, "A list of tables is needed here.", type="array")

_JOB = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_COMMAND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_HOOK_OF_PLUGIN = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_SURFACES = ("page", "api")
_NEEDED_LABEL = {"anyOf": [{"type": "string", "minLength": 1}, {**_STRINGS, "minProperties": 1}]}


def _each(schema: Schema) -> Schema:
    """Said of the entries of a list."""
    return {"items": schema}


def _matches(pattern: re.Pattern[str]) -> Schema:
    """A text that matches a pattern as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def _must(reader: Reader, about: str, limits: Schema = NOTHING) -> Key:
    return Key(reader=reader, about=about, limits=limits, required=True)


def _may(reader: Reader, about: str, limits: Schema = NOTHING, default: Any = None) -> Key:
    return Key(reader=reader, about=about, limits=limits, default=default)


_HOOK: Mapping[str, Key] = {
    "hook": _must(
        _TEXT,
        "the name of the hook; one that another plugin offers begins with that plugin's id",
        {"anyOf": [{"enum": list(POLICIES)}, _matches(_HOOK_OF_PLUGIN)]},
    ),
    "objects": _may(_TEXTS, "API names of the objects it listens to; `*` for all", default=["*"]),
    "events": _may(_TEXTS, "the events it listens to", _each({"enum": list(EVENTS)}), list(EVENTS)),
    "version": _may(
        _WHOLE,
        "of a hook that another plugin offers, and of no other: the version that it wants",
        {"minimum": 1},
    ),
}
_PUBLIC_ROUTE: Mapping[str, Key] = {
    "surface": _must(
        _TEXT, "`page` (below `/x/<plugin>`) or `api` (below `/api/x/<plugin>`)", {"enum": list(_SURFACES)}
    ),
    "path": _must(_TEXT, "the rule, as in the code: `/hook/<name>`", {"pattern": "^/"}),
    "methods": _may(_TEXTS, "the methods that it answers", default=["GET"]),
    "why": _must(_LABEL, "why that is needed, as administrators see it", _NEEDED_LABEL),
}
_PROVIDES: Mapping[str, Key] = {
    "hooks": _may(_TABLES, "the hooks that it offers", _each(declarations.PROVIDED_HOOK)),
    "slots": _may(_TABLES, "the slots that it offers", _each(declarations.PROVIDED_SLOT)),
}
_OBJECT_OF_FIELD = _must(_TEXT, "the API name of the object that gets the field")
_FOREIGN_FIELD: Schema = {
    **declarations.FIELD,
    "title": "ForeignField",
    "properties": {"object": _OBJECT_OF_FIELD.schema(), **declarations.FIELD["properties"]},
    "required": ["object", *declarations.FIELD["required"]],
}
_MANIFEST: Mapping[str, Key] = {
    "schema": _must(_ANY, "the form of this file", {"type": "integer", "const": 1}),
    "id": _must(
        _TEXT,
        "the plugin's id, the same as in its entry points",
        {"pattern": f"^{PATTERN.pattern}$", "maxLength": PLUGIN_ID_MAX},
    ),
    "name": _must(_LABEL, "its name as people see it", _NEEDED_LABEL),
    "summary": _must(_LABEL, "one sentence on what it does", _NEEDED_LABEL),
    "api": _must(
        _TEXT, 'the range of karvan-sdk versions it works with (PEP 440): `">=0.1,<1"`', {"minLength": 1}
    ),
    "icon": _may(_TEXT, "the name of an icon", default="puzzle"),
    "requires": _may(_BY_KEY, 'plugins it needs, with version ranges: `{ crm = ">=0.1" }`'),
    "after": _may(_TEXTS, "ids of plugins whose hooks run before its own, where they are there"),
    "before": _may(_TEXTS, "ids of plugins whose hooks run after its own"),
    "conflicts": _may(_BY_KEY, "plugins it can't stand beside, with version ranges"),
    "capabilities": _may(_TEXTS, "what it asks for beyond its own objects", _each(_matches(CAPABILITY))),
    "objects": _may(_TEXTS, "files beside the manifest, one per object, in the order to make them in"),
    "fields": _may(_TABLES, "fields that it adds to objects of others", _each(_FOREIGN_FIELD)),
    "hooks": _may(_TABLES, "the hooks it implements", _each(table("HookUse", _HOOK))),
    "provides": _may(_TABLE, "what it offers to other plugins", table("Provides", _PROVIDES)),
    "widgets": _may(_TABLES, "the widgets it shows on pages of others", _each(declarations.WIDGET)),
    "settings": _may(_TABLES, "its settings in a workspace", _each(declarations.SETTING)),
    "public_routes": _may(
        _TABLES,
        "its routes that answer without a signed-in person",
        _each(table("PublicRoute", _PUBLIC_ROUTE)),
    ),
    "commands": _may(
        _TEXTS, "the names of its commands under `karvan x <plugin>`", _each(_matches(_COMMAND))
    ),
    "jobs": _may(_TEXTS, "the names of its jobs, see `ctx.jobs`", _each(_matches(_JOB))),
    "languages": _may(_TEXTS, "languages of its own texts", _each({"enum": list(LANGUAGES)})),
    "categories": _may(_TEXTS, "words to find it by"),
    "links": _may(_BY_KEY, 'named addresses: `{ home = "…" }`'),
}
KEYS = frozenset(_MANIFEST)
HOOK_KEYS = frozenset(_HOOK)
PUBLIC_ROUTE_KEYS = frozenset(_PUBLIC_ROUTE)
MANIFEST: Schema = table("Manifest", _MANIFEST)
"""The JSON Schema of `manifest.toml`."""
LIFE_HOOKS = frozenset(("plugin_enabled",))
"""Hooks about the plugin itself."""
WITHOUT_OBJECT = frozenset((HookKind.COLLECT, HookKind.FIRST))
"""Kinds of hook that are asked once, not per object and event."""
EVENTLESS = frozenset((HookKind.RESTRICT,))
"""Kinds of hook that are asked per object, not per event."""


@dataclass(frozen=True, kw_only=True)
class HookUse:
    """One hook that the plugin implements, with the objects (`*` for all) and events it listens to.

    `version` is the wanted version of a hook that another plugin offers (`telephony.find_line`); 0 for one
    of the core.
    """

    hook: str
    objects: tuple[str, ...] = ("*",)
    events: tuple[str, ...] = EVENTS
    version: int = 0

    def listens(self, object: str, event: str) -> bool:
        """Whether this use covers an object (API name) and event."""
        return event in self.events and ("*" in self.objects or object in self.objects)


@dataclass(frozen=True, kw_only=True)
class ForeignField:
    """A field that the plugin adds to an object of somebody else (by API name)."""

    object: str
    field: Field


@dataclass(frozen=True, kw_only=True)
class PublicRoute:
    """A route that answers without a signed-in person, and why that is needed; shown before an install."""

    surface: str
    path: str
    methods: tuple[str, ...]
    why: Text


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a plugin declares. `requires` and `conflicts` map plugin ids to version ranges (PEP 440).

    `api` is the range of karvan-sdk versions it works with; `after` and `before` order its hooks against
    other plugins'. `commands` are the names of its commands under `karvan x <plugin>`, `jobs` those of what
    it may put off to a worker, `languages` those
    that its own texts are translated into.
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
    provides: Provides = Provides()
    widgets: tuple[WidgetUse, ...] = ()
    settings: tuple[Setting, ...] = ()
    public_routes: tuple[PublicRoute, ...] = ()
    commands: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
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
    data = _well_formed(data, _MANIFEST, "", wrong)
    if data.get("schema") != 1 or data["schema"] is True:
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
        entry = _well_formed(declared_hook, _HOOK, f"{at}.", wrong)
        policy = POLICIES.get(entry.get("hook", ""))
        if policy is None and publisher_of(entry.get("hook", "")):
            hooks.append(_load_use_of_plugin(entry, plugin, data, at, wrong))
            continue
        if "version" in entry:
            wrong(f"{at}.version", "Only a hook that a plugin offers has a version.")
        if policy is None:
            wrong(at, "There is no hook '{hook}'.", hook=entry.get("hook"))
            continue
        events = tuple(entry.get("events", EVENTS))
        for event in events:
            if event not in EVENTS:
                wrong(at, "There is no event '{event}'.", event=event)
        named = entry["hook"]
        if (policy.kind in WITHOUT_OBJECT or named in LIFE_HOOKS) and (
            "objects" in entry or "events" in entry
        ):
            wrong(at, "'{hook}' is asked once, not per object or event.", hook=named)
        elif policy.kind in EVENTLESS and "events" in entry:
            wrong(at, "'{hook}' is asked per object, not per event.", hook=named)
        hooks.append(HookUse(hook=entry["hook"], objects=tuple(entry.get("objects", ("*",))), events=events))

    provides = _load_provides(plugin, data.get("provides", {}), errors, wrong)
    widgets = _load_widgets(plugin, data, errors, wrong)
    settings = _load_settings(data.get("settings", []), errors, wrong)
    public_routes = _load_public_routes(data.get("public_routes", []), wrong)
    for number, capability in enumerate(data.get("capabilities", [])):
        if not CAPABILITY.fullmatch(capability):
            wrong(f"capabilities[{number}]", "There is no capability '{name}'.", name=capability)
    for number, language in enumerate(data.get("languages", [])):
        if language not in LANGUAGES:
            wrong(f"languages[{number}]", "'{language}' is none of: {known}.", language=language,
                  known=", ".join(LANGUAGES))  # fmt: skip
    for number, command in enumerate(data.get("commands", [])):
        if not _COMMAND.fullmatch(command):
            wrong(
                f"commands[{number}]", "'{name}' is no name of a command: use a-z, 0-9 and '-'.", name=command
            )
    _check_jobs(data, wrong)

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
        provides=provides,
        widgets=widgets,
        settings=settings,
        public_routes=public_routes,
        commands=tuple(data.get("commands", ())),
        jobs=tuple(data.get("jobs", ())),
        languages=tuple(data.get("languages", ())),
        categories=tuple(data.get("categories", ())),
        links=MappingProxyType(dict(data.get("links", {}))),
    )


def _check_jobs(data: Mapping[str, Any], wrong: Callable[..., None]) -> None:
    for number, job in enumerate(data.get("jobs", [])):
        if not _JOB.fullmatch(job):
            wrong(f"jobs[{number}]", "'{name}' is no name of a job: use a-z, 0-9 and single '_'.", name=job)
    if data.get("jobs") and "jobs" not in data.get("capabilities", []):
        wrong("jobs", "Jobs need the capability 'jobs'.")


_Part = TypeVar("_Part", WidgetUse, Setting, ProvidedHook, Slot)


def _load_each(
    key: str,
    entries: Sequence[Any],
    load: Callable[..., _Part],
    name_of: Callable[[_Part], str],
    errors: list[FieldError],
    wrong: Callable[..., None],
) -> Iterator[tuple[str, _Part]]:
    """(place, part) of every entry that could be read, its name checked: legal, and nobody else's."""
    names: set[str] = set()
    for number, entry in enumerate(entries):
        at = f"{key}[{number}]"
        try:
            part = load(entry, at=at)
        except ValidationFailed as exc:
            errors.extend(exc.errors)
            continue
        name = name_of(part)
        try:
            check_name(name, "name", reserved=frozenset())
        except InvalidName as exc:
            wrong(at, "{why}", why=exc.message)
        if name in names:
            wrong(at, "'{name}' stands twice.", name=name)
        names.add(name)
        yield at, part


def _load_use_of_plugin(
    entry: Mapping[str, Any], plugin: str, data: Mapping[str, Any], at: str, wrong: Callable[..., None]
) -> HookUse:
    """The use of a hook that a plugin offers: asked once, in one version, and its plugin is required."""
    hook, version = entry["hook"], entry.get("version", 0)
    if "objects" in entry or "events" in entry:
        wrong(at, "'{hook}' is asked once, not per object or event.", hook=hook)
    if not _HOOK_OF_PLUGIN.fullmatch(hook):
        wrong(at, "There is no hook '{hook}'.", hook=hook)
    if version < 1:
        wrong(f"{at}.version", "'{hook}' belongs to a plugin: name the version that you want.", hook=hook)
    _check_required(publisher_of(hook), hook, plugin, data, at, wrong)
    return HookUse(hook=hook, version=version)


def _check_required(
    publisher: str, what: str, plugin: str, data: Mapping[str, Any], at: str, wrong: Callable[..., None]
) -> None:
    if publisher != plugin and publisher not in data.get("requires", {}):
        wrong(at, "'{what}' belongs to the plugin '{publisher}', which must stand under 'requires'.",
              what=what, publisher=publisher)  # fmt: skip


def _load_provides(
    plugin: str, given: Mapping[str, Any], errors: list[FieldError], wrong: Callable[..., None]
) -> Provides:
    entry = _well_formed(given, _PROVIDES, "provides.", wrong)
    hooks, slots = [], []
    for at, hook in _load_each(
        "provides.hooks", entry.get("hooks", ()), declarations.load_provided_hook, lambda h: h.name,
        errors, wrong,
    ):  # fmt: skip
        _check_version(hook.version, at, wrong)
        if not 1 <= hook.budget_ms <= declarations.BUDGET_MAX_MS:
            wrong(f"{at}.budget_ms", "A budget from 1 to 5000 milliseconds is needed.")
        for number, name in enumerate(hook.arguments):
            if not PATTERN.fullmatch(name) or keyword.iskeyword(name) or name in ("ctx", "self"):
                wrong(f"{at}.arguments", "'{name}' is no name of an argument.", name=name)
            if name in hook.arguments[:number]:
                wrong(f"{at}.arguments", "'{name}' stands twice.", name=name)
        if hook.kind is HookKind.PIPELINE and not hook.arguments:
            wrong(f"{at}.arguments", "The first argument of a pipeline is the value that is passed through.")
        hooks.append(hook)
    for at, slot in _load_each(
        "provides.slots", entry.get("slots", ()), declarations.load_provided_slot, lambda s: s.name,
        errors, wrong,
    ):  # fmt: skip
        _check_version(slot.version, at, wrong)
        if plugin in CORE_PAGES:
            wrong(
                at, "'{plugin}.{slot}' could be taken for a slot of the core.", plugin=plugin, slot=slot.name
            )
        slots.append(slot)
    return Provides(hooks=tuple(hooks), slots=tuple(slots))


def _check_version(version: int, at: str, wrong: Callable[..., None]) -> None:
    if not 1 <= version <= declarations.VERSION_MAX:
        wrong(f"{at}.version", "A version from 1 to 9999 is needed.")


def _load_widgets(
    plugin: str, data: Mapping[str, Any], errors: list[FieldError], wrong: Callable[..., None]
) -> tuple[WidgetUse, ...]:
    found = []
    entries = data.get("widgets", [])
    for at, widget in _load_each("widgets", entries, declarations.load_widget, lambda w: w.id, errors, wrong):
        if not widget.slots:
            wrong(f"{at}.slots", "A widget needs at least one slot.")
        for slot in widget.slots:
            name, version = split_reference(slot)
            if version is not None and publisher_of(name):
                _check_required(publisher_of(name), slot, plugin, data, f"{at}.slots", wrong)
            elif slot not in SLOTS and publisher_of(slot):
                wrong(f"{at}.slots", "'{slot}' belongs to a plugin: name the version, as in '{slot}@1'.",
                      slot=slot)  # fmt: skip
            elif slot not in SLOTS:
                wrong(f"{at}.slots", "There is no slot '{slot}'; choose of: {known}.", slot=slot,
                      known=", ".join(SLOTS))  # fmt: skip
        if not 1 <= widget.budget_ms <= declarations.BUDGET_MAX_MS:
            wrong(f"{at}.budget_ms", "A budget from 1 to 5000 milliseconds is needed.")
        found.append(widget)
    return tuple(found)


def _load_settings(
    entries: Sequence[Any], errors: list[FieldError], wrong: Callable[..., None]
) -> tuple[Setting, ...]:
    found = []
    for at, setting in _load_each(
        "settings", entries, declarations.load_setting, lambda s: s.name, errors, wrong
    ):
        if (setting.type == "select") != bool(setting.options):
            wrong(f"{at}.options", "A select setting, and no other, needs options.")
        if setting.secret and setting.type != "text":
            wrong(f"{at}.secret", "Only a text can be secret.")
        if setting.secret and setting.default is not None:
            wrong(f"{at}.default", "A secret has no default: everybody could read it here.")
        if not setting.scopes:
            wrong(f"{at}.scopes", "A setting needs at least one scope.")
        if setting.scale is not None and (
            setting.type != "decimal" or not 0 <= setting.scale <= declarations.SCALE_MAX
        ):
            wrong(
                f"{at}.scale",
                "A scale of 0 to {most} belongs to a decimal only.",
                most=declarations.SCALE_MAX,
            )
        if setting.max_length is not None and not 1 <= setting.max_length <= TEXT_MAX:
            wrong(f"{at}.max_length", "A length from 1 to {most} is needed.", most=TEXT_MAX)
        bounds = [(key, getattr(setting, key)) for key in ("minimum", "maximum")]
        bad = [key for key, bound in bounds if bound is not None and not NUMBER.fullmatch(str(bound))]
        for key in bad:
            wrong(f"{at}.{key}", "A number is needed here (decimals as text).")
        finding = None if setting.default is None or bad else setting.check(setting.default)
        if finding is not None:
            wrong(f"{at}.default", "{why}", why=finding.message)
        found.append(setting)
    return tuple(found)


def _load_public_routes(entries: Sequence[Any], wrong: Callable[..., None]) -> tuple[PublicRoute, ...]:
    found = []
    for number, given in enumerate(entries):
        at = f"public_routes[{number}]"
        entry = _well_formed(given, _PUBLIC_ROUTE, f"{at}.", wrong)
        for key in ("surface", "path", "why"):
            if not entry.get(key):
                wrong(f"{at}.{key}", "This key is required.")
        if entry.get("surface", "page") not in _SURFACES:
            wrong(f"{at}.surface", "Choose one of: {known}.", known=", ".join(_SURFACES))
        if not str(entry.get("path", "/")).startswith("/"):
            wrong(f"{at}.path", "A path begins with a slash.")
        found.append(
            PublicRoute(
                surface=entry.get("surface", ""),
                path=entry.get("path", ""),
                methods=tuple(m.upper() for m in entry.get("methods", ("GET",))),
                why=Text.of(entry.get("why", "")),
            )
        )
    return tuple(found)


def _well_formed(
    data: Mapping[str, Any], keys: Mapping[str, Key], at: str, wrong: Callable[..., None]
) -> dict[str, Any]:
    """The keys that are known and have the right shape; the others are told to `wrong`."""
    found = {}
    for name, value in data.items():
        if name not in keys:
            wrong(f"{at}{name}", "Unknown key '{key}'.", key=name)
            continue
        told: list[tuple[str, str]] = []
        keys[name].reader(value, f"{at}{name}", told)
        for place, template in told:
            wrong(place, template)
        if not told:
            found[name] = value
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
        declared.type not in ("decimal", "currency", "percent")
        or not 0 <= declared.scale <= declarations.SCALE_MAX
    ):
        wrong("scale", "A scale of 0 to 8 belongs to decimal, currency and percent fields only.")
    if declared.max_length is not None and not 1 <= declared.max_length <= declarations.MAX_LENGTH:
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
