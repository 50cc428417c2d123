"""A real sales table goes in, is counted, reshaped and comes out, the same on both engines.

The small twin in tests/data has the same columns and the same quirks, so that a clean clone proves the
course; the real files prove the numbers.
"""

from __future__ import annotations

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.records.imports import ImportOptions, ImportReport
from karvan.records.shapes import AggregateQuery, ListQuery, Measure
from karvan.testing import Templates, admin_of
from karvan.workspace import Workspace

SMALL = Path(__file__).parent / "data" / "maven-small"
BUSINESS = (
    "opportunity_id",
    "sales_agent",
    "product",
    "account",
    "stage",
    "opened_on",
    "close_date",
    "amount",
)
DEALS = ImportOptions(match=("opportunity_id",), create_fields=True)


def take_in(workspace: Workspace, actor: Actor, folder: Path) -> dict[str, ImportReport]:
    """Products first, as an object made on the fly; then accounts and deals."""
    products = ImportOptions(match=("product",), create_object=True)
    accounts = ImportOptions(match=("account",), create_fields=True)
    return {
        "products": workspace.imports.run(actor, "product", folder / "products.csv", products),
        "accounts": workspace.imports.run(actor, "account", folder / "accounts.csv", accounts),
        "deals": workspace.imports.run(actor, "deal", folder / "sales_pipeline.csv", DEALS),
    }


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, report.failed


def by_stage(workspace: Workspace, actor: Actor) -> dict[str, dict[str, Any]]:
    measures = (Measure(fn="count"), Measure(fn="sum", field="amount"))
    rows = workspace.records.read(actor).aggregate(
        "deal", AggregateQuery(group=("stage",), measures=measures)
    )
    return {row["stage"]: row for row in rows}


def state_of(workspace: Workspace) -> tuple[Any, ...]:
    """What an import that changes nothing must leave as it is."""
    with workspace.database.read() as connection:
        history = connection.fetchone("SELECT count(*) FROM k_history")
        versions = connection.fetchone("SELECT sum(version), count(*) FROM x_crm__deal")
        schema = connection.fetchone("SELECT version FROM k_state")
    assert history is not None
    assert versions is not None
    assert schema is not None
    return tuple(int(v) for v in (*history, *versions, *schema))


def check_course(workspace: Workspace, folder: Path) -> None:
    """The whole course, held to the files themselves."""
    admin = admin_of(workspace)
    with (folder / "sales_pipeline.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "products.csv").open(newline="", encoding="utf-8") as file:
        products = {row["product"] for row in csv.DictReader(file)}

    reports = take_in(workspace, admin, folder)
    assert counts(reports["deals"]) == (len(rows), 0, 0, 0)
    assert {c.header: (c.field, c.rule, c.type) for c in reports["deals"].columns} == {
        "opportunity_id": ("c_opportunity_id", 5, "text"),
        "sales_agent": ("c_sales_agent", 5, "text"),
        "product": ("c_product", 5, "lookup"),
        "account": ("account", 1, ""),
        "deal_stage": ("stage", 3, ""),
        "engage_date": ("opened_on", 4, ""),
        "close_date": ("close_date", 1, ""),
        "close_value": ("amount", 4, ""),
    }
    assert [(o.value, o.label, o.type) for o in reports["deals"].made_options] == [
        ("engaging", "Engaging", "open")
    ]

    found = by_stage(workspace, admin)
    assert {stage: row["count"] for stage, row in found.items()} == Counter(
        row["deal_stage"].lower() for row in rows
    )
    won = sum(Decimal(row["close_value"]) for row in rows if row["deal_stage"] == "Won")
    assert Decimal(found["won"]["sum_amount"]) == won

    named = Counter(row["product"] for row in rows)
    assert {m.value: m.count for m in reports["deals"].missing} == {
        name: count for name, count in named.items() if name not in products
    }

    before = state_of(workspace)
    again = take_in(workspace, admin, folder)
    assert [counts(r)[:2] + counts(r)[3:] for r in again.values()] == [(0, 0, 0)] * 3
    assert again["deals"].unchanged == len(rows)
    assert state_of(workspace) == before


def test_the_small_twin_goes_through_the_whole_course(crm_workspace: Workspace) -> None:
    check_course(crm_workspace, SMALL)
    admin = admin_of(crm_workspace)
    rows = crm_workspace.records.read(admin).list(
        "deal", ListQuery(sort=("c_opportunity_id",), expand=("account",))
    )
    assert [(r["account"] or {}).get("name") for r in rows.rows] == [
        "Zuid Trading",
        "Blue Mills",
        "Crane, Hale & Co",
        "Amber Holding",
        None,
        None,
        "Blue Mills",
    ]
    assert rows.rows[0]["name"] == "Zuid Trading – 2016-10-20"
    assert rows.rows[4]["name"] == "2017-03-04"
    parents = crm_workspace.records.read(admin).list(
        "account", ListQuery(filter='parent.name = "Amber Holding"')
    )
    assert len(parents.rows) == 2


@pytest.mark.needs_postgresql
def test_the_same_business_fields_come_out_as_the_same_bytes(
    workspace_templates: Templates, tmp_path: Path
) -> None:
    written: dict[str, bytes] = {}
    for engine in ("sqlite", "postgresql"):
        home = tmp_path / engine
        home.mkdir()
        with workspace_templates.copy(engine, ("crm",), home) as workspace:
            take_in(workspace, admin_of(workspace), SMALL)
            written[engine] = export(workspace, home / "out.csv")
    assert written["sqlite"] == written["postgresql"]
    assert written["sqlite"].splitlines()[:2] == [
        ",".join(BUSINESS).encode(),
        b"S0000001,Ida Berg,Lamp One,Zuid Trading,won,2016-10-20,2017-03-01,118.00",
    ]


def export(workspace: Workspace, path: Path) -> bytes:
    workspace.exports.write(
        admin_of(workspace), "deal", "csv", path, fields=BUSINESS, sort=("opportunity_id",)
    )
    return path.read_bytes()


@pytest.mark.needs_shared_data
def test_the_real_table_has_the_numbers_that_are_known(crm_workspace: Workspace, shared_data: Path) -> None:
    folder = shared_data / "crm-csv" / "maven-crm-sales"
    check_course(crm_workspace, folder)
    admin = admin_of(crm_workspace)
    assert {stage: row["count"] for stage, row in by_stage(crm_workspace, admin).items()} == {
        "won": 4238,
        "lost": 2473,
        "engaging": 1589,
        "prospecting": 500,
    }
    accounts = crm_workspace.records.read(admin).aggregate("account", AggregateQuery())
    assert accounts == [{"count": 85}]
    report = crm_workspace.imports.run(admin, "deal", folder / "sales_pipeline.csv", DEALS)
    assert [(m.value, m.count, m.nearest) for m in report.missing] == [("GTXPro", 1480, "GTX Pro")]
    assert "1480 rows name 'GTXPro', which is not there; the nearest is 'GTX Pro'." in report.text()
    assert "engage_date: dates are m/d/Y; 10/20/2016 can't be read otherwise." in report.text()


@pytest.mark.needs_shared_data
@pytest.mark.needs_postgresql
def test_the_real_table_comes_out_as_the_same_bytes(
    workspace_templates: Templates, shared_data: Path, tmp_path: Path
) -> None:
    written: dict[str, bytes] = {}
    for engine in ("sqlite", "postgresql"):
        home = tmp_path / engine
        home.mkdir()
        with workspace_templates.copy(engine, ("crm",), home) as workspace:
            take_in(workspace, admin_of(workspace), shared_data / "crm-csv" / "maven-crm-sales")
            written[engine] = export(workspace, home / "out.csv")
    assert written["sqlite"] == written["postgresql"]
    assert written["sqlite"].count(b"\r\n") == 8801


NORTHWIND = ("categories", "customers", "employees", "orders", "products", "shippers", "suppliers")


@pytest.mark.needs_shared_data
@pytest.mark.parametrize("name", NORTHWIND)
def test_no_row_of_the_northwind_files_is_swallowed(
    crm_workspace: Workspace, shared_data: Path, tmp_path: Path, name: str
) -> None:
    file = shared_data / "crm-csv" / "northwind" / f"{name}.csv"
    with file.open(newline="", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    wider = [number for number, row in enumerate(rows, 2) if len(row) != len(header)]
    options = ImportOptions(create_object=True, failed_file=tmp_path / "failed.csv")
    admin = admin_of(crm_workspace)
    report = crm_workspace.imports.run(admin, f"nw_{name}", file, options)
    assert [row.line for row in report.refused] == wider  # Rua do Paço, 67 without quotes, and such
    assert {row.errors[0].code for row in report.refused} <= {"too_many_cells"}
    assert report.created == len(rows) - len(wider)
    count = crm_workspace.records.read(admin).aggregate(f"c_nw_{name}", AggregateQuery())
    assert count == [{"count": report.created}]
    if wider:
        with (tmp_path / "failed.csv").open(newline="", encoding="utf-8") as text:
            assert len(list(csv.reader(text))) == len(wider) + 1
