"""The path of change: what is stored, what is refused, what is told."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.database.drivers import INTEGRITY_ERRORS
from karvan.workspace import Workspace
from karvan_sdk.errors import (
    RecordNotFound,
    UnknownObject,
    ValidationFailed,
    VersionMismatch,
)
from karvan_sdk.fields import Field
from karvan_sdk.objects import Object, Rule
from karvan_sdk.text import Text

from .conftest import add_ship

FULL: dict[str, Any] = {
    "c_name": "Аврора",
    "c_code": "AU-1",
    "c_crew": 570,
    "c_value": "1054.50",
    "c_draught": "-6.125",
    "c_kind": "tanker",
    "c_launched": "1900-05-24",
    "c_seen_at": "2026-03-31T10:00:00+03:30",
    "c_active": True,
    "c_notes": "line\nline",
    "c_extra": {"a": [1, None, "б"]},
}


def outbox(workspace: Workspace) -> list[tuple[Any, ...]]:
    with workspace.database.read() as connection:
        return [tuple(r) for r in connection.fetchall("SELECT event, record_id FROM k_outbox ORDER BY id")]


def test_what_create_answers_is_what_get_reads(fleet: Workspace, admin: Actor) -> None:
    made = add_ship(fleet, admin, **FULL)
    read = fleet.records.read(admin).get("c_ship", made["id"])
    assert made == read
    assert read["c_value"] == "1054.50"
    assert read["c_value_currency"] == "EUR"
    assert read["c_draught"] == "-6.125"
    assert read["c_seen_at"] == "2026-03-31T06:30:00.000000Z"
    assert read["c_extra"] == {"a": [1, None, "б"]}
    assert read["version"] == 1
    assert read["owner"] == admin.id


def test_all_errors_come_at_once(fleet: Workspace, admin: Actor) -> None:
    with pytest.raises(ValidationFailed) as caught:
        add_ship(fleet, admin, c_name="", c_crew="many", c_kind="boat", c_value="1.005", nothing=1, version=7)
    assert {(e.field, e.code) for e in caught.value.errors} == {
        ("c_name", "required"),
        ("c_crew", "wrong_type"),
        ("c_kind", "unknown_option"),
        ("c_value", "too_precise"),
        ("nothing", "unknown_field"),
        ("version", "read_only"),
    }


def test_an_unknown_object_is_named_with_a_near_one(fleet: Workspace, admin: Actor) -> None:
    with pytest.raises(UnknownObject, match="Did you mean 'c_ship'"), fleet.records.write(admin) as writer:
        writer.create("c_shop", {})


def test_an_update_writes_only_what_differs(fleet: Workspace, admin: Actor) -> None:
    made = add_ship(fleet, admin, c_crew=10)
    with fleet.records.write(admin) as writer:
        same = writer.update("c_ship", made["id"], {"c_crew": 10})
    assert same["version"] == 1
    with fleet.records.write(admin) as writer:
        changed = writer.update("c_ship", made["id"], {"c_crew": 11, "c_name": "Aurora"}, version=1)
    assert changed["version"] == 2
    assert changed == fleet.records.read(admin).get("c_ship", made["id"])
    newest, oldest = fleet.records.read(admin).history("c_ship", made["id"]).rows
    assert newest["changes"] == {"c_crew": {"old": 10, "new": 11}}
    assert newest["actor"] == {"id": admin.id, "name": admin.name}
    assert oldest["event"] == "created"


def test_a_stale_version_is_refused(fleet: Workspace, admin: Actor) -> None:
    made = add_ship(fleet, admin)
    with fleet.records.write(admin) as writer:
        writer.update("c_ship", made["id"], {"c_crew": 1}, version=1)
    with pytest.raises(VersionMismatch, match="version 2, yours is 1"), fleet.records.write(admin) as writer:
        writer.update("c_ship", made["id"], {"c_crew": 2}, version=1)


def test_a_missing_record_is_not_found(fleet: Workspace, admin: Actor) -> None:
    with pytest.raises(RecordNotFound), fleet.records.write(admin) as writer:
        writer.update("c_ship", 77, {"c_crew": 1})
    with pytest.raises(RecordNotFound):
        fleet.records.read(admin).get("c_ship", 77)


def test_a_name_is_composed_and_empty_parts_vanish(fleet: Workspace, admin: Actor) -> None:
    ship = add_ship(fleet, admin)
    with fleet.records.write(admin) as writer:
        both = writer.create("c_voyage", {"c_ship": ship["id"], "c_starts_on": "2026-01-02"})
        one = writer.create("c_voyage", {"c_starts_on": "2026-01-02"})
    assert both["c_name"] == "Aurora – 2026-01-02"
    assert one["c_name"] == "2026-01-02"


def test_a_rule_refuses_with_its_message(fleet: Workspace, admin: Actor) -> None:
    with (
        pytest.raises(ValidationFailed, match="can't end before it starts"),
        fleet.records.write(admin) as writer,
    ):
        writer.create("c_voyage", {"c_starts_on": "2026-02-01", "c_ends_on": "2026-01-01"})


def test_a_lookup_to_nothing_is_refused(fleet: Workspace, admin: Actor) -> None:
    with pytest.raises(ValidationFailed, match="There is no c_ship 99"), fleet.records.write(admin) as writer:
        writer.create("c_voyage", {"c_ship": 99, "c_name": "x"})


def test_unique_values_are_kept_unique(fleet: Workspace, admin: Actor) -> None:
    first = add_ship(fleet, admin, c_code="A")
    with pytest.raises(ValidationFailed, match="Another record has this value"):
        add_ship(fleet, admin, c_code="A")
    add_ship(fleet, admin)
    add_ship(fleet, admin)
    with fleet.records.write(admin) as writer:
        writer.delete("c_ship", first["id"])
    add_ship(fleet, admin, c_code="A")
    with (
        pytest.raises(ValidationFailed, match="Another record has this value"),
        fleet.records.write(admin) as writer,
    ):
        writer.restore("c_ship", first["id"])


def test_a_batch_reports_each_record_and_writes_the_others(fleet: Workspace, admin: Actor) -> None:
    rows = [
        {"c_name": "one", "c_code": "1", "c_crew": 5},
        {"c_name": "two", "c_crew": -5},
        {"c_name": "three", "c_code": "1"},
        {"c_name": "four", "c_value": "12.00", "c_value_currency": "usd"},
    ]
    with fleet.records.write(admin) as writer:
        result = writer.create_many("c_ship", rows)
    assert [i is not None for i in result.ids] == [True, False, False, True]
    assert {(e.index, e.field, e.code) for e in result.errors} == {
        (1, "c_crew", "too_small"),
        (2, "c_code", "unique_taken"),
    }
    four = fleet.records.read(admin).get("c_ship", result.ids[3] or 0)
    assert four["c_value_currency"] == "USD"
    assert len(outbox(fleet)) == 2


def test_a_whole_batch_is_refused_when_it_may_not_be_partial(fleet: Workspace, admin: Actor) -> None:
    with pytest.raises(ValidationFailed), fleet.records.write(admin) as writer:
        writer.create_many("c_ship", [{"c_name": "one"}, {"c_name": ""}], partial=False)
    assert fleet.records.read(admin).list("c_ship").rows == []
    assert outbox(fleet) == []


def test_many_updates_report_missing_and_stale_records(fleet: Workspace, admin: Actor) -> None:
    ids = [add_ship(fleet, admin)["id"] for _ in range(3)]
    rows = [
        {"id": ids[0], "c_crew": 1},
        {"id": ids[1], "c_crew": 2, "version": 9},
        {"id": 999, "c_crew": 3},
        {"id": ids[2], "c_name": "Aurora"},
    ]
    with fleet.records.write(admin) as writer:
        result = writer.update_many("c_ship", rows)
    assert result.changed == [True, False, False, False]
    assert result.ids == [ids[0], None, None, ids[2]]
    assert {(e.index, e.code) for e in result.errors} == {(1, "version_mismatch"), (2, "not_found")}


def test_the_trash_takes_dependants_along_and_gives_them_back(fleet: Workspace, admin: Actor) -> None:
    ship = add_ship(fleet, admin)
    with fleet.records.write(admin) as writer:
        old = writer.create("c_voyage", {"c_ship": ship["id"], "c_name": "old"})
        new = writer.create("c_voyage", {"c_ship": ship["id"], "c_name": "new"})
        writer.delete("c_voyage", old["id"])
    with fleet.records.write(admin) as writer:
        writer.delete("c_ship", ship["id"])
    reader = fleet.records.read(admin)
    assert [r["c_name"] for r in reader.trash("c_voyage").rows] == ["new", "old"]
    assert reader.trash("c_ship").rows[0]["deleted_by"] == admin.id
    with fleet.records.write(admin) as writer:
        back = writer.restore("c_ship", ship["id"])
    assert back == fleet.records.read(admin).get("c_ship", ship["id"])
    assert [r["id"] for r in fleet.records.read(admin).list("c_voyage").rows] == [new["id"]]


def test_a_failed_block_leaves_nothing(fleet: Workspace, admin: Actor) -> None:

    def create_and_stop() -> None:
        with fleet.records.write(admin) as writer:
            writer.create("c_ship", {"c_name": "ghost"})
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        create_and_stop()
    assert fleet.records.read(admin).list("c_ship").rows == []
    assert outbox(fleet) == []


def test_a_commit_that_fails_emits_no_event(fleet: Workspace, admin: Actor) -> None:
    told: list[str] = []
    with fleet.database.write() as transaction:
        transaction.execute("CREATE TABLE t_parent (id integer PRIMARY KEY)")
        transaction.execute(
            "CREATE TABLE t_child (parent integer REFERENCES t_parent (id) DEFERRABLE INITIALLY DEFERRED)"
        )

    def create_and_fail() -> None:
        with fleet.records.write(admin) as writer:
            writer.create("c_ship", {"c_name": "ghost"})
            writer.transaction.after_commit(lambda: told.append("left"))
            writer.transaction.execute("INSERT INTO t_child (parent) VALUES (1)")  # only the COMMIT refuses

    with pytest.raises(INTEGRITY_ERRORS, match=r"(?i)foreign key"):
        create_and_fail()
    assert outbox(fleet) == []
    assert told == []
    assert fleet.records.read(admin).list("c_ship").rows == []
    add_ship(fleet, admin)  # the connection is usable again
    assert [e for e, _ in outbox(fleet)] == ["record.created"]


@pytest.mark.parametrize(
    ("condition", "told"),
    [("owner = me()", "me"), ("c_up.c_up.c_up is empty", "at most 2 steps"), ("c_nam is empty", "c_nam")],
    ids=["person", "far", "unknown"],
)
def test_a_rule_that_can_not_hold_is_refused_when_it_is_made(
    workspace: Workspace, admin: Actor, condition: str, told: str
) -> None:
    fields = (Field(name="name", type="text"), Field(name="up", type="lookup", target="c_thing"))
    rule = Rule(name="odd", condition=condition, message=Text.of("No."))
    with pytest.raises(ValidationFailed, match=told):
        workspace.schema.create_object(admin, Object(name="thing", fields=fields, rules=(rule,)))


def test_a_rule_sees_what_was_and_what_is_looked_up(workspace: Workspace, admin: Actor) -> None:
    fields = (
        Field(name="name", type="text"),
        Field(name="level", type="integer"),
        Field(name="up", type="lookup", target="c_thing"),
    )
    rules = (
        Rule(
            name="below", condition="c_up is empty or c_level > c_up.c_level", message=Text.of("Not below.")
        ),
        Rule(name="grows", condition="is_new() or c_level >= old(c_level)", message=Text.of("It shrinks.")),
    )
    workspace.schema.create_object(admin, Object(name="thing", fields=fields, rules=rules))
    with workspace.records.write(admin) as writer:
        top = writer.create("c_thing", {"c_name": "top", "c_level": 1})
        low = writer.create("c_thing", {"c_name": "low", "c_level": 2, "c_up": top["id"]})
    for values, told in (({"c_level": 1}, "Not below.*It shrinks"), ({"c_up": low["id"]}, "Not below")):
        with pytest.raises(ValidationFailed, match=told), workspace.records.write(admin) as writer:
            writer.update("c_thing", low["id"], values)
