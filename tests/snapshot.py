"""Everything that a workspace holds of its schema, as plain data: two snapshots are equal or they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from karvan.database import Database

OWNED = (
    "k_definition",
    "k_plugin",
    "k_setting",
    "k_setting_lock",
    "k_layout",
    "k_delivery",
    "k_job",
    "k_secret",
    "k_accident",
    "k_suspension",
    "k_restriction",
)
"""Static tables whose rows belong to objects and plugins."""
FIGURES = "SELECT DISTINCT plugin FROM k_figure WHERE plugin NOT IN (SELECT id FROM k_plugin)"
"""Figures grow with every call, so only those of plugins that are gone count as left behind."""


def take_snapshot(url: str, home: Path) -> dict[str, Any]:
    """Tables, columns and indexes with their definitions, the rows about plugins, files of plugins."""
    database = Database(url)
    try:
        with database.read() as connection:
            structure = _sqlite(connection) if database.dialect == "sqlite" else _postgresql(connection)
            rows = {table: sorted(map(str, connection.fetchall(f"SELECT * FROM {table}"))) for table in OWNED}
            rows["k_figure"] = sorted(map(str, connection.fetchall(FIGURES)))
    finally:
        database.close()
    files = home / "files"
    return {
        "structure": structure,
        "rows": rows,
        "files": sorted(str(p.relative_to(files)) for p in files.rglob("*")) if files.is_dir() else [],
        "generation": _code(home),
    }


def _sqlite(connection: Any) -> list[Any]:
    # the text of a table that got columns and lost them differs in spaces only, so columns are asked for
    tables = [r[0] for r in connection.fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = [
        (table, *column[1:6])
        for table in tables
        if not table.startswith("sqlite_")
        for column in connection.fetchall(f'PRAGMA table_info("{table}")')
    ]
    indexes = connection.fetchall("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index'")
    return sorted(map(str, [*columns, *indexes]))


def _postgresql(connection: Any) -> list[Any]:
    columns = connection.fetchall(
        "SELECT table_name, column_name, data_type, collation_name, is_nullable"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    )
    indexes = connection.fetchall("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    return sorted(map(str, [*columns, *indexes]))


def _code(home: Path) -> list[str]:
    """The distributions of the generation in use."""
    pointer = home / "generations" / "current"
    if not pointer.is_file():
        return []
    site = home / "generations" / f"gen-{pointer.read_text().strip()}" / "site"
    return sorted(p.name for p in site.glob("*.dist-info"))
