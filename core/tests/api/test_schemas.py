"""The marshmallow schemas and the column-wise check are one set of rules in two forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan.metadata.catalog import Definition, ObjectType, build_catalog, object_uid, part_uid
from karvan.metadata.checks import make_check
from karvan.metadata.schemas import Purpose, load_body, load_record, make_schema
from karvan_sdk import declarations
from karvan_sdk.errors import ValidationFailed
from karvan_sdk.fields import Field

from .fleet import SHIP


def ship_type() -> ObjectType:
    more = (
        Field(name="short", type="text", minimum=2, max_length=4, pattern="a*"),
        Field(name="rank", type="integer", required="on_create", default=3, minimum=1),
        Field(name="fixed", type="text", read_only=True),
        Field(name="since", type="date", default="2026-01-01"),
    )
    uid = object_uid("custom", "ship")
    head = Definition(uid=uid, kind="object", owner="custom", name="ship", physical="c_ship",
                      shipped={"name": "ship", "name_field": "name"})  # fmt: skip
    parts = [
        Definition(
            uid=part_uid(uid, "field", "custom", f.name), kind="field", owner="custom", parent=uid,
            name=f.name, physical=f"c_{f.name}", shipped=declarations.dump(f),
        )
        for f in (*SHIP.fields, *more)
    ]  # fmt: skip
    return build_catalog(1, [head, *parts]).object("c_ship")


OBJECT = ship_type()
CHECK = make_check(OBJECT)
SCHEMAS = {purpose: make_schema(OBJECT, purpose) for purpose in ("create", "update")}

LIKELY = st.sampled_from(
    ["", "x", "ab", "abc", "abcde", "zz", "tanker", "12.50", "1.2345", "-0", "2026-03-31", "2026-02-30",
     "2026-03-31T10:00:00Z", "2026-03-31T10:00:00+03:00", "a@b.co", "+7 495 123-45-67", "example.org", "usd",
     "EUR", "\x00", "e\u0301", 0, 1, 5000, 5001, -1, 1.0, 1.5, 2**53, 2**63, True, False, None, [], {}, [1],
     {"a": 1}]
)  # fmt: skip
VALUE = LIKELY | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
NAME = st.sampled_from([*OBJECT.fields, "c_nothing", "", "deleted_at"])
BODY = st.dictionaries(NAME, VALUE, max_size=8)


def verdicts(errors: Any) -> set[tuple[str, str, str]]:
    return {(e.field, e.code, e.message) for e in errors}


@given(body=BODY, full=st.booleans())
def test_a_new_record_is_judged_the_same_by_both(body: dict[str, Any], full: bool) -> None:
    if full:
        body = {"c_name": "Aurora", "c_rank": 1, **body}
    loaded, errors = CHECK.load_new(body)
    refused = {e.field for e in errors}
    errors = [*errors, *(e for e in CHECK.missing(loaded, created=True) if e.field not in refused)]
    same, found = load_record(SCHEMAS["create"], OBJECT.name, body)
    assert verdicts(found) == verdicts(errors)
    if not errors:
        assert same == loaded


@given(body=BODY)
def test_a_change_is_judged_the_same_by_both(body: dict[str, Any]) -> None:
    loaded, errors = CHECK.load_changes(body)
    errors = [*errors, *CHECK.missing(loaded, created=False)]
    same, found = load_record(SCHEMAS["update"], OBJECT.name, body)
    assert verdicts(found) == verdicts(errors)
    if not errors:
        assert same == loaded


@pytest.mark.parametrize("purpose", ["create", "update"])
def test_a_body_with_an_unknown_name_is_refused_never_trimmed(purpose: Purpose) -> None:
    with pytest.raises(ValidationFailed, match="c_nothing"):
        load_body(SCHEMAS[purpose], {"c_name": "A", "c_rank": 1, "c_nothing": 1})
