"""The manifest loads without a finding; texts of manifest, code and templates are there in four languages."""

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

from karvan_sdk import LANGUAGES, Manifest, Text, load_manifest

ROOT = Path(str(files("karvan_onec")))
GAP = re.compile(r"%\((\w+)\)s")
SPEAKERS = frozenset(("t", "BrokenFile", "UploadRefused"))


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load_manifest("onec", lambda path: (ROOT / path).read_text("utf-8"))


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


def test_every_text_of_the_manifest_is_written_in_four_languages(manifest: Manifest) -> None:
    found = list(texts(manifest, "onec"))
    lacking = [at for at, key, text in found
               if (text or key != "help") and set(text.as_dict()) != set(LANGUAGES)]  # fmt: skip
    assert len(found) > 120  # the walk itself found them
    assert lacking == []


def spoken() -> set[str]:
    """Every text that code and templates show."""
    found: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                if name in SPEAKERS:
                    found.add(node.args[0].value)
    for path in ROOT.glob("templates/*.html"):
        found |= set(re.findall(r'_\("([^"]+)"', path.read_text("utf-8")))
    from karvan_onec.merging import MEANINGS

    return found | set(MEANINGS.values())


def catalogue(language: str) -> dict[str, str]:
    po = (ROOT / f"locale/{language}/LC_MESSAGES/messages.po").read_text("utf-8")
    pairs = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', po, re.MULTILINE)
    return {key.replace('\\"', '"'): value for key, value in pairs}


@pytest.mark.parametrize("language", [x for x in LANGUAGES if x != "en"])
def test_every_text_of_code_and_templates_is_translated_with_its_gaps(language: str) -> None:
    known = catalogue(language)
    assert len(spoken()) > 45
    assert spoken() - known.keys() == set()
    assert known.keys() - spoken() == set()
    assert [k for k, v in known.items() if sorted(GAP.findall(k)) != sorted(GAP.findall(v))] == []


def test_nothing_but_the_sdk_click_and_the_standard_library_is_imported() -> None:
    allowed = set(sys.stdlib_module_names) | {"karvan_sdk", "karvan_onec", "click"}
    seen: set[str] = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                seen |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                seen.add((node.module or "").split(".")[0])
    assert "karvan_sdk" in seen
    assert seen - allowed == set()
