"""The door to rows: filters, order, pages, counts, figures, related lists."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.records.shapes import AggregateQuery, ListQuery, Measure
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, NotSignedIn, UnknownField
from karvan_sdk.fields import Field

from .conftest import add_ship

CREWS = [5, None, 3, 9, None, 3, 7]


@pytest.fixture
def ships(fleet: Workspace, admin: Actor) -> Workspace:
    rows = [
        {"c_name": f"s{i}", "c_crew": crew, "c_kind": "ferry" if i % 2 else "tanker", "c_value": f"{i}.10",
         "c_launched": f"202{i % 3}-0{i + 1}-15", "c_seen_at": f"2026-03-3{i % 2}T2{i % 4}:30:00Z"}
        for i, crew in enumerate(CREWS)
    ]  # fmt: skip
    with fleet.records.write(admin) as writer:
        assert not writer.create_many("c_ship", rows).errors
    return fleet


def names(workspace: Workspace, actor: Actor, **query: Any) -> list[str]:
    return [r["c_name"] for r in workspace.records.read(actor).list("c_ship", ListQuery(**query)).rows]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (("c_crew", "c_name"), ["s2", "s5", "s0", "s6", "s3", "s1", "s4"]),
        (("-c_crew", "c_name"), ["s3", "s6", "s0", "s2", "s5", "s1", "s4"]),
        (("c_kind", "-c_crew"), ["s3", "s5", "s1", "s6", "s0", "s2", "s4"]),
        (("-c_crew",), ["s3", "s6", "s0", "s5", "s2", "s4", "s1"]),
        (("id",), ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]),
        ((), ["s6", "s5", "s4", "s3", "s2", "s1", "s0"]),
    ],
    ids=lambda v: ",".join(v) if isinstance(v, tuple) else "",
)
@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pages_by_cursor_equal_the_whole_list(
    ships: Workspace, admin: Actor, sort: tuple[str, ...], expected: list[str], limit: int
) -> None:
    found: list[str] = []
    after = None
    while True:
        query = ListQuery(sort=sort, limit=limit, after=after)
        page = ships.records.read(admin).list("c_ship", query)
        found += [r["c_name"] for r in page.rows]
        after = page.next
        if after is None:
            break
    assert found == expected
    streamed = [
        r["c_name"] for b in ships.records.read(admin).stream("c_ship", ListQuery(sort=sort)) for r in b
    ]
    assert streamed == expected


def test_filters_choose_and_bad_ones_are_named(ships: Workspace, admin: Actor) -> None:
    assert names(ships, admin, filter="c_crew > 3 and c_kind = 'tanker'", sort=("id",)) == ["s0", "s6"]
    assert names(ships, admin, filter="c_crew is empty", sort=("id",)) == ["s1", "s4"]
    assert names(ships, admin, filter="c_value >= 5.1", sort=("id",)) == ["s5", "s6"]
    assert names(ships, admin, filter="id > 2 and id != 4 and id < 7", sort=("id",)) == ["s2", "s4", "s5"]
    with pytest.raises(BadInput) as caught:
        names(ships, admin, filter="c_crw > 3")
    assert caught.value.code == "unknown_field"


def test_counts_are_exact_capped_or_left_out(ships: Workspace, admin: Actor) -> None:
    reader = ships.records.read(admin)
    assert reader.list("c_ship").count is None
    page = reader.list("c_ship", ListQuery(count="exact", filter="c_crew = 3", limit=1))
    assert (page.count, page.count_kind) == (2, "exact")
    assert reader.list("c_ship", ListQuery(count="estimate")).count == 7


def test_chosen_fields_and_expanded_lookups(ships: Workspace, admin: Actor) -> None:
    ship = add_ship(ships, admin)
    with ships.records.write(admin) as writer:
        writer.create("c_voyage", {"c_ship": ship["id"], "c_name": "v"})
        writer.create("c_voyage", {"c_name": "w"})
    reader = ships.records.read(admin)
    rows = reader.list(
        "c_voyage",
        ListQuery(fields=("c_name", "c_ship", "owner"), expand=("c_ship", "owner"), sort=("c_ship",)),
    ).rows
    assert [r["c_ship"] for r in rows] == [{"id": ship["id"], "name": "Aurora"}, None]
    assert rows[0]["owner"] == {"id": admin.id, "name": admin.name}
    assert set(rows[0]) == {"id", "c_name", "c_ship", "owner"}
    assert [r["c_name"] for r in reader.related("c_ship", ship["id"], "voyages").rows] == ["v"]
    assert reader.list("c_voyage", ListQuery(filter="c_ship.c_crew is empty", count="exact")).count == 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"sort": ("nothing",)}, "nothing"),
        ({"fields": ("nothing",)}, "nothing"),
        ({"sort": ("c_notes",)}, "c_notes"),
        ({"expand": ("c_name",)}, "c_name"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"after": "!!"}, "after"),
        ({"after": "WzFd"}, "after"),
        ({"sort": ("c_crew", "-c_crew")}, "sort"),
    ],
    ids=str,
)
def test_bad_queries_name_the_input(ships: Workspace, admin: Actor, query: Any, named: str) -> None:
    with pytest.raises((BadInput, UnknownField), match=named):
        names(ships, admin, **query)


def test_a_cursor_of_another_order_is_refused(ships: Workspace, admin: Actor) -> None:
    reader = ships.records.read(admin)
    after = reader.list("c_ship", ListQuery(sort=("c_crew",), limit=1)).next
    with pytest.raises(BadInput, match="after"):
        reader.list("c_ship", ListQuery(sort=("-c_crew",), after=after))


def test_figures_by_field_and_by_calendar_bucket(ships: Workspace, admin: Actor) -> None:
    reader = ships.records.read(admin)
    measures = (Measure(fn="count"), Measure(fn="sum", field="c_value"), Measure(fn="avg", field="c_crew"),
                Measure(fn="min", field="c_launched"))  # fmt: skip
    ferries, tankers = reader.aggregate("c_ship", AggregateQuery(group=("c_kind",), measures=measures))
    figures = ("count", "sum_c_value", "avg_c_crew", "min_c_launched")
    assert [ferries[f] for f in figures] == [3, "9.30", "6.00", "2020-04-15"]
    assert [tankers[f] for f in figures] == [4, "12.40", "5.00", "2020-01-15"]
    assert (ferries["c_kind"], tankers["c_kind"]) == ("ferry", "tanker")
    by_year = reader.aggregate("c_ship", AggregateQuery(group=("c_launched:year",)))
    assert by_year == [
        {"c_launched:year": "2020-01-01", "count": 3},
        {"c_launched:year": "2021-01-01", "count": 2},
        {"c_launched:year": "2022-01-01", "count": 2},
    ]
    by_day = reader.aggregate("c_ship", AggregateQuery(group=("c_seen_at:day",), tz="Asia/Tehran"))
    assert sum(r["count"] for r in by_day) == 7
    assert {r["c_seen_at:day"] for r in by_day} == {"2026-03-31", "2026-04-01"}
    assert reader.aggregate("c_ship", AggregateQuery(filter="c_crew = 100")) == [{"count": 0}]


def test_big_sums_do_not_overflow(fleet: Workspace, admin: Actor) -> None:
    for _ in range(12):
        add_ship(fleet, admin, c_value="9999999999999999.99")
    measures = (Measure(fn="sum", field="c_value"),)
    assert fleet.records.read(admin).aggregate("c_ship", AggregateQuery(measures=measures)) == [
        {"sum_c_value": "119999999999999999.88"}
    ]


def test_a_new_field_is_usable_by_a_worker_that_has_not_heard_of_it(ships: Workspace, admin: Actor) -> None:
    reader_elsewhere = ships.records.read(admin)  # holds the catalog from before
    ships.schema.add_fields(admin, "c_ship", [Field(name="flag", type="text")])
    row = reader_elsewhere.list("c_ship", ListQuery(filter="c_flag is empty", limit=1)).rows[0]
    assert row["c_flag"] is None


def test_an_ended_sign_in_reads_nothing(ships: Workspace, admin: Actor) -> None:
    assert admin.id is not None
    token = ships.actors.create_token(admin.id, "test")
    actor = ships.actors.by_token(token)
    assert actor is not None
    assert ships.records.read(actor).list("c_ship").rows
    with ships.database.write() as transaction:
        transaction.execute("DELETE FROM k_token")
    with pytest.raises(NotSignedIn):
        ships.records.read(actor).list("c_ship")
    with pytest.raises(NotSignedIn), ships.records.write(actor) as writer:
        writer.create("c_ship", {"c_name": "x"})
