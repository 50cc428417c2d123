"""Demo records are valid, repeatable, and make the cards look alive."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from karvan.demo import make_demo as fill
from karvan.settings import Settings
from karvan.testing import settle
from karvan.workspace import Workspace
from karvan_price_book.demo import barcode, make_demo


def test_the_same_seed_makes_the_same_records() -> None:
    one, two = (list(make_demo(size=400, seed=7, currency="EUR")) for _ in range(2))
    assert one == two
    assert [batch.object for batch in one] == ["product", "price_book", "book_price", "deal_line"]


def test_barcodes_have_the_right_check_digit() -> None:
    assert barcode(0) == "2000000000008"
    codes = [barcode(n) for n in range(20)]
    assert len(set(codes)) == 20
    for code in codes:
        assert sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(code)) % 10 == 0


@pytest.mark.parametrize("currency", ["EUR", "IRR"])
def test_a_demo_workspace_gets_lines_whose_totals_are_the_amounts(tmp_path: Path, currency: str) -> None:
    workspace = Workspace(Settings(home=tmp_path, currency=currency))
    try:
        fill(workspace, ["crm", "price_book"], size=200, seed=1)
        settle(workspace)
        reader = workspace.records.read(workspace.actors.by_email("maria@example.com"))
        deals = [d for d in reader.list("deal").rows if d["price_book__total"]]
        assert len(deals) >= 5
        assert {d["price_book__total_currency"] for d in deals} == {currency}
        assert all(Decimal(d["amount"]) == Decimal(d["price_book__total"]) > 0 for d in deals)
        sources = {line["price_source"] for line in reader.list("deal_line").rows}
        assert sources == {"book"}
    finally:
        workspace.close()
