"""The contract of cell renderers: whatever comes from people is escaped, isolated, and may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from karvan.metadata.catalog import FieldType
from karvan.metadata.kinds import KINDS
from karvan.web.cells import NONE, RENDERERS, Column, avatar, cells
from karvan.web.formats import Formats, zone_of
from karvan_sdk.fields import Field, Option
from karvan_sdk.text import Text

EVIL = '<script>alert("x")</script>\'"&'
RTL = "شرکت ‮abc"
TEXTS = ("text", "long_text", "email", "phone", "url", "select", "currency_code")


def column(
    kind: str, records: Sequence[Mapping[str, Any]] = ({},), language: str = "en", **more: Any
) -> Column:
    declaration = Field(name="f", type=kind, **more)
    field = FieldType(
        uid="u", name="f", owner="custom", column="c_f", kind=KINDS[kind], declaration=declaration
    )
    now = datetime(2026, 11, 24, tzinfo=UTC)
    formats = Formats(language=language, zone=zone_of("UTC"), now=now)
    return Column(field=field, formats=formats, records=records, yes="Yes", no="No")


def test_every_kind_has_a_renderer() -> None:
    assert set(RENDERERS) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(RENDERERS))
def test_a_missing_value_is_a_dash(kind: str) -> None:
    assert cells([None], column(kind)) == [NONE]


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("cut", [True, False])
def test_markup_in_a_value_is_only_text(kind: str, cut: bool) -> None:
    made = column(kind)
    html = cells([EVIL], Column(**{**vars(made), "cut": cut}))[0]
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert '"x"' not in html


@pytest.mark.parametrize("kind", ["lookup", "user"])
def test_markup_in_a_name_behind_an_id_is_only_text(kind: str) -> None:
    html = cells([{"id": 1, "name": EVIL}], column(kind, target='x"y'))[0]
    assert "<script" not in html
    assert 'x"y' not in html


def test_markup_in_json_and_in_option_labels_is_only_text() -> None:
    assert "<script" not in cells([{"a": EVIL}], column("json"))[0]
    options = (Option(value="o", label=Text.of(EVIL), color='"><script>'),)
    assert "<script" not in cells(["o"], column("select", options=options))[0]


@pytest.mark.parametrize("kind", [*TEXTS, "lookup", "user"])
def test_values_are_isolated_from_the_direction_of_the_page(kind: str) -> None:
    value: Any = {"id": 1, "name": RTL} if kind in ("lookup", "user") else RTL
    assert "<bdi" in cells([value], column(kind))[0]


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", " javascript:alert(1)", "http://[x"]
)
def test_only_web_addresses_become_links(address: str) -> None:
    html = cells([address], column("url"))[0]
    assert "<a " not in html or html.startswith('<a class="k-link" href="http')
    assert 'href="javascript' not in html
    assert 'href="data' not in html


def test_an_amount_takes_the_currency_of_its_record() -> None:
    made = column("currency", records=[{"f_currency": "USD"}, {"f_currency": None}])
    assert cells(["10.00", "7.25"], made) == ['<bdi dir="ltr">$10</bdi>', '<bdi dir="ltr">7.25</bdi>']


def test_persian_cells_have_persian_digits() -> None:
    assert "۱۲٬۳۴۵" in cells([12345], column("integer", language="fa"))[0]
    assert "۳ آذر" in cells(["2026-11-24"], column("date", language="fa"))[0]


def test_a_name_of_chinese_signs_has_its_first_sign_as_initial() -> None:
    assert ">王<" in avatar("王小明")
    assert "<script" not in avatar("<script>")
