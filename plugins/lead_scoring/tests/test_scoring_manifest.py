"""The manifest loads without a finding, and all of the plugin speaks four languages."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from babel.messages.pofile import read_po

from karvan_lead_scoring.plugin import plugin
from karvan_sdk import LANGUAGES, Manifest, Text, load_manifest

ROOT = Path(str(files("karvan_lead_scoring")))
GAPS = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load_manifest("lead_scoring", lambda path: (ROOT / path).read_text("utf-8"))


def texts(value: Any, at: str) -> Iterator[tuple[str, str, Text]]:
    if isinstance(value, Text):
        yield at, at.rsplit(".", 1)[-1], value
    elif dataclasses.is_dataclass(value):
        for spec in dataclasses.fields(value):
            name = getattr(value, "value", None) or getattr(value, "name", None) or ""
            yield from texts(getattr(value, spec.name), f"{at}/{name}.{spec.name}")
    elif isinstance(value, tuple):
        for one in value:
            yield from texts(one, at)


def said_by_the_code() -> set[str]:
    """Every text given to `t` or `_`, in Python and in templates."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in ("t", "_t") and isinstance(node.args[0], ast.Constant):
                    found.add(str(node.args[0].value))
    for path in ROOT.rglob("*.html"):
        found |= {a or b for a, b in re.findall(r"""_\((?:"([^"]*)"|'([^']*)')""", path.read_text("utf-8"))}
    return found


def test_every_text_of_the_manifest_is_written_in_four_languages(manifest: Manifest) -> None:
    found = list(texts(manifest, "lead_scoring"))
    lacking = [at for at, key, text in found
               if (text or key != "help") and set(text.as_dict()) != set(LANGUAGES)]  # fmt: skip
    assert len(found) > 70  # the walk itself found them
    assert lacking == []


@pytest.mark.parametrize("language", ["ru", "fa", "zh"])
def test_every_text_of_the_code_is_translated_with_its_gaps(language: str) -> None:
    with (ROOT / "locale" / language / "LC_MESSAGES" / "messages.po").open("rb") as stream:
        catalog = {
            str(m.id): str(m.string) for m in read_po(stream, locale=language, abort_invalid=True) if m.id
        }
    said = said_by_the_code()
    assert len(said) > 25
    assert said == set(catalog)
    assert [i for i, text in catalog.items() if sorted(GAPS.findall(i)) != sorted(GAPS.findall(text))] == []


def test_the_plugin_brings_what_its_manifest_declares(manifest: Manifest) -> None:
    assert [w.id for w in plugin.widgets] == [w.id for w in manifest.widgets]
    assert [c.name for c in plugin.commands] == list(manifest.commands)
    assert manifest.public_routes == ()


def test_only_the_sdk_and_the_declared_libraries_are_imported() -> None:
    allowed = set(sys.stdlib_module_names) | {"karvan_sdk", "karvan_lead_scoring", "click"}
    seen: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                seen |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                seen.add((node.module or "").split(".")[0])
    assert "karvan_sdk" in seen
    assert seen - allowed == set()
