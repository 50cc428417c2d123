"""What is on its way out: each use is told with the plugin, the version and what to use instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.version import Version

from karvan_sdk import Manifest, load_manifest
from karvan_sdk.deprecations import (
    DEPRECATIONS,
    DeprecatedKind,
    Deprecation,
    deprecated_arguments,
    deprecations,
)

DOCS = Path(__file__).parents[2] / "docs/deprecations.md"
MANIFEST = """schema = 1
id = "toy"
name = "Toy"
summary = "A toy."
api = ">=0.1,<1"
capabilities = ["sql", "records:write:deal"]
requires = { phone = ">=1" }
links = { home = "https://example.org" }
[[hooks]]
hook = "check_records"
[[hooks]]
hook = "phone.find"
version = 1
[[widgets]]
id = "card"
title = "Card"
slots = ["record.side", "phone.call@1"]
size = [6, 1]
"""


def toy() -> Manifest:
    return load_manifest("toy", {"manifest.toml": MANIFEST}.__getitem__)


def out(kind: DeprecatedKind, name: str) -> Deprecation:
    return Deprecation(kind=kind, name=name, since="0.2", removed_in="0.4", replacement="the new one")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DeprecatedKind.HOOK, "check_records"),
        (DeprecatedKind.SLOT, "record.side"),
        (DeprecatedKind.KEY, "links"),
        (DeprecatedKind.KEY, "widgets.size"),
        (DeprecatedKind.CAPABILITY, "sql"),
        (DeprecatedKind.CAPABILITY, "records:write"),
    ],
)
def test_a_use_is_told_with_the_plugin_the_versions_and_the_replacement(
    kind: DeprecatedKind, name: str
) -> None:
    (use,) = deprecations(toy(), [out(kind, name)])
    assert use.message == (
        f"Plugin 'toy' uses the {kind} '{name}', which is deprecated since karvan-sdk 0.2 and goes in 0.4. "
        "Use the new one instead."
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (DeprecatedKind.HOOK, "prepare_records"),
        (DeprecatedKind.SLOT, "record.main"),
        (DeprecatedKind.KEY, "widgets.icon"),
        (DeprecatedKind.CAPABILITY, "records:read"),
        (DeprecatedKind.ARGUMENT, "check_records.object"),
    ],
)
def test_what_the_manifest_does_not_use_is_not_told(kind: DeprecatedKind, name: str) -> None:
    assert deprecations(toy(), [out(kind, name)]) == ()


def test_a_deprecated_argument_is_seen_where_the_code_takes_it() -> None:
    table = [out(DeprecatedKind.ARGUMENT, "check_records.object"), out(DeprecatedKind.HOOK, "check_records")]
    (use,) = deprecated_arguments("toy", {"check_records": ["ctx", "object"]}, table)
    assert "'check_records.object'" in use.message
    assert deprecated_arguments("toy", {"check_records": ["ctx"], "other": ["object"]}, table) == ()


def test_the_page_shows_the_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", text, flags=re.MULTILINE)
    assert rows == [(d.name, d.kind, d.since, d.removed_in, d.replacement) for d in DEPRECATIONS]
    assert ("Nothing is deprecated now." in text) == (not DEPRECATIONS)


def test_nothing_goes_before_it_was_deprecated() -> None:
    assert all(Version(d.since) < Version(d.removed_in) for d in DEPRECATIONS)
