"""Reading finds out encoding and delimiter and reports every row that it can't take over."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from karvan.records.imports.reading import Table, find_delimiter, read_table
from karvan_sdk.errors import BadInput


def read(data: bytes | str, **options: str) -> Table:
    return read_table(io.BytesIO(data.encode() if isinstance(data, str) else data), **options)


RUSSIAN = "Название;Сумма;Стадия\r\nПоставка труб;1 200,50;Переговоры\r\nРемонт крыши;300;Выиграна\r\n"
PERSIAN = "نام,شهر\nشرکت نمونه تهران,تهران\nفروشگاه کتاب,اصفهان\nصنایع غذایی پارس,شیراز\n"
CHINESE = "名称,城市\n北京贸易有限公司,北京\n上海软件公司,上海\n广州电子厂,广州\n"
GERMAN = "Name;Stadt\nMüller & Söhne GmbH;Köln\nBäckerei Weiß;Düsseldorf\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param(RUSSIAN, "utf-8", id="utf-8"),
        pytest.param(RUSSIAN, "utf-8-sig", id="utf-8 with mark"),
        pytest.param(CHINESE, "utf-16", id="utf-16"),
        pytest.param(RUSSIAN, "cp1251", id="Russian"),
        pytest.param(CHINESE, "gb18030", id="Chinese"),
        pytest.param(GERMAN, "cp1252", id="Western"),
        pytest.param(PERSIAN.replace("ی", "ي").replace("ک", "ك"), "cp1256", id="Arabic letters"),
    ],
)
def test_the_encoding_is_found_out(text: str, encoding: str) -> None:
    table = read(text.encode(encoding))
    first = text.splitlines()[1].replace(";", ",").split(",")
    assert table.rows[0].cells[0] == first[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_the_delimiter_is_found_by_rows_as_wide_as_the_header(delimiter: str) -> None:
    rows = [["name", "amount", "note"], ["Acme", "1200", "first"], ["Bolt", "7", "second"]]
    assert find_delimiter("\n".join(delimiter.join(r) for r in rows)) == delimiter


def test_decimal_commas_do_not_make_a_semicolon_file_a_comma_file() -> None:
    assert find_delimiter("name;amount, EUR\nAcme;1,50\nBolt;2,75\n") == ";"


def test_a_file_of_one_column_is_read_as_such() -> None:
    table = read("name\nAcme\nBolt\n")
    assert table.header == ("name",)
    assert [r.cells for r in table.rows] == [("Acme",), ("Bolt",)]


def test_quoted_cells_hold_delimiters_quotes_and_line_ends() -> None:
    table = read('name,note\n"Acme, Inc","says ""hi""\r\ntwice"\nBolt,\n')
    assert table.rows[0].cells == ("Acme, Inc", 'says "hi"\r\ntwice')
    assert table.rows[1].line == 4


def test_rows_of_another_width_are_reported_with_their_line() -> None:
    table = read("a,b,c\n1,2,3\n1,2\n1,2,3,4\n")
    assert [r.line for r in table.rows] == [2]
    assert [(b.line, b.cells, b.errors[0].code) for b in table.bad] == [
        (3, ("1", "2"), "too_few_cells"),
        (4, ("1", "2", "3", "4"), "too_many_cells"),
    ]
    assert "must stand in quotes" in table.bad[1].errors[0].message


def test_a_row_with_a_broken_quote_is_reported_and_the_rest_is_read() -> None:
    table = read('a,b\n"x"y,2\n3,4\n')
    assert [b.line for b in table.bad] == [2]
    assert [r.cells for r in table.rows] == [("3", "4")]


def test_a_quote_that_never_closes_is_refused_with_its_line() -> None:
    with pytest.raises(BadInput, match="begins on line 3 and never closed"):
        read('a,b\n1,2\n"3,4\n5,6\n')


def test_null_and_blank_rows_are_empty() -> None:
    table = read("a,b\nNULL,1\n,\n\nx,NULL\n")
    assert [r.cells for r in table.rows] == [("", "1"), ("x", "")]
    assert table.nulls == 2
    assert table.bad == ()


def test_nul_bytes_are_refused_with_their_line() -> None:
    with pytest.raises(BadInput, match="Line 2 holds a NUL"):
        read(b"a,b\n1,\x002\n")


def test_an_encoding_that_does_not_fit_is_refused_with_the_line() -> None:
    with pytest.raises(BadInput, match="line 2"):
        read("a\nПоставка\n".encode("cp1251"), encoding="utf-8")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\n \n", "empty", id="only blanks"),
        pytest.param(b",,\n1,2,3\n", None, id="header of blanks is passed over"),
    ],
)
def test_a_file_without_a_header(data: bytes, message: str | None) -> None:
    if message is None:
        assert read(data).header == ("1", "2", "3")
        return
    with pytest.raises(BadInput, match=message):
        read(data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv can't be read"):
        read_table(tmp_path / "nowhere.csv")


def test_the_columns_of_a_file_of_failed_rows_are_left_out() -> None:
    table = read("line,reason,name,city\n7,too short,Acme,Oslo\n")
    assert table.header == ("name", "city")
    assert table.rows[0].cells == ("Acme", "Oslo")
