"""Demo records: products with words of four languages, two books, lines on some deals of the plugin crm.

The same size, seed and currency give the same records. Barcodes begin with 2, the prefix that GS1 leaves to
shops for their own use, so they name nobody's product.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from karvan_price_book.money import round_money
from karvan_sdk import DemoRecords, DemoRef

DEAL_SHARE = 0.23
"""The share of deals among the demo records that the plugin crm makes."""

Record = dict[str, Any]
PRODUCTS: tuple[tuple[str, str, str, str, str], ...] = (
    ("Circulation pump P-40", "PMP-040", "pc", "Pumps", "389.00"),
    ("Circulation pump P-80", "PMP-080", "pc", "Pumps", "1249.00"),
    ("Ball valve DN50", "VLV-050", "pc", "Valves", "46.50"),
    ("Commissioning on site", "SRV-010", "hour", "Services", "118.00"),
    ("Maintenance contract, 12 months", "SRV-120", "year", "Services", "2340.00"),
    ("Насосная станция НС-3", "НС-003", "шт.", "Насосы", "4890.00"),
    ("Клапан обратный Ду65", "КЛ-065", "шт.", "Арматура", "72.40"),
    ("Шкаф управления ШУ-2", "ШУ-002", "шт.", "Автоматика", "1675.00"),
    ("Монтаж оборудования", "УСЛ-01", "час", "Услуги", "64.00"),
    ("Комплект прокладок", "КП-100", "компл.", "Запчасти", "18.90"),
    ("پمپ آب صنعتی مدل ۲۰۰", "PA-200", "دستگاه", "پمپ", "2150.00"),
    ("شیر کنترل برقی", "SH-015", "عدد", "شیرآلات", "268.00"),
    ("تابلو برق سه‌فاز", "TB-300", "دستگاه", "برق صنعتی", "1380.00"),
    ("خدمات نصب و راه‌اندازی", "KH-001", "ساعت", "خدمات", "55.00"),
    ("فیلتر یدکی", "FL-020", "بسته", "قطعات یدکی", "12.75"),
    ("工业水泵 W-500", "WB-500", "台", "水泵", "3280.00"),
    ("电动阀门 DN100", "FM-100", "个", "阀门", "415.00"),
    ("变频控制柜", "KZ-022", "台", "自动化", "2260.00"),
    ("现场调试服务", "FW-001", "小时", "服务", "78.00"),
    ("密封件套装", "MF-050", "套", "配件", "9.80"),
)
"""Name, SKU, unit, category, list price."""
RETIRED = frozenset({"КП-100"})
BREAKS = {
    "standard": (("1", "1"), ("20", "0.95")),
    "partner": (("1", "0.88"), ("10", "0.82"), ("50", "0.75")),
}
"""From which quantity on which part of the list price is asked."""
BOOKS: tuple[Record, ...] = (
    {
        "name": "General prices",
        "standard": True,
        "priority": 10,
        "description": "For all who have no other terms.",
    },
    {"name": "Partners", "standard": False, "description": "For partners: who buys more pays less."},
)


def make_demo(*, size: int, seed: int, currency: str) -> Iterator[DemoRecords]:
    """Products, books, their rows, and lines on about a quarter of the deals."""
    random = Random(f"karvan-price-book/{seed}")  # noqa: S311 - must be repeatable, guards nothing
    products = [make_product(number, currency) for number in range(len(PRODUCTS))]
    yield DemoRecords(object="product", records=products)
    yield DemoRecords(object="price_book", records=[{**book, "currency": currency} for book in BOOKS])
    rows = [
        make_row(product, book, min_quantity, factor, currency)
        for book, breaks in enumerate(BREAKS.values())
        for product in range(len(PRODUCTS))
        for min_quantity, factor in breaks
    ]
    yield DemoRecords(object="book_price", records=rows)
    deals = max(1, round(size * DEAL_SHARE))
    chosen = sorted(random.sample(range(deals), max(1, deals // 4)))
    lines = [line for deal in chosen for line in make_lines(random, deal)]
    yield DemoRecords(object="deal_line", records=lines)


def make_product(number: int, currency: str) -> Record:
    """One product of the catalogue."""
    name, sku, unit, category, price = PRODUCTS[number]
    return {
        "name": name,
        "sku": sku,
        "unit": unit,
        "category": category,
        "price": str(round_money(Decimal(price), currency)),
        "price_currency": currency,
        "barcode": barcode(number),
        "tax_rate": "20",
        "active": sku not in RETIRED,
    }


def make_row(product: int, book: int, min_quantity: str, factor: str, currency: str) -> Record:
    """One price of a product in a book: a part of its list price."""
    price = round_money(Decimal(PRODUCTS[product][4]) * Decimal(factor), currency)
    return {
        "product": DemoRef("product", product),
        "book": DemoRef("price_book", book),
        "min_quantity": min_quantity,
        "price": str(price),
    }


def make_lines(random: Random, deal: int) -> list[Record]:
    """One to four products on a deal; cheap ones in larger quantities, now and then with a discount."""
    on_sale = [n for n, product in enumerate(PRODUCTS) if product[1] not in RETIRED]
    lines: list[Record] = []
    for product in random.sample(on_sale, random.randint(1, 4)):
        price = Decimal(PRODUCTS[product][4])
        most = 3 if price > 1000 else 12 if price > 100 else 60
        line: Record = {
            "deal": DemoRef("deal", deal),
            "product": DemoRef("product", product),
            "quantity": str(random.randint(1, most)),
        }
        if random.random() < 0.3:
            line["discount"] = random.choice(("5", "7.5", "10", "15"))
        lines.append(line)
    return lines


def barcode(number: int) -> str:
    """A number of 13 digits with its check digit (GS1 General Specifications, 7.9)."""
    digits = f"2{number:011d}"
    total = sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(digits))
    return f"{digits}{-total % 10}"
