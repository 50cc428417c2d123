"""Who owns what: one row per step of every change, and the guard that every drop must pass."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from karvan.database import Connection, Transaction
from karvan.metadata.kinds import moment_text
from karvan.schema.plan import Plan, Step, describe
from karvan_sdk import names

COLUMNS = ("at", "actor_id", "owner", "action", "kind", "physical", "detail")
MADE = ("create_table", "add_column")
DROPPED = ("drop_table", "drop_column")
KINDS = {
    "create_table": "table",
    "drop_table": "table",
    "add_column": "column",
    "drop_column": "column",
    "create_index": "index",
    "drop_index": "index",
}


def append(transaction: Transaction, plan: Plan, actor_id: int | None) -> None:
    """Record the steps of a plan in the transaction that applies it."""
    now = datetime.now(UTC)
    at = moment_text(now) if transaction.dialect == "sqlite" else now
    transaction.insert_many("k_ledger", COLUMNS, [_row(step, at, actor_id) for step in plan.steps])


def owner_of(connection: Connection, physical: str) -> str | None:
    """Who made the table or column (`table.column`) that exists under this name now; None: nobody."""
    marks = ", ".join("?" * len(MADE + DROPPED))
    row = connection.fetchone(
        f"SELECT action, owner FROM k_ledger WHERE physical = ? AND action IN ({marks})"
        " ORDER BY id DESC LIMIT 1",
        (physical, *MADE, *DROPPED),
    )
    return row[1] if row and row[0] in MADE else None


def may_drop(connection: Connection, owner: str, table: str, column: str | None = None) -> bool:
    """The drop guard: the ledger says that `owner` made it, AND its name has exactly the owner's prefix.

    Both, because either alone has failed elsewhere: a ledger row can be wrong after a restore, and a
    prefix compared loosely lets `lead` drop what `lead_scoring` owns.
    """
    physical = table if column is None else f"{table}.{column}"
    return owner_of(connection, physical) == owner and has_exact_prefix(owner, table, column)


def has_exact_prefix(owner: str, table: str, column: str | None = None) -> bool:
    """Whether the name is the owner's up to and with the double underscore.

    A plugin's column on its own table is bare, so there the table's name decides.
    """
    name = table if column is None else column
    if _prefix(name) == names.owner_prefix(owner):
        return True
    return column is not None and _prefix(column) == "" and _prefix(table) == names.owner_prefix(owner)


def _prefix(physical: str) -> str:
    """`x_lead_scoring__` of `x_lead_scoring__score`, `c_` of `c_budget`, empty for a bare name."""
    head, double, rest = physical.partition("__")
    if double and rest and head.startswith("x_"):
        return head + double
    return "c_" if physical.startswith("c_") else ""


def _row(step: Step, at: object, actor_id: int | None) -> tuple[object, ...]:
    kind = KINDS.get(step.action) or getattr(step, "kind", "")
    detail = orjson.dumps(describe(step)).decode()
    return (at, actor_id, step.owner, step.action, kind, step.physical, detail)
