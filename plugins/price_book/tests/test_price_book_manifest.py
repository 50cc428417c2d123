"""The plugin keeps its promises: the fields that others write, and money without rounding by machine."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import karvan_price_book
from karvan_sdk import load_manifest

ROOT = files("karvan_price_book")
MANIFEST = load_manifest("price_book", lambda path: (ROOT / path).read_text("utf-8"))
OBJECTS = {o.name: o for o in MANIFEST.objects}


def test_products_have_the_fields_that_other_plugins_write() -> None:
    fields = {f.name: f.type for f in OBJECTS["product"].fields}
    assert fields == {
        "name": "text", "sku": "text", "unit": "text", "category": "text", "description": "long_text",
        "price": "currency", "active": "boolean", "barcode": "text", "tax_rate": "percent",
    }  # fmt: skip
    sku = OBJECTS["product"].field("sku")
    assert sku is not None
    assert (sku.unique, sku.required) == (True, "never")


def test_no_float_is_anywhere_near_money() -> None:
    for file in Path(karvan_price_book.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            place = f"{file.name}:{getattr(node, 'lineno', 0)}"
            is_number = isinstance(node, ast.Constant) and isinstance(node.value, float)
            assert not is_number or file.name == "demo.py", place
            assert not (isinstance(node, ast.Name) and node.id == "float"), place
