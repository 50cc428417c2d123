"""The floor: bare Flask, hand-written SQL over Karvan's table, orjson; no sign-in, rights or hooks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from flask import Flask, Response, request

from karvan.database.drivers import open_postgresql, open_sqlite, parse_url


def default(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def make_floor(url: str, table: str, columns: list[str], custom: str) -> Flask:
    """The application over `table`: `columns` are what a list shows, `custom` a custom field's column."""
    dialect, address = parse_url(url)
    if dialect == "sqlite":
        connection, mark = open_sqlite(address), "?"
    else:
        connection, mark = open_postgresql(address, raw_values=False), "%s"
        connection.prepare_threshold = 1
    app = Flask("floor")
    names = ", ".join(f'"{c}"' for c in columns)
    alive = f'SELECT {names} FROM "{table}" WHERE deleted_at IS NULL'

    def rows(text: str, *values: Any) -> list[dict[str, Any]]:
        cursor = connection.execute(text.replace("?", mark), values)
        keys = [d[0] for d in cursor.description]
        return [dict(zip(keys, row, strict=True)) for row in cursor.fetchall()]

    def reply(value: Any) -> Response:
        return Response(orjson.dumps(value, default=default), mimetype="application/json")

    @app.get("/list")
    def list_() -> Response:
        text = f"{alive} AND stage = ? ORDER BY amount DESC, id DESC LIMIT 51"
        return reply({"data": rows(text, request.args["stage"])})

    @app.get("/deep")
    def deep() -> Response:
        text = f"{alive} AND id < ? ORDER BY id DESC LIMIT 51"
        return reply({"data": rows(text, int(request.args["after"]))})

    @app.get("/custom")
    def custom_() -> Response:
        text = f'{alive} AND "{custom}" = ? ORDER BY id DESC LIMIT 51'
        return reply({"data": rows(text, int(request.args["value"]))})

    @app.get("/get/<int:id_>")
    def get(id_: int) -> Response:
        return reply({"data": rows(f'SELECT {names} FROM "{table}" WHERE id = ?', id_)[0]})

    @app.get("/aggregate")
    def aggregate() -> Response:
        figures = "stage, count(*) AS count, sum(amount) AS sum"
        text = f'SELECT {figures} FROM "{table}" WHERE deleted_at IS NULL GROUP BY stage'
        return reply({"data": rows(text)})

    @app.post("/create")
    def create() -> Response:
        insert([request.get_json()])
        return reply({"ok": True})

    @app.post("/bulk")
    def bulk() -> Response:
        insert(request.get_json()["records"])
        return reply({"ok": True})

    def insert(records: list[dict[str, Any]]) -> None:
        now = datetime.now(UTC)
        at = now.isoformat(timespec="microseconds")[:26] + "Z" if dialect == "sqlite" else now
        fields = [c for c in records[0] if c != "account"]
        values = [[stored(c, r[c]) for c in fields] + [at, at] for r in records]
        listed = ", ".join(f'"{c}"' for c in [*fields, "created_at", "updated_at"])
        if dialect == "postgresql" and len(values) > 1:
            with (
                connection.transaction(),
                connection.cursor().copy(f'COPY "{table}" ({listed}) FROM STDIN') as copy,
            ):
                for row in values:
                    copy.write_row(row)
            return
        marks = ", ".join([mark] * (len(fields) + 2))
        connection.execute("BEGIN")
        connection.cursor().executemany(f'INSERT INTO "{table}" ({listed}) VALUES ({marks})', values)
        connection.execute("COMMIT")

    def stored(column: str, value: Any) -> Any:
        if column == "amount":
            return int(Decimal(value) * 100) if dialect == "sqlite" else Decimal(value)
        if column.endswith("_date") or column.endswith("_on"):
            return value if dialect == "sqlite" else date.fromisoformat(value)
        return value

    return app
