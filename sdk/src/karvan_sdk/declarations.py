"""Declarations to JSON and back: the one reader of object and field definitions, wherever they come from.

Manifests (TOML), the REST interface, `karvan schema apply` and the metadata rows all pass through here,
so an unknown key or a wrong type is refused with the same words everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from karvan_sdk.errors import FieldError, ValidationFailed
from karvan_sdk.fields import Field, Option, Relation
from karvan_sdk.hookspecs import HookKind
from karvan_sdk.objects import Index, Layout, Object, Rule, Section, View
from karvan_sdk.plugin_settings import SETTING_TYPES, Setting
from karvan_sdk.provides import PROVIDED_KINDS, ProvidedHook
from karvan_sdk.text import Text
from karvan_sdk.widgets import Slot, WidgetUse


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


def _table(cls: type, readers: Mapping[str, Callable[[Any, str, _Findings], Any]]) -> Callable[..., Any]:
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]

    def read(data: Any, at: str, findings: _Findings) -> Any:
        if not isinstance(data, Mapping):
            findings.add(at, "wrong_type", "A table of keys and values is needed here.")
            return None
        before = len(findings.errors)
        for key in data:
            if key not in readers:
                findings.add(_join(at, str(key)), "unknown_key", "Unknown key '{key}'.", key=str(key))
        for key in required:
            if data.get(key) is None:
                findings.add(_join(at, key), "required", "This key is required.")
        values = {
            key: reader(data[key], _join(at, key), findings)
            for key, reader in readers.items()
            if key in data and data[key] is not None
        }
        return cls(**values) if len(findings.errors) == before else None

    return read


def _string(value: Any, at: str, findings: _Findings) -> str:
    if isinstance(value, str):
        return value
    findings.add(at, "wrong_type", "A text is needed here.")
    return ""


def _flag(value: Any, at: str, findings: _Findings) -> bool:
    if isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "True or false is needed here.")
    return False


def _whole(value: Any, at: str, findings: _Findings) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "A whole number is needed here.")
    return 0


def _bound(value: Any, at: str, findings: _Findings) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    findings.add(at, "wrong_type", "A number is needed here (decimals as text).")
    return 0


def _any(value: Any, at: str, findings: _Findings) -> Any:
    return value


def _text(value: Any, at: str, findings: _Findings) -> Text:
    if isinstance(value, str) or (
        isinstance(value, Mapping)
        and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
    ):
        return Text.of(value)
    findings.add(at, "wrong_type", "A text, or a text per language, is needed here.")
    return Text()


def _one_of(*allowed: str) -> Callable[[Any, str, _Findings], str]:
    def read(value: Any, at: str, findings: _Findings) -> str:
        if value not in allowed:
            findings.add(at, "unknown_value", "Choose one of: {allowed}.", allowed=", ".join(allowed))
        return str(value)

    return read


def _tuple(read_one: Callable[[Any, str, _Findings], Any]) -> Callable[[Any, str, _Findings], Any]:
    def read(value: Any, at: str, findings: _Findings) -> tuple[Any, ...]:
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            findings.add(at, "wrong_type", "A list is needed here.")
            return ()
        return tuple(read_one(one, f"{at}[{i}]", findings) for i, one in enumerate(value))

    return read


def _words(value: Any, at: str, findings: _Findings) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        findings.add(at, "wrong_type", "A table of lists is needed here.")
        return {}
    return {str(k): _tuple(_string)(v, _join(at, str(k)), findings) for k, v in value.items()}


def _attributes(value: Any, at: str, findings: _Findings) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(k): v for k, v in value.items()}
    findings.add(at, "wrong_type", "A table is needed here.")
    return {}


def _required(value: Any, at: str, findings: _Findings) -> str:
    if isinstance(value, bool):  # the short form that most people write
        return "always" if value else "never"
    return _one_of("never", "always", "on_create")(value, at, findings)


_read_option_table = _table(
    Option, {"value": _string, "label": _text, "color": _string, "attributes": _attributes}
)


def _read_option(value: Any, at: str, findings: _Findings) -> Any:
    if isinstance(value, str):  # the short form: only the stored value
        return Option(value=value, label=Text.of(value))
    return _read_option_table(value, at, findings)


_read_relation = _table(Relation, {"name": _string, "label": _text, "columns": _tuple(_string)})
_read_field = _table(
    Field,
    {
        "name": _string,
        "type": _string,
        "label": _text,
        "help": _text,
        "required": _required,
        "unique": _flag,
        "read_only": _flag,
        "read_only_after_create": _flag,
        "audited": _flag,
        "hidden": _flag,
        "indexed": _flag,
        "default": _any,
        "minimum": _bound,
        "maximum": _bound,
        "max_length": _whole,
        "pattern": _string,
        "scale": _whole,
        "options": _tuple(_read_option),
        "target": _string,
        "on_delete": _one_of("restrict", "set_empty", "cascade"),
        "relation": _read_relation,
        "synonyms": _tuple(_string),
        "option_types": _words,
    },
)
_read_index = _table(Index, {"fields": _tuple(_string)})
_read_view = _table(
    View,
    {
        "name": _string,
        "label": _text,
        "filter": _string,
        "columns": _tuple(_string),
        "sort": _tuple(_string),
        "kind": _one_of("list"),
    },
)
_read_section = _table(Section, {"label": _text, "fields": _tuple(_string)})
_read_layout = _table(Layout, {"name": _string, "sections": _tuple(_read_section), "path": _string})
_read_rule = _table(Rule, {"name": _string, "condition": _string, "message": _text, "field": _string})
_read_object = _table(
    Object,
    {
        "name": _string,
        "label": _text,
        "label_plural": _text,
        "icon": _string,
        "name_field": _string,
        "name_template": _string,
        "fields": _tuple(_read_field),
        "indexes": _tuple(_read_index),
        "views": _tuple(_read_view),
        "layouts": _tuple(_read_layout),
        "rules": _tuple(_read_rule),
        "synonyms": _tuple(_string),
        "in_navigation": _flag,
    },
)
_read_setting = _table(
    Setting,
    {
        "name": _string,
        "type": _one_of(*SETTING_TYPES),
        "label": _text,
        "help": _text,
        "default": _any,
        "required": _flag,
        "secret": _flag,
        "minimum": _bound,
        "maximum": _bound,
        "options": _tuple(_read_option),
    },
)


def _size(value: Any, at: str, findings: _Findings) -> tuple[int, int]:
    given = tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(given) == 2 and all(type(n) is int for n in given) and 1 <= given[0] <= 12 and 1 <= given[1] <= 12:
        return (given[0], given[1])
    findings.add(at, "wrong_type", "Two whole numbers from 1 to 12 are needed here: columns and rows.")
    return (1, 1)


_read_widget = _table(
    WidgetUse,
    {
        "id": _string,
        "title": _text,
        "slots": _tuple(_string),
        "objects": _tuple(_string),
        "icon": _string,
        "size": _size,
        "default": _one_of("on", "off"),
        "budget_ms": _whole,
    },
)


def _kind(value: Any, at: str, findings: _Findings) -> HookKind:
    found = _one_of(*PROVIDED_KINDS)(value, at, findings)
    return HookKind(found) if found in PROVIDED_KINDS else HookKind.FIRST


_read_provided_hook = _table(
    ProvidedHook,
    {
        "name": _string,
        "kind": _kind,
        "arguments": _tuple(_string),
        "version": _whole,
        "budget_ms": _whole,
        "summary": _text,
    },
)
_read_slot = _table(Slot, {"name": _string, "title": _text, "version": _whole, "about_record": _flag})
