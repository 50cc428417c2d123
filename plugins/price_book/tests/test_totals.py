"""The total of a deal is the exact sum of its lines, whatever happened to them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from karvan.testing import set_settings


def sums(shop: Any, deal: int) -> tuple[Any, ...]:
    found = shop.get("deal", deal)
    return tuple(found[n] for n in ("price_book__total", "price_book__total_currency", "amount"))


def line_sum(shop: Any, deal: int) -> Decimal | None:
    rows = [r for r in shop.workspace.records.read(shop.admin).list("deal_line").rows if r["deal"] == deal]
    return sum((Decimal(r["total"]) for r in rows), Decimal(0)) if rows else None


def test_the_total_follows_the_lines_to_the_cent(shop: Any) -> None:
    pump, deal = shop.product(price="0.10"), shop.deal()
    first = shop.line(deal, pump, "3")
    shop.line(deal, pump, "7", discount="33.33")
    shop.settle()
    assert sums(shop, deal) == ("0.770", "EUR", "0.77")
    shop.change("deal_line", first, quantity="4")
    shop.settle()
    assert sums(shop, deal) == ("0.870", "EUR", "0.87")


def test_deleting_and_restoring_a_line_ends_with_the_right_total(shop: Any) -> None:
    pump, deal = shop.product(), shop.deal()
    gone = shop.line(deal, pump, "2")
    shop.line(deal, pump)
    shop.settle()
    shop.remove("deal_line", gone)
    shop.settle()
    assert sums(shop, deal)[0] == "10.000"
    shop.restore("deal_line", gone)
    shop.settle()
    assert sums(shop, deal)[0] == "30.000"


def test_moving_a_line_changes_both_deals(shop: Any) -> None:
    pump, one, two = shop.product(), shop.deal(), shop.deal()
    line = shop.line(one, pump, "2")
    shop.line(one, pump)
    shop.line(two, pump)
    shop.settle()
    shop.change("deal_line", line, deal=two)
    shop.settle()
    assert sums(shop, one)[0] == "10.000"
    assert sums(shop, two)[0] == "30.000"


def test_a_line_that_moved_and_was_deleted_before_anybody_was_told_leaves_both_deals_right(shop: Any) -> None:
    pump, one, two = shop.product(), shop.deal(), shop.deal()
    line = shop.line(one, pump)
    shop.line(two, pump)
    shop.settle()
    shop.change("deal_line", line, deal=two)
    shop.remove("deal_line", line)
    shop.settle()
    assert sums(shop, one)[:2] == (None, None)
    assert sums(shop, two)[0] == "10.000"


def test_the_last_line_gone_empties_the_total_and_leaves_the_amount(shop: Any) -> None:
    deal = shop.deal()
    line = shop.line(deal, shop.product())
    shop.settle()
    shop.remove("deal_line", line)
    shop.settle()
    assert sums(shop, deal) == (None, None, "10.00")


def test_a_deal_goes_to_the_trash_and_comes_back_with_its_lines_and_total(shop: Any) -> None:
    deal = shop.deal()
    line = shop.line(deal, shop.product(), "3")
    shop.settle()
    shop.remove("deal", deal)
    shop.settle()
    shop.restore("deal", deal)
    shop.settle()
    assert sums(shop, deal)[0] == "30.000"
    assert shop.get("deal_line", line)["deal"] == deal


def test_a_typed_amount_gives_way_to_the_lines_only_where_the_setting_says_so(shop: Any) -> None:
    deal = shop.deal()
    shop.line(deal, shop.product())
    shop.settle()
    shop.change("deal", deal, amount="99")
    shop.settle()
    assert sums(shop, deal)[2] == "10.00"
    set_settings(shop.workspace, "price_book", {"copy_to_amount": False})
    shop.change("deal", deal, amount="99")
    shop.settle()
    assert sums(shop, deal) == ("10.000", "EUR", "99.00")


def test_an_amount_without_lines_is_nobodys_business(shop: Any) -> None:
    deal = shop.deal(amount="50")
    shop.change("deal", deal, amount="60")
    shop.settle()
    assert sums(shop, deal) == (None, None, "60.00")


def test_three_decimals_of_a_dinar_stand_in_the_total_and_are_rounded_in_the_amount(shop: Any) -> None:
    deal = shop.deal(currency="KWD")
    shop.line(deal, shop.product(currency="KWD"), unit_price="1.2345")
    shop.settle()
    assert sums(shop, deal) == ("1.235", "KWD", "1.24")


def test_telling_twice_changes_nothing(shop: Any) -> None:
    deal = shop.deal()
    line = shop.line(deal, shop.product())
    shop.settle()
    version = shop.get("deal", deal)["version"]
    shop.change("deal_line", line, description="the same money")
    shop.settle()
    assert shop.get("deal", deal)["version"] == version


def test_a_deal_that_breaks_a_rule_of_others_does_not_hold_up_the_rest(
    shop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pump, good, bad = shop.product(), shop.deal(), shop.deal(name="Broken")
    with shop.workspace.database.write() as transaction:  # as old data may be: a rule that came later
        table = shop.workspace.catalogs.current().object("deal")
        opened, closes = (table.fields[n].column for n in ("opened_on", "close_date"))
        transaction.execute(
            f'UPDATE "{table.table}" SET "{opened}" = ?, "{closes}" = ? WHERE id = ?',
            ("2026-05-02", "2026-05-01", bad),
        )
    shop.make_many("deal_line", [{"deal": d, "product": pump} for d in (bad, good)])
    shop.settle()
    assert sums(shop, good)[0] == "10.000"
    assert sums(shop, bad)[0] is None
    assert f"The total of deal {bad} could not be written" in caplog.text


def test_totals_equal_the_sums_after_a_long_story(shop: Any) -> None:
    products = [shop.product(f"P{n}", price=p) for n, p in enumerate(("0.01", "9.99", "333.33"))]
    one, two = shop.deal(), shop.deal()
    lines = [shop.line(d, p, q) for d in (one, two) for p in products for q in ("0.333", "7", "12.5")]
    shop.change("deal_line", lines[0], discount="12.5")
    shop.change("deal_line", lines[1], deal=two)
    shop.remove("deal_line", lines[2])
    shop.remove("deal_line", lines[10])
    shop.settle()
    shop.change("deal_line", lines[3], unit_price="0.0049")
    shop.restore("deal_line", lines[2])
    shop.remove("deal_line", lines[1])
    shop.settle()
    for deal in (one, two):
        assert Decimal(sums(shop, deal)[0]) == line_sum(shop, deal)
