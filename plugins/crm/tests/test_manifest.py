"""The manifest loads without a finding and knows the headers of real exports."""

from __future__ import annotations

from importlib.resources import files

import pytest

from karvan_sdk import Manifest, Object, load_manifest

ROOT = files("karvan_crm")
OBJECTS = ("account", "contact", "lead", "deal", "activity")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load_manifest("crm", lambda path: (ROOT / path).read_text("utf-8"))


def object_of(manifest: Manifest, name: str) -> Object:
    return next(o for o in manifest.objects if o.name == name)


def test_the_manifest_loads_and_brings_five_objects(manifest: Manifest) -> None:
    assert tuple(o.name for o in manifest.objects) == OBJECTS


@pytest.mark.parametrize("name", OBJECTS)
def test_defaults_are_options_and_lookups_point_to_what_stands_above(manifest: Manifest, name: str) -> None:
    above = OBJECTS[: OBJECTS.index(name) + 1]
    for field in object_of(manifest, name).fields:
        if field.type == "select" and field.default is not None:
            assert field.option(field.default) is not None
        if field.type == "lookup":
            assert field.target in above
            assert field.relation is not None


def test_relation_names_are_unique_on_their_target(manifest: Manifest) -> None:
    found = [(f.target, f.relation.name) for o in manifest.objects for f in o.fields if f.relation]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("object", "header", "field"),
    [
        ("account", "sector", "industry"),
        ("account", "year_established", "year_founded"),
        ("account", "revenue", "annual_revenue"),
        ("account", "office_location", "country"),
        ("account", "subsidiary_of", "parent"),
        ("account", "companyName", "name"),
        ("account", "postalCode", "postal_code"),
        ("contact", "contactTitle", "title"),
        ("deal", "engage_date", "opened_on"),
        ("deal", "close_value", "amount"),
        ("deal", "Предполагаемая дата закрытия", "close_date"),
        ("deal", "Этап сделки", "stage"),
        ("deal", "Associated Company", "account"),
    ],
)
def test_headers_of_real_exports_are_known(manifest: Manifest, object: str, header: str, field: str) -> None:
    declared = object_of(manifest, object).field(field)
    assert declared is not None
    assert header in declared.synonyms


@pytest.mark.parametrize("header", ["opportunity_id", "sales_agent", "product"])
def test_headers_that_are_no_field_of_a_deal_are_left_to_custom_fields(
    manifest: Manifest, header: str
) -> None:
    for field in object_of(manifest, "deal").fields:
        known = {w.casefold() for w in (field.name, *field.label.all(), *field.synonyms)}
        assert header not in known
        assert header != f"deal_{field.name}"


@pytest.mark.parametrize("word", ["engaging", "closed won", "закрыто и не реализовано"])
def test_unknown_stages_of_other_systems_have_one_type(manifest: Manifest, word: str) -> None:
    stage = object_of(manifest, "deal").field("stage")
    assert stage is not None
    assert len([kind for kind, meant in stage.option_types.items() if word in meant]) == 1
