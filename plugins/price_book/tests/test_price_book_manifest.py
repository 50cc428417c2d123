"""The manifest keeps its promises to other plugins and to readers of four languages."""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import karvan_price_book
from karvan_sdk import LANGUAGES, Text, load_manifest

ROOT = files("karvan_price_book")
MANIFEST = load_manifest("price_book", lambda path: (ROOT / path).read_text("utf-8"))
OBJECTS = {o.name: o for o in MANIFEST.objects}


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


def test_products_have_the_fields_that_other_plugins_write() -> None:
    fields = {f.name: f.type for f in OBJECTS["product"].fields}
    assert fields == {
        "name": "text", "sku": "text", "unit": "text", "category": "text", "description": "long_text",
        "price": "currency", "active": "boolean", "barcode": "text", "tax_rate": "percent",
    }  # fmt: skip
    sku = OBJECTS["product"].field("sku")
    assert sku is not None
    assert (sku.unique, sku.required) == (True, "never")


def test_every_text_is_written_in_four_languages() -> None:
    found = list(texts(MANIFEST, "price_book"))
    lacking = [
        at for at, key, text in found if (text or key != "help") and set(text.as_dict()) != set(LANGUAGES)
    ]
    assert len(found) > 100  # the walk itself found them
    assert lacking == []


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_no_two_fields_claim_the_same_header(name: str) -> None:
    claims: dict[str, set[str]] = {}
    for field in OBJECTS[name].fields:
        for header in (field.name, *field.label.all(), *field.synonyms):
            claims.setdefault(header.casefold().replace("_", " "), set()).add(field.name)
    assert {h: f for h, f in claims.items() if len(f) > 1} == {}


def test_the_plugin_imports_nothing_but_the_sdk_click_and_the_standard_library() -> None:
    allowed = {"karvan_sdk", "karvan_price_book", "click", *sys.stdlib_module_names}
    found = set()
    for file in Path(karvan_price_book.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {a.name.partition(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    assert found - allowed == set()
    assert "karvan_sdk" in found


def test_no_float_is_anywhere_near_money() -> None:
    for file in Path(karvan_price_book.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            place = f"{file.name}:{getattr(node, 'lineno', 0)}"
            is_number = isinstance(node, ast.Constant) and isinstance(node.value, float)
            assert not is_number or file.name == "demo.py", place
            assert not (isinstance(node, ast.Name) and node.id == "float"), place
