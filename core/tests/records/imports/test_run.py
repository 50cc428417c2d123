"""Files become records: matched, looked up, completed and told, on both engines."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.database.connection import Connection
from karvan.records.imports import ImportOptions, ImportReport, Imports
from karvan.records.service import Records
from karvan.records.shapes import ListQuery
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, Rejected, UnknownField, UnknownObject
from karvan_sdk.fields import Field

Run = Callable[..., ImportReport]


@pytest.fixture
def run(fleet: Workspace, admin: Actor) -> Run:
    def run_(object: str, text: str | Path, **options: Any) -> ImportReport:
        source = text if isinstance(text, Path) else io.BytesIO(text.encode())
        return fleet.imports.run(admin, object, source, ImportOptions(**options))

    return run_


def rows_of(workspace: Workspace, actor: Actor, object: str, **query: Any) -> list[dict[str, Any]]:
    page = workspace.records.read(actor).list(object, ListQuery(sort=("id",), limit=200, **query))
    return [dict(row) for row in page.rows]


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.failed


SHIPS = "name,code,crew,value,launched,active\nAurora,A1,12,$1 200.50,10/20/2016,yes\nBora,B1,,,,no\n"


def test_rows_become_records(run: Run, fleet: Workspace, admin: Actor) -> None:
    report = run("c_ship", SHIPS)
    assert counts(report) == (2, 0, 0, 0)
    aurora, bora = rows_of(fleet, admin, "c_ship")
    assert (aurora["c_name"], aurora["c_crew"], aurora["c_launched"]) == ("Aurora", 12, "2016-10-20")
    assert (aurora["c_value"], aurora["c_value_currency"]) == ("1200.50", "USD")
    assert (aurora["c_active"], bora["c_active"], bora["c_crew"]) == (True, False, None)


def test_the_object_answers_without_its_prefix(run: Run) -> None:
    assert run("ship", SHIPS).object == "c_ship"


def test_the_same_import_again_changes_nothing(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", SHIPS, match=("code",))
    before = rows_of(fleet, admin, "c_ship")
    assert counts(run("c_ship", SHIPS, match=("code",))) == (0, 0, 2, 0)
    assert rows_of(fleet, admin, "c_ship") == before
    history = fleet.records.read(admin).history("c_ship", before[0]["id"])
    assert [entry["event"] for entry in history.rows] == ["created"]
    assert history.rows[0]["source"] == "import"


def test_a_matched_record_takes_the_other_values_and_keeps_what_is_empty(
    run: Run, fleet: Workspace, admin: Actor
) -> None:
    run("c_ship", SHIPS)
    report = run("c_ship", "code,crew,launched\nA1,13,\nB1,,\n", match=("c_code",))
    assert counts(report) == (0, 1, 1, 0)
    aurora = rows_of(fleet, admin, "c_ship")[0]
    assert (aurora["c_crew"], aurora["c_launched"], aurora["version"]) == (13, "2016-10-20", 2)


@pytest.mark.parametrize(
    ("header", "first", "again"),
    [
        pytest.param("crew", "1,200", "1200", id="integer"),
        pytest.param("draught", "7.5", "7.500", id="decimal"),
        pytest.param("launched", "10/20/2016", "2016-10-20", id="date"),
        pytest.param("seen_at", "2016-10-20T10:00:00Z", "2016-10-20 12:00:00+02:00", id="moment"),
        pytest.param("kind", "tanker", "Tanker", id="choice"),
        pytest.param("active", "yes", "1", id="boolean"),
        pytest.param("name", 'Au"ro\\ra', 'Au"ro\\ra', id="text with signs"),
    ],
)
def test_a_record_is_matched_by_a_field_of_any_type(run: Run, header: str, first: str, again: str) -> None:
    name = "" if header == "name" else "name"

    def file(value: str) -> str:
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerows([[h for h in (header, name) if h], [value, "Aurora"][: 2 if name else 1]])
        return out.getvalue()

    assert counts(run("c_ship", file(first))) == (1, 0, 0, 0)
    assert counts(run("c_ship", file(again), match=(header,))) == (0, 0, 1, 0)


def test_a_row_that_matches_several_records_fails(run: Run) -> None:
    run("c_ship", "name,crew\nAurora,1\nAurora,2\nBora,3\n")
    report = run("c_ship", "name,crew\nAurora,5\nBora,3\n", match=("name",))
    assert counts(report) == (0, 0, 1, 1)
    assert "2 records match this row" in report.text()


def test_of_rows_with_the_same_values_the_later_one_changes_the_record(
    run: Run, fleet: Workspace, admin: Actor
) -> None:
    report = run("c_ship", "name,code,crew\nAurora,A1,1\nAurora,A1,2\nAurora,A1,2\n", match=("code",))
    assert counts(report) == (1, 1, 1, 0)
    assert [r["c_crew"] for r in rows_of(fleet, admin, "c_ship")] == [2]


def test_several_fields_match_together(run: Run) -> None:
    file = "name,crew\nAurora,1\nAurora,2\nBora,1\n"
    assert counts(run("c_ship", file, match=("name", "crew"))) == (3, 0, 0, 0)
    assert counts(run("c_ship", file, match=("name", "crew"))) == (0, 0, 3, 0)


def test_a_row_with_an_empty_value_to_match_by_fails(run: Run) -> None:
    report = run("c_ship", "name,code\nAurora,\n", match=("code",))
    assert counts(report) == (0, 0, 0, 1)
    assert report.refused[0].errors[0].code == "no_key"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"match": ("nothing",)}, UnknownField, "no field 'nothing'"),
        ({"match": ("crew",)}, BadInput, "No column fills 'c_crew'"),
        ({"match": ("weather",)}, BadInput, "--create-fields"),
        ({"maps": {"weather": "nothing"}}, UnknownField, "no field 'nothing'"),
        ({"match": ("notes",)}, BadInput, "can't be searched"),
    ],
    ids=["no field", "no column", "column without field", "map to nothing", "long text"],
)
def test_options_that_can_not_be_meant_are_refused_before_anything_is_made(
    run: Run, fleet: Workspace, admin: Actor, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run("c_ship", "name,weather,notes\nAurora,fair,x\n", **options)
    assert rows_of(fleet, admin, "c_ship") == []


def test_an_unknown_object_is_named(run: Run) -> None:
    with pytest.raises(UnknownObject, match="'boat'"):
        run("boat", SHIPS)


def test_rows_that_fail_can_be_corrected_and_fed_back(
    run: Run, fleet: Workspace, admin: Actor, tmp_path: Path
) -> None:
    file = tmp_path / "ships.csv"
    file.write_text("name,crew,launched\nAurora,many,\nBora,3,\nCora,1,2,3\nDora,7,31/31/2016\n")
    report = run("c_ship", file)
    assert counts(report) == (1, 0, 0, 3)
    failed = tmp_path / "ships.failed.csv"
    assert report.failed_file == str(failed)
    rows = list(csv.reader(io.StringIO(failed.read_text(encoding="utf-8"))))
    assert rows[0] == ["line", "reason", "name", "crew", "launched"]
    assert rows[1] == ["2", "c_crew: 'many' is no number.", "Aurora", "many", ""]
    assert [r[0] for r in rows] == ["line", "2", "4", "5"]
    assert rows[2][2:] == ["Cora", "1", "2", "3"]
    corrected = failed.read_text().replace("many", "4").replace(",2,3", ",").replace("31/31", "12/31")
    failed.write_text(corrected)
    assert counts(run("c_ship", failed)) == (3, 0, 0, 0)
    assert [r["c_name"] for r in rows_of(fleet, admin, "c_ship")] == ["Bora", "Aurora", "Cora", "Dora"]


def test_what_the_writer_refuses_fails_with_its_line_and_the_rest_goes_on(run: Run) -> None:
    report = run("c_ship", "name,crew\nAurora,9000\n,1\nBora,2\n")
    assert counts(report) == (1, 0, 0, 2)
    assert [(r.line, r.errors[0].field) for r in report.refused] == [(2, "c_crew"), (3, "c_name")]


# -- lookups ----------------------------------------------------------------------------------------------

VOYAGES = "name,ship\nFirst,Aurora\nSecond,AURORA\nThird,A1\nFourth,Aurorra\nFifth,\n"


def test_lookups_are_found_by_name_folded_name_and_unique_field(
    run: Run, fleet: Workspace, admin: Actor
) -> None:
    run("c_ship", SHIPS)
    report = run("c_voyage", VOYAGES)
    aurora = rows_of(fleet, admin, "c_ship")[0]["id"]
    found = [r["c_ship"] for r in rows_of(fleet, admin, "c_voyage")]
    assert found == [aurora, aurora, aurora, None, None]
    (missing,) = report.missing
    assert (missing.field, missing.value, missing.count, missing.nearest) == (
        "c_ship",
        "Aurorra",
        1,
        "Aurora",
    )
    assert "1 rows name 'Aurorra', which is not there; the nearest is 'Aurora'" in report.text()


def test_a_missing_record_is_made_once_where_that_is_asked_for(
    run: Run, fleet: Workspace, admin: Actor
) -> None:
    report = run("c_voyage", "name,ship\nFirst,Dora\nSecond,DORA\nThird,Dora\n", on_missing="create")
    assert [r["c_name"] for r in rows_of(fleet, admin, "c_ship")] in (["Dora"], ["DORA"])
    assert len({r["c_ship"] for r in rows_of(fleet, admin, "c_voyage")}) == 1
    assert report.made_records == {"c_ship": 1}
    assert report.missing == ()


def test_a_missing_record_refuses_the_row_where_that_is_asked_for(run: Run) -> None:
    report = run("c_voyage", "name,ship\nFirst,Dora\nSecond,\n", on_missing="fail")
    assert counts(report) == (1, 0, 0, 1)
    assert "'Dora' is not there" in report.text()


def test_a_name_that_several_records_bear_is_told(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", "name\nAurora\nAurora\n")
    report = run("c_voyage", "name,ship\nFirst,Aurora\n", on_missing="create")
    assert rows_of(fleet, admin, "c_voyage")[0]["c_ship"] is None
    assert report.missing[0].several is True
    assert len(rows_of(fleet, admin, "c_ship")) == 2


def test_a_lookup_to_the_same_object_finds_records_further_down(
    run: Run, fleet: Workspace, admin: Actor
) -> None:
    fleet.schema.add_fields(
        admin, "c_ship", [Field(name="flagship", type="lookup", target="c_ship", label="Flagship")]
    )
    file = "name,flagship\nAurora,Cora\nBora,Nobody\nCora,\n"
    report = run("c_ship", file, match=("name",))
    aurora, bora, cora = rows_of(fleet, admin, "c_ship")
    assert counts(report) == (3, 0, 0, 0)
    assert (aurora["c_flagship"], bora["c_flagship"]) == (cora["id"], None)
    assert [m.value for m in report.missing] == ["Nobody"]
    assert counts(run("c_ship", file, match=("name",))) == (0, 0, 3, 0)


def test_people_are_found_by_name_and_address(run: Run, fleet: Workspace, admin: Actor) -> None:
    report = run("c_ship", f"name,owner\nAurora,{admin.email.upper()}\nBora,{admin.name}\nCora,Nemo\n")
    assert [r["owner"] for r in rows_of(fleet, admin, "c_ship")] == [admin.id] * 3  # Cora's is the importer
    assert [m.value for m in report.missing] == ["Nemo"]


def test_a_missing_name_is_composed(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", SHIPS)
    run("c_voyage", "ship,starts_on\nAurora,2016-10-20\n,2016-10-21\nAurora,\n")
    names = [r["c_name"] for r in rows_of(fleet, admin, "c_voyage")]
    assert names == ["Aurora – 2016-10-20", "2016-10-21", "Aurora"]


# -- what is made -----------------------------------------------------------------------------------------


def test_fields_are_made_with_the_type_of_their_column(run: Run, fleet: Workspace, admin: Actor) -> None:
    file = "name,weather,insured,seen,Länge\nAurora,fair,1,10/20/2016,12.5\nBora,rough,0,1/2/2016,7\n"
    report = run("c_ship", file, create_fields=True)
    made = {c.header: (c.field, c.rule, c.type) for c in report.columns}
    assert made == {
        "name": ("c_name", 1, ""),
        "weather": ("c_weather", 5, "text"),
        "insured": ("c_insured", 5, "boolean"),
        "seen": ("c_seen", 5, "date"),
        "Länge": ("c_lange", 5, "decimal"),
    }
    assert "seen: dates are m/d/Y; 10/20/2016 can't be read otherwise." in report.text()
    aurora = rows_of(fleet, admin, "c_ship", filter="c_insured = true")[0]
    assert (aurora["c_weather"], aurora["c_seen"], aurora["c_lange"]) == ("fair", "2016-10-20", "12.50")


def test_made_fields_are_found_again(run: Run) -> None:
    file = "name,Ship's log,created at\nAurora,x,2016-01-01\n"
    run("c_ship", file, create_fields=True)
    again = run("c_ship", file, create_fields=True, match=("name",))
    assert again.made_fields == ()
    assert [c.rule for c in again.columns] == [1, 1, 1]
    assert counts(again) == (0, 0, 1, 0)


def test_without_leave_nothing_is_made_and_the_columns_are_told(run: Run) -> None:
    report = run("c_ship", "name,weather,version\nAurora,fair,3\n")
    assert report.ignored == ("weather", "version")
    assert "version is left out (rule 6): the field of this name can't be written" in report.text()


def test_a_column_of_names_of_records_becomes_a_lookup(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", SHIPS)
    report = run("crew_list", "sailor,ships\nAnn,Aurora\nBob,Bora\nCid,Doris\n", create_object=True)
    assert [(c.field, c.rule, c.type) for c in report.columns] == [
        ("c_sailor", 1, ""),
        ("c_ships", 5, "lookup"),
    ]
    assert report.made_object == "c_crew_list"
    first = fleet.records.read(admin).list("c_crew_list", ListQuery(filter='c_ships.c_name = "Aurora"')).rows
    assert [r["c_sailor"] for r in first] == ["Ann"]
    assert [m.value for m in report.missing] == ["Doris"]


def test_an_object_is_made_once(run: Run) -> None:
    file = "port,harbours\nOslo,2\nBergen,3\n"
    first = run("port", file, create_object=True, match=("port",))
    again = run("port", file, create_object=True, match=("port",))
    assert (first.made_object, again.made_object) == ("c_port", "")
    assert [(c.field, c.rule) for c in first.columns] == [("c_name", 2), ("c_harbours", 5)]
    assert (counts(first), counts(again)) == ((2, 0, 0, 0), (0, 0, 2, 0))


def test_an_object_without_a_column_for_its_name_is_not_made(run: Run) -> None:
    with pytest.raises(BadInput, match="No column can be the name"):
        run("port", "size,open\nbig,1\nbig,1\n", create_object=True)


def test_an_unknown_choice_is_told_or_added(run: Run, fleet: Workspace, admin: Actor) -> None:
    file = "name,kind\nAurora,Tanker\nBora,Fery\nCora,Ice breaker\n"
    told = run("c_ship", file, match=("name",))
    assert [(m.value, m.nearest) for m in told.missing] == [("Fery", "ferry"), ("Ice breaker", "")]
    added = run("c_ship", file, match=("name",), create_fields=True)
    assert [(o.value, o.label) for o in added.made_options] == [
        ("fery", "Fery"),
        ("ice_breaker", "Ice breaker"),
    ]
    assert [r["c_kind"] for r in rows_of(fleet, admin, "c_ship")] == ["tanker", "fery", "ice_breaker"]
    assert counts(added) == (0, 2, 1, 0)


def test_a_trial_run_writes_nothing(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", SHIPS, match=("code",))
    report = run(
        "c_ship",
        "name,code,crew,weather\nAurora,A1,99,fair\nCora,C1,1,fair\nDora,D1,9000,fair\n",
        match=("code",),
        create_fields=True,
        dry_run=True,
    )
    assert counts(report) == (1, 1, 0, 1)
    assert [r["c_crew"] for r in rows_of(fleet, admin, "c_ship")] == [12, None]
    assert "c_weather" not in fleet.records.read(admin).catalog.object("c_ship").fields
    assert "trial run" in report.text()


def test_null_is_empty_and_told(run: Run, fleet: Workspace, admin: Actor) -> None:
    report = run("c_ship", "name,crew\nAurora,NULL\n")
    assert rows_of(fleet, admin, "c_ship")[0]["c_crew"] is None
    assert "1 cells hold the word NULL" in report.text()


def test_progress_is_told_batch_by_batch(fleet: Workspace, admin: Actor) -> None:
    told: list[tuple[int, int]] = []
    file = "name\n" + "".join(f"Ship {i}\n" for i in range(1200))
    fleet.imports.run(admin, "c_ship", io.BytesIO(file.encode()), progress=lambda a, b: told.append((a, b)))
    assert told == [(500, 1200), (1000, 1200), (1200, 1200)]


def test_the_number_of_statements_does_not_grow_with_the_rows(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("c_ship", "name\n" + "".join(f"Ship {i}\n" for i in range(150)))
    executed: list[str] = []
    execute = Connection.execute

    def counting(self: Connection, text: str, params: Any = ()) -> Any:
        executed.append(text)
        return execute(self, text, params)

    monkeypatch.setattr(Connection, "execute", counting)

    def statements(first: int, last: int) -> int:
        executed.clear()
        file = "name,ship\n" + "".join(f"Voyage {i},Ship {i}\n" for i in range(first, last))
        run("c_voyage", file, match=("name",))
        return len(executed)

    assert statements(0, 10) == statements(10, 150)


def test_the_report_has_what_programs_rely_on(run: Run) -> None:
    found = run("c_ship", SHIPS).as_json()
    assert found["failed_file"] is None
    assert {k: found[k] for k in ("created", "updated", "unchanged", "failed")} == {
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "failed": 0,
    }


def test_the_report_can_be_translated(run: Run) -> None:
    report = run("c_ship", SHIPS)
    russian = "{object}: создано {created}, изменено {updated}, без изменений {unchanged}, ошибок {failed}."
    text = report.text(lambda template: russian if "{created} created" in template else template)
    assert text.startswith("c_ship: создано 2")


class Grumpy:
    """Hooks that refuse a whole batch, naming no row, when one of its ships is called Titanic."""

    def interested(self, hook: str, object: str, event: str) -> bool:
        return hook == "check_records"

    def pipeline(self, hook: str, ctx: Any, object: str, event: str, changes: Any, verify: Any) -> Any:
        return changes

    def gate(self, hook: str, ctx: Any, object: str, event: str, changes: Any) -> None:
        if any(change.get("c_name") == "Titanic" for change in changes):
            raise Rejected("Not this ship.")

    def collect(self, hook: str, ctx: Any, **arguments: Any) -> tuple[()]:
        return ()


def test_a_batch_that_is_refused_as_a_whole_fails_only_the_row_to_blame(
    fleet: Workspace, admin: Actor
) -> None:
    records = Records(
        database=fleet.database, catalogs=fleet.catalogs, hooks=Grumpy(), settings=fleet.settings
    )
    imports = Imports(records=records, schema=fleet.schema, settings=fleet.settings)
    file = "name,kind\nAurora,oar\nBora,oar\nTitanic,oar\nCora,oar\nDora,\n"
    report = imports.run(admin, "c_ship", io.BytesIO(file.encode()))
    assert counts(report) == (4, 0, 0, 1)
    assert [(r.line, r.errors[0].message) for r in report.refused] == [(4, "Not this ship.")]
    assert [(m.value, m.count) for m in report.missing] == [("oar", 4)]


def test_rows_may_be_matched_by_the_id_that_an_export_gave(run: Run, fleet: Workspace, admin: Actor) -> None:
    run("c_ship", SHIPS)
    out = io.BytesIO()
    fleet.exports.write(admin, "c_ship", "csv", out, fields=("id", "name", "crew"), sort=("id",))
    edited = out.getvalue().decode().replace("Aurora,12", "Aurora,14") + "999,Nobody,1\r\n"
    report = run("c_ship", edited, match=("id",), create_fields=True)
    assert counts(report) == (0, 1, 1, 1)
    assert report.made_fields == ()
    assert report.refused[0].errors[0].field == "id"
    assert [r["c_crew"] for r in rows_of(fleet, admin, "c_ship")] == [14, None]


def test_long_names_with_quotes_of_every_kind_are_found(run: Run) -> None:
    names = [f"“Ship” «{i}» 'of' \\ {'y' * 200}" for i in range(300)]
    run("c_ship", "name\n" + "".join(f'"{n}"\n' for n in names))
    report = run("c_voyage", "name,ship\n" + "".join(f'Voyage,"{n}"\n' for n in names))
    assert (report.created, report.missing) == (300, ())


def test_a_value_too_long_for_a_name_is_only_missing(run: Run) -> None:
    report = run("c_voyage", f"name,ship\nFirst,{'z' * 5000}\n")
    assert [m.count for m in report.missing] == [1]
    assert len(max(report.text().splitlines(), key=len)) < 200


def test_columns_of_the_same_header_keep_their_places(run: Run, fleet: Workspace, admin: Actor) -> None:
    file = "name,utm,utm\nAurora,1,2\n"
    run("c_ship", file, match=("name",), create_fields=True)
    assert counts(run("c_ship", file, match=("name",), create_fields=True)) == (0, 0, 1, 0)
    (aurora,) = rows_of(fleet, admin, "c_ship")
    assert (aurora["c_utm"], aurora["c_utm_2"]) == (True, 2)
