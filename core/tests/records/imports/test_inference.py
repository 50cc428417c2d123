"""The whole column decides: its type, the order of its dates, its decimal sign."""

from __future__ import annotations

import pytest

from karvan.records.imports.inference import find_date_order, find_decimal, find_style, infer_type
from karvan.records.imports.values import Style


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        pytest.param(["0", "1", "1"], "boolean", id="0 and 1"),
        pytest.param(["Да", "Нет"], "boolean", id="words"),
        pytest.param(["f", "t"], "text", id="letters are no words"),
        pytest.param(["1", "2", "30"], "integer", id="whole"),
        pytest.param(["1,200", "300"], "integer", id="grouped"),
        pytest.param(["14.00", "9.8"], "decimal", id="decimals"),
        pytest.param(["1 200,5", "3"], "decimal", id="decimal comma"),
        pytest.param(["$1,200", "$3"], "currency", id="money"),
        pytest.param(["10 %", "2.5 %"], "percent", id="percent"),
        pytest.param(["05021", "12209"], "text", id="codes with leading zeros"),
        pytest.param(["+4930123", "+4940456"], "text", id="phones"),
        pytest.param(["1234567890123456", "1"], "text", id="too many digits"),
        pytest.param(["10/20/2016", "3/1/2017"], "date", id="dates"),
        pytest.param(["1996-07-04 00:00:00.000"], "date", id="midnights"),
        pytest.param(["2016-10-20 10:00", "2016-10-21 11:30"], "datetime", id="moments"),
        pytest.param(["a@example.org", "b@example.org"], "email", id="addresses"),
        pytest.param(["https://example.org/x"], "url", id="web addresses"),
        pytest.param(["x" * 256], "long_text", id="long"),
        pytest.param(["one\ntwo"], "long_text", id="lines"),
        pytest.param(["GTX", "MG", "GTX"], "text", id="few words are no choice"),
        pytest.param([], "text", id="nothing"),
        pytest.param(["1", "two"], "text", id="one outlier"),
    ],
)
def test_the_type_is_the_one_that_fits_every_value(values: list[str], type_: str) -> None:
    assert infer_type(values).type == type_


def test_decimals_have_the_scale_of_the_longest() -> None:
    assert infer_type(["1.5", "2.1255"]).scale == 4
    assert infer_type(["1.5"]).scale == 2


def test_one_day_above_twelve_decides_for_all() -> None:
    assert find_date_order(["1/2/2016", "3/4/2016", "10/20/2016"]) == ("mdy", "decided", "10/20/2016")
    assert find_date_order(["1/2/2016", "20/10/2016"]) == ("dmy", "decided", "20/10/2016")


def test_an_ambiguous_column_takes_the_default_and_says_so() -> None:
    assert find_date_order(["1/2/2016"]) == ("mdy", "default", "")
    assert find_date_order(["1/2/2016"], "dmy") == ("dmy", "default", "")
    assert find_date_order(["1.2.2016"]) == ("dmy", "default", "")


def test_a_column_that_contradicts_itself_is_called_mixed() -> None:
    assert find_date_order(["20/10/2016", "21/10/2016", "10/22/2016"]) == ("dmy", "mixed", "10/22/2016")


@pytest.mark.parametrize(
    ("values", "sign"),
    [
        (["1,50", "2,75"], ","),
        (["1.50"], "."),
        (["1.234,5"], ","),
        (["1,234.5"], "."),
        (["1,234"], "."),
        (["1.234"], "."),
        (["1.234.567"], ","),
        (["0,125"], ","),
        (["1,234", "1,5"], ","),
        (["7"], "."),
    ],
)
def test_the_decimal_sign_is_that_of_the_column(values: list[str], sign: str) -> None:
    assert find_decimal(values)[0] == sign


def test_decisions_are_told_where_a_reader_could_have_decided_otherwise() -> None:
    _, plain = find_style("amount", "decimal", ["1.50"], Style())
    _, comma = find_style("amount", "decimal", ["1,50"], Style())
    _, unsure = find_style("amount", "decimal", ["1,234"], Style())
    _, dates = find_style("day", "date", ["1/2/2016"], Style())
    _, iso = find_style("day", "date", ["2016-01-02"], Style())
    assert plain == iso == ()
    assert [d.choice for d in comma + unsure + dates] == [",", ".", "mdy"]
    assert [d.reason for d in comma + unsure + dates] == ["decided", "default", "default"]
