"""A setting accepts, refuses and says what a field of the same type does."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.metadata.kinds import KINDS, Wrong
from karvan_sdk.errors import ManifestInvalid
from karvan_sdk.fields import Field, Option
from karvan_sdk.manifest import load_manifest
from karvan_sdk.plugin_settings import SETTING_TYPES, Setting

VALUES: tuple[Any, ...] = (
    "a", "A\nb", "x" * 256, "\ud800", 1, -1, 0, 5, 11, True, False, 1.0, 1.5, -0.0, 1e300, 2**53, 10**30,
    "1", "1.25", "-0", " 2 ", "1.234", "1e3", "NaN", "٣",
    "2026-03-31", "2026-02-30", "2026-3-1", "2026-03-31T10:00:00Z", "2026-03-31T10:00",
    "2026-03-31t10:00:00.5+05:00", "0001-01-01T00:00:00+05:00",
    "ada@example.com", "ada@", "a b@c.de", "https://example.com/x?y", "example.com", "ftp://example.com",
    "javascript:alert(1)", "red", "green", [], {},
)  # fmt: skip
OPTIONS = (Option(value="red"), Option(value="1"))


@pytest.mark.parametrize("type_", [t for t in SETTING_TYPES if t not in ("text", "long_text")])
def test_a_setting_and_a_field_agree(type_: str) -> None:
    bounds = [{}, {"minimum": 0, "maximum": "10"}] if type_ in ("integer", "decimal") else [{}]
    options = OPTIONS if type_ == "select" else ()
    scale = 2 if type_ == "decimal" else None
    for limits in bounds:
        field = Field(name="f", type=type_, options=options, scale=scale, **limits)
        setting = Setting(name="f", type=type_, options=options, scale=scale, **limits)
        different = [v for v in VALUES if by_field(field, v) != by_setting(setting, v)]
        assert different == []


def by_field(field: Field, value: Any) -> tuple[Any, ...]:
    """What a field makes of a value: its Python form, or the code and message of what is wrong."""
    try:
        loaded = KINDS[field.type].load(field, value)
    except Wrong as exc:
        return (exc.code, str(exc))
    return (type(loaded), loaded)


def by_setting(setting: Setting, value: Any) -> tuple[Any, ...]:
    """The same of a setting."""
    found = setting.check(value)
    if found is not None:
        return (found.code, found.message)
    loaded = setting.read(value)
    return (type(loaded), loaded)


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        (Setting(name="s", max_length=3), "four", "too_long"),
        (Setting(name="s", pattern="+*"), "49", "pattern"),
        (Setting(name="s"), "x" * 10_001, "too_long"),
        (Setting(name="s"), "\ud800", "bad_character"),
        (Setting(name="s"), 5, "wrong_type"),
        (Setting(name="s", required=True), "", "required"),
        (Setting(name="s", required=True), None, "required"),
        (Setting(name="s", type="decimal"), "1.123456789", "too_precise"),
    ],
)
def test_a_text_is_held_to_its_limits(setting: Setting, value: Any, code: str) -> None:
    found = setting.check(value)
    assert found is not None
    assert found.code == code


@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_no_value_of_any_type(value: Any) -> None:
    for type_ in SETTING_TYPES:
        assert Setting(name="s", type=type_).check(value) is None
        assert Setting(name="s", type=type_).read(value) == value


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("scopes = []", "needs at least one scope"),
        ('scopes = ["role"]', "Choose one of: system, user."),
        ('secret = true\ndefault = "x"', "A secret has no default"),
        ("scale = 2", "belongs to a decimal only"),
        ('type = "decimal"\nscale = 9', "A scale of 0 to 8"),
        ("max_length = 0", "A length from 1 to 10000"),
        ('type = "integer"\nminimum = "low"\ndefault = 1', "A number is needed here"),
        ('type = "date"\ndefault = "31.03.2026"', "A date like 2026-03-31"),
    ],
)
def test_a_manifest_declares_only_settings_that_make_sense(lines: str, said: str) -> None:
    text = (
        'schema = 1\nid = "lamp"\nname = "Lamp"\nsummary = "Of the tests."\napi = ">=0.1,<1"\n'
        f'[[settings]]\nname = "s"\n{lines}\n'
    )
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest("lamp", lambda path: text)
    assert any(said in e.message for e in caught.value.errors)
