"""Random stories of lines end with the totals that a small model works out in whole numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karvan.access.actors import Actor
from karvan.worker import deliver
from karvan_price_book import totals

PRICES = ("0.01", "9.99", "333.33")
Story = list[tuple[tuple[Any, ...], bool]]
"""Steps, each with whether everybody was told of the ones before it."""


@dataclass
class Line:
    """What the model knows of a line."""

    id: int
    deal: int
    price: Fraction
    quantity: Fraction
    discount: Fraction = Fraction(0)
    removed: bool = False

    def cents(self) -> int:
        """The total in cents, half up."""
        exact = self.quantity * self.price * (100 - self.discount)
        return int((exact + Fraction(1, 2)) // 1)


def quantities() -> st.SearchStrategy[str]:
    return st.decimals(min_value="0.001", max_value="999", places=3).map(str)


def steps() -> st.SearchStrategy[tuple[Any, ...]]:
    """One step: what is done to which line (by a number that is taken modulo), with which value."""
    which = st.integers(0, 99)
    return st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), st.sampled_from(range(len(PRICES))), quantities()),
        st.tuples(st.just("quantity"), which, quantities()),
        st.tuples(st.just("discount"), which, st.decimals(0, 100, places=2).map(str)),
        st.tuples(st.just("price"), which, st.decimals(0, 999, places=4).map(str)),
        st.tuples(st.just("move"), which, st.integers(0, 1)),
        st.tuples(st.just("remove"), which),
        st.tuples(st.just("restore"), which),
    )


def play(shop: Any, products: list[int], deals: list[int], story: Story) -> list[Line]:
    lines: list[Line] = []
    for (kind, *rest), told in story:
        if told:
            shop.settle()
        if kind == "add":
            deal, product, quantity = rest
            id_ = shop.line(deals[deal], products[product], quantity)
            lines.append(Line(id_, deals[deal], Fraction(PRICES[product]), Fraction(quantity)))
            continue
        if not lines:
            continue
        line = lines[rest[0] % len(lines)]
        if line.removed:
            if kind == "restore":
                shop.restore("deal_line", line.id)
                line.removed = False
        elif kind == "remove":
            shop.remove("deal_line", line.id)
            line.removed = True
        elif kind == "move":
            line.deal = deals[rest[1]]
            shop.change("deal_line", line.id, deal=line.deal)
        elif kind != "restore":
            field = "unit_price" if kind == "price" else kind
            shop.change("deal_line", line.id, **{field: rest[1]})
            setattr(line, kind, Fraction(rest[1]))
    shop.settle()
    return lines


def expected(lines: list[Line], deal: int) -> Decimal | None:
    cents = [line.cents() for line in lines if line.deal == deal and not line.removed]
    return Decimal(sum(cents)).scaleb(-2) if cents else None


def stored(shop: Any, deal: int) -> Decimal | None:
    found = shop.get("deal", deal)["price_book__total"]
    return None if found is None else Decimal(found)


@pytest.mark.parametrize("engine", ["sqlite"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(story=st.lists(st.tuples(steps(), st.booleans()), min_size=2, max_size=12))
def test_any_story_of_lines_ends_with_the_right_totals(shop: Any, engine: str, story: Story) -> None:
    products = [shop.product(price=price) for price in PRICES]
    deals = [shop.deal(), shop.deal()]
    lines = play(shop, products, deals, story)
    for deal in deals:
        assert stored(shop, deal) == expected(lines, deal)


def test_a_sum_that_is_overtaken_is_not_written_over_a_newer_one(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pump, deal = shop.product(), shop.deal()
    shop.line(deal, pump)
    host, records = shop.workspace.host, shop.workspace.records

    def recalculate() -> None:
        moment = records.moment(Actor.system(), source="plugin:price_book")
        totals.recalculate(host.context("price_book", moment), [deal])

    def overtake() -> None:
        shop.line(deal, pump, "2")
        recalculate()

    read_sums = totals.read_sums
    others: list[threading.Thread] = []

    def read_and_be_overtaken(*args: Any) -> Any:
        found = read_sums(*args)
        if not others:
            others.append(threading.Thread(target=overtake))
            others[0].start()
            others[0].join(timeout=1)  # it has to wait for us; were it not so, it would be done by now
        return found

    monkeypatch.setattr(totals, "read_sums", read_and_be_overtaken)
    recalculate()
    others[0].join()
    assert stored(shop, deal) == Decimal(30)


def test_two_workers_and_two_writers_leave_no_wrong_total(shop: Any) -> None:
    pump, deals = shop.product(price="0.10"), [shop.deal(), shop.deal()]
    over = threading.Event()
    failures: list[BaseException] = []

    def guarded(act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                act()
            except BaseException as exc:  # noqa: BLE001 - a thread's failure is told by the test
                failures.append(exc)

        return run

    def write() -> None:
        for turn in range(12):
            line = shop.line(deals[turn % 2], pump, str(turn + 1))
            if turn % 3 == 0:
                shop.change("deal_line", line, deal=deals[1 - turn % 2])
            if turn % 4 == 0:
                shop.remove("deal_line", line)

    def work() -> None:
        while not over.is_set():
            deliver(shop.workspace)

    writers = [threading.Thread(target=guarded(write)) for _ in range(2)]
    workers = [threading.Thread(target=guarded(work)) for _ in range(2)]
    for thread in (*writers, *workers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in workers:
        thread.join()
    assert failures == []
    shop.settle()
    rows = shop.workspace.records.read(shop.admin).list("deal_line").rows
    for deal in deals:
        assert stored(shop, deal) == sum(Decimal(r["total"]) for r in rows if r["deal"] == deal)
