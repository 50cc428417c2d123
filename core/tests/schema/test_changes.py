"""Changes of the schema through its one door, on both engines."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
import sqlalchemy

from karvan.access.actors import Actor
from karvan.metadata.store import Catalogs
from karvan.metadata.tables import make_table, table_indexes
from karvan.schema import apply as apply_module
from karvan.schema.edits import AddFields, CreateObject, DisablePlugin
from karvan.settings import Settings
from karvan.workspace import Workspace
from karvan_sdk.errors import (
    Conflict,
    InUse,
    NotAllowed,
    SchemaRefused,
    UnknownField,
    UnknownObject,
    ValidationFailed,
)
from karvan_sdk.fields import Field, Option
from karvan_sdk.objects import Object, Rule
from karvan_sdk.text import Text

from .manifests import STAGES, foreign, harbour, project


def columns_of(workspace: Workspace, table: str) -> set[str]:
    found = sqlalchemy.inspect(workspace.database.engine).get_columns(table)
    return {c["name"] for c in found}


def tables_of(workspace: Workspace) -> set[str]:
    return set(sqlalchemy.inspect(workspace.database.engine).get_table_names())


def state_of(workspace: Workspace) -> tuple[object, ...]:
    """All that a change of the schema may leave behind."""
    inspector = sqlalchemy.inspect(workspace.database.engine)
    tables = {
        t: (
            sorted(c["name"] for c in inspector.get_columns(t)),
            sorted(str(i["name"]) for i in inspector.get_indexes(t)),
        )
        for t in inspector.get_table_names()
    }
    with workspace.database.read() as c:
        rows = [
            c.fetchall(f"SELECT * FROM {t} ORDER BY 1")
            for t in ("k_state", "k_definition", "k_ledger", "k_plugin")
        ]
    return (tables, str(rows))


def assert_tables_match(workspace: Workspace) -> None:
    """What is there physically is what the catalog says, column by column and index by index."""
    inspector = sqlalchemy.inspect(workspace.database.engine)
    for object_type in workspace.catalogs.current().objects.values():
        there = {c["name"]: c for c in inspector.get_columns(object_type.table)}
        wanted = make_table(object_type, workspace.database.dialect)
        for column in wanted.columns:
            assert column.name in there, f"{object_type.table}.{column.name}"
            assert bool(there[column.name]["nullable"]) == bool(column.nullable)
        indexes = {
            i["name"]: (tuple(i["column_names"]), bool(i["unique"]))
            for i in inspector.get_indexes(object_type.table)
        }
        assert indexes == {i.name: (i.columns, i.unique) for i in table_indexes(object_type)}


def test_a_created_object_has_its_table_and_takes_records(workspace: Workspace, admin: Actor) -> None:
    made = workspace.schema.create_object(admin, project(Field(name="budget", type="currency")))
    assert (made.name, made.table) == ("c_project", "c_project")
    assert {"c_name", "c_name__k", "c_budget", "c_budget__c"} <= columns_of(workspace, "c_project")
    assert_tables_match(workspace)
    with workspace.records.write(admin) as writer:
        record = writer.create("c_project", {"c_name": "Ark", "c_budget": "10.5"})
    assert record["c_budget"] == "10.50"


def test_a_hundred_fields_are_one_transaction(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    before = workspace.catalogs.current().version
    kinds = ("text", "integer", "decimal", "boolean", "date", "datetime", "currency", "long_text")
    fields = [Field(name=f"f{n}", type=kinds[n % len(kinds)]) for n in range(100)]
    made = workspace.schema.add_fields(admin, "c_project", fields)
    assert [f.name for f in made] == [f"c_f{n}" for n in range(100)]
    assert workspace.catalogs.current().version == before + 1
    assert_tables_match(workspace)


def test_another_process_sees_the_change_at_its_next_look(
    workspace: Workspace, admin: Actor, tmp_path: Path
) -> None:
    other = Workspace(Settings(home=tmp_path, database_url=workspace.settings.url))
    try:
        assert "c_project" not in other.catalogs.current().objects
        workspace.schema.create_object(admin, project())
        assert "c_project" in other.catalogs.current().objects
        other.schema.add_fields(admin, "c_project", [Field(name="size", type="integer")])
        assert "c_size" in workspace.catalogs.current().object("c_project").fields
    finally:
        other.close()


def test_only_administrators_change_the_schema(workspace: Workspace) -> None:
    person = workspace.actors.create_user("bo@example.com", "Bo", "a good password")
    with pytest.raises(NotAllowed, match="administrator"):
        workspace.schema.create_object(person, project())
    with pytest.raises(NotAllowed):
        workspace.schema.preview(person, CreateObject(declaration=project()))


def test_all_faults_of_new_fields_are_told_at_once(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    fields = [
        Field(name="Select", type="text"),
        Field(name="a", type="nonsense"),
        Field(name="name", type="text"),
        Field(name="b", type="lookup"),
    ]
    with pytest.raises(ValidationFailed) as caught:
        workspace.schema.add_fields(admin, "c_project", fields)
    assert [e.field for e in caught.value.errors] == ["Select.name", "a.type", "name", "b.target"]


@pytest.mark.parametrize(
    ("field", "code"),
    [
        (Field(name="y", type="lookup", target="nothing"), "unknown_object"),
        (Field(name="y", type="integer", default="many"), "wrong_type"),
        (Field(name="y", type="select", options=STAGES, default="lost"), "unknown_option"),
    ],
    ids=["unknown target", "default of another type", "default that is no option"],
)
def test_a_field_that_cannot_work_is_refused(
    workspace: Workspace, admin: Actor, field: Field, code: str
) -> None:
    workspace.schema.create_object(admin, project())
    before = state_of(workspace)
    with pytest.raises(ValidationFailed) as caught:
        workspace.schema.add_fields(admin, "c_project", [Field(name="good", type="text"), field])
    assert [(e.field, e.code) for e in caught.value.errors] == [("c_y", code)]
    assert state_of(workspace) == before


def test_unknown_names_are_refused_by_name(workspace: Workspace, admin: Actor) -> None:
    with pytest.raises(UnknownObject, match="c_nothing"):
        workspace.schema.add_fields(admin, "c_nothing", [Field(name="a", type="text")])
    workspace.schema.create_object(admin, project())
    with pytest.raises(UnknownField, match="c_nothing"):
        workspace.schema.update_field(admin, "c_project", "c_nothing", {"label": "x"})


def test_a_detached_field_comes_back_with_its_values(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="code", type="text", indexed=True)))
    with workspace.records.write(admin) as writer:
        record = writer.create("c_project", {"c_name": "Ark", "c_code": "A-1"})
    workspace.schema.detach_field(admin, "c_project", "c_code")
    assert "c_code" not in workspace.catalogs.current().object("c_project").fields
    assert "c_code" in columns_of(workspace, "c_project")
    assert_tables_match(workspace)
    with pytest.raises(SchemaRefused, match=r"existed as text.*Purge the old one first"):
        workspace.schema.add_fields(admin, "c_project", [Field(name="code", type="integer")])
    workspace.schema.add_fields(admin, "c_project", [Field(name="code", type="text")])
    assert workspace.records.read(admin).get("c_project", record["id"])["c_code"] == "A-1"


def test_a_detached_object_comes_back_with_its_records(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    with workspace.records.write(admin) as writer:
        record = writer.create("c_project", {"c_name": "Ark"})
    workspace.schema.detach_object(admin, "c_project")
    with pytest.raises(UnknownObject):
        workspace.records.read(admin).get("c_project", record["id"])
    workspace.schema.create_object(admin, project(Field(name="more", type="text")))
    assert workspace.records.read(admin).get("c_project", record["id"])["c_name"] == "Ark"
    assert_tables_match(workspace)


def test_an_object_that_is_there_is_a_conflict(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    with pytest.raises(Conflict, match="'c_project' already"):
        workspace.schema.create_object(admin, project())


def test_names_that_meet_in_one_object_are_a_conflict(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="cost", type="currency")))
    with pytest.raises(Conflict, match="c_cost_currency"):
        workspace.schema.add_fields(admin, "c_project", [Field(name="cost_currency", type="text")])


def test_a_row_too_wide_names_the_fields_that_do_not_fit(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    fields = [Field(name=f"text_{n}", type="text") for n in range(160)]
    with pytest.raises(SchemaRefused, match=r"too wide.*No room for: c_text_\d+"):
        workspace.schema.add_fields(admin, "c_project", fields)
    assert not any(c.startswith("c_text_") for c in columns_of(workspace, "c_project"))


# -- changes of what is there ------------------------------------------------------------------------------


def test_a_field_is_changed_and_set_back(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    changed = workspace.schema.update_field(
        admin, "quay", "name", {"label": {"en": "Title"}, "required": False, "max_length": 20}
    )
    assert changed.declaration.label() == "Title"
    assert (changed.declaration.required, changed.declaration.max_length) == ("never", 20)
    back = workspace.schema.update_field(admin, "quay", "name", {"required": None, "label": None})
    assert (back.declaration.required, back.declaration.label()) == ("always", "")
    assert back.declaration.max_length == 20


def test_what_the_column_depends_on_is_fixed(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    with pytest.raises(SchemaRefused, match="The type of 'length' can't be changed"):
        workspace.schema.update_field(admin, "quay", "length", {"type": "integer"})
    with pytest.raises(ValidationFailed, match="can't be changed here"):
        workspace.schema.update_field(admin, "quay", "length", {"name": "size"})


def test_options_are_added_and_renamed_but_never_removed(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    made = workspace.schema.add_options(admin, "quay", "stage", [Option(value="shut")])
    assert [o.value for o in made.declaration.options] == ["new", "done", "shut"]
    with pytest.raises(ValidationFailed, match="'shut' already"):
        workspace.schema.add_options(admin, "quay", "stage", [Option(value="shut")])
    with pytest.raises(SchemaRefused, match=r"Options can't be removed.*done, shut"):
        workspace.schema.update_field(admin, "quay", "stage", {"options": ["new"]})
    with pytest.raises(SchemaRefused, match="no select field"):
        workspace.schema.add_options(admin, "quay", "name", [Option(value="a")])


def test_unique_is_refused_while_two_records_hold_the_same(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="code", type="text")))
    with workspace.records.write(admin) as writer:
        first = writer.create("c_project", {"c_name": "a", "c_code": "same"})
        writer.create("c_project", {"c_name": "b", "c_code": "same"})
    before = state_of(workspace)
    with pytest.raises(SchemaRefused, match="several records hold the same value"):
        workspace.schema.update_field(admin, "c_project", "c_code", {"unique": True})
    assert state_of(workspace) == before
    with workspace.records.write(admin) as writer:
        writer.delete("c_project", first["id"])
    workspace.schema.update_field(admin, "c_project", "c_code", {"unique": True})
    assert_tables_match(workspace)


def test_an_index_comes_and_goes_with_its_field(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="size", type="integer")))
    workspace.schema.update_field(admin, "c_project", "c_size", {"indexed": True})
    assert_tables_match(workspace)
    workspace.schema.update_field(admin, "c_project", "c_size", {"indexed": False})
    assert_tables_match(workspace)


def test_views_are_replaced_and_a_bad_filter_is_refused(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    mine = {"name": "mine", "filter": "length > 5", "columns": ["name"]}
    changed = {"name": "open", "columns": ["name"], "filter": ""}
    made = workspace.schema.update_object(admin, "quay", {"views": [mine, changed]})
    views = {v.name: v for v in made.declaration.views}
    assert (views["mine"].filter, views["open"].filter) == ("length > 5", "")
    with pytest.raises(ValidationFailed, match=r"views.bad.filter"):
        workspace.schema.update_object(admin, "quay", {"views": [{"name": "bad", "filter": "nothing = 1"}]})
    back = workspace.schema.update_object(admin, "quay", {"views": None})
    assert {v.name: v.filter for v in back.declaration.views} == {"open": 'stage = "new"'}


def test_what_a_rule_needs_stays_in_use(workspace: Workspace, admin: Actor) -> None:
    rule = Rule(name="small", condition="c_size is empty or c_size < 9", message=Text.of("Too big."))
    base = project(Field(name="size", type="integer"))
    workspace.schema.create_object(
        admin, Object(name=base.name, label=base.label, fields=base.fields, rules=(rule,))
    )
    with pytest.raises(InUse, match=r"'size' can't be removed: rules.small.condition of 'c_project'"):
        workspace.schema.detach_field(admin, "c_project", "c_size")
    with pytest.raises(InUse, match="name field"):
        workspace.schema.detach_field(admin, "c_project", "c_name")
    with pytest.raises(ValidationFailed, match=r"rules.bad.condition"):
        workspace.schema.update_object(
            admin, "c_project", {"rules": [{"name": "bad", "condition": "c_size = 'x'", "message": "No."}]}
        )
    workspace.schema.update_object(admin, "c_project", {"rules": []})
    workspace.schema.detach_field(admin, "c_project", "c_size")


# -- plugins -----------------------------------------------------------------------------------------------


def test_a_plugins_objects_come_and_go_and_keep_their_records(workspace: Workspace, admin: Actor) -> None:
    catalog = workspace.schema.enable_plugin(admin, harbour(), version="1.0")
    assert (catalog.object("quay").table, catalog.plugins) == ("x_harbour__quay", ("harbour",))
    assert list(catalog.object("quay").relations) == ["berths"]
    assert_tables_match(workspace)
    with workspace.database.write() as t:
        at = "2026-01-01T00:00:00.000000Z"
        t.execute("INSERT INTO x_harbour__quay (name, created_at, updated_at) VALUES ('Q', ?, ?)", (at, at))
    catalog = workspace.schema.disable_plugin(admin, "harbour")
    assert (dict(catalog.objects), catalog.plugins) == ({}, ())
    assert "x_harbour__quay" in tables_of(workspace)
    workspace.schema.enable_plugin(admin, harbour(), version="1.0")
    with workspace.database.read() as c:
        assert c.fetchall("SELECT name FROM x_harbour__quay") == [("Q",)]
    assert_tables_match(workspace)


def test_enabling_twice_changes_nothing(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour(), version="1.0")
    before = state_of(workspace)
    workspace.schema.enable_plugin(admin, harbour(), version="1.0")
    assert state_of(workspace) == before


def test_an_upgrade_keeps_what_an_administrator_changed(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour(Field(name="old", type="text")), version="1.0")
    workspace.schema.update_field(admin, "quay", "name", {"label": {"en": "Title"}})
    workspace.schema.add_options(admin, "quay", "stage", [Option(value="mine")])
    workspace.schema.add_fields(admin, "quay", [Field(name="budget", type="currency")])
    newer = harbour(Field(name="depth", type="integer"), stages=(*STAGES, Option(value="shut")))
    quay = workspace.schema.enable_plugin(admin, newer, version="2.0").object("quay")
    assert quay.fields["name"].declaration.label() == "Title"
    assert [o.value for o in quay.fields["stage"].declaration.options] == ["new", "done", "mine", "shut"]
    assert {"depth", "c_budget"} <= set(quay.fields)
    assert "old" not in quay.fields
    assert "old" in columns_of(workspace, "x_harbour__quay")
    assert_tables_match(workspace)


def test_a_name_that_somebody_holds_is_a_conflict(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    before = state_of(workspace)
    with pytest.raises(Conflict, match="'quay' is held by plugin:harbour"):
        workspace.schema.enable_plugin(admin, harbour(name="port"))
    assert state_of(workspace) == before


def test_a_foreign_field_has_the_plugins_prefix(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    score = foreign("lead", "quay", Field(name="score", type="integer"))
    quay = workspace.schema.enable_plugin(admin, score).object("quay")
    assert quay.fields["lead__score"].column == "x_lead__score"
    workspace.schema.disable_plugin(admin, "harbour")
    quay = workspace.schema.enable_plugin(admin, harbour()).object("quay")
    assert "lead__score" in quay.fields
    catalog = workspace.schema.disable_plugin(admin, "lead")
    assert "lead__score" not in catalog.object("quay").fields
    with pytest.raises(ValidationFailed, match="no object 'pier'"):
        workspace.schema.enable_plugin(admin, foreign("lead", "pier", Field(name="score", type="integer")))


# -- purge and the drop guard ------------------------------------------------------------------------------


def test_a_purge_of_a_plugin_leaves_nothing(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    before = (tables_of(workspace), columns_of(workspace, "c_project"))
    fields = foreign("extra", "c_project", Field(name="fee", type="currency"), Field(name="t", type="text"))
    workspace.schema.enable_plugin(admin, harbour())
    workspace.schema.enable_plugin(admin, fields)
    workspace.schema.disable_plugin(admin, "harbour")
    workspace.schema.disable_plugin(admin, "extra")
    workspace.schema.purge(admin, "plugin:harbour")
    workspace.schema.purge(admin, "plugin:extra")
    assert (tables_of(workspace), columns_of(workspace, "c_project")) == before
    with workspace.database.read() as c:
        assert c.fetchall("SELECT uid FROM k_definition WHERE owner LIKE 'plugin:%'") == []
        assert c.fetchall("SELECT id FROM k_plugin") == []
    assert_tables_match(workspace)


def test_a_purge_drops_only_what_is_detached_and_ones_own(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="size", type="integer")))
    with pytest.raises(SchemaRefused, match=r"is in use. Detach it first"):
        workspace.schema.purge(admin, "custom", "c_project", "c_size")
    with pytest.raises(SchemaRefused, match="does not belong to plugin:lead"):
        workspace.schema.purge(admin, "plugin:lead", "c_project", "c_size")
    workspace.schema.detach_field(admin, "c_project", "c_size")
    workspace.schema.purge(admin, "custom", "c_project", "c_size")
    assert "c_size" not in columns_of(workspace, "c_project")
    made = workspace.schema.add_fields(admin, "c_project", [Field(name="size", type="text")])
    assert made[0].kind.name == "text"


def test_a_table_with_fields_of_others_is_not_purged(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.enable_plugin(admin, harbour())
    workspace.schema.add_fields(admin, "quay", [Field(name="note", type="text")])
    workspace.schema.disable_plugin(admin, "harbour")
    with pytest.raises(InUse, match=r"others keep fields on it.*note"):
        workspace.schema.purge(admin, "plugin:harbour")
    workspace.schema.purge(admin, "custom", "quay", "c_note")
    workspace.schema.purge(admin, "plugin:harbour")
    assert "x_harbour__quay" not in tables_of(workspace)


def test_a_drop_that_the_ledger_does_not_grant_is_refused(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="size", type="integer")))
    workspace.schema.detach_field(admin, "c_project", "c_size")
    with workspace.database.write() as t:
        t.execute("UPDATE k_ledger SET owner = 'plugin:lead' WHERE physical = 'c_project.c_size'")
    with pytest.raises(SchemaRefused, match=r"may not drop c_project.c_size"):
        workspace.schema.purge(admin, "custom", "c_project", "c_size")
    assert "c_size" in columns_of(workspace, "c_project")


# -- whole or not at all -----------------------------------------------------------------------------------


class Broken(Exception):
    """What a step is made to raise."""


@pytest.mark.parametrize("at", [0, 1, 5, 12, 20])
def test_a_change_that_fails_at_a_step_leaves_nothing(
    workspace: Workspace, admin: Actor, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    before = state_of(workspace)
    take, left = apply_module._take, [at]

    def fail(step: object, transaction: object) -> None:
        if left[0] == 0:
            raise Broken
        left[0] -= 1
        take(step, transaction)  # type: ignore[arg-type]

    monkeypatch.setattr(apply_module, "_take", fail)
    with pytest.raises(Broken):
        workspace.schema.enable_plugin(admin, harbour())
    monkeypatch.undo()
    assert state_of(workspace) == before
    workspace.schema.enable_plugin(admin, harbour())
    assert_tables_match(workspace)


@pytest.mark.parametrize("step", ["append", "write_definitions"])
def test_a_change_whose_records_fail_leaves_nothing(
    workspace: Workspace, admin: Actor, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*args: object) -> None:
        raise Broken

    before = state_of(workspace)
    where = "karvan.schema.ledger.append" if step == "append" else f"karvan.schema.changes.{step}"
    monkeypatch.setattr(where, fail)
    with pytest.raises(Broken):
        workspace.schema.enable_plugin(admin, harbour())
    assert state_of(workspace) == before


def test_a_preview_says_the_steps_and_changes_nothing(workspace: Workspace, admin: Actor) -> None:
    before = state_of(workspace)
    more = AddFields(object="c_project", fields=(Field(name="size", type="integer"),))
    plan = workspace.schema.preview(admin, CreateObject(declaration=project()), more)
    actions = [(s["action"], s["physical"]) for s in plan.as_json()]
    assert actions[:3] == [
        ("create_table", "c_project"),
        ("add_column", "c_project.c_name"),
        ("add_column", "c_project.c_size"),
    ]
    assert ("define", "c_project.c_size") in actions
    assert state_of(workspace) == before
    assert workspace.schema.preview(admin, DisablePlugin(plugin="nothing")).steps == ()


def test_changes_at_the_same_time_wait_for_each_other(
    workspace: Workspace, admin: Actor, tmp_path: Path
) -> None:
    workspace.schema.create_object(admin, project())
    others = [Workspace(Settings(home=tmp_path, database_url=workspace.settings.url)) for _ in range(3)]
    failed: list[BaseException] = []

    def add(number: int) -> None:
        try:
            for n in range(4):
                field = Field(name=f"f{number}_{n}", type="integer")
                others[number].schema.add_fields(admin, "c_project", [field])
        except Exception as exc:  # noqa: BLE001 - told to the main thread
            failed.append(exc)

    threads = [threading.Thread(target=add, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert failed == []
    fields = workspace.catalogs.current().object("c_project").own_fields
    assert len(fields) == 1 + 12
    assert_tables_match(workspace)


def test_every_step_stands_in_the_ledger(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project(Field(name="size", type="integer")))
    workspace.schema.detach_field(admin, "c_project", "c_size")
    with workspace.database.read() as c:
        rows = c.fetchall(
            "SELECT action, kind, owner, actor_id FROM k_ledger"
            " WHERE physical = 'c_project.c_size' ORDER BY id"
        )
    assert [tuple(r) for r in rows] == [
        ("add_column", "column", "custom", admin.id),
        ("define", "field", "custom", admin.id),
        ("detach", "field", "custom", admin.id),
    ]


def test_a_catalog_in_hand_never_changes(workspace: Workspace, admin: Actor) -> None:
    kept = workspace.catalogs.current()
    workspace.schema.create_object(admin, project())
    assert "c_project" not in kept.objects
    assert Catalogs(workspace.database).current().version == kept.version + 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_changed_tables_follow_the_catalog(workspace: Workspace, admin: Actor, seed: int) -> None:
    chance = random.Random(seed)
    workspace.schema.create_object(admin, project())
    workspace.schema.enable_plugin(admin, harbour())
    for number in range(14):
        objects = workspace.catalogs.current().objects
        object_type = objects[chance.choice(sorted(objects))]
        own = [n for n, f in object_type.own_fields.items() if f.owner == "custom" and not f.companion]
        loose = [n for n in own if n != object_type.name_field]
        act = chance.choice(["add", "add", "detach", "patch", "plugin", "purge"])
        if act == "add":
            kind = chance.choice(["text", "currency", "decimal", "date", "boolean", "lookup", "long_text"])
            target = chance.choice(sorted(objects)) if kind == "lookup" else None
            new = Field(name=f"f{number}", type=kind, target=target, indexed=chance.random() < 0.5)
            workspace.schema.add_fields(admin, object_type.name, [new])
        elif act == "detach" and loose:
            workspace.schema.detach_field(admin, object_type.name, chance.choice(loose))
        elif act == "patch" and loose:
            patch = {"indexed": chance.random() < 0.5}
            workspace.schema.update_field(admin, object_type.name, chance.choice(loose), patch)
        elif act == "plugin" and "quay" in objects:
            workspace.schema.disable_plugin(admin, "harbour")
        elif act == "plugin":
            workspace.schema.enable_plugin(admin, harbour(Field(name=f"more{number}", type="text")))
        elif act == "purge":
            workspace.schema.purge(admin, "custom")
        assert_tables_match(workspace)
