"""A workspace with the plugin enabled, and a shop in it: short words for what the tests do with records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from karvan.testing import admin_of, settle
from karvan.workspace import Workspace


class Shop:
    """Records of one workspace, made, changed and read as the administrator."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.admin = admin_of(workspace)

    def make(self, object: str, **values: Any) -> int:
        with self.workspace.records.write(self.admin) as writer:
            return int(writer.create(object, values)["id"])

    def make_many(self, object: str, rows: list[dict[str, Any]]) -> list[int]:
        with self.workspace.records.write(self.admin) as writer:
            found = writer.create_many(object, rows, partial=False)
        return [i for i in found.ids if i is not None]

    def change(self, object: str, id: int, **values: Any) -> None:
        with self.workspace.records.write(self.admin) as writer:
            writer.update(object, id, values)

    def remove(self, object: str, id: int) -> None:
        with self.workspace.records.write(self.admin) as writer:
            writer.delete(object, id)

    def restore(self, object: str, id: int) -> None:
        with self.workspace.records.write(self.admin) as writer:
            writer.restore(object, id)

    def get(self, object: str, id: int) -> dict[str, Any]:
        return dict(self.workspace.records.read(self.admin).get(object, id))

    def settle(self) -> None:
        settle(self.workspace)

    def product(
        self, name: str = "Pump", price: str | None = "10", currency: str = "EUR", **more: Any
    ) -> int:
        values = {} if price is None else {"price": price, "price_currency": currency}
        return self.make("product", name=name, **values, **more)

    def book(self, name: str = "Partners", currency: str = "EUR", **more: Any) -> int:
        return self.make("price_book", name=name, currency=currency, **more)

    def row(self, book: int, product: int, price: str, min_quantity: str = "1", **more: Any) -> int:
        return self.make(
            "book_price", book=book, product=product, price=price, min_quantity=min_quantity, **more
        )

    def deal(
        self, amount: str | None = "1", currency: str = "EUR", book: int | None = None, **more: Any
    ) -> int:
        values = {} if amount is None else {"amount": amount, "amount_currency": currency}
        return self.make("deal", **{"name": "Deal", **values, "price_book__book": book, **more})

    def line(self, deal: int, product: int, quantity: str = "1", **more: Any) -> int:
        return self.make("deal_line", deal=deal, product=product, quantity=quantity, **more)


@pytest.fixture
def shop(workspace_with: Callable[..., Workspace]) -> Shop:
    return Shop(workspace_with("crm", "price_book"))
