"""The exchange end to end, over HTTP as 1C speaks it, on both engines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from karvan_onec import exchange
from karvan_onec.exchange import Budget, Job, advance, start_exchange
from karvan_onec.seen import Seen

Data = Callable[[str], bytes]


def both(shop: Any, data: Data) -> None:
    assert shop.onec.exchange("import0_1.xml", data("import.xml")).startswith("success\n")
    assert shop.onec.exchange("offers0_1.xml", data("offers.xml")).startswith("success\n")


def test_goods_of_1c_become_products(shop: Any, data: Data) -> None:
    both(shop, data)
    products = shop.products()
    assert len(products) == 5
    boots = products["Сапоги «Север», кожа & мех"]
    assert {k: boots[k] for k in ("sku", "unit", "category", "barcode", "tax_rate", "active", "price",
                                  "price_currency", "description", "onec__stock")} == {
        "sku": "SAP-1", "unit": "пара", "category": "Обувь / Сапоги", "barcode": "4600000000017",
        "tax_rate": "20.00", "active": True, "price": "12450.50", "price_currency": "RUB",
        "description": "Тёплые.\nДля севера.", "onec__stock": "7.000",
    }  # fmt: skip
    (kept,) = shop.rows("onec_entry", f'entry_key = "good:{boots["onec__guid"]}"')
    assert kept["details"]["requisites"]["Полное наименование"] == "Сапоги зимние «Север»"
    assert kept["details"]["pictures"] == [
        "import_files/b0/b0000000_1.jpg",
        "import_files/b0/b0000000_2.jpg",
    ]
    shoes = products["Туфли"]
    assert (shoes["unit"], shoes["price"], shoes["onec__stock"]) == ("пара", "5490.00", "6.000")
    repair = products["Ремонт обуви"]
    assert (repair["sku"], repair["unit"], repair["tax_rate"], repair["price"]) == (None, "шт", None, None)
    assert products["Галоши"]["active"] is False
    assert [(e["name"], e["state"], e["created"], e["failed"]) for e in shop.rows("exchange")] == [
        ("import0_1.xml", "done", 5, 0),
        ("offers0_1.xml", "done", 3, 0),
    ]


def test_the_same_files_again_change_nothing_at_all(shop: Any, data: Data) -> None:
    both(shop, data)
    before, products = shop.traces(), shop.products()
    both(shop, data)
    assert shop.traces() == before
    assert shop.products() == products
    for again, unchanged in zip(shop.rows("exchange")[2:], (5, 3), strict=True):
        assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, unchanged)


def test_a_changed_price_updates_that_product_alone(shop: Any, data: Data) -> None:
    both(shop, data)
    before = shop.products()
    shop.onec.exchange("offers0_1.xml", data("offers.xml").replace(b"12 450,50", b"13000"))
    after = shop.products()
    changed = [name for name in after if after[name]["version"] != before[name]["version"]]
    assert changed == ["Сапоги «Север», кожа & мех"]
    assert after[changed[0]]["price"] == "13000.00"
    assert (shop.last()["updated"], shop.last()["unchanged"]) == (1, 2)


def test_a_changed_name_updates_that_product_alone(shop: Any, data: Data) -> None:
    both(shop, data)
    before = shop.traces()
    shop.onec.exchange("import0_1.xml", data("import.xml").replace("Тапочки".encode(), "Тапки".encode()))
    after = shop.traces()
    assert after["k_history product"] - before["k_history product"] == 1
    assert "Тапки" in shop.products()
    assert (shop.last()["updated"], shop.last()["unchanged"]) == (1, 4)


def test_a_deleted_product_goes_off_sale_and_comes_back(shop: Any, data: Data) -> None:
    both(shop, data)
    marked = data("import.xml").replace(
        "<Товар>\n\t\t\t\t<Ид>b0000000-0000-4000-8000-000000000005".encode(),
        "<Товар>\n\t\t\t\t<ПометкаУдаления>true</ПометкаУдаления><Ид>b0000000-0000-4000-8000-000000000005".encode(),
    )
    shop.onec.exchange("import0_1.xml", marked)
    assert (shop.products()["Тапочки"]["active"], shop.products()["Тапочки"]["onec__removed"]) == (
        False,
        True,
    )
    assert shop.last()["deactivated"] == 1
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    assert (shop.products()["Тапочки"]["active"], shop.products()["Тапочки"]["onec__removed"]) == (
        True,
        False,
    )


def test_whoever_takes_a_product_off_sale_by_hand_is_not_overruled(shop: Any, data: Data) -> None:
    both(shop, data)
    answer = shop.change("product", shop.products()["Тапочки"], active=False)
    assert answer.status_code == 200, answer.text
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    assert shop.products()["Тапочки"]["active"] is False


def without_slippers(data: Data) -> bytes:
    text = data("import.xml").decode()
    start = text.index("<Товар>\n\t\t\t\t<Ид>b0000000-0000-4000-8000-000000000005")
    return (text[:start] + text[text.index("</Товар>", start) + len("</Товар>") :]).encode()


def test_what_a_full_catalogue_lacks_is_reported_and_left_alone(shop: Any, data: Data) -> None:
    both(shop, data)
    before = shop.traces()
    shop.onec.exchange("import0_1.xml", without_slippers(data))
    assert shop.traces() == before
    assert (shop.last()["missing"], shop.last()["deactivated"]) == (1, 0)
    assert "Тапочки (TAP-5)" in shop.last()["message"]


def test_with_the_setting_what_a_full_catalogue_lacks_goes_off_sale(shop: Any, data: Data) -> None:
    shop.set(deactivate_missing=True)
    shop.rest.post("/api/v1/records/product", json={"name": "Своё", "sku": "OWN"})
    both(shop, data)
    shop.onec.exchange("import0_1.xml", without_slippers(data))
    products = shop.products()
    assert [n for n in products if not products[n]["active"]] == ["Галоши", "Тапочки"]
    assert (shop.last()["missing"], shop.last()["deactivated"]) == (1, 1)


def test_changes_alone_never_take_anything_off_sale(shop: Any, data: Data) -> None:
    shop.set(deactivate_missing=True)
    both(shop, data)
    shop.onec.exchange("import0_1.xml", without_slippers(data).replace(b'"false"', b'"true"'))
    assert shop.products()["Тапочки"]["active"] is True
    assert shop.last()["missing"] == 0


def test_a_catalogue_in_several_files_is_compared_when_all_are_there(shop: Any, data: Data) -> None:
    shop.set(deactivate_missing=True)
    both(shop, data)
    text = data("import.xml").decode()
    middle = text.index("<Товар>\n\t\t\t\t<Ид>b0000000-0000-4000-8000-000000000003")
    head = text[: text.index("<Товар>")]
    tail = text[text.index("\t\t</Товары>") :]
    shop.onec.sign_in()
    shop.onec.init()
    shop.onec.send("import0_1.xml", (text[:middle] + tail).encode())
    shop.onec.send("import0_2.xml", (head + text[middle:]).encode())
    shop.onec.send("offers0_1.xml", data("offers.xml"))
    for name in ("import0_1.xml", "import0_2.xml", "offers0_1.xml"):
        assert shop.onec.ask_import(name).startswith("success\n")
    assert [e["missing"] for e in shop.rows("exchange")[2:]] == [0, 0, 0]
    assert [n for n, p in shop.products().items() if not p["active"]] == ["Галоши"]


def test_one_bad_product_stops_no_other_and_every_refusal_is_listed(shop: Any, data: Data) -> None:
    text = data("import.xml").decode()
    text = text.replace("<Артикул>TAP-5</Артикул>", "<Артикул>SAP-1</Артикул>")
    text = text.replace("<Артикул>TUF-2</Артикул>", f"<Артикул>{'T' * 101}</Артикул>")
    text = text.replace("<Наименование>Ремонт обуви</Наименование>", "<Наименование/>")
    assert shop.onec.exchange("import0_1.xml", text.encode()).startswith("success\n")
    assert set(shop.products()) == {"Сапоги «Север», кожа & мех", "Галоши"}
    last = shop.last()
    assert (last["state"], last["created"], last["failed"]) == ("done", 2, 3)
    lines = last["message"].splitlines()
    assert len(lines) == 3
    assert any(line.startswith("Тапочки (SAP-1), line ") and "belongs to another" in line for line in lines)
    assert any(line.startswith("Туфли (TTT") and "more than 100 characters" in line for line in lines)
    assert any("It has no name" in line for line in lines)


def test_a_bad_price_is_refused_by_name_and_article(shop: Any, data: Data) -> None:
    offers = data("offers.xml").decode().replace("12 450,50", "дорого").replace(">643<", ">тугрик<")
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    shop.onec.exchange("offers0_1.xml", offers.encode())
    last = shop.last()
    assert (last["created"], last["failed"]) == (1, 2)
    assert "Сапоги «Север», кожа & мех (SAP-1), line 19: “дорого” is no number." in last["message"]
    assert "The currency “тугрик” is unknown" in last["message"]


def test_prices_that_come_before_their_product_wait_for_it(shop: Any, data: Data) -> None:
    shop.onec.exchange("offers0_1.xml", data("offers.xml"))
    assert (shop.last()["created"], shop.last()["pending"]) == (3, 3)
    assert shop.products() == {}
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    assert shop.products()["Туфли"]["price"] == "5490.00"
    assert [o["product"] is None for o in shop.rows("onec_offer")] == [False] * 3
    before = shop.traces()
    shop.onec.exchange("offers0_1.xml", data("offers.xml"))
    assert shop.traces() == before


def test_a_product_made_by_hand_is_known_by_its_article(shop: Any, data: Data) -> None:
    made = shop.rest.post("/api/v1/records/product", json={"name": "Сапоги", "sku": "SAP-1"}).json["data"]
    both(shop, data)
    boots = shop.products()["Сапоги «Север», кожа & мех"]
    assert boots["id"] == made["id"]
    assert boots["onec__guid"] == "b0000000-0000-4000-8000-000000000001"
    assert len(shop.products()) == 5


def test_the_price_type_of_the_settings_is_the_list_price(shop: Any, data: Data) -> None:
    shop.set(price_type="оптовая, $")
    both(shop, data)
    boots = shop.products()["Сапоги «Север», кожа & мех"]
    assert (boots["price"], boots["price_currency"]) == ("99.50", "USD")
    assert shop.products()["Туфли"]["price"] is None


def test_a_price_type_that_1c_lacks_is_told(shop: Any, data: Data) -> None:
    shop.set(price_type="Закупочная")
    both(shop, data)
    assert shop.products()["Туфли"]["price"] is None
    assert "“Закупочная” (it has: Розничная, Оптовая, $)" in shop.last()["message"]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_large_catalogue_is_imported_in_pieces(shop: Any, data: Data, size: int) -> None:
    shop.set(slice_size=size)
    both(shop, data)
    assert shop.onec.asked > 14 // size
    assert len(shop.products()) == 5
    assert [(e["state"], e["created"], e["failed"]) for e in shop.rows("exchange")] == [
        ("done", 5, 0),
        ("done", 3, 0),
    ]
    before = shop.traces()
    both(shop, data)
    assert shop.traces() == before


def test_a_crash_in_the_middle_loses_and_doubles_nothing(
    shop: Any, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.set(slice_size=3)
    keep, calls = exchange._keep, 0

    def crash(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:  # products of the second piece are written, its position is not
            raise RuntimeError("power failure")
        return keep(*given)

    monkeypatch.setattr(exchange, "_keep", crash)
    shop.onec.sign_in()
    shop.onec.init()
    shop.onec.send("import0_1.xml", data("import.xml"))
    statuses = [shop.onec.ask("import", filename="import0_1.xml").status_code for _ in range(3)]
    assert calls == 3
    assert [status == 200 for status in statuses] == [True, False, True]
    assert shop.onec.ask_import("import0_1.xml").startswith("success\n")
    assert len(shop.products()) == 5
    assert (shop.last()["created"], shop.last()["unchanged"]) == (5, 0)


def test_a_damaged_file_changes_nothing(shop: Any, data: Data) -> None:
    broken = data("import.xml")[:-60]
    answer = shop.onec.exchange("import0_1.xml", broken)
    assert answer.startswith("failure\nLine ")
    assert (shop.products(), shop.rows("onec_entry")) == ({}, [])
    assert shop.last()["state"] == "failed"
    assert shop.onec.exchange("import0_1.xml", data("import.xml")).startswith("success\n")


def test_an_import_that_is_asked_for_again_is_not_done_again(shop: Any, data: Data) -> None:
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    assert shop.onec.ask_import("import0_1.xml").startswith("success\n")
    assert len(shop.rows("exchange")) == 1


def test_windows_1251_and_utf_8_give_the_same(shop: Any, data: Data) -> None:
    shop.onec.exchange("import0_1.xml", b"\xef\xbb\xbf" + data("import.xml"))
    before = shop.traces()
    old = data("import.xml").decode().replace('encoding="UTF-8"', 'encoding="windows-1251"').encode("cp1251")
    shop.set(slice_size=2)
    shop.onec.exchange("import0_1.xml", old)
    assert shop.traces() == before
    assert shop.last()["unchanged"] == 5


def test_two_requests_for_the_same_piece_apply_it_once(shop: Any, data: Data) -> None:
    moment = shop.workspace.records.moment(shop.system, source="plugin:onec")
    ctx = shop.workspace.host.context("onec", moment)
    ctx.files.write("import.xml", data("import.xml"))
    job = Job(open=lambda: ctx.files.open("import.xml"), seen=Seen(ctx.files, "s"), is_last=lambda: True)
    first = start_exchange(ctx, name="import.xml", upload="u", session="s", mode="command")
    checked = advance(ctx, first, job, Budget(records=0))
    one = advance(ctx, checked, job, Budget(records=2))
    other = advance(ctx, checked, job, Budget(records=2))
    assert other == one
    while one["state"] == "running":
        one = advance(ctx, one, job, Budget(records=2))
    assert (one["created"], len(shop.products())) == (5, 5)


def test_a_file_is_checked_in_pieces_too(shop: Any, data: Data) -> None:
    moment = shop.workspace.records.moment(shop.system, source="plugin:onec")
    ctx = shop.workspace.host.context("onec", moment)
    ctx.files.write("import.xml", data("import.xml"))
    job = Job(open=lambda: ctx.files.open("import.xml"), seen=Seen(ctx.files, "s"), is_last=lambda: True)
    row = start_exchange(ctx, name="import.xml", upload="u", session="s", mode="command")
    pieces = 0
    while row["progress"]["phase"] == "check":
        row = advance(ctx, row, job, Budget(records=100, seconds=0))
        pieces += 1
    assert pieces == 10  # two sections, two groups, five products, and the end
    assert row["progress"]["total"] == 5


def test_a_removed_variant_counts_no_more_and_prices_alone_do_not_bring_it_back(
    shop: Any, data: Data
) -> None:
    both(shop, data)
    variant = "b0000000-0000-4000-8000-000000000002#e0000000-0000-4000-8000-000000000002"
    text = data("offers.xml").decode()
    removed = text.replace(
        f"<Ид>{variant}</Ид>", f"<Ид>{variant}</Ид><ПометкаУдаления>true</ПометкаУдаления>"
    )
    shop.onec.exchange("offers0_1.xml", removed.encode())
    assert (shop.products()["Туфли"]["price"], shop.products()["Туфли"]["onec__stock"]) == (
        "5990.00",
        "5.000",
    )
    alone = re.sub(r"\t+<Наименование>Туфли.*\n", "", text)
    assert "Туфли" not in alone
    shop.onec.exchange("prices.xml", alone.encode())
    assert shop.products()["Туфли"]["price"] == "5990.00"
    shop.onec.exchange("offers0_1.xml", data("offers.xml"))
    assert shop.products()["Туфли"]["price"] == "5490.00"
