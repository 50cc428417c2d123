"""Headers find their fields by six rules, first match wins."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.metadata.catalog import Definition, ObjectType, build_catalog, object_uid, part_uid
from karvan.records.imports.mapping import find_field, find_object, map_columns
from karvan_sdk import names
from karvan_sdk.errors import BadInput, UnknownField

OWNER = "plugin:yard"
FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "name", "type": "text", "label": {"en": "Name", "ru": "Название"}},
    {"name": "phase", "type": "select", "label": {"en": "Phase", "fa": "مرحله"}, "options": ["new"]},
    {"name": "budget", "type": "currency", "label": {"en": "Budget", "ru": "Бюджет"}, "synonyms": ["costs"]},
    {"name": "due_on", "type": "date", "label": {"en": "Due on", "zh": "截止日期"}},
    {"name": "rank", "type": "integer", "label": {"en": "Rank"}, "read_only": True},
)


@pytest.fixture
def project() -> ObjectType:
    uid = object_uid(OWNER, "project")
    head = Definition(
        uid=uid,
        kind="object",
        owner=OWNER,
        name="project",
        physical=names.table_name(OWNER, "project"),
        shipped={
            "name": "project",
            "label": {"en": "Project", "ru": "Проект"},
            "label_plural": {"en": "Projects"},
            "synonyms": ["undertaking"],
        },
    )
    parts = [_field(uid, OWNER, f) for f in FIELDS]
    parts.append(_field(uid, "custom", {"name": "mood", "type": "text", "label": {"en": "Mood of the day"}}))
    return build_catalog(1, [head, *parts]).object("project")


def _field(parent: str, owner: str, body: dict[str, Any]) -> Definition:
    return Definition(
        uid=part_uid(parent, "field", owner, body["name"]),
        kind="field",
        owner=owner,
        parent=parent,
        name=body["name"],
        physical=names.column_name(owner, OWNER, body["name"]),
        shipped=body,
    )


@pytest.mark.parametrize(
    ("header", "field", "rule"),
    [
        pytest.param("name", "name", 1, id="field name"),
        pytest.param("Название", "name", 1, id="label in another language"),
        pytest.param("DUE ON", "due_on", 1, id="case"),
        pytest.param("DueOn", "due_on", 1, id="camel case"),
        pytest.param("  due-on ", "due_on", 1, id="signs"),
        pytest.param("截止日期", "due_on", 1, id="Chinese"),
        pytest.param("مرحله", "phase", 1, id="Persian"),
        pytest.param("budget_currency", "budget_currency", 1, id="companion"),
        pytest.param("Budget (currency)", "budget_currency", 1, id="label of the companion"),
        pytest.param("mood", "c_mood", 1, id="custom field without prefix"),
        pytest.param("c_mood", "c_mood", 1, id="custom field"),
        pytest.param("Mood of the Day", "c_mood", 1, id="custom label"),
        pytest.param("Owner", "owner", 1, id="system field"),
        pytest.param("project", "name", 2, id="own name"),
        pytest.param("Projects", "name", 2, id="own name in plural"),
        pytest.param("Проект", "name", 2, id="own name in Russian"),
        pytest.param("project_phase", "phase", 3, id="object and field"),
        pytest.param("Project Name", "name", 3, id="object and name"),
        pytest.param("costs", "budget", 4, id="synonym of the field"),
        pytest.param("Undertaking", "name", 4, id="synonym of the object"),
        pytest.param("undertaking phase", "phase", 4, id="synonym of the object and field"),
        pytest.param("Валюта", "budget_currency", 4, id="currency of the only amount"),
        pytest.param("weather", "", 5, id="unknown"),
        pytest.param("rank", "", 5, id="read-only"),
        pytest.param("Created", "", 5, id="read-only of the system"),
        pytest.param("", "", 6, id="no header"),
    ],
)
def test_a_header_finds_its_field(project: ObjectType, header: str, field: str, rule: int) -> None:
    (column,) = map_columns([header.strip()], project)
    assert (column.field, column.rule) == (field, rule)


def test_a_read_only_field_is_named_as_the_reason(project: ObjectType) -> None:
    assert map_columns(["rank"], project)[0].read_only is True
    assert map_columns(["weather"], project)[0].read_only is False


def test_of_two_columns_for_one_field_the_stronger_rule_wins(project: ObjectType) -> None:
    costs, budget = map_columns(["costs", "budget"], project)
    assert (budget.field, budget.rule) == ("budget", 1)
    assert (costs.field, costs.rule, costs.taken) == ("", 5, "budget")


def test_of_two_columns_by_one_rule_the_first_wins(project: ObjectType) -> None:
    first, second = map_columns(["Name", "Название"], project)
    assert (first.field, second.field, second.taken) == ("name", "", "name")


def test_a_map_by_hand_wins_over_every_rule(project: ObjectType) -> None:
    note, name = map_columns(["note", "name"], project, {"note": "name"})
    assert (note.field, note.rule) == ("name", 0)
    assert (name.field, name.taken) == ("", "name")


def test_a_map_to_nothing_leaves_the_column_out(project: ObjectType) -> None:
    (column,) = map_columns(["Budget"], project, {"budget": ""})
    assert (column.field, column.rule) == ("", 6)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"nam": "name"}, "no column 'nam'. Did you mean 'name'"),
        ({"name": "rank"}, "'rank' can't be written"),
        ({"name": "phase", "note": "phase"}, "Two columns are mapped to 'phase'"),
    ],
    ids=["unknown header", "read-only field", "one field twice"],
)
def test_a_wrong_map_is_refused(project: ObjectType, maps: dict[str, str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        map_columns(["name", "note"], project, maps)


def test_an_unknown_field_of_a_map_is_refused(project: ObjectType) -> None:
    with pytest.raises(UnknownField, match="no field 'nothing'"):
        map_columns(["name"], project, {"name": "nothing"})


def test_people_name_fields_with_and_without_prefix(project: ObjectType) -> None:
    assert find_field(project, "mood").name == find_field(project, "c_mood").name == "c_mood"


def test_a_header_names_an_object_in_singular_or_plural(project: ObjectType) -> None:
    assert find_object([project], "Projects") is project
    assert find_object([project], "project") is project
    assert find_object([project], "team") is None
