"""What comes out: the same bytes on both engines, nothing a spreadsheet would run, fit to come in again."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from karvan.access.actors import Actor
from karvan.records.export import ExportReport
from karvan.records.imports import ImportOptions
from karvan.records.shapes import ListQuery
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, UnknownField, UnknownObject
from karvan_sdk.expressions import ExpressionError

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
HOSTILE = [
    "=1+1",
    "+49 30 1",
    "-5",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "＝1",
    "'=1",
    "NULL",
    "a\r\nb",
    '"q", q',
    " x ",
    "';",
]


@pytest.fixture
def ships(fleet: Workspace, admin: Actor) -> Workspace:
    with fleet.records.write(admin) as writer:
        aurora = writer.create(
            "c_ship",
            {
                "c_name": "=Aurora",
                "c_crew": 12,
                "c_value": "-1200.50",
                "c_value_currency": "USD",
                "c_draught": "7.125",
                "c_kind": "tanker",
                "c_launched": "2016-10-20",
                "c_seen_at": "2016-10-20T10:00:00Z",
                "c_active": True,
                "c_notes": "one\ntwo",
                "c_extra": {"b": 1, "a": [2]},
            },
        )
        writer.create("c_ship", {"c_name": "Bora", "c_active": False})
        writer.create("c_voyage", {"c_name": "First", "c_ship": aurora["id"]})
    return fleet


FIELDS = (
    "name", "crew", "value", "value_currency", "draught", "kind", "launched", "seen_at", "active", "notes",
    "extra",
)  # fmt: skip


def export(workspace: Workspace, actor: Actor, object: str, format: Any = "csv", **options: Any) -> bytes:
    out = io.BytesIO()
    workspace.exports.write(actor, object, format, out, **options)
    return out.getvalue()


def test_a_csv_file_has_fixed_bytes(ships: Workspace, admin: Actor) -> None:
    assert export(ships, admin, "ship", fields=FIELDS, sort=("-crew",)).decode() == (
        "name,crew,value,value_currency,draught,kind,launched,seen_at,active,notes,extra\r\n"
        "'=Aurora,12,-1200.50,USD,7.125,tanker,2016-10-20,2016-10-20T10:00:00.000000Z,true,"
        '"one\ntwo","{""a"":[2],""b"":1}"\r\n'
        "Bora,,,,,,,,false,,\r\n"
    )


def test_lookups_and_people_come_out_by_name(ships: Workspace, admin: Actor) -> None:
    assert export(ships, admin, "c_voyage", fields=("c_name", "c_ship", "owner")).decode() == (
        f"c_name,c_ship,owner\r\nFirst,'=Aurora,{admin.name}\r\n"
    )


def test_json_lines_keep_ids_beside_names(ships: Workspace, admin: Actor) -> None:
    (line,) = export(ships, admin, "c_voyage", "jsonl", fields=("name", "ship")).splitlines()
    assert orjson.loads(line) == {"name": "First", "ship": {"id": 1, "name": "=Aurora"}}


def test_a_filter_a_sort_and_a_mark_are_kept(ships: Workspace, admin: Actor) -> None:
    found = export(ships, admin, "c_ship", fields=("name",), filter="c_crew is empty", bom=True)
    assert found == "\ufeffname\r\nBora\r\n".encode()


def test_without_fields_all_come_out(ships: Workspace, admin: Actor) -> None:
    header = export(ships, admin, "c_voyage").decode().splitlines()[0]
    assert header == ",".join(ships.records.read(admin).catalog.object("c_voyage").fields)


def test_a_view_gives_columns_order_and_filter(ships: Workspace, admin: Actor) -> None:
    ships.schema.update_object(
        admin,
        "c_ship",
        {
            "views": [
                {
                    "name": "active",
                    "filter": "c_active = true",
                    "columns": ["c_name", "c_crew"],
                    "sort": ["c_name"],
                }
            ]
        },
    )
    assert export(ships, admin, "c_ship", view="active").decode() == "c_name,c_crew\r\n'=Aurora,12\r\n"
    assert (
        export(ships, admin, "c_ship", view="active", filter="c_crew > 100").decode() == "c_name,c_crew\r\n"
    )
    with pytest.raises(BadInput, match="no view 'asleep'"):
        export(ships, admin, "c_ship", view="asleep")


@pytest.mark.parametrize(
    ("object", "options", "error"),
    [
        ("boat", {}, UnknownObject),
        ("c_ship", {"fields": ("colour",)}, UnknownField),
        ("c_ship", {"sort": ("-colour",)}, UnknownField),
        ("c_ship", {"filter": "c_crew >"}, ExpressionError),
        ("c_ship", {"format": "ods"}, BadInput),
    ],
    ids=["object", "field", "sort", "filter", "format"],
)
def test_what_is_not_there_is_refused_and_leaves_no_file(
    ships: Workspace,
    admin: Actor,
    tmp_path: Path,
    object: str,
    options: dict[str, Any],
    error: type[Exception],
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    arguments = {"format": "csv", **options}
    with pytest.raises(error):
        ships.exports.write(admin, object, output=path, **arguments)
    assert [p.name for p in tmp_path.glob("out*")] == ["out.csv"]
    assert path.read_text() == "before"


def test_a_folder_that_is_not_there_is_named(ships: Workspace, admin: Actor, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be written"):
        ships.exports.write(admin, "c_ship", "csv", tmp_path / "nowhere" / "out.csv")


def cells_of(data: bytes) -> list[list[tuple[str, str]]]:
    """(type, text) of every cell of the first sheet."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row.iter(f"{SHEET}c")]
        for row in sheet.iter(f"{SHEET}row")
    ]


def test_a_spreadsheet_holds_numbers_as_numbers_and_never_a_formula(ships: Workspace, admin: Actor) -> None:
    fields = ("name", "crew", "value", "launched", "active")
    data = export(ships, admin, "c_ship", "xlsx", fields=fields, sort=("-crew",))
    header, aurora, bora = cells_of(data)
    assert [text for _, text in header] == list(fields)
    assert aurora[:3] == [("inlineStr", "=Aurora"), ("n", "12"), ("n", "-1200.5")]
    assert aurora[3][0] == "n"
    assert aurora[4] == ("b", "1")
    assert bora == [("inlineStr", "Bora"), ("b", "0")]
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_texts_too_long_for_a_cell_are_cut_and_counted(ships: Workspace, admin: Actor) -> None:
    with ships.records.write(admin) as writer:
        writer.create("c_ship", {"c_name": "Long", "c_notes": "x" * 40_000})
    report = ships.exports.write(admin, "c_ship", "xlsx", io.BytesIO())
    assert report == ExportReport(rows=3, cut=1)


def records_of(workspace: Workspace, actor: Actor, names: tuple[str, ...]) -> list[list[Any]]:
    page = workspace.records.read(actor).list("c_ship", ListQuery(sort=("id",), limit=200))
    return [[row[name] for name in names] for row in page.rows]


def test_what_came_out_comes_in_again_unchanged(fleet: Workspace, admin: Actor) -> None:
    with fleet.records.write(admin) as writer:
        for number, text in enumerate(HOSTILE):
            values = {"c_name": text, "c_notes": text, "c_code": f"S{number}", "c_extra": {"text": text}}
            writer.create("c_ship", {**values, "c_crew": number, "c_value": f"{number}.05"})
    names = ("c_name", "c_notes", "c_code", "c_crew", "c_value", "c_value_currency", "c_extra")
    before = records_of(fleet, admin, names)
    data = export(fleet, admin, "c_ship", fields=names, sort=("id",))
    same = fleet.imports.run(admin, "c_ship", io.BytesIO(data), ImportOptions(match=("c_code",)))
    assert (same.unchanged, same.failed) == (len(HOSTILE), 0)
    with fleet.records.write(admin) as writer:
        ids = [r["id"] for r in writer.reader.list("c_ship", ListQuery(limit=200)).rows]
        writer.delete_many("c_ship", ids)
    assert fleet.imports.run(admin, "c_ship", io.BytesIO(data)).created == len(HOSTILE)
    assert records_of(fleet, admin, names) == before


def test_nothing_in_a_csv_file_begins_like_a_formula(fleet: Workspace, admin: Actor) -> None:
    with fleet.records.write(admin) as writer:
        writer.create_many("c_ship", [{"c_name": text} for text in HOSTILE])
    lines = export(fleet, admin, "c_ship", fields=("name",)).decode().split("\r\n")[1:]
    assert not [line for line in lines if line.lstrip('"')[:1] in ("=", "+", "-", "@", "\t", "\r", "＝")]
