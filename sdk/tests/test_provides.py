"""Hooks and slots that a plugin offers to others, and what others say of them: read from manifests alone."""

from __future__ import annotations

import json

import pytest

from karvan_sdk import HookKind, HookUse, Manifest, ManifestInvalid, Slot, Text, declarations, load_manifest
from karvan_sdk.provides import ProvidedHook, code_name, hooks_of, publisher_of, slots_of, split_reference

HEAD = 'schema = 1\nid = "{id}"\nname = "N"\nsummary = "S."\napi = ">=0.1,<1"\n'
OFFERS = """
[[provides.hooks]]
name = "find_line"
kind = "first"
arguments = ["number"]
version = 2
budget_ms = 30

[[provides.slots]]
name = "call"
title = { en = "Call", ru = "Звонок" }
about_record = false
"""
USES = """
requires = { phone = ">=1" }

[[hooks]]
hook = "phone.find_line"
version = 2

[[widgets]]
id = "route"
title = "Route"
slots = ["phone.call@1", "record.side"]
"""


def load(text: str, plugin: str = "phone") -> Manifest:
    return load_manifest(plugin, {"manifest.toml": HEAD.format(id=plugin) + text}.__getitem__)


def findings(text: str, plugin: str = "phone") -> dict[str, str]:
    with pytest.raises(ManifestInvalid) as raised:
        load(text, plugin)
    return {e.field: e.message for e in raised.value.errors}


def test_what_a_plugin_offers_is_read_under_its_id() -> None:
    manifest = load(OFFERS)
    hook = ProvidedHook(name="find_line", kind=HookKind.FIRST, arguments=("number",), version=2, budget_ms=30)
    assert hooks_of(manifest) == {"phone.find_line": hook}
    title = Text.of({"en": "Call", "ru": "Звонок"})
    assert slots_of(manifest) == {"phone.call": Slot(name="phone.call", title=title, about_record=False)}
    assert slots_of(manifest)["phone.call"].reference == "phone.call@1"


def test_what_a_plugin_offers_outlives_its_row_in_the_database() -> None:
    dumped = json.loads(json.dumps(declarations.dump(load(OFFERS))))
    again = declarations.load_provided_hook(dumped["provides"]["hooks"][0])
    assert again == load(OFFERS).provides.hooks[0]


def test_who_uses_it_names_the_version() -> None:
    manifest = load(USES, "ext")
    assert manifest.hooks == (HookUse(hook="phone.find_line", version=2),)
    assert manifest.widgets[0].slots == ("phone.call@1", "record.side")
    assert (split_reference("phone.call@1"), split_reference("record.side")) == (
        ("phone.call", 1),
        ("record.side", None),
    )


def test_a_plugin_may_answer_its_own_hook() -> None:
    own = '[[hooks]]\nhook = "phone.find_line"\nversion = 2\n'
    assert load(OFFERS + own).hooks == (HookUse(hook="phone.find_line", version=2),)


def test_names_say_whose_they_are() -> None:
    assert [publisher_of(n) for n in ("phone.call", "record.side", "check_records", "")] == [
        "phone",
        "",
        "",
        "",
    ]
    assert code_name("phone.find_line") == "phone__find_line"


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('"first"', '"observe"', "provides.hooks[0].kind", "Choose one of: collect, first, gate, pipeline."),
        ('"first"', '"pipeline"\nsummary = 3', "provides.hooks[0].summary", "A text"),
        ('["number"]', '["ctx"]', "provides.hooks[0].arguments", "'ctx' is no name of an argument."),
        ('["number"]', '["class"]', "provides.hooks[0].arguments", "'class' is no name of an argument."),
        ('["number"]', '["a", "a"]', "provides.hooks[0].arguments", "'a' stands twice."),
        ('"first"\narguments = ["number"]', '"pipeline"', "provides.hooks[0].arguments", "the value"),
        ("version = 2", "version = 0", "provides.hooks[0].version", "A version from 1"),
        ("budget_ms = 30", "budget_ms = 0", "provides.hooks[0].budget_ms", "A budget from 1 to 5000"),
        ('"find_line"', '"Find"', "provides.hooks[0]", "Find"),
        ('name = "call"', 'name = "call"\nsize = 1', "provides.slots[0].size", "Unknown key 'size'."),
        ("[[provides.slots]]", "[[provides.rooms]]", "provides.rooms", "Unknown key 'rooms'."),
    ],
)
def test_a_fault_of_an_offer_is_told_with_its_key(old: str, new: str, key: str, message: str) -> None:
    assert old in OFFERS
    found = findings(OFFERS.replace(old, new))
    assert message in found[key]


def test_no_slot_of_a_plugin_can_be_taken_for_one_of_the_core() -> None:
    found = findings(OFFERS, "record")
    assert "'record.call' could be taken for a slot of the core." in found["provides.slots[0]"]


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("version = 2\n", "", "hooks[0].version", "name the version"),
        ("version = 2\n", 'version = "2"\n', "hooks[0].version", "name the version"),
        ("version = 2\n", 'version = 2\nobjects = ["x"]\n', "hooks[0]", "asked once"),
        ('"phone.find_line"', '"check_records"', "hooks[0].version", "Only a hook that a plugin offers"),
        ("phone = ", "fax = ", "hooks[0]", "'phone', which must stand under 'requires'"),
        ("phone = ", "fax = ", "widgets[0].slots", "'phone', which must stand under 'requires'"),
        ("phone.call@1", "phone.call", "widgets[0].slots", "'phone.call@1'"),
        ("record.side", "record.side@1", "widgets[0].slots", "There is no slot 'record.side@1'"),
    ],
)
def test_a_fault_of_a_use_is_told_with_its_key(old: str, new: str, key: str, message: str) -> None:
    assert old in USES
    assert message in findings(USES.replace(old, new), "ext")[key]
