"""What people meet: protected fields, widgets, the command, demo records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.testing import make_page_client
from karvan_onec.commands import import_file

Data = Callable[[str], bytes]


def command(shop: Any, *paths: object) -> Any:
    moment = shop.workspace.records.moment(shop.system, source="plugin:onec")
    ctx = shop.workspace.host.context("onec", moment)
    return CliRunner().invoke(import_file, [str(p) for p in paths], obj=ctx, catch_exceptions=False)


def fields_of(answer: Any) -> set[str]:
    return {e["field"] for e in answer.json["errors"]}


def test_with_protection_what_1c_rules_can_not_be_changed_by_hand(shop: Any, data: Data) -> None:
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    shop.onec.exchange("offers0_1.xml", data("offers.xml"))
    boots = shop.products()["Сапоги «Север», кожа & мех"]
    shop.set(protect=True)
    answer = shop.change("product", boots, name="Иначе", sku="X", unit="кг", price="1.00")
    assert answer.status_code in (409, 422)
    assert fields_of(answer) == {"name", "sku", "unit", "price"}
    assert "comes from 1C" in answer.text
    assert shop.change("product", boots, description="Наше", active=False).status_code == 200
    own = shop.rest.post("/api/v1/records/product", json={"name": "Своё"}).json["data"]
    assert shop.change("product", own, name="Наше").status_code == 200
    shop.onec.exchange("offers0_1.xml", data("offers.xml").replace(b"12 450,50", b"1"))
    assert shop.products()["Сапоги «Север», кожа & мех"]["price"] == "1.00"
    shop.set(protect=False)
    assert shop.change("product", boots, name="Иначе").status_code == 200


def test_a_refusal_speaks_the_language_of_the_person(shop: Any, data: Data) -> None:
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    shop.set(protect=True)
    with shop.workspace.database.write() as transaction:
        transaction.execute("UPDATE k_user SET language = 'ru'", ())
    shop.rest = type(shop)(shop.workspace).rest
    answer = shop.change("product", shop.products()["Тапочки"], name="Иначе")
    assert "«Название» приходит из 1С" in answer.text


@pytest.mark.parametrize("language", ["en", "ru", "fa", "zh"])
def test_widgets_show_where_a_product_comes_from(shop: Any, data: Data, language: str) -> None:
    with shop.workspace.database.write() as transaction:
        transaction.execute("UPDATE k_user SET language = ?", (language,))
    browser = make_page_client(shop.workspace)
    home = "/_w?slot=dashboard.grid"
    assert {"en": "1C has not sent", "ru": "Из 1С пока", "fa": "1C هنوز", "zh": "1C 尚未"}[
        language
    ] in browser.get(home).text
    shop.onec.exchange("import0_1.xml", data("import.xml"))
    shop.onec.exchange("offers0_1.xml", data("offers.xml"))
    shoes = shop.products()["Туфли"]
    side = browser.get(f"/_w?slot=record.side&object=product&id={shoes['id']}")
    assert side.status_code == 200
    assert "b0000000…0002" in side.text
    assert "36, чёрный" in side.text
    grid = browser.get(home).text
    assert "offers0_1.xml" in grid
    assert f"/exchange/{shop.last()['id']}" in grid


def test_a_product_of_ones_own_has_no_origin(shop: Any) -> None:
    own = shop.rest.post("/api/v1/records/product", json={"name": "Своё"}).json["data"]
    side = make_page_client(shop.workspace).get(f"/_w?slot=record.side&object=product&id={own['id']}")
    assert side.status_code == 200
    assert "1C identifier" not in side.text


def test_the_command_imports_as_the_exchange_does(shop: Any) -> None:
    result = command(shop, shop.folder / "import.xml", shop.folder / "offers.xml")
    assert result.exit_code == 0, result.output
    assert "import.xml: Done" in result.output
    assert "Created: 5" in result.output
    before = shop.traces()
    again = command(shop, shop.folder / "import.xml", shop.folder / "offers.xml")
    assert "Unchanged: 5" in again.output
    assert shop.traces() == before
    assert not list(shop.workspace.settings.home.glob("**/onec/uploads/**/*.data"))


def test_the_command_tells_by_its_exit_code_that_something_was_refused(shop: Any, tmp_path: Path) -> None:
    bad = tmp_path / "offers.xml"
    bad.write_bytes((shop.folder / "offers.xml").read_bytes().replace(b">5490<", b">?<"))
    result = command(shop, bad)
    assert result.exit_code == 1
    assert "is no number" in result.output
    broken = tmp_path / "import.xml"
    broken.write_bytes((shop.folder / "import.xml").read_bytes()[:-9])
    assert command(shop, broken).exit_code == 1


@pytest.mark.parametrize(
    ("folder", "files"),
    [
        ("ut-2.07-import0_1", ("import0_1_with_nested_groups.xml",)),
        ("ut-2.07-import0_1", ("import0_1.xml", "offers0_1.xml")),
        ("ut-2.07-clothes", ("import.xml", "offers.xml")),
        ("official-doc-2.03-2.04", ("import.xml", "offers.xml")),
        ("cml3.1", ()),
    ],
    ids=["nested", "shop", "clothes", "official", "3.1"],
)
def test_a_real_catalogue_is_taken_over_once(
    shop: Any, shared_data: Path, folder: str, files: tuple[str, ...]
) -> None:
    place = shared_data / "commerceml" / folder
    paths = [place / f for f in files] or sorted(place.glob("*.xml"))
    told = json.loads((place.parent / "counts.json").read_text("utf-8"))
    counts = [told[f"{folder}/{p.name}"] for p in paths]
    assert command(shop, *paths).exit_code == 0
    products, offers = shop.rows("product"), shop.rows("onec_offer")
    groups = shop.rows("onec_entry", 'kind = "group"')
    assert len(products) == sum(c.get("products", 0) for c in counts)
    assert len(groups) == sum(c.get("groups", 0) for c in counts)
    assert sum(not p["active"] for p in products) == sum(c.get("products_marked_deleted", 0) for c in counts)
    total = sum(float(price["value"]) for o in offers for price in o["prices"] or ())
    assert total == sum(c.get("price_sum", 0) for c in counts)
    before = shop.traces()
    assert command(shop, *paths).exit_code == 0
    assert shop.traces() == before
