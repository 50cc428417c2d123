"""Declarations go to JSON and come back the same; what is wrong with them is told with its key."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_sdk import (
    FIELD_TYPES,
    LANGUAGES,
    Field,
    Index,
    Layout,
    Object,
    Option,
    Relation,
    Rule,
    Section,
    Text,
    ValidationFailed,
    View,
    declarations,
)

words = st.text(min_size=1, max_size=12)
some_names = st.lists(words, max_size=3).map(tuple)
labels = st.dictionaries(st.sampled_from(LANGUAGES), words, max_size=4).map(Text.of)
values = st.none() | st.booleans() | st.integers() | words
options = st.builds(
    Option, value=words, label=labels, color=words, attributes=st.dictionaries(words, values, max_size=2)
)
relations = st.builds(Relation, name=words, label=labels, columns=some_names)
field_values = st.builds(
    Field,
    name=words,
    type=st.sampled_from(FIELD_TYPES),
    label=labels,
    help=labels,
    required=st.sampled_from(["never", "always", "on_create"]),
    unique=st.booleans(),
    read_only=st.booleans(),
    read_only_after_create=st.booleans(),
    audited=st.booleans(),
    indexed=st.booleans(),
    default=values,
    minimum=st.none() | st.integers() | words,
    maximum=st.none() | st.integers() | words,
    max_length=st.none() | st.integers(),
    pattern=st.none() | words,
    scale=st.none() | st.integers(),
    options=st.lists(options, max_size=2).map(tuple),
    target=st.none() | words,
    on_delete=st.sampled_from(["restrict", "set_empty", "cascade"]),
    relation=st.none() | relations,
    synonyms=some_names,
    option_types=st.dictionaries(words, some_names, max_size=2),
)
views = st.builds(View, name=words, label=labels, filter=words, columns=some_names, sort=some_names)
layouts = st.builds(
    Layout,
    name=words,
    sections=st.lists(st.builds(Section, label=labels, fields=some_names), max_size=2).map(tuple),
    path=words,
)
objects = st.builds(
    Object,
    name=words,
    label=labels,
    label_plural=labels,
    icon=words,
    name_field=words,
    name_template=words,
    fields=st.lists(field_values, max_size=2).map(tuple),
    indexes=st.lists(st.builds(Index, fields=some_names), max_size=2).map(tuple),
    views=st.lists(views, max_size=2).map(tuple),
    layouts=st.lists(layouts, max_size=2).map(tuple),
    rules=st.lists(st.builds(Rule, name=words, condition=words, message=labels, field=words), max_size=2).map(
        tuple
    ),
    synonyms=some_names,
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(declarations.dump(value)))


@given(objects)
def test_an_object_comes_back_from_json_as_it_was(declared: Object) -> None:
    assert declarations.load_object(through_json(declared)) == declared


@given(field_values)
def test_a_field_comes_back_from_json_as_it_was(declared: Field) -> None:
    assert declarations.load_field(through_json(declared)) == declared


@given(views, layouts)
def test_views_and_layouts_come_back_from_json_as_they_were(view: View, layout: Layout) -> None:
    assert declarations.load_view(through_json(view)) == view
    assert declarations.load_layout(through_json(layout)) == layout


def test_only_what_differs_from_the_default_is_written() -> None:
    assert declarations.dump(Field(name="size", type="integer")) == {"name": "size", "type": "integer"}


def test_the_short_forms_that_people_write_are_read() -> None:
    read = declarations.load_field(
        {"name": "kind", "type": "select", "required": True, "label": "Kind", "options": ["a"]}
    )
    assert read.required == "always"
    assert read.label == Text.of("Kind")
    assert read.options == (Option(value="a", label=Text.of("a")),)


@pytest.mark.parametrize(
    ("change", "key", "code"),
    [
        ({"colour": 1}, "colour", "unknown_key"),
        ({"name": 5}, "name", "wrong_type"),
        ({"unique": "yes"}, "unique", "wrong_type"),
        ({"max_length": True}, "max_length", "wrong_type"),
        ({"minimum": 1.5}, "minimum", "wrong_type"),
        ({"label": {"en": 1}}, "label", "wrong_type"),
        ({"on_delete": "explode"}, "on_delete", "unknown_value"),
        ({"on_delete": []}, "on_delete", "unknown_value"),
        ({"synonyms": "one"}, "synonyms", "wrong_type"),
        ({"synonyms": [1]}, "synonyms[0]", "wrong_type"),
        ({"options": [3]}, "options[0]", "wrong_type"),
        ({"options": [{}]}, "options[0].value", "required"),
        ({"options": [{"value": "a", "x": 1}]}, "options[0].x", "unknown_key"),
        ({"relation": []}, "relation", "wrong_type"),
        ({"option_types": []}, "option_types", "wrong_type"),
    ],
)
def test_a_fault_is_told_with_its_key(change: dict[str, Any], key: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as raised:
        declarations.load_field({"name": "size", "type": "integer", **change})
    assert [(e.field, e.code) for e in raised.value.errors] == [(key, code)]


def test_all_faults_are_told_at_once_below_the_place_they_stand_at() -> None:
    with pytest.raises(ValidationFailed) as raised:
        declarations.load_object({"fields": [{"nam": 1}]}, at="ship.toml")
    assert {e.field for e in raised.value.errors} == {
        "ship.toml.name",
        "ship.toml.fields[0].nam",
        "ship.toml.fields[0].name",
        "ship.toml.fields[0].type",
    }


@given(st.recursive(values, lambda v: st.lists(v) | st.dictionaries(words, v), max_leaves=8))
def test_whatever_is_given_is_read_or_refused_but_never_crashes(data: Any) -> None:
    for load in (declarations.load_object, declarations.load_field, declarations.load_view):
        with contextlib.suppress(ValidationFailed):
            load(data)
