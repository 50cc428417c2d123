"""What callers of the REST interface get: computed fields, and refusals in the words of the reader."""

from __future__ import annotations

from typing import Any

from karvan.testing import make_client

LINES = "/api/v1/records/deal_line"
ANY = {"If-Match": "*"}


def test_a_line_is_answered_with_its_price_and_total(shop: Any) -> None:
    client = make_client(shop.workspace)
    values = {"deal": shop.deal(), "product": shop.product(price="9.99"), "quantity": "3", "discount": "10"}
    answer = client.post(LINES, json=values)
    assert answer.status_code == 201
    found = answer.get_json()["data"]
    assert (found["name"], found["unit_price"], found["total"], found["total_currency"]) == (
        "Pump", "9.9900", "26.970", "EUR",
    )  # fmt: skip


def test_computed_fields_cannot_be_written(shop: Any) -> None:
    deal = shop.deal()
    values = {"deal": deal, "product": shop.product(), "total": "1", "price_source": "list"}
    client = make_client(shop.workspace)
    answer = client.post(LINES, json=values)
    assert answer.status_code == 422
    assert {e["field"] for e in answer.get_json()["errors"]} == {"total", "price_source"}
    patched = client.patch(f"/api/v1/records/deal/{deal}", json={"price_book__total": "5"}, headers=ANY)
    assert patched.status_code == 422


def test_a_refusal_speaks_the_language_of_who_asked(shop: Any) -> None:
    shop.workspace.actors.set_preferences(shop.admin.id, language="fa", timezone="Asia/Tehran")
    values = {"deal": shop.deal(book=shop.book("همکاران")), "product": shop.product("پمپ", price=None)}
    answer = make_client(shop.workspace).post(LINES, json=values)
    assert answer.status_code == 422
    (error,) = answer.get_json()["errors"]
    assert error["field"] == "unit_price"
    assert error["message"].startswith("«پمپ» نه در دفتر قیمت «همکاران»")


def test_the_lines_of_a_deal_are_a_related_list(shop: Any) -> None:
    deal, pump = shop.deal(), shop.product()
    shop.line(deal, pump)
    answer = make_client(shop.workspace).get(f"/api/v1/records/deal/{deal}/related/lines")
    assert [row["product"] for row in answer.get_json()["data"]] == [pump]


def test_books_and_rows_name_themselves_and_keep_to_their_rules(shop: Any) -> None:
    client, pump = make_client(shop.workspace), shop.product()
    given = {"name": "Partners", "currency": "usd"}
    book = client.post("/api/v1/records/price_book", json=given).get_json()["data"]
    assert book["currency"] == "USD"
    bare = client.post("/api/v1/records/price_book", json={"name": "Own"}).get_json()["data"]
    assert bare["currency"] == shop.workspace.settings.currency
    bad = client.post("/api/v1/records/price_book", json={"name": "Odd", "currency": "1$"})
    assert "no currency code" in bad.get_json()["errors"][0]["message"]
    row = shop.row(book["id"], pump, "9", "12.5")
    assert shop.get("book_price", row)["name"] == "Pump – Partners – 12.5+"
    shop.change("book_price", row, min_quantity="1")
    assert shop.get("book_price", row)["name"] == "Pump – Partners"
    dates = {"valid_from": "2026-02-01", "valid_to": "2026-01-31"}
    for path in (f"price_book/{book['id']}", f"book_price/{row}"):
        answer = client.patch(f"/api/v1/records/{path}", json=dates, headers=ANY)
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "valid_to"
