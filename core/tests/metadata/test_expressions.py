"""One meaning on three engines: what a closure says of a row is what SQLite and PostgreSQL select."""

from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.sizes import EXPRESSIONS

from karvan.access.actors import Actor
from karvan.metadata.expressions import compile_sql
from karvan.metadata.scope import CatalogScope
from karvan.metadata.textkeys import sort_key
from karvan.records.shapes import ListQuery
from karvan.workspace import Workspace
from karvan_sdk.expressions import Environment, compile_condition
from karvan_sdk.expressions.fold import fold
from karvan_sdk.fields import Field, Option
from karvan_sdk.objects import Object

NAMES = ["Ёжик", "ежик", "ЕЖ", "Acme", "acme Łódź", "Éclair", "a_b%c", "x?y", "é", ""]
NAMES += ["شركت", "شرکت", "می‌روم", "合同销售"]
WHOLE = [None, 0, 1, -1, 7, 2**53 - 1, -(2**53 - 1)]
EXACT = [None, "0.00", "0.01", "-0.01", "1.50", "99999999999999.99", "-5.00"]
DAYS = [None, "0001-01-01", "2024-02-29", "2026-03-30", "2026-03-31", "2026-04-01", "9999-12-31"]
MOMENTS = [None, "2026-03-30T20:29:59.999999Z", "2026-03-30T20:30:00Z", "2026-03-31T00:00:00Z"]
MOMENTS += ["2026-03-31T20:30:00.000001Z", "1990-01-01T00:00:00Z"]
NOW = datetime(2026, 3, 31, 10, 0, tzinfo=UTC)


def thing() -> Object:
    return Object(
        name="thing",
        fields=(
            Field(name="name", type="text"),
            Field(name="notes", type="long_text"),
            Field(name="count", type="integer"),
            Field(name="price", type="currency"),
            Field(name="rate", type="decimal", scale=4),
            Field(name="kind", type="select", options=(Option(value="new"), Option(value="old"))),
            Field(name="day", type="date"),
            Field(name="moment", type="datetime"),
            Field(name="flag", type="boolean"),
            Field(name="parent", type="lookup", target="c_thing"),
        ),
    )


def row(dice: random.Random) -> dict[str, Any]:
    return {
        "c_name": dice.choice(NAMES),
        "c_notes": dice.choice(NAMES),
        "c_count": dice.choice(WHOLE),
        "c_price": dice.choice(EXACT),
        "c_rate": dice.choice([None, "0.0000", "1.5000", "-0.0001"]),
        "c_kind": dice.choice([None, "new", "old"]),
        "c_day": dice.choice(DAYS),
        "c_moment": dice.choice(MOMENTS),
        "c_flag": dice.choice([None, True, False]),
    }


def condition(dice: random.Random, depth: int) -> str:
    """A random condition that types."""
    if depth and dice.random() < 0.6:
        one, two = condition(dice, depth - 1), condition(dice, depth - 1)
        return dice.choice([f"({one} and {two})", f"({one} or {two})", f"not ({one})"])
    sign = dice.choice(["=", "!=", "<", "<=", ">", ">="])
    prefix = dice.choice(["", "", "c_parent."])
    name = dice.choice(NAMES)
    number = dice.choice(["0", "1", "1.5", "-1", "0.005", "99999999999999999999", "-5.00", "7"])
    day = dice.choice(["2026-03-31", "2024-02-29", "today()", "today() - 1 day", "today() + 1 month"])
    piece = dice.choice(["е", "Ж", "ac", "كت", "同", "_", "%", "?", "É"])
    how = dice.choice(["contains", "starts_with", "ends_with"])
    period = dice.choice(["this_month()", "last_quarter()", "this_week()", "next_days(3)", "last_days(2)"])
    any_field = dice.choice(["c_name", "c_count", "c_day", "c_moment", "c_flag", "c_kind", "c_price"])
    text = dice.choice(
        [
            f'c_name {sign} "{name}"' if name else "c_name is empty",
            f'c_name {how} "{piece}"',
            f'c_notes {how} "{piece}"',
            f"c_count {sign} {number}",
            f"c_price {sign} {number}",
            f"c_rate {sign} {number}",
            f"c_count {sign} c_price",
            f"c_price {sign} c_rate",
            f"c_count in ({number}, 0)",
            f"c_price in -1..{number}",
            f'c_kind {dice.choice(["=", "!="])} "new"',
            'c_kind not in ("new", "old")',
            f"c_day {sign} {day}",
            f"c_day in {period}",
            f"c_moment in {dice.choice(['this_day()', 'last_day()', 'this_year()'])}",
            f"date(c_moment) {sign} {day}",
            f"c_moment {sign} now()",
            "c_flag",
            f"c_flag {dice.choice(['=', '!='])} {dice.choice(['true', 'false'])}",
            f"{any_field} is {dice.choice(['', 'not '])}empty",
        ]
    )
    return re.sub(r"\bc_(?!parent)", f"{prefix}c_", text)


def as_python(workspace: Workspace, record: dict[str, Any]) -> dict[str, Any]:
    fields = workspace.catalogs.current().object("c_thing").fields
    return {
        n: None if v is None else fields[n].kind.load(fields[n].declaration, v)
        for n, v in record.items()
        if fields[n].kind.name not in ("currency_code",)
    }


@pytest.fixture
def things(workspace: Workspace, admin: Actor) -> Workspace:
    workspace.schema.create_object(admin, thing())
    dice = random.Random(5)
    with workspace.records.write(admin) as writer:
        rows = [{"c_name": "x", **row(dice)} for _ in range(60)]
        result = writer.create_many("c_thing", [{**r, "c_name": r["c_name"] or None} for r in rows])
        assert not result.errors
        ids = [i for i in result.ids if i]
        writer.update_many("c_thing", [{"id": i, "c_parent": dice.choice(ids)} for i in ids[:40]])
    return workspace


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tehran", "America/New_York"])
def test_closures_and_both_engines_agree(things: Workspace, admin: Actor, zone: str) -> None:
    dice = random.Random(zone)
    catalog = things.catalogs.current()
    object_type = catalog.object("c_thing")
    scope = CatalogScope(catalog=catalog, object_type=object_type)
    environment = Environment(now=NOW, timezone=zone, actor_id=admin.id)
    records = {r["id"]: as_python(things, r) for b in things.records.read(admin).stream("c_thing") for r in b}
    flat = {
        i: {**r, **{f"c_parent.{n}": v for n, v in records.get(r["c_parent"], {}).items()}}
        for i, r in records.items()
    }
    columns = Columns(object_type)
    joined = f'"{object_type.table}" t LEFT JOIN "{object_type.table}" p ON p.id = t."c_parent"'
    for _ in range(EXPRESSIONS):
        text = condition(dice, dice.randrange(4))
        compiled = compile_condition(text, scope)
        fragment = compile_sql(compiled, things.database.dialect, columns, environment)
        with things.database.read() as connection:
            found = connection.fetchall(f"SELECT t.id FROM {joined} WHERE {fragment.text}", fragment.params)
        expected = {i for i, values in flat.items() if compiled.test(values, environment)}
        assert {r[0] for r in found} == expected, text


class Columns:
    def __init__(self, object_type: Any) -> None:
        self.fields = object_type.fields

    def column(self, path: tuple[str, ...]) -> str:
        return f'{"t" if len(path) == 1 else "p"}."{self.fields[path[-1]].column}"'

    def key(self, path: tuple[str, ...]) -> str | None:
        found = self.fields[path[-1]]
        return f'{"t" if len(path) == 1 else "p"}."{found.key_column}"' if found.key_column else None


def test_a_filter_uses_the_index_of_its_field(workspace: Workspace, admin: Actor) -> None:
    fields = (
        Field(name="name", type="text"),
        Field(name="count", type="integer", indexed=True),
        Field(name="price", type="currency", indexed=True),
        Field(name="day", type="date", indexed=True),
        Field(name="moment", type="datetime", indexed=True),
    )
    workspace.schema.create_object(admin, Object(name="thing", fields=fields))
    first = date(2000, 1, 1)
    days = [first + timedelta(days=i) for i in range(3000)]
    rows = [
        {
            "c_name": f"n{i}",
            "c_count": i,
            "c_price": f"{i}.00",
            "c_day": day.isoformat(),
            "c_moment": f"{day.isoformat()}T00:00:00Z",
        }
        for i, day in enumerate(days)
    ]
    with workspace.records.write(admin) as writer:
        for start in range(0, 3000, 1000):
            assert not writer.create_many("c_thing", rows[start : start + 1000]).errors
    catalog = workspace.catalogs.current()
    object_type = catalog.object("c_thing")
    scope = CatalogScope(catalog=catalog, object_type=object_type)
    environment = Environment(now=datetime(2008, 1, 1, tzinfo=UTC), timezone="UTC")
    explain = "EXPLAIN QUERY PLAN" if workspace.database.dialect == "sqlite" else "EXPLAIN"
    with workspace.database.write() as transaction:
        transaction.execute("ANALYZE")
    for text in (
        "c_count = 7", "c_count > 2995.5", "c_price >= 2999", "c_price in 5..5.5", "c_day in this_week()",
        "c_moment in this_day()", "date(c_moment) = 2008-01-01", 'c_name starts_with "n299"', 'c_name = "n5"',
    ):  # fmt: skip
        fragment = compile_sql(
            compile_condition(text, scope), workspace.database.dialect, Columns(object_type), environment
        )
        with workspace.database.read() as connection:
            plan = connection.fetchall(
                f'{explain} SELECT t.id FROM "{object_type.table}" t WHERE {fragment.text}', fragment.params
            )
        shown = " ".join(str(c) for r in plan for c in r)
        assert "ix_" in shown, (text, shown)


@pytest.mark.parametrize(
    "pair", [("ёжик", "ежик"), ("شركت", "شرکت"), ("Łódź", "łódź"), ("ＡＢ", "ab"), ("می‌روم", "میروم")]
)
def test_folding_finds_what_people_mean(pair: tuple[str, str]) -> None:
    assert fold(pair[0]) == fold(pair[1])


def test_keys_sort_as_people_do_and_work_letter_by_letter() -> None:
    assert sorted(["жук", "ёж", "ель", "Енот", "её"], key=sort_key) == ["её", "ель", "Енот", "ёж", "жук"]
    persian = ["بابا", "پدر", "جام", "چای", "کتاب", "گل"]
    shuffled = [persian[i] for i in (3, 0, 5, 2, 4, 1)]
    assert sorted(shuffled, key=sort_key) == persian
    for a in NAMES:
        for b in NAMES:
            assert sort_key(a + b) == sort_key(a) + sort_key(b)


def test_exact_decimals_do_not_pass_through_floats(things: Workspace, admin: Actor) -> None:
    with things.records.write(admin) as writer:
        writer.create("c_thing", {"c_name": "exact", "c_price": "99999999999999.98"})
    query = ListQuery(filter="c_price = 99999999999999.98")
    assert [r["c_name"] for r in things.records.read(admin).list("c_thing", query).rows] == ["exact"]
