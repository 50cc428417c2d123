"""A statement of a plugin that fails inside a transaction is undone, and the record is saved as if it had
not been; a plugin that asks nothing costs no statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from karvan.database.connection import Connection
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of
from karvan.workspace import Workspace
from karvan_sdk.errors import PluginFailed

HEAD = """schema = 1
id = "{id}"
api = ">=0.1,<1"
name = "Shelter"
summary = "Of the tests."
capabilities = ["records:read:contact"]
objects = ["visit.toml"]
[[hooks]]
hook = "{hook}"
objects = ["contact", "{id}_visit"]
"""
CODE = """from karvan_sdk import hookimpl

ASKS = []

@hookimpl
def {hook}(ctx, changes):
    for ask in ASKS:
        ask(ctx)
"""


@pytest.fixture(params=["prepare_records", "check_records"])
def asker(
    request: pytest.FixtureRequest, install_plugin: InstallPlugin, workspace_with: WorkspaceWith
) -> tuple[Workspace, list[Any]]:
    """A workspace with a plugin that asks what the test puts into the list."""
    plugin = f"asker_{request.param[:5]}"
    folder = install_plugin(
        plugin, HEAD.format(id=plugin, hook=request.param), CODE.format(hook=request.param)
    )
    visit = f'name = "{plugin}_visit"\nfields = [{{ name = "name", type = "text" }}]\n'
    (folder / f"karvan_{plugin}" / "visit.toml").write_text(visit)
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), plugin)
    made.catalogs.current()
    return made, __import__(f"karvan_{plugin}.plugin", fromlist=["ASKS"]).ASKS


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that go to the database meanwhile."""
    said: list[str] = []
    run = Connection._run

    def note(self: Connection, text: str, params: Any = ()) -> Any:
        said.append(text)
        return run(self, text, params)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "_run", note)
        yield said


def create(workspace: Workspace, object: str = "contact") -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create(object, {"name": "Ann"})["id"])


def break_statement(workspace: Workspace) -> Any:
    """What a plugin does when a statement of its own fails in the database itself."""

    def ask(ctx: Any) -> None:
        with workspace.database.read() as connection:
            connection.execute("SELECT * FROM k_no_such_table")

    return ask


def test_a_failed_statement_is_undone_and_the_record_saved(asker: tuple[Workspace, list[Any]]) -> None:
    workspace, asks = asker
    asks[:] = [break_statement(workspace)]
    made = create(workspace)
    assert workspace.records.read(admin_of(workspace)).get("contact", made)["name"] == "Ann"


def test_a_failed_statement_that_the_plugin_hides_is_undone_too(
    asker: tuple[Workspace, list[Any]],
) -> None:
    workspace, asks = asker
    fail = break_statement(workspace)

    def hide(ctx: Any) -> None:
        try:
            fail(ctx)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is looked at below
            asks.append(exc)

    asks[:] = [hide]
    made = create(workspace)
    assert "k_no_such_table" in str(asks.pop())
    assert workspace.records.read(admin_of(workspace)).get("contact", made)["name"] == "Ann"


def test_what_a_plugin_wrote_before_it_failed_is_undone(asker: tuple[Workspace, list[Any]]) -> None:
    workspace, asks = asker

    def write(ctx: Any) -> None:
        with workspace.database.read() as connection:
            connection.execute("DELETE FROM k_user")
        raise ValueError("after all")

    asks[:] = [write]
    create(workspace)
    with workspace.database.read() as connection:
        assert connection.fetchone("SELECT count(*) FROM k_user") == (1,)


def test_a_gate_refuses_on_its_own_object_whatever_failed(asker: tuple[Workspace, list[Any]]) -> None:
    workspace, asks = asker
    asks[:] = [break_statement(workspace)]
    own = next(name for name in workspace.catalogs.current().objects if name.endswith("_visit"))
    if "check" in own:
        with pytest.raises(PluginFailed, match="k_no_such_table"):
            create(workspace, own)
    else:
        create(workspace, own)


def test_the_savepoint_is_set_before_the_first_statement_and_not_without_one(
    asker: tuple[Workspace, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, asks = asker
    create(workspace)
    asks[:] = [lambda ctx: None]
    with counted(monkeypatch) as idle:
        create(workspace)
    assert not [text for text in idle if "SAVEPOINT" in text]
    asks[:] = [lambda ctx: ctx.records.list("contact", limit=1), lambda ctx: ctx.records.list("contact")]
    with counted(monkeypatch) as busy:
        create(workspace)
    assert [text for text in busy if "SAVEPOINT" in text] == [
        "SAVEPOINT karvan_shelter",
        "RELEASE SAVEPOINT karvan_shelter",
    ]
    asks.clear()
    with counted(monkeypatch) as free:
        create(workspace)
    assert len(idle) == len(free)
    assert len(busy) == len(idle) + 4
