"""The manifest keeps its promises to other plugins and to readers of four languages."""

from __future__ import annotations

from importlib.resources import files

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
