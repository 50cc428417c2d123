"""What is read out of files: numbers, elements, goods, offers; and that reading can be taken up anywhere."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_onec.commerceml import BrokenFile, Element, Position, read_elements
from karvan_onec.goods import read_good
from karvan_onec.numbers import NoNumber, as_text, read_flag, read_number, read_tax
from karvan_onec.offers import Figures, Pricing, UnknownCurrency, read_currencies, read_offer, work_out
from karvan_onec.units import short_unit
from karvan_onec.uploads import clean_name


def elements(text: str, encoding: str = "utf-8", at: Position | None = None) -> list[Element]:
    stream = io.BytesIO(text.encode(encoding))
    return list(read_elements(stream, at) if at else read_elements(stream))


def catalogue(*goods: str, attributes: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><КоммерческаяИнформация ВерсияСхемы="2.05">'
        f"<Каталог {attributes}><Ид>1</Ид><Товары>{''.join(goods)}</Товары></Каталог>"
        "</КоммерческаяИнформация>"
    )


def package(*offers: str) -> str:
    return (
        '<КоммерческаяИнформация ВерсияСхемы="2.05"><ПакетПредложений><Предложения>'
        f"{''.join(offers)}</Предложения></ПакетПредложений></КоммерческаяИнформация>"
    )


def good(inside: str, attributes: str = "") -> Any:
    (element,) = [e for e in elements(catalogue(f"<Товар {attributes}>{inside}</Товар>")) if not e.is_section]
    return read_good(element.node, element.line)


def offer(inside: str) -> Any:
    (element,) = [e for e in elements(package(f"<Предложение>{inside}</Предложение>")) if not e.is_section]
    return read_offer(element.node, element.line)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("100", "100"), ("1 234,50", "1234.50"), ("1\u00a0234.5", "1234.5"), ("1\u202f234", "1234"),
        ("1,234.50", "1234.50"), ("1.234,50", "1234.50"), ("0,5", "0.5"), (".5", ".5"), ("-3", "-3"),
        ("1'000", "1000"), ("12,", "12"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_exporters_write_them(written: str, number: str) -> None:
    assert read_number(written) == Decimal(number)


@pytest.mark.parametrize("written", ["x", "1-2", "1e9", "NaN", "Infinity", "1.2.3", "9" * 16, "--1", "."])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(NoNumber):
        read_number(written)


def test_an_empty_text_is_no_number_and_no_fault() -> None:
    assert read_number(" \n") is None
    assert as_text(None, 2) is None


@pytest.mark.parametrize(
    ("number", "text"), [("1.005", "1.01"), ("-0.001", "0.00"), ("7", "7.00"), ("-1.5", "-1.50")]
)
def test_numbers_are_written_with_fixed_decimals(number: str, text: str) -> None:
    assert as_text(Decimal(number), 2) == text


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("20", 20), ("20%", 20), ("НДС20", 20), ("18.00", 18),
        ("Без НДС", None), ("20/120", None), ("", None), ("400", None),
    ],
)  # fmt: skip
def test_tax_rates(written: str, rate: int | None) -> None:
    assert read_tax(written) == rate


def test_flags() -> None:
    assert [read_flag(t) for t in ("true", "1", "Да", "false", "", None)] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_what_a_good_does_not_mention_is_not_known() -> None:
    found = good("<Ид>1</Ид><Наименование> Стол  обеденный </Наименование>")
    assert dict(found.values) == {"name": "Стол обеденный"}
    assert (found.unit, found.groups, found.removed) == (None, None, False)


def test_what_a_good_leaves_empty_is_taken_away_but_never_its_name() -> None:
    found = good("<Ид>1</Ид><Наименование/><Артикул/><Штрихкод/><Описание> </Описание>")
    assert dict(found.values) == {"sku": None, "barcode": None, "description": None}


@pytest.mark.parametrize(
    ("inside", "attributes"),
    [
        ("", 'Статус="Удален"'),
        ("<Статус>Удалён</Статус>", ""),
        ("<ПометкаУдаления>true</ПометкаУдаления>", ""),
    ],
)
def test_all_marks_of_deletion_are_known(inside: str, attributes: str) -> None:
    assert good(f"<Ид>1</Ид>{inside}", attributes).removed


def test_units_have_a_short_name() -> None:
    assert (short_unit("796 "), short_unit("6"), short_unit("шт"), short_unit("999")) == (
        "шт",
        "м",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("inside", "quantity"),
    [
        ("<Количество>1 234,5</Количество>", "1234.500"),
        ("<Количество/>", None),
        ('<Склад КоличествоНаСкладе="2"/><Склад КоличествоНаСкладе="0,5"/>', "2.500"),
        ("<Остатки><Остаток><Количество>3</Количество></Остаток></Остатки>", "3.000"),
        ("<Остатки><Остаток><Склад><Количество>4</Количество></Склад></Остаток></Остатки>", "4.000"),
    ],
)
def test_stock_is_read_in_all_its_forms(inside: str, quantity: str | None) -> None:
    assert offer(f"<Ид>1</Ид>{inside}").values["quantity"] == quantity


def test_an_offer_without_stock_or_prices_says_nothing_of_them() -> None:
    assert dict(offer("<Ид>1#2</Ид>").values) == {}
    assert offer("<Ид>1#2</Ид>").base == "1"


def test_currencies_are_named_by_the_settings() -> None:
    pricing = Pricing(currencies=read_currencies("руб = RUB\nне строка\n643=RUB; $ = usd"), default="EUR")
    assert [pricing.currency(c) for c in ("РУБ", "643", "$", "kzt", "")] == [
        "RUB",
        "RUB",
        "USD",
        "KZT",
        "EUR",
    ]
    with pytest.raises(UnknownCurrency):
        pricing.currency("тугрик")


def row(
    guid: str, price: str | None = None, currency: str = "RUB", quantity: str | None = None
) -> dict[str, Any]:
    return {"guid": guid, "price": price, "price_currency": currency, "quantity": quantity, "removed": False}


def test_a_products_own_offer_gives_its_price_else_its_cheapest_variant() -> None:
    variants = [row("p#1", "30.00", quantity="1.000"), row("p#2", "20.00", quantity="2.500")]
    assert work_out("p", variants) == Figures(price="20.00", currency="RUB", stock="3.500")
    assert work_out("p", [*variants, row("p", "90.00")]).price == "90.00"
    assert work_out("p", [row("p#1", "1.00", "USD"), row("p#2", "9.00", "RUB")]).currency == "RUB"
    assert work_out("p", [{**row("p", "1.00"), "removed": True}]) == Figures()


@given(st.data(), st.sampled_from(["utf-8", "windows-1251"]), st.sampled_from(["", "cml:"]))
def test_reading_goes_on_exactly_where_it_stopped(data: st.DataObject, encoding: str, prefix: str) -> None:
    names = data.draw(st.lists(st.text("абв ё&<>\n'x", max_size=9), min_size=1, max_size=12))
    quoted = [n.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for n in names]
    p = prefix
    goods = (f"<{p}Ид>{i}</{p}Ид><{p}Наименование>{n}</{p}Наименование>" for i, n in enumerate(quoted))
    inside = "\n<!-- - -->".join(f"<{p}Товар>{good}</{p}Товар>" for good in goods)
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>\n<{p}КоммерческаяИнформация ВерсияСхемы="2.05">'
        f"<{p}Каталог><{p}Товары>{inside}</{p}Товары></{p}Каталог></{p}КоммерческаяИнформация>"
    )
    whole = elements(text, encoding)
    assert len(whole) == len(names) + 1
    place = data.draw(st.integers(0, len(whole) - 1))
    rest = elements(text, encoding, Position.of(whole[place].after.as_json()))
    assert [(e.line, e.after, e.node.value("Наименование")) for e in rest] == [
        (e.line, e.after, e.node.value("Наименование")) for e in whole[place + 1 :]
    ]


@pytest.mark.parametrize(
    "text", ["<a>" * 100, "<КоммерческаяИнформация ВерсияСхемы='2.0'>" + "<a>" * 100, "<a/><b/>", "\ufffe"]
)
def test_what_can_not_be_read_is_said_so(text: str) -> None:
    with pytest.raises(BrokenFile):
        elements(text)


def test_an_element_has_a_limit() -> None:
    with pytest.raises(BrokenFile, match="too large"):
        elements(catalogue(f"<Товар><Описание>{'о' * 4_000_001}</Описание></Товар>"))


def test_names_are_made_harmless() -> None:
    assert clean_name("/tmp/import_files\\5c\\a b.jpg") == "import_files/5c/a b.jpg"
    assert clean_name("./webdata/import.xml") == "webdata/import.xml"
