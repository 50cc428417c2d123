"""The entry point of the price_book plugin: which hooks, routes, widgets and commands it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from karvan_price_book.books import check_books, prepare_books, prepare_rows
from karvan_price_book.commands import recalculate
from karvan_price_book.deals import check_deals
from karvan_price_book.demo import make_demo
from karvan_price_book.line_card import LINES
from karvan_price_book.lines import check_lines, prepare_lines
from karvan_price_book.price_card import PRICES
from karvan_price_book.price_list import router
from karvan_price_book.totals import follow_deals, follow_lines
from karvan_sdk import Change, DemoRecords, Event, HookContext, hookimpl

PREPARE = {"deal_line": prepare_lines, "price_book": prepare_books, "book_price": prepare_rows}
CHECK = {"deal_line": check_lines, "price_book": check_books, "deal": check_deals}


class PriceBook:
    """The plugin object that the host loads."""

    router = router
    widgets = (LINES, PRICES)
    commands = (recalculate,)

    @hookimpl
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Find prices and work out totals of lines; complete books and their rows."""
        prepare = PREPARE.get(object)
        return prepare(ctx, event, changes) if prepare else None

    @hookimpl
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Refuse lines without a price, currencies side by side, and codes that are none."""
        check = CHECK.get(object)
        if check:
            check(ctx, event, changes)

    @hookimpl
    def records_changed(self, ctx: HookContext, object: str, event: str, events: Sequence[Event]) -> None:
        """Let the totals of deals follow their lines."""
        if object == "deal_line":
            follow_lines(ctx, events)
        elif object == "deal":
            follow_deals(ctx, events)

    @hookimpl
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords] | None:
        """Give products, two books and lines, in the currency of the workspace as the demo deals are."""
        return make_demo(size=size, seed=seed, currency=ctx.currency)


plugin = PriceBook()
