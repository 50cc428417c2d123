"""What one `Предложение` says, and how the price and stock of a product follow from all its offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from karvan_onec.commerceml import Node
from karvan_onec.goods import is_removed, read_variant
from karvan_onec.numbers import as_text, read_number, tidy_line

PRICE_SCALE = 4


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One offer. `values`: what is mentioned of name, sku, barcode, variant, quantity, prices, removed."""

    guid: str
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    line: int = 0

    @property
    def base(self) -> str:
        """The product that it is an offer of: what stands before `#`."""
        return base_of(self.guid)

    @property
    def title(self) -> str:
        """How a report calls it."""
        return self.values.get("name") or self.guid or "?"

    @property
    def sku(self) -> str:
        """Its article number, or empty."""
        return self.values.get("sku") or ""


def base_of(guid: str) -> str:
    """The product's part of an identifier `product#variant`."""
    return guid.partition("#")[0]


def read_offer(node: Node, line: int) -> Offer:
    """The offer that a `Предложение` describes; raises NoNumber for a price or quantity that is none."""
    values: dict[str, Any] = {}
    name = tidy_line(node.value("Наименование") or "")
    if name:
        values["name"] = name
    for source, target in (("Артикул", "sku"), ("Штрихкод", "barcode")):
        text = node.value(source)
        if text is not None:
            values[target] = tidy_line(text) or None
    if node.child("ХарактеристикиТовара") is not None:
        values["variant"] = read_variant(node) or None
    if node.child("Цены") is not None:
        values["prices"] = [_price(one) for one in node.all("Цены", "Цена")]
    stated, quantity = _quantity(node)
    if stated:
        values["quantity"] = as_text(quantity, 3)
    removed = is_removed(node)
    if removed or name or node.child("ПометкаУдаления") is not None:  # files of prices alone do not say
        values["removed"] = removed
    return Offer(guid=tidy_line(node.value("Ид") or ""), values=MappingProxyType(values), line=line)


def _price(node: Node) -> dict[str, str | None]:
    return {
        "type": tidy_line(node.value("ИдТипаЦены") or ""),
        "value": as_text(read_number(node.value("ЦенаЗаЕдиницу") or ""), PRICE_SCALE),
        "currency": tidy_line(node.value("Валюта") or ""),
        "unit": tidy_line(node.value("Единица") or ""),
    }


def _quantity(node: Node) -> tuple[bool, Decimal | None]:
    """(whether stock is mentioned, how much): a total, else the sum over the warehouses."""
    total = node.value("Количество")
    if total:
        return True, read_number(total)
    by_attribute = [w.attributes.get("КоличествоНаСкладе") for w in node.all("Склад")]
    by_element = [
        value
        for left in node.all("Остатки", "Остаток")
        for value in (left.value("Количество"), *(w.value("Количество") for w in left.all("Склад")))
    ]
    numbers = [read_number(text) for text in (*by_attribute, *by_element) if text]
    known = [n for n in numbers if n is not None]
    if known:
        return True, sum(known, Decimal(0))
    return total is not None or node.child("Остатки") is not None, None


class UnknownCurrency(ValueError):
    """A currency that is no code and stands not in the settings."""

    def __init__(self, text: str) -> None:
        self.text = text[:40]
        super().__init__(self.text)


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """Which price counts, and how currencies are named: the settings with what 1C told of its price types.

    `chosen` is the identifier of the price type; empty takes an offer's first price, None takes none (the
    settings name a type that 1C did not send). `type_currencies` are those of the types, for prices without.
    """

    chosen: str | None = ""
    currencies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    type_currencies: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default: str = "EUR"

    def price_of(self, prices: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
        """(price with two decimals, currency) of the price that counts; raises UnknownCurrency."""
        if self.chosen is None:
            return None
        for price in prices:
            if price["value"] is not None and self.chosen in ("", price["type"]):
                written = price["currency"] or self.type_currencies.get(price["type"], "")
                value = as_text(Decimal(price["value"]), 2)
                assert value is not None  # only a missing number has none
                return value, self.currency(written)
        return None

    def currency(self, written: str) -> str:
        """The code of a currency as 1C writes it; the workspace's for none; raises UnknownCurrency."""
        bare = written.strip()
        if not bare:
            return self.default
        mapped = self.currencies.get(bare.casefold())
        if mapped:
            return mapped
        if len(bare) == 3 and bare.isascii() and bare.isalpha():
            return bare.upper()
        raise UnknownCurrency(bare)


def read_currencies(text: str) -> Mapping[str, str]:
    """The setting `currencies`: lines `руб = RUB`, names without case. Other lines count nothing."""
    found: dict[str, str] = {}
    for line in (text or "").replace(";", "\n").splitlines():
        name, equals, code = (part.strip() for part in line.rpartition("="))
        if equals and name and len(code) == 3 and code.isascii() and code.isalpha():
            found[name.casefold()] = code.upper()
    return MappingProxyType(found)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The list price (with its currency) and the stock of a product, in JSON form; None where unknown."""

    price: str | None = None
    currency: str | None = None
    stock: str | None = None


def work_out(guid: str, offers: Sequence[Mapping[str, Any]]) -> Figures:
    """The figures of a product from all its stored offers, in any order.

    The price is that of its own offer; a product that is offered in variants only has the lowest of theirs,
    among those in the currency that comes first in the alphabet. The stock is the sum.
    """
    alive = [o for o in offers if not o["removed"]]
    priced = [o for o in alive if o["price"] is not None]
    own = [o for o in priced if o["guid"] == guid]
    best = min(own or priced, key=lambda o: (o["price_currency"] or "", Decimal(o["price"])), default=None)
    counted = [Decimal(o["quantity"]) for o in alive if o["quantity"] is not None]
    return Figures(
        price=best["price"] if best else None,
        currency=best["price_currency"] if best else None,
        stock=as_text(sum(counted, Decimal(0)), 3) if counted else None,
    )
