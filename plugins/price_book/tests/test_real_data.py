"""Real catalogues and orders end with the totals that their own numbers give, worked out in fractions."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from karvan.records.shapes import AggregateQuery, Measure

NORTHWIND = "crm-csv/northwind"
MAVEN = "crm-csv/maven-crm-sales"


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def cents(quantity: str, price: str, discount: Fraction) -> int:
    """The total of a line in cents, half up, in fractions alone."""
    return int((Fraction(quantity) * Fraction(price) * (1 - discount) * 100 + Fraction(1, 2)) // 1)


@pytest.mark.needs_shared_data
def test_all_orders_of_northwind_come_to_their_totals(shop: Any, shared_data: Path) -> None:
    products = read(shared_data / NORTHWIND, "products.csv")
    details = read(shared_data / NORTHWIND, "order-details.csv")
    made = shop.make_many(
        "product",
        [
            {
                "name": p["productName"],
                "sku": f"NW-{p['productID']}",
                "unit": p["quantityPerUnit"],
                "price": p["unitPrice"],
                "price_currency": "USD",
                "active": p["discontinued"] == "0",
            }
            for p in products
        ],
    )
    product_of = {p["productID"]: id_ for p, id_ in zip(products, made, strict=True)}
    orders = sorted({d["orderID"] for d in details})
    deals = shop.make_many(
        "deal", [{"name": f"Order {o}", "amount": "0", "amount_currency": "USD"} for o in orders]
    )
    deal_of = dict(zip(orders, deals, strict=True))
    shop.make_many(
        "deal_line",
        [
            {
                "deal": deal_of[d["orderID"]],
                "product": product_of[d["productID"]],
                "quantity": d["quantity"],
                "unit_price": d["unitPrice"],
                "discount": f"{Decimal(d['discount']) * 100:f}",
            }
            for d in details
        ],
    )
    shop.settle()
    wanted: dict[str, int] = defaultdict(int)
    for d in details:
        wanted[d["orderID"]] += cents(d["quantity"], d["unitPrice"], Fraction(d["discount"]))
    reader = shop.workspace.records.read(shop.admin)
    query = AggregateQuery(measures=(Measure(fn="sum", field="price_book__total"),))
    (figures,) = reader.aggregate("deal", query)
    assert Decimal(figures["sum_price_book__total"]) == Decimal(sum(wanted.values())).scaleb(-2)
    for order in orders[::50]:
        found = shop.get("deal", deal_of[order])
        wanted_total = Decimal(wanted[order]).scaleb(-2)
        assert Decimal(found["price_book__total"]) == wanted_total == Decimal(found["amount"])


@pytest.mark.needs_shared_data
def test_products_of_maven_are_priced_from_the_list(shop: Any, shared_data: Path) -> None:
    rows = read(shared_data / MAVEN, "products.csv")
    shop.make_many(
        "product",
        [
            {
                "name": r["product"],
                "category": r["series"],
                "price": r["sales_price"],
                "price_currency": "USD",
            }
            for r in rows
        ],
    )
    found = {p["name"]: p for p in shop.workspace.records.read(shop.admin).list("product").rows}
    deal = shop.deal(currency="USD")
    lines = {r["product"]: shop.line(deal, found[r["product"]]["id"], "2") for r in rows}
    for r in rows:
        line = shop.get("deal_line", lines[r["product"]])
        assert line["price_source"] == "list"
        assert Decimal(line["total"]) == 2 * int(r["sales_price"])
    shop.settle()
    total = Decimal(shop.get("deal", deal)["price_book__total"])
    assert total == 2 * sum(int(r["sales_price"]) for r in rows)


def test_a_handmade_order_like_northwinds_comes_to_its_total(shop: Any) -> None:
    deal = shop.deal(currency="USD")
    tofu, pasta = shop.product("Tofu", currency="USD"), shop.product("Ravioli", currency="USD")
    shop.line(deal, tofu, "35", unit_price="18.6", discount="15")  # 553.35
    shop.line(deal, pasta, "21", unit_price="15.6", discount="5")  # 311.22
    shop.line(deal, pasta, "3", unit_price="0.335")  # 1.005 goes up to 1.01
    shop.settle()
    assert Decimal(shop.get("deal", deal)["price_book__total"]) == Decimal("865.58")
