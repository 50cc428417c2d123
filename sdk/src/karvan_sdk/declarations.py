"""Declarations to JSON and back: the one reader of object and field definitions, wherever they come from.

Manifests (TOML), the REST interface, `karvan schema apply` and the metadata rows all pass through here,
so an unknown key or a wrong type is refused with the same words everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any

from karvan_sdk.errors import FieldError, ValidationFailed
from karvan_sdk.fields import FIELD_TYPES, Field, Option, Relation
from karvan_sdk.hookspecs import HookKind
from karvan_sdk.keys import NOTHING, Key, Reader, Schema, reads, table
from karvan_sdk.names import NAME_MAX, PATTERN
from karvan_sdk.objects import Index, Layout, Object, Rule, Section, View
from karvan_sdk.plugin_settings import SETTING_SCOPES, SETTING_TYPES, TEXT_MAX, Setting
from karvan_sdk.provides import PROVIDED_KINDS, REFERENCE, ProvidedHook
from karvan_sdk.text import Text
from karvan_sdk.widgets import SLOTS, Slot, WidgetUse


def dump(declaration: Any) -> dict[str, Any]:
    """The JSON form of a declaration: only what differs from the default, so that definitions stay small."""
    found: dict[str, Any] = {}
    for spec in fields(declaration):
        value = getattr(declaration, spec.name)
        default = spec.default if spec.default is not MISSING else None
        if spec.default_factory is not MISSING:
            default = spec.default_factory()
        if (spec.default is MISSING and spec.default_factory is MISSING) or value != default:
            found[spec.name] = _plain(value)
    return found


MAX_LENGTH = 1_000_000
"""The longest `max_length` of a field, in characters."""
SCALE_MAX = 8
VERSION_MAX = 9999
"""The highest version of a hook or slot that a plugin offers."""
BUDGET_MAX_MS = 5000
NAME = {"pattern": f"^{PATTERN.pattern}$", "maxLength": NAME_MAX}
"""What JSON Schema says of a technical name."""


def load_object(data: Any, *, at: str = "") -> Object:
    """Read an object definition; raises ValidationFailed with every finding and its key."""
    made: Object = _load(_read_object, data, at)
    return made


def load_field(data: Any, *, at: str = "") -> Field:
    """Read a field definition; raises ValidationFailed with every finding and its key."""
    made: Field = _load(_read_field, data, at)
    return made


def load_view(data: Any, *, at: str = "") -> View:
    """Read a view definition; raises ValidationFailed with every finding and its key."""
    made: View = _load(_read_view, data, at)
    return made


def load_layout(data: Any, *, at: str = "") -> Layout:
    """Read a layout definition; raises ValidationFailed with every finding and its key."""
    made: Layout = _load(_read_layout, data, at)
    return made


def load_setting(data: Any, *, at: str = "") -> Setting:
    """Read the declaration of a setting; raises ValidationFailed with every finding and its key."""
    made: Setting = _load(_read_setting, data, at)
    return made


def load_widget(data: Any, *, at: str = "") -> WidgetUse:
    """Read the declaration of a widget; raises ValidationFailed with every finding and its key."""
    made: WidgetUse = _load(_read_widget, data, at)
    return made


def load_provided_hook(data: Any, *, at: str = "") -> ProvidedHook:
    """Read a hook that a plugin offers; raises ValidationFailed with every finding and its key."""
    made: ProvidedHook = _load(_read_provided_hook, data, at)
    return made


def load_provided_slot(data: Any, *, at: str = "") -> Slot:
    """Read a slot that a plugin offers; raises ValidationFailed with every finding and its key."""
    made: Slot = _load(_read_slot, data, at)
    return made


@dataclass
class _Findings:
    errors: list[FieldError]

    def add(self, at: str, code: str, template: str, **params: Any) -> None:
        self.errors.append(FieldError(field=at, code=code, template=template, params=params))


def _load(read: Callable[[Any, str, _Findings], Any], data: Any, at: str) -> Any:
    findings = _Findings([])
    value = read(data, at, findings)
    if findings.errors:
        raise ValidationFailed(findings.errors)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return dump(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _table(cls: type, keys: Mapping[str, Key]) -> Reader:
    """A reader of tables that become `cls`; what is required, and the defaults, are those of the class."""
    specs = {f.name: f for f in fields(cls)}
    required = [name for name in specs if _is_required(specs[name])]
    whole = {
        name: replace(key, required=name in required, default=_default(specs[name]))
        for name, key in keys.items()
    }

    def read(data: Any, at: str, findings: _Findings) -> Any:
        if not isinstance(data, Mapping):
            findings.add(at, "wrong_type", "A table of keys and values is needed here.")
            return None
        before = len(findings.errors)
        for key in data:
            if key not in keys:
                findings.add(_join(at, str(key)), "unknown_key", "Unknown key '{key}'.", key=str(key))
        for name in required:
            if data.get(name) is None:
                findings.add(_join(at, name), "required", "This key is required.")
        values = {
            name: key.reader(data[name], _join(at, name), findings)
            for name, key in keys.items()
            if name in data and data[name] is not None
        }
        return cls(**values) if len(findings.errors) == before else None

    return Reader(read, table(cls.__name__, whole))


def _is_required(spec: Any) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


def _default(spec: Any) -> Any:
    """The JSON form of a default; None for one that is empty."""
    value = None if spec.default is MISSING else _plain(spec.default)
    return None if value in ("", [], {}) else value


def _key(reader: Reader, about: str, limits: Schema = NOTHING) -> Key:
    return Key(reader=reader, about=about, limits=limits)


@reads(type="string")
def _string(value: Any, at: str, findings: _Findings) -> str:
    if isinstance(value, str):
        return value
    findings.add(at, "wrong_type", "A text is needed here.")
    return ""


@reads(type="boolean")
def _flag(value: Any, at: str, findings: _Findings) -> bool:
    if isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "True or false is needed here.")
    return False


@reads(type="integer")
def _whole(value: Any, at: str, findings: _Findings) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "A whole number is needed here.")
    return 0


@reads(type=["integer", "string"])
def _bound(value: Any, at: str, findings: _Findings) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "A number is needed here (decimals as text).")
    return 0


@reads()
def _any(value: Any, at: str, findings: _Findings) -> Any:
    return value


@reads(anyOf=[{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}])
def _text(value: Any, at: str, findings: _Findings) -> Text:
    if isinstance(value, str) or (
        isinstance(value, Mapping)
        and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
    ):
        return Text.of(value)
    findings.add(at, "wrong_type", "A text, or a text per language, is needed here.")
    return Text()


def _one_of(*allowed: str) -> Reader:
    def read(value: Any, at: str, findings: _Findings) -> str:
        if value not in allowed:
            findings.add(at, "unknown_value", "Choose one of: {allowed}.", allowed=", ".join(allowed))
        return str(value)

    return Reader(read, {"enum": list(allowed)})


def _tuple(read_one: Reader) -> Reader:
    def read(value: Any, at: str, findings: _Findings) -> tuple[Any, ...]:
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            findings.add(at, "wrong_type", "A list is needed here.")
            return ()
        return tuple(read_one(one, f"{at}[{i}]", findings) for i, one in enumerate(value))

    return Reader(read, {"type": "array", "items": read_one.schema})


@reads(type="object", additionalProperties={"type": "array", "items": {"type": "string"}})
def _words(value: Any, at: str, findings: _Findings) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        findings.add(at, "wrong_type", "A table of lists is needed here.")
        return {}
    return {str(k): _tuple(_string)(v, _join(at, str(k)), findings) for k, v in value.items()}


@reads(type="object")
def _attributes(value: Any, at: str, findings: _Findings) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(k): v for k, v in value.items()}
    findings.add(at, "wrong_type", "A table is needed here.")
    return {}


@reads(enum=[True, False, "never", "always", "on_create"])
def _required(value: Any, at: str, findings: _Findings) -> str:
    if isinstance(value, bool):  # the short form that most people write
        return "always" if value else "never"
    return str(_one_of("never", "always", "on_create")(value, at, findings))


_NAME = _key(_string, "technical name", NAME)
_LABEL = _key(_text, "as people see it")
_read_option_table = _table(
    Option,
    {
        "value": _key(_string, "what is stored and what the API speaks; it never changes"),
        "label": _LABEL,
        "color": _key(_string, "a colour of the design: ok, warn, bad, info, violet, mute"),
        "attributes": _key(_attributes, 'free for the owner of the field: `{ type = "won" }`'),
    },
)


@reads(anyOf=[{"type": "string"}, _read_option_table.schema])
def _read_option(value: Any, at: str, findings: _Findings) -> Any:
    if isinstance(value, str):  # the short form: only the stored value
        return Option(value=value, label=Text.of(value))
    return _read_option_table(value, at, findings)


_read_relation = _table(
    Relation,
    {
        "name": _key(_string, "name of the list on the target, as in `…/related/<name>`"),
        "label": _LABEL,
        "columns": _key(_tuple(_string), "fields of the object that holds the lookup"),
    },
)
_read_field = _table(
    Field,
    {
        "name": _NAME,
        "type": _key(_string, "what its values are", {"enum": list(FIELD_TYPES)}),
        "label": _LABEL,
        "help": _key(_text, "a sentence shown beside it"),
        "required": _key(_required, "whether it needs a value; true means always"),
        "unique": _key(_flag, "no two records share a value"),
        "read_only": _key(_flag, "no person may write it"),
        "read_only_after_create": _key(_flag, "it is written once"),
        "audited": _key(_flag, "its changes stand in the history"),
        "hidden": _key(_flag, "not shown on pages; filters, the API and exports know it"),
        "indexed": _key(
            _flag, "it is filtered or sorted by often; lookups and unique fields always have an index"
        ),
        "default": _key(_any, "the value of a new record where none is given"),
        "minimum": _key(_bound, "smallest number; decimals as text"),
        "maximum": _key(_bound, "largest number; decimals as text"),
        "max_length": _key(_whole, "longest text, in characters", {"minimum": 1, "maximum": MAX_LENGTH}),
        "pattern": _key(_string, "shell-like: `*`, `?`"),
        "scale": _key(
            _whole, "decimals of decimal, currency and percent", {"minimum": 0, "maximum": SCALE_MAX}
        ),
        "options": _key(_tuple(_read_option), "of a select: its choices"),
        "target": _key(_string, "of a lookup: the API name of the object"),
        "on_delete": _key(
            _one_of("restrict", "set_empty", "cascade"),
            "of a lookup: what happens to its record when the target is deleted",
        ),
        "relation": _key(_read_relation, "of a lookup: the related list on the target"),
        "synonyms": _key(_tuple(_string), "further header names for imports"),
        "option_types": _key(
            _words, 'words that tell an import the type of an unknown option: `{ won = ["won"] }`'
        ),
    },
)
_read_index = _table(
    Index, {"fields": _key(_tuple(_string), "those compared for equality first, the sorted one last")}
)
_read_view = _table(
    View,
    {
        "name": _key(_string, "technical name"),
        "label": _LABEL,
        "filter": _key(_string, "the records that it shows, an expression; all if left out"),
        "columns": _key(_tuple(_string), "names of fields"),
        "sort": _key(_tuple(_string), "names of fields, with `-` in front for descending"),
        "kind": _key(_one_of("list"), "how it is drawn"),
    },
)
_read_section = _table(
    Section, {"label": _LABEL, "fields": _key(_tuple(_string), "names of fields, in order")}
)
_read_layout = _table(
    Layout,
    {
        "name": _key(_string, "technical name"),
        "sections": _key(_tuple(_read_section), "groups of fields; the fields that none names follow"),
        "path": _key(_string, "the select field drawn as a path of stages across the top"),
    },
)
_read_rule = _table(
    Rule,
    {
        "name": _key(_string, "technical name"),
        "condition": _key(_string, "an expression that must be true"),
        "message": _key(_text, "what people are told where it is not"),
        "field": _key(_string, "the field to blame"),
    },
)
_read_object = _table(
    Object,
    {
        "name": _NAME,
        "label": _key(_text, "one of it, as people see it"),
        "label_plural": _key(_text, "many of it"),
        "icon": _key(_string, "the name of an icon"),
        "name_field": _key(_string, "the text field that stands for a record in one line"),
        "name_template": _key(_string, 'composes a missing name: `"{account} – {opened_on}"`'),
        "fields": _key(_tuple(_read_field), "its fields"),
        "indexes": _key(_tuple(_read_index), "indexes over several fields"),
        "views": _key(_tuple(_read_view), "saved lists"),
        "layouts": _key(_tuple(_read_layout), "the order of fields on pages"),
        "rules": _key(_tuple(_read_rule), "validation"),
        "synonyms": _key(_tuple(_string), "further names of the object in the headers of imported files"),
        "in_navigation": _key(_flag, "stands in the navigation and on the home page"),
    },
)
_read_setting = _table(
    Setting,
    {
        "name": _NAME,
        "type": _key(_one_of(*SETTING_TYPES), "what its values are"),
        "label": _LABEL,
        "help": _key(_text, "a sentence shown beside it"),
        "default": _key(_any, "the value where none was set; a decimal as text"),
        "required": _key(_flag, "it can't be empty"),
        "secret": _key(_flag, "a text that is never shown again, neither on pages nor over REST"),
        "scopes": _key(
            _tuple(_one_of(*SETTING_SCOPES)),
            "for whom it may be set: `system` for all, by administrators; `user` by each person for himself",
            {"minItems": 1},
        ),
        "minimum": _key(_bound, "smallest number; decimals as text"),
        "maximum": _key(_bound, "largest number; decimals as text"),
        "scale": _key(_whole, "most decimals of a decimal", {"minimum": 0, "maximum": SCALE_MAX}),
        "max_length": _key(_whole, "longest text, in characters", {"minimum": 1, "maximum": TEXT_MAX}),
        "pattern": _key(_string, "of a text, shell-like: `*`, `?`"),
        "options": _key(_tuple(_read_option), "of a select: its choices"),
    },
)


@reads(type="array", items={"type": "integer", "minimum": 1, "maximum": 12}, minItems=2, maxItems=2)
def _size(value: Any, at: str, findings: _Findings) -> tuple[int, int]:
    given = tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(given) == 2 and all(type(n) is int for n in given) and 1 <= given[0] <= 12 and 1 <= given[1] <= 12:
        return (given[0], given[1])
    findings.add(at, "wrong_type", "Two whole numbers from 1 to 12 are needed here: columns and rows.")
    return (1, 1)


_SLOT_OF_PLUGIN = {"type": "string", "pattern": f"^{REFERENCE.pattern}$"}
_read_widget = _table(
    WidgetUse,
    {
        "id": _key(
            _string,
            "technical name; the full id, `<plugin>.<id>`, never changes: people's choices are kept by it",
            NAME,
        ),
        "title": _LABEL,
        "slots": _key(
            _tuple(_string),
            "where it may stand",
            {"minItems": 1, "items": {"anyOf": [{"enum": list(SLOTS)}, _SLOT_OF_PLUGIN]}},
        ),
        "objects": _key(_tuple(_string), "API names of the objects on whose pages it may stand; `*` for all"),
        "icon": _key(_string, "the name of an icon"),
        "size": _key(_size, "columns of 12, and rows"),
        "default": _key(_one_of("on", "off"), "on or off, until a person chooses"),
        "budget_ms": _key(_whole, "milliseconds it should need", {"minimum": 1, "maximum": BUDGET_MAX_MS}),
    },
)


@reads(enum=[str(kind) for kind in PROVIDED_KINDS])
def _kind(value: Any, at: str, findings: _Findings) -> HookKind:
    found = _one_of(*PROVIDED_KINDS)(value, at, findings)
    return HookKind(found) if found in PROVIDED_KINDS else HookKind.FIRST


_VERSION = {"minimum": 1, "maximum": VERSION_MAX}
_read_provided_hook = _table(
    ProvidedHook,
    {
        "name": _NAME,
        "kind": _key(_kind, "its kind, which says what becomes of a result and of a failure"),
        "arguments": _key(
            _tuple(_string),
            "the names of its arguments, without `ctx`; of a pipeline the first is the value passed through",
            {"items": {"type": "string", "pattern": NAME["pattern"]}},
        ),
        "version": _key(_whole, "it rises when an argument goes or changes its meaning", _VERSION),
        "budget_ms": _key(
            _whole,
            "milliseconds that each implementation should need",
            {"minimum": 1, "maximum": BUDGET_MAX_MS},
        ),
        "summary": _key(_text, "what it is for"),
    },
)
_read_slot = _table(
    Slot,
    {
        "name": _NAME,
        "title": _key(_text, "as people see it where they choose widgets"),
        "version": _key(_whole, "it rises when what a widget is given changes its meaning", _VERSION),
        "about_record": _key(_flag, "whether its widgets belong to one record"),
    },
)

OBJECT: Schema = _read_object.schema
"""The JSON Schema of an object's file."""
FIELD: Schema = _read_field.schema
SETTING: Schema = _read_setting.schema
WIDGET: Schema = _read_widget.schema
PROVIDED_HOOK: Schema = _read_provided_hook.schema
PROVIDED_SLOT: Schema = _read_slot.schema
