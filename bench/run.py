"""Measure lists, single records, creates, figures and bulk inserts against the floor, as ratios."""

from __future__ import annotations

import argparse
import gc
import io
import os
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from floor import make_floor

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.metadata.kinds import moment_text
from karvan.metadata.textkeys import sort_key
from karvan.settings import Settings
from karvan.workspace import Workspace
from karvan_sdk.fields import Field

STAGES = ("prospecting", "qualification", "proposal", "negotiation", "won", "lost")
LISTED = (
    "id",
    "name",
    "account",
    "amount",
    "stage",
    "probability",
    "opened_on",
    "close_date",
    "owner",
    "created_at",
    "updated_at",
    "version",
)
POSTGRESQL = os.environ.get("KARVAN_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")


@contextmanager
def database(engine: str) -> Iterator[str]:
    """The URL of an empty database, gone at the end."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/bench.sqlite3"
        return
    name = f"karvan_test_{secrets.token_hex(6)}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    try:
        yield POSTGRESQL.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(POSTGRESQL, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def fill(workspace: Workspace, rows: int, actor: Actor) -> None:
    """Deals straight into the table: what is measured is how they are read, not how they came there."""
    table = workspace.catalogs.current().object("deal")
    sqlite = workspace.database.dialect == "sqlite"
    dice = random.Random(7)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    columns = [
        "id",
        "owner_id",
        "created_at",
        "updated_at",
        "name",
        "name__k",
        "account",
        "amount",
        "amount__c",
        "stage",
        "probability",
        "opened_on",
        "close_date",
        "c_score",
    ]
    for start in range(1, rows + 1, 20_000):
        batch = []
        for number in range(start, min(start + 20_000, rows + 1)):
            at: Any = now + timedelta(seconds=number)
            opened: Any = date(2024, 1, 1) + timedelta(days=number % 700)
            close: Any = opened + timedelta(days=dice.randrange(200))
            if sqlite:
                at, opened, close = moment_text(at), opened.isoformat(), close.isoformat()
            name = f"Deal {number} of the north"
            amount = dice.randrange(100, 9_999_999)
            batch.append(
                [
                    number,
                    actor.id,
                    at,
                    at,
                    name,
                    sort_key(name),
                    1 + number % 500,
                    amount if sqlite else f"{amount / 100:.2f}",
                    "EUR",
                    STAGES[number % 6],
                    1000 if sqlite else "10.00",
                    opened,
                    close,
                    dice.randrange(rows // 40 + 1),
                ]
            )
        with workspace.database.write() as transaction:
            transaction.insert_many(table.table, columns, batch)
    if not sqlite:
        with workspace.database.write() as transaction:
            transaction.execute(f"SELECT setval(pg_get_serial_sequence('{table.table}', 'id'), {rows})")
    with workspace.database.read() as connection:
        connection.execute("ANALYZE")


class Caller:
    """Calls a WSGI application in process, the way a server would, without a socket."""

    def __init__(self, app: Any, token: str = "") -> None:
        self._app = app.wsgi_app if hasattr(app, "wsgi_app") else app
        self._token = token

    def __call__(self, method: str, path: str, body: Any = None) -> bytes:
        path, _, query = path.partition("?")
        data = b"" if body is None else orjson.dumps(body)
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(data)),
            "CONTENT_TYPE": "application/json" if data else "",
            "HTTP_AUTHORIZATION": f"Bearer {self._token}",
            "HTTP_HOST": "localhost",
            "SCRIPT_NAME": "",
        }
        status: list[str] = []
        parts = self._app(environ, lambda s, h, e=None: status.append(s))
        answer = b"".join(parts)
        if status[0][0] != "2":
            raise RuntimeError(f"{method} {path}: {status[0]} {answer[:300]!r}")
        return answer


Call = Callable[[int], Any]


def operations(karvan: Caller, floor: Caller, rows: int) -> dict[str, tuple[Call, Call, int]]:
    """Each operation: Karvan's call, the floor's, and how many rounds (of `--rounds` 100) it is worth."""
    shown = ",".join(LISTED)
    dice = random.Random(3)
    score_max = rows // 40

    def new(number: int) -> dict[str, Any]:
        return {
            "name": f"New {number}",
            "amount": f"{number % 9999}.50",
            "stage": "proposal",
            "opened_on": "2026-01-02",
            "close_date": "2026-03-04",
            "c_score": number % 100,
        }

    deals = "/api/v1/records/deal"
    page = f"{deals}?fields={shown}&sort=-id&limit=50"
    at_depth = max(rows // 10, 100)
    # a cursor belongs to an order, not to a filter: this one begins where nine tenths lie behind
    near = karvan("GET", f"{page}&filter=id%20%3C%3D%20{at_depth + 50}")
    deep_cursor = orjson.loads(near)["next"]
    return {
        "list 50, filter and sort": (
            lambda i: karvan(
                "GET", f"{deals}?filter=stage%3D%22{STAGES[i % 6]}%22&sort=-amount&fields={shown}"
            ),
            lambda i: floor("GET", f"/list?stage={STAGES[i % 6]}"),
            100,
        ),
        "first page by id": (
            lambda i: karvan("GET", page),
            lambda i: floor("GET", f"/deep?after={rows + 10**9}"),
            100,
        ),
        "page at depth": (
            lambda i: karvan("GET", f"{page}&after={deep_cursor}"),
            lambda i: floor("GET", f"/deep?after={at_depth}"),
            100,
        ),
        "filter on a custom field": (
            lambda i: karvan("GET", f"{deals}?filter=c_score%3D{dice.randint(0, score_max)}&fields={shown}"),
            lambda i: floor("GET", f"/custom?value={dice.randint(0, score_max)}"),
            100,
        ),
        "get": (
            lambda i: karvan("GET", f"/api/v1/records/deal/{dice.randint(1, rows)}"),
            lambda i: floor("GET", f"/get/{dice.randint(1, rows)}"),
            200,
        ),
        "aggregate": (
            lambda i: karvan(
                "POST",
                "/api/v1/records/deal/aggregate",
                {"group": ["stage"], "measures": [{"fn": "count"}, {"fn": "sum", "field": "amount"}]},
            ),
            lambda i: floor("GET", "/aggregate"),
            10,
        ),
        "create": (
            lambda i: karvan("POST", "/api/v1/records/deal", new(i)),
            lambda i: floor("POST", "/create", new(i)),
            100,
        ),
        "bulk insert of 200": (
            lambda i: karvan(
                "POST",
                "/api/v1/records/deal/bulk",
                {"action": "create", "records": [new(i * 200 + n) for n in range(200)]},
            ),
            lambda i: floor("POST", "/bulk", {"records": [new(i * 200 + n) for n in range(200)]}),
            10,
        ),
    }


def measure(calls: tuple[Call, Call, int], rounds: int) -> tuple[list[float], list[float]]:
    """Times in ms of Karvan and of the floor, in turn, in random order."""
    ours: list[float] = []
    theirs: list[float] = []
    dice = random.Random(1)
    for number in range(max(3, calls[2] * rounds // 100) + 5):
        pair = [(calls[0], ours), (calls[1], theirs)]
        dice.shuffle(pair)
        for call, times in pair:
            start = time.perf_counter()
            call(number)
            spent = (time.perf_counter() - start) * 1000
            if number >= 5:  # the first rounds make plans and prepare statements
                times.append(spent)
    return ours, theirs


def bench(engine: str, rows: int, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Name → (median of Karvan, median of the floor, p95 of Karvan) in ms."""
    with database(engine) as url, tempfile.TemporaryDirectory() as home:
        workspace = Workspace(Settings(home=Path(home), database_url=url))
        workspace.create()
        admin = workspace.actors.create_user(
            "bench@example.com", "Bench", secrets.token_hex(8), is_admin=True
        )
        workspace.plugins.enable(admin, "crm")
        workspace.schema.add_fields(admin, "deal", [Field(name="score", type="integer", indexed=True)])
        with workspace.records.write(admin) as writer:
            writer.create_many("account", [{"name": f"Account {n}"} for n in range(500)])
        fill(workspace, rows, admin)
        assert admin.id is not None
        token = workspace.actors.create_token(admin.id, "bench")
        deal = workspace.catalogs.current().object("deal")
        karvan = Caller(create_app(workspace=workspace), token)
        floor = Caller(make_floor(url, deal.table, [deal.fields[n].column for n in LISTED], "c_score"))
        found = {}
        gc.collect()
        gc.disable()
        for name, calls in operations(karvan, floor, rows).items():
            ours, theirs = measure(calls, rounds)
            p95 = statistics.quantiles(ours, n=20)[-1] if len(ours) > 1 else ours[0]
            found[name] = (statistics.median(ours), statistics.median(theirs), p95)
            gc.collect()
        gc.enable()
        workspace.close()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", choices=("sqlite", "postgresql"))
    parser.add_argument("--rows", action="append", type=int)
    parser.add_argument("--rounds", type=int, default=200, help="percent of the usual number of rounds")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    sizes = given.rows or ([10_000] if given.quick else [10_000, 1_000_000])
    rounds = 40 if given.quick else given.rounds
    print("| engine | rows | operation | Karvan ms | floor ms | ratio | p95 ms | p95 to the smallest |")
    print("|---|---|---|---|---|---|---|---|")
    for engine in given.engine or ("sqlite", "postgresql"):
        smallest: dict[str, float] = {}
        for rows in sizes:
            for name, (ours, theirs, p95) in bench(engine, rows, rounds).items():
                growth = p95 / smallest.setdefault(name, p95)
                print(
                    f"| {engine} | {rows:,} | {name} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.2f} "
                    f"| {p95:.3f} | {growth:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
