"""What a plugin costs a save that it has nothing to do with: no statement and no call."""

from __future__ import annotations

import pytest

from karvan.database.connection import Connection
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of
from karvan.workspace import Workspace

MANIFEST = """schema = 1
id = "{id}"
api = ">=0.1,<1"
name = "Zoo"
summary = "Of the tests."

[[settings]]
name = "limit"
type = "integer"
default = 1

[[hooks]]
hook = "prepare_records"
objects = ["{object}"]

[[hooks]]
hook = "check_records"
objects = ["{object}"]
"""
CODE = """
from karvan_sdk import hookimpl

@hookimpl
def prepare_records(ctx, changes):
    return changes

@hookimpl
def check_records(ctx, changes):
    return [] if ctx.settings["limit"] else None
"""


def count_statements(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> int:
    """The statements of one create and one update, sent by the kept connection."""
    admin = admin_of(workspace)
    sent: list[str] = []
    run = Connection._run

    def note(self: Connection, text: str, params: object = ()) -> object:
        sent.append(text)
        return run(self, text, params)  # type: ignore[arg-type]  # passed on as it came

    workspace.catalogs.current()
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "_run", note)
        with workspace.records.write(admin) as writer:
            made = writer.create("contact", {"name": "Ada"})
            writer.update("contact", made["id"], {"name": "Eva"})
    assert sent
    return len(sent)


def test_a_save_sends_no_more_with_plugins_that_are_not_interested(
    workspace_with: WorkspaceWith, install_plugin: InstallPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_with("crm")
    install_plugin("zoo_i", MANIFEST.format(id="zoo_i", object="contact"), CODE)
    workspace.plugins.enable(admin_of(workspace), "zoo_i")
    count_statements(workspace, monkeypatch)  # the first one prepares what is kept
    alone = count_statements(workspace, monkeypatch)
    others = [f"zoo_o{number}" for number in range(8)]
    for other in others:
        install_plugin(other, MANIFEST.format(id=other, object="account"), CODE)
        installed = workspace.plugins._discovery.get(other)
        assert installed is not None
        assert installed.manifest is not None
        workspace.schema.enable_plugin(admin_of(workspace), installed.manifest, version=installed.version)
    count_statements(workspace, monkeypatch)
    assert count_statements(workspace, monkeypatch) == alone
    called = {figure.plugin for figure in workspace.host.figures() if figure.calls}
    assert "zoo_i" in called
    assert not called & set(others)


def test_what_is_interested_sends_no_statement_of_its_own_accord(
    workspace_with: WorkspaceWith, install_plugin: InstallPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_with("crm")
    count_statements(workspace, monkeypatch)
    without = count_statements(workspace, monkeypatch)
    install_plugin("zoo_i", MANIFEST.format(id="zoo_i", object="contact"), CODE)
    workspace.plugins.enable(admin_of(workspace), "zoo_i")
    count_statements(workspace, monkeypatch)
    assert count_statements(workspace, monkeypatch) == without
