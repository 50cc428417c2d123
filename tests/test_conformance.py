"""What holds for every first-party plugin: four languages, honest headers, declared parts and imports."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from babel.messages.pofile import read_po
from packaging.requirements import Requirement

from karvan_sdk import LANGUAGES, Manifest, Text, load_manifest
from tests.source import ROOT, imported_modules

PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
SPEAKERS = ("t", "_t", "BrokenFile", "UploadRefused")
"""What code gives a text to that people will read: `ctx.t`, and errors of plugins that are shown."""
TEMPLATE_TEXT = re.compile(r"""_\((?:"([^"]*)"|'([^']*)')""")
GAP = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module", params=PLUGINS)
def plugin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def manifest(plugin: str) -> Manifest:
    folder = folder_of(plugin)
    return load_manifest(plugin, lambda path: (folder / path).read_text("utf-8"))


def folder_of(plugin: str) -> Any:
    return ROOT / "plugins" / plugin / "src" / f"karvan_{plugin}"


def texts(value: Any, at: str) -> Iterator[tuple[str, str, Text]]:
    """(place, key, text) of every text in a manifest."""
    if isinstance(value, Text):
        yield at, at.rsplit(".", 1)[-1], value
    elif dataclasses.is_dataclass(value):
        for spec in dataclasses.fields(value):
            name = getattr(value, "value", None) or getattr(value, "name", None) or ""
            yield from texts(getattr(value, spec.name), f"{at}/{name}.{spec.name}")
    elif isinstance(value, tuple):
        for one in value:
            yield from texts(one, at)


def test_there_are_plugins_to_look_at() -> None:
    assert set(PLUGINS) >= {"crm", "telephony", "price_book", "lead_scoring", "onec"}


def test_every_text_of_the_manifest_is_written_in_four_languages(manifest: Manifest) -> None:
    found = list(texts(manifest, manifest.id))
    lacking = [at for at, key, text in found
               if (text or key != "help") and set(text.as_dict()) != set(LANGUAGES)]  # fmt: skip
    assert len(found) > 40  # the walk itself found them
    assert lacking == []


def test_no_two_fields_of_an_object_claim_the_same_header(manifest: Manifest) -> None:
    for declared in manifest.objects:
        claims: dict[str, set[str]] = {}
        for field in declared.fields:
            for header in (field.name, *field.label.all(), *field.synonyms):
                claims.setdefault(header.casefold().replace("_", " "), set()).add(field.name)
        assert {h: f for h, f in claims.items() if len(f) > 1} == {}, declared.name


# -- texts of code and templates ---------------------------------------------------------------------------


def spoken(plugin: str) -> set[str]:
    """Every text that code and templates show."""
    folder = folder_of(plugin)
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and name_of(node.func) in SPEAKERS:
                found |= {str(c.value) for c in ast.walk(node.args[0]) if is_text(c)}
    for path in folder.rglob("*.html"):
        found |= {a or b for a, b in TEMPLATE_TEXT.findall(path.read_text("utf-8"))}
    if plugin == "onec":  # what tells a conflict is chosen from a table
        found |= set(import_module("karvan_onec.merging").MEANINGS.values())
    return found


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_the_walk_finds_what_code_and_templates_say() -> None:
    assert {"“%(name)s” was added.", "Add line"} <= spoken("price_book")
    assert "The score will be up to date in a moment." in spoken("lead_scoring")
    assert "A text that is not empty is needed here." in spoken("telephony")
    assert "The zip is encrypted." in spoken("onec")
    assert all(len(spoken(p)) > 25 for p in ("telephony", "price_book", "lead_scoring", "onec"))


@pytest.mark.parametrize("language", [x for x in LANGUAGES if x != "en"])
def test_every_text_of_code_and_templates_is_translated_with_its_gaps(plugin: str, language: str) -> None:
    said = spoken(plugin)
    file = folder_of(plugin) / "locale" / language / "LC_MESSAGES" / "messages.po"
    if not said:
        assert not file.exists()
        return
    with file.open("rb") as stream:
        read = read_po(stream, locale=language, abort_invalid=True)
    catalog = {str(m.id): str(m.string) for m in read if m.id}
    assert set(catalog) == said
    assert [i for i, told in catalog.items() if not told] == []
    assert [i for i, told in catalog.items() if sorted(GAP.findall(i)) != sorted(GAP.findall(told))] == []


# -- parts and imports -------------------------------------------------------------------------------------


def test_the_plugin_brings_what_its_manifest_declares(plugin: str, manifest: Manifest) -> None:
    made = import_module(f"karvan_{plugin}.plugin").plugin
    router = getattr(made, "router", None)
    public = [(r.surface, r.rule, r.methods) for r in (router.routes if router else ()) if r.public]
    assert [w.id for w in getattr(made, "widgets", ())] == [w.id for w in manifest.widgets]
    assert [c.name for c in getattr(made, "commands", ())] == list(manifest.commands)
    assert public == [(p.surface, p.path, p.methods) for p in manifest.public_routes]
    assert all(p.why for p in manifest.public_routes)


def test_only_the_sdk_and_what_the_distribution_needs_is_imported(plugin: str) -> None:
    project = tomllib.loads((ROOT / "plugins" / plugin / "pyproject.toml").read_text("utf-8"))["project"]
    needs = {Requirement(text).name.replace("-", "_") for text in project["dependencies"]}
    seen: set[str] = set()
    for path in folder_of(plugin).rglob("*.py"):
        module = f"karvan_{plugin}.{path.stem}"
        seen |= {name.partition(".")[0] for _, name in imported_modules(path.read_text("utf-8"), module)}
    assert "karvan_sdk" in seen
    assert seen - needs - set(sys.stdlib_module_names) == {f"karvan_{plugin}"} & seen
