"""The command sums everything anew and says how much was wrong."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from karvan.cli import main


def run(shop: Any, *arguments: str) -> Any:
    settings = shop.workspace.settings
    place = ["--home", str(settings.home)]
    if settings.database_url:
        place += ["--database-url", settings.url]
    return CliRunner().invoke(main, [*place, "x", "price_book", *arguments])


def test_recalculate_mends_totals_and_counts_them(shop: Any) -> None:
    pump, right, wrong, bare = shop.product(), shop.deal(), shop.deal(), shop.deal()
    shop.line(right, pump)
    shop.line(wrong, pump, "2")
    shop.settle()
    deal = shop.workspace.catalogs.current().object("deal")
    column = deal.fields["price_book__total"].column
    with shop.workspace.database.write() as transaction:  # as a restored backup may have left it
        transaction.execute(f'UPDATE "{deal.table}" SET "{column}" = 7 WHERE id IN (?, ?)', (wrong, bare))
    answer = run(shop, "recalculate")
    assert (answer.exit_code, answer.output) == (0, "Totals changed: 2\n")
    assert shop.get("deal", wrong)["price_book__total"] == "20.000"
    assert shop.get("deal", bare)["price_book__total"] is None
    assert run(shop, "recalculate").output == "Totals changed: 0\n"
