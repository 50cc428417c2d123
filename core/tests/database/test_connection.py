"""The kept connection and its transactions, on both engines."""

from __future__ import annotations

import threading

import pytest

from karvan.database import Database
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput


class Broken(Exception):
    """What a block is made to raise."""


def make_table(workspace: Workspace) -> None:
    with workspace.database.write() as t:
        made = "integer PRIMARY KEY AUTOINCREMENT" if t.dialect == "sqlite" else "bigserial PRIMARY KEY"
        t.execute(f"CREATE TABLE box (id {made}, name text)")


def names_in(workspace: Workspace) -> list[str]:
    with workspace.database.read() as c:
        return [r[0] for r in c.fetchall("SELECT name FROM box ORDER BY id")]


def test_a_transaction_is_whole_or_nothing(workspace: Workspace) -> None:
    make_table(workspace)
    told: list[str] = []
    with pytest.raises(Broken), workspace.database.write() as t:  # noqa: PT012 - the block is the subject
        t.execute("INSERT INTO box (name) VALUES (?)", ("a",))
        t.after_commit(lambda: told.append("a"))
        raise Broken
    with workspace.database.write() as t:
        t.execute("INSERT INTO box (name) VALUES (?)", ("b",))
        t.after_commit(lambda: told.append("b"))
        assert told == []
    assert (names_in(workspace), told) == (["b"], ["b"])


def test_a_savepoint_undoes_only_itself(workspace: Workspace) -> None:
    make_table(workspace)
    with workspace.database.write() as t:
        t.execute("INSERT INTO box (name) VALUES ('a')")
        with pytest.raises(Broken), t.savepoint():  # noqa: PT012 - the block is the subject
            t.execute("INSERT INTO box (name) VALUES ('b')")
            raise Broken
        with t.savepoint():
            t.execute("INSERT INTO box (name) VALUES ('c')")
    assert names_in(workspace) == ["a", "c"]


def test_transactions_are_not_nested(workspace: Workspace) -> None:
    with (
        workspace.database.write(),
        pytest.raises(RuntimeError, match="hand it down"),
        workspace.database.write(),
    ):
        pass


def test_many_rows_get_the_ids_that_were_reserved(workspace: Workspace) -> None:
    make_table(workspace)
    with workspace.database.write() as t:
        t.execute("INSERT INTO box (name) VALUES ('first')")
        ids = list(t.next_ids("box", 3))
        t.insert_many("box", ("id", "name"), [(i, f"n?%{i}") for i in ids])
        t.insert_many("box", ("id", "name"), [])
        t.execute("INSERT INTO box (name) VALUES ('last')")
    assert names_in(workspace) == ["first", *(f"n?%{i}" for i in ids), "last"]


def test_values_are_bound_never_read_as_text(workspace: Workspace) -> None:
    with workspace.database.read() as c:
        assert c.fetchone("SELECT ?, '%'", ("'; DROP TABLE k_user; -- ? %s",)) == (
            "'; DROP TABLE k_user; -- ? %s",
            "%",
        )


def test_a_snapshot_sees_one_state(workspace: Workspace) -> None:
    make_table(workspace)
    with workspace.database.snapshot() as c:
        assert c.fetchall("SELECT name FROM box") == []
        thread = threading.Thread(target=lambda: _insert(workspace))
        thread.start()
        thread.join()
        assert c.fetchall("SELECT name FROM box") == []
    assert names_in(workspace) == ["other"]


def _insert(workspace: Workspace) -> None:
    with workspace.database.write() as t:
        t.execute("INSERT INTO box (name) VALUES ('other')")


def test_writers_wait_for_each_other_and_none_is_lost(workspace: Workspace) -> None:
    make_table(workspace)

    def add() -> None:
        for _ in range(20):
            _insert(workspace)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names_in(workspace)) == 80


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "nonsense"])
def test_an_address_that_cannot_serve_is_refused_by_name(url: str) -> None:
    with pytest.raises(BadInput, match=r"database_url|SQLite"):
        Database(url)
