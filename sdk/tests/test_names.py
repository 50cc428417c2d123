"""The naming rules: what may be named how, and what becomes of it in a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_sdk import InvalidName
from karvan_sdk import names as rules

LONGEST = "a" * 32


@pytest.mark.parametrize("name", ["name", "close_date", "q4", "a1_b2", "lead_scoring", LONGEST])
def test_a_legal_name_is_given_back(name: str) -> None:
    assert rules.check_name(name, "field name") == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "lower-case Latin letters"),
        ("Name", "lower-case Latin letters"),
        ("1st", "lower-case Latin letters"),
        ("_name", "lower-case Latin letters"),
        ("name_", "lower-case Latin letters"),
        ("two__words", "lower-case Latin letters"),
        ("close-date", "lower-case Latin letters"),
        ("close date", "lower-case Latin letters"),
        ("имя", "lower-case Latin letters"),
        ("name\n", "lower-case Latin letters"),
        ("na٣e", "lower-case Latin letters"),
        ('x"; drop table t', "lower-case Latin letters"),
        (LONGEST + "a", "at most 32"),
        ("select", "reserved"),
        ("id", "reserved"),
        ("owner", "reserved"),
        ("api", "reserved"),
        ("x", "reserved"),
        ("custom", "reserved"),
    ],
)
def test_an_illegal_name_is_refused_with_its_reason(name: str, why: str) -> None:
    with pytest.raises(InvalidName, match=why):
        rules.check_name(name, "field name")


def test_a_plugin_id_has_at_most_24_characters() -> None:
    assert rules.check_plugin_id("a" * 24)
    with pytest.raises(InvalidName, match="at most 24"):
        rules.check_plugin_id("a" * 25)


@pytest.mark.parametrize(
    ("shorter", "longer"), [("lead", "lead_scoring"), ("telephony", "telephony_kamailio"), ("crm", "crm2")]
)
def test_the_prefix_of_one_plugin_never_covers_anothers_tables(shorter: str, longer: str) -> None:
    table = rules.table_name(f"plugin:{longer}", "thing")
    assert table == f"x_{longer}__thing"
    assert not table.startswith(rules.owner_prefix(f"plugin:{shorter}"))


def test_an_admins_prefix_never_covers_a_plugins_tables() -> None:
    assert rules.table_name("custom", "x") == "c_x"
    assert not rules.table_name("plugin:c", "thing").startswith(rules.owner_prefix("custom"))


def test_the_core_owns_no_tables_that_could_be_dropped() -> None:
    with pytest.raises(ValueError, match="owns no tables"):
        rules.owner_prefix("core")


@pytest.mark.parametrize(
    ("field_owner", "object_owner", "column", "api"),
    [
        ("plugin:crm", "plugin:crm", "score", "score"),
        ("plugin:lead_scoring", "plugin:crm", "x_lead_scoring__score", "lead_scoring__score"),
        ("custom", "plugin:crm", "c_score", "c_score"),
        ("custom", "custom", "c_score", "c_score"),
    ],
)
def test_a_field_is_named_by_who_owns_it_and_where_it_stands(
    field_owner: str, object_owner: str, column: str, api: str
) -> None:
    assert rules.column_name(field_owner, object_owner, "score") == column
    assert rules.api_field_name(field_owner, object_owner, "score") == api


def test_an_object_of_an_admin_is_marked_in_the_api() -> None:
    assert rules.api_object_name("plugin:crm", "deal") == "deal"
    assert rules.api_object_name("custom", "deal") == "c_deal"


def test_the_longest_names_fit_into_63_bytes() -> None:
    owner = f"plugin:{'p' * rules.PLUGIN_ID_MAX}"
    assert len(rules.table_name(owner, LONGEST)) <= 63
    assert len(rules.column_name(owner, "plugin:crm", LONGEST) + "__k") <= 63
    assert len(rules.index_name(rules.table_name(owner, LONGEST), LONGEST, LONGEST)) <= 63


def test_index_names_tell_what_they_cover_apart() -> None:
    covered = [("t", "ab"), ("t", "a", "b"), ("ta", "b"), ("t", "b", "a")]
    assert len({rules.index_name(*c) for c in covered}) == len(covered)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Close date", "close_date"),
        ("Höhe (m²)", "hohe_m2"),
        ("Бюджет", "byudzhet"),
        ("Объём, м³", "obyom_m3"),
        ("بودجه", "bvdjh"),
        ("سال ۱۴۰۴", "sal_1404"),
        ("预算", "u9884u7b97"),
        ("2nd name", "f_2nd_name"),
        ("Select", "select_field"),
        ("!!!", "field"),
        ("", "field"),
    ],
)
def test_a_label_in_any_script_gets_a_name(label: str, name: str) -> None:
    assert rules.suggest_name(label) == name


@given(st.text(max_size=80))
def test_every_label_gets_a_legal_name(label: str) -> None:
    assert rules.check_name(rules.suggest_name(label), "field name")


@given(st.text(alphabet="абвгдежзиأبپتچ预算客户 -_aZ9٣", max_size=60))
def test_every_label_of_our_four_scripts_gets_a_legal_name(label: str) -> None:
    assert rules.check_name(rules.suggest_name(label), "field name")
