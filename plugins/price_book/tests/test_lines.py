"""Lines find their price, follow product and quantity, and are refused in words where there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from karvan_sdk import Rejected, ValidationFailed

TODAY = datetime.now(UTC).date()
PRICE = ("unit_price", "price_source", "total", "total_currency")


def price_of(shop: Any, line: int) -> tuple[str, ...]:
    found = shop.get("deal_line", line)
    return tuple(found[name] for name in PRICE)


def test_a_line_takes_the_break_of_the_deals_book(shop: Any) -> None:
    pump, book = shop.product(), shop.book()
    shop.row(book, pump, "9")
    shop.row(book, pump, "7.5", "10")
    deal = shop.deal(book=book)
    few, many = shop.line(deal, pump, "9.999"), shop.line(deal, pump, "10")
    assert price_of(shop, few) == ("9.0000", "book", "89.990", "EUR")  # 89.991
    assert price_of(shop, many) == ("7.5000", "book", "75.000", "EUR")


def test_without_a_book_on_the_deal_the_standard_one_of_its_currency_holds(shop: Any) -> None:
    pump = shop.product()
    shop.row(shop.book("Dollars", "USD", standard=True), pump, "99")
    shop.row(shop.book("Low", standard=True, priority=1), pump, "8")
    shop.row(shop.book("High", standard=True, priority=2), pump, "6")
    assert price_of(shop, shop.line(shop.deal(), pump))[0] == "6.0000"


def test_without_a_row_the_list_price_holds(shop: Any) -> None:
    line = shop.line(shop.deal(book=shop.book()), shop.product(price="12.50"), "2", discount="10")
    assert price_of(shop, line) == ("12.5000", "list", "22.500", "EUR")


def test_a_typed_price_stands_until_it_is_emptied(shop: Any) -> None:
    pump, book = shop.product(), shop.book()
    shop.row(book, pump, "9")
    line = shop.line(shop.deal(book=book), pump, unit_price="1.2345")
    assert price_of(shop, line)[:3] == ("1.2345", "typed", "1.230")
    shop.change("deal_line", line, quantity="100")
    assert price_of(shop, line)[:3] == ("1.2345", "typed", "123.450")
    shop.change("deal_line", line, unit_price=None)
    assert price_of(shop, line)[:3] == ("9.0000", "book", "900.000")


def test_a_found_price_follows_quantity_and_product(shop: Any) -> None:
    pump, valve, book = shop.product(), shop.product("Valve", tax_rate="19"), shop.book()
    shop.row(book, pump, "9")
    shop.row(book, pump, "7", "10")
    line = shop.line(shop.deal(book=book), pump)
    shop.change("deal_line", line, quantity="10")
    assert price_of(shop, line)[:3] == ("7.0000", "book", "70.000")
    shop.change("deal_line", line, product=valve)
    found = shop.get("deal_line", line)
    assert (found["name"], found["unit_price"], found["total"], found["tax_rate"]) == (
        "Valve", "10.0000", "100.000", "19.00",
    )  # fmt: skip


def test_a_discount_changes_the_total_alone(shop: Any) -> None:
    line = shop.line(shop.deal(), shop.product(price="9.99"), "3")
    shop.change("deal_line", line, discount="10")
    assert price_of(shop, line)[:3] == ("9.9900", "list", "26.970")
    shop.change("deal_line", line, discount=None)
    assert price_of(shop, line)[2] == "29.970"


@pytest.mark.parametrize(
    ("currency", "total"), [("JPY", "101.000"), ("KWD", "100.502"), ("EUR", "100.500"), ("IRR", "101.000")]
)
def test_a_total_ends_at_the_smallest_coin_of_the_deals_currency(
    shop: Any, currency: str, total: str
) -> None:
    line = shop.line(shop.deal(currency=currency), shop.product(), "3", unit_price="33.5005")
    assert price_of(shop, line)[2:] == (total, currency)


def test_the_prices_of_the_day_of_closing_hold_for_a_closed_deal(shop: Any) -> None:
    pump, book = shop.product(), shop.book()
    last_month = TODAY - timedelta(days=30)
    shop.row(book, pump, "5", valid_to=str(last_month))
    shop.row(book, pump, "6", valid_from=str(last_month + timedelta(days=1)))
    closed = shop.deal(book=book, stage="won", close_date=str(last_month))
    assert price_of(shop, shop.line(closed, pump))[0] == "5.0000"
    open_ = shop.deal(book=book, close_date=str(last_month))
    assert price_of(shop, shop.line(open_, pump))[0] == "6.0000"


def test_lines_are_numbered_in_the_order_in_which_they_come(shop: Any) -> None:
    pump, one, two = shop.product(), shop.deal(), shop.deal()
    rows = [{"deal": d, "product": pump, "quantity": "1"} for d in (one, two, one)]
    ids = [*shop.make_many("deal_line", rows), shop.line(one, pump)]
    assert [shop.get("deal_line", i)["position"] for i in ids] == [1, 1, 2, 3]


def test_a_line_whose_product_is_in_the_trash_is_still_totalled(shop: Any) -> None:
    pump = shop.product()
    line = shop.line(shop.deal(), pump)
    shop.remove("deal_line", line)
    shop.remove("product", pump)
    shop.restore("deal_line", line)
    shop.change("deal_line", line, quantity="5")
    assert price_of(shop, line)[:3] == ("10.0000", "list", "50.000")


def test_a_deal_without_an_amount_has_the_currency_of_its_book(shop: Any) -> None:
    pump, book = shop.product(), shop.book(currency="USD")
    shop.row(book, pump, "4")
    deal = shop.deal(amount=None, book=book)
    assert price_of(shop, shop.line(deal, pump))[2:] == ("4.000", "USD")


# -- refusals --------------------------------------------------------------------------------------------


def refusal(shop: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(Rejected) as caught:
        shop.line(*args, **more)
    return caught.value.message


def test_a_product_without_a_price_is_refused_by_name_of_product_and_book(shop: Any) -> None:
    words = refusal(shop, shop.deal(book=shop.book()), shop.product(price=None))
    assert "“Pump”" in words
    assert "“Partners”" in words
    assert "Type a price." in words


def test_a_price_in_another_currency_is_refused_and_never_mixed(shop: Any) -> None:
    words = refusal(shop, shop.deal(currency="USD"), shop.product())
    assert "list price is in EUR" in words
    assert "USD" in words


def test_a_book_that_has_ended_gives_no_price(shop: Any) -> None:
    ended = shop.book(valid_to=str(TODAY - timedelta(days=2)))
    assert "not in force" in refusal(shop, shop.deal(book=ended), shop.product())


def test_a_product_that_only_begins_at_a_larger_quantity_and_has_no_list_price_is_refused(shop: Any) -> None:
    pump, book = shop.product(price=None), shop.book()
    shop.row(book, pump, "7", "10")
    assert "this quantity" in refusal(shop, shop.deal(book=book), pump, "9.999")


def test_a_total_that_fits_no_field_is_refused_and_blames_nobody_else(shop: Any) -> None:
    words = refusal(shop, shop.deal(), shop.product(), "999999999999999", unit_price="99999999999999")
    assert "more than a total can hold" in words


def test_in_a_batch_every_line_without_a_price_is_named(shop: Any) -> None:
    good, bad, deal = shop.product(), shop.product("Gift", price=None), shop.deal()
    rows = [{"deal": deal, "product": p, "quantity": "1"} for p in (bad, good, bad)]
    with shop.workspace.records.write(shop.admin) as writer:
        result = writer.create_many("deal_line", rows)
    assert [e.index for e in result.errors] == [0, 2]
    assert [i is None for i in result.ids] == [True, False, True]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"quantity": "0"}, "above zero"),
        ({"quantity": "-1"}, "above zero"),
        ({"discount": "100.01"}, "between 0 and 100"),
        ({"discount": "-1"}, "between 0 and 100"),
    ],
)
def test_rules_hold_for_lines(shop: Any, values: dict[str, str], words: str) -> None:
    deal, pump = shop.deal(), shop.product()
    with pytest.raises(ValidationFailed, match=words):
        shop.make("deal_line", **{"deal": deal, "product": pump, "quantity": "1", **values})


def test_a_line_with_a_typed_price_cannot_move_to_another_currency(shop: Any) -> None:
    line = shop.line(shop.deal(), shop.product(), unit_price="5")
    other = shop.deal(currency="USD", name="Overseas")
    with pytest.raises(Rejected, match="The line is in EUR, the deal “Overseas” in USD"):
        shop.change("deal_line", line, deal=other)
    shop.change("deal_line", line, deal=other, unit_price="6")
    assert price_of(shop, line)[2:] == ("6.000", "USD")


def test_a_line_comes_back_only_to_a_deal_of_its_currency(shop: Any) -> None:
    deal = shop.deal()
    line = shop.line(deal, shop.product())
    shop.remove("deal_line", line)
    shop.change("deal", deal, amount_currency="USD")
    with pytest.raises(Rejected, match="in EUR"):
        shop.restore("deal_line", line)


def test_a_product_on_a_deal_cannot_be_deleted(shop: Any) -> None:
    pump = shop.product()
    shop.line(shop.deal(), pump)
    with pytest.raises(Exception, match="can't be removed"):
        shop.remove("product", pump)


def test_a_deal_with_lines_keeps_their_currency(shop: Any) -> None:
    deal = shop.deal()
    line = shop.line(deal, shop.product())
    with pytest.raises(Rejected, match="Remove the lines first"):
        shop.change("deal", deal, amount_currency="USD")
    with pytest.raises(Rejected, match="are in USD, the amount of the deal is in EUR"):
        shop.change("deal", deal, price_book__book=shop.book(currency="USD"))
    shop.remove("deal_line", line)
    shop.change("deal", deal, amount_currency="USD")


def test_a_batch_is_priced_with_one_query_per_kind_of_thing(shop: Any, monkeypatch: Any) -> None:
    from karvan.plugins.capabilities import GrantedRecords

    asked: list[str] = []
    for method in ("each", "list", "get", "aggregate"):
        original = getattr(GrantedRecords, method)

        def counted(self: Any, object: str, *args: Any, original: Any = original, **more: Any) -> Any:
            asked.append(object)
            return original(self, object, *args, **more)

        monkeypatch.setattr(GrantedRecords, method, counted)
    book = shop.book(standard=True)
    products = [shop.product(f"Pump {n}") for n in range(20)]
    shop.make_many("book_price", [{"book": book, "product": p, "price": "3"} for p in products])
    deals = [shop.deal(book=book) for _ in range(5)]
    asked.clear()
    rows = [{"deal": d, "product": p, "quantity": "2"} for d in deals for p in products]
    shop.make_many("deal_line", rows)
    assert sorted(asked) == ["book_price", "deal", "deal_line", "price_book", "product"]
    found = shop.workspace.records.read(shop.admin).list("deal_line").rows
    assert {Decimal(r["total"]) for r in found} == {Decimal(6)}
