"""The cards and the price list as a person meets them, and the command."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from karvan.testing import make_page_client


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.get_data(as_text=True)[:800]
    body = re.sub(r"<svg.*?</svg>", "", answer.get_data(as_text=True), flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def speak(client: Any, language: str) -> None:
    assert client.post("/settings/look", data={"language": language}).status_code == 302


def card(client: Any, object: str, id: int, slot: str = "record.main") -> str:
    return text_of(client.get(f"/_w?slot={slot}&object={object}&id={id}"))


def post(client: Any, action: str, deal: int, **form: Any) -> str:
    address = f"/_w/price_book.lines/{action}?slot=record.main&object=deal&id={deal}"
    return text_of(client.post(address, data=form, headers={"HX-Request": "true"}))


def test_a_line_is_added_by_choice_and_the_total_is_right_at_once(shop: Any) -> None:
    deal, pump = shop.deal(), shop.product(price="19.99")
    client = make_page_client(shop.workspace)
    assert "No lines yet" in card(client, "deal", deal)
    shown = post(client, "add", deal, product=str(pump), quantity="3", discount="10")
    assert "“Pump” was added." in shown
    assert "€53.97" in shown  # 53.973; nobody has settled the events yet
    assert "Total" in shown


@pytest.mark.parametrize(
    "typed", ["P-1", "4006381333931", "Pump", "ump"], ids=["sku", "barcode", "name", "part"]
)
def test_a_line_is_added_by_what_is_typed(shop: Any, typed: str) -> None:
    deal, pump = shop.deal(), shop.product(sku="P-1", barcode="4006381333931")
    shop.product("Valve", sku="V-1")
    post(make_page_client(shop.workspace), "add", deal, typed=typed, quantity="2")
    (line,) = shop.workspace.records.read(shop.admin).list("deal_line").rows
    assert (line["product"], line["quantity"]) == (pump, "2.000")


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"typed": "Nothing"}, "There is no product “Nothing”."),
        ({"typed": "ump"}, "“ump” fits several products: “Bumper”, “Pump”. Type more."),
        ({}, "Choose a product, or type its SKU or name."),
        ({"typed": "Pump", "quantity": "two"}, "Quantity: “two” is no number."),
        ({"typed": "Pump", "quantity": "0"}, "The quantity must be above zero."),
        ({"typed": "Pump", "discount": "101"}, "A discount lies between 0 and 100 percent."),
        ({"typed": "Pump", "unit_price": "1.23456"}, "decimals"),
        ({"typed": "Gift"}, "“Gift” has no list price, and there is no standard price book in EUR."),
        ({"typed": '"; drop'}, "There is no product"),
    ],
)
def test_what_cannot_be_added_is_said_in_words(shop: Any, form: dict[str, str], words: str) -> None:
    deal = shop.deal()
    shop.product()
    shop.product("Bumper")
    shop.product("Gift", price=None)
    shown = post(make_page_client(shop.workspace), "add", deal, **form)
    assert words in shown
    assert "No lines yet" in shown


def test_numbers_are_read_as_the_reader_writes_them(shop: Any) -> None:
    deal = shop.deal()
    shop.product()
    client = make_page_client(shop.workspace)
    speak(client, "fa")
    post(client, "add", deal, typed="Pump", quantity="۲٫۵", unit_price="۱٬۰۰۰")
    (line,) = shop.workspace.records.read(shop.admin).list("deal_line").rows
    assert (line["quantity"], line["unit_price"], line["total"]) == ("2.500", "1000.0000", "2500.000")


def test_a_line_is_removed_from_its_own_deal_only(shop: Any) -> None:
    pump, one, two = shop.product(), shop.deal(), shop.deal(name="Other")
    line = shop.line(one, pump)
    client = make_page_client(shop.workspace)
    assert "There is no deal_line" in post(client, "remove", two, line=str(line))
    assert shop.get("deal_line", line)["deal"] == one
    assert "“Pump” was removed." in post(client, "remove", one, line=str(line))
    assert shop.workspace.records.read(shop.admin).list("deal_line").rows == []


def test_names_are_shown_and_never_run(shop: Any) -> None:
    deal = shop.deal()
    shop.line(deal, shop.product("<script>alert(1)</script>"))
    answer = make_page_client(shop.workspace).get(f"/_w?slot=record.main&object=deal&id={deal}")
    body = answer.get_data(as_text=True)
    assert "<script>alert" not in body
    assert "&lt;script&gt;" in body


def test_the_product_shows_what_it_costs_by_book_and_quantity(shop: Any) -> None:
    pump, book, old = shop.product(price="12"), shop.book(standard=True), shop.book("Old", active=False)
    shop.row(book, pump, "11")
    shop.row(book, pump, "9.5", "10", valid_to="2099-12-31")
    shop.row(old, pump, "8")
    shown = card(make_page_client(shop.workspace), "product", pump, "record.side")
    for words in ("List price €12", "Partners", "Standard", "from 1 €11", "from 10", "€9.50", "Not in force"):
        assert words in shown
    assert shown.index("Partners") < shown.index("Old")


def test_the_price_list_shows_the_breaks_of_the_chosen_book(shop: Any) -> None:
    pump, gift = shop.product(sku="P-1", unit="pc"), shop.product("Gift", price=None)
    book, other = shop.book(standard=True), shop.book("Dollars", "USD")
    shop.row(book, pump, "9")
    shop.row(book, pump, "7.5", "10")
    shop.row(other, gift, "3")
    client = make_page_client(shop.workspace)
    shown = text_of(client.get("/x/price_book/"))
    assert re.search(r"Gift\s+–", shown)
    assert re.search(r"Pump P-1 pc 1 €9\s+10 €7\.50", shown)
    assert re.search(r"Gift\s+1 \$3", text_of(client.get(f"/x/price_book/?book={other}")))
    assert "Gift" not in text_of(client.get("/x/price_book/?q=P-1"))


def test_the_price_list_goes_on_over_pages(shop: Any) -> None:
    shop.book(standard=True)
    shop.make_many("product", [{"name": f"Part {n:03}"} for n in range(60)])
    client = make_page_client(shop.workspace)
    first = client.get("/x/price_book/").get_data(as_text=True)
    following = html.unescape(re.search(r'href="([^"]*after=[^"]*)"', first)[1])  # type: ignore[index]
    second = text_of(client.get(following))
    assert "Part 049" in text_of(client.get("/x/price_book/"))
    assert "Part 050" in second
    assert "Part 049" not in second


def test_without_a_book_the_price_list_says_how_to_begin(shop: Any) -> None:
    assert "Make a price book" in text_of(make_page_client(shop.workspace).get("/x/price_book/"))


@pytest.mark.parametrize("language", ["en", "ru", "fa", "zh"])
def test_every_page_is_drawn_in_every_language(shop: Any, language: str) -> None:
    pump, book = shop.product(), shop.book(standard=True)
    shop.row(book, pump, "9", valid_to="2099-12-31")
    deal = shop.deal()
    shop.line(deal, pump)
    client = make_page_client(shop.workspace)
    speak(client, language)
    pages = [
        card(client, "deal", deal), card(client, "product", pump, "record.side"),
        text_of(client.get("/x/price_book/")),
    ]  # fmt: skip
    assert not any("could not be shown" in page for page in pages)
