"""Fields as allow-lists: a plugin that asked for some fields sees and writes those, whatever way it tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from karvan.testing import InstallPlugin, WorkspaceWith, admin_of
from karvan.workspace import Workspace
from karvan_sdk.errors import NotAllowed

MANIFEST = """
schema = 1
id = "narrow"
api = ">=0.1,<1"
name = "Narrow"
summary = "Of the tests."
requires = {{ crm = ">=0.1" }}
capabilities = [{capabilities}]

[[fields]]
object = "contact"
name = "mark"
type = "text"
"""
READS = '"records:read:contact(name,account)"'
WRITES = '"records:write:contact(name)"'


@pytest.fixture
def narrow(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Callable[[str], Workspace]:
    def make(capabilities: str) -> Workspace:
        install_plugin("narrow", MANIFEST.format(capabilities=capabilities), "")
        workspace = workspace_with("crm")
        workspace.plugins.enable(admin_of(workspace), "narrow")
        with workspace.records.write(admin_of(workspace)) as writer:
            account = writer.create("account", {"name": "Secret Ltd"})["id"]
            writer.create(
                "contact", {"name": "Ada", "phone": "+49 30 123456", "account": account, "narrow__mark": "m"}
            )
        return workspace

    return make


def records(workspace: Workspace) -> Any:
    return workspace.host.context("narrow", workspace.records.moment(admin_of(workspace))).records


def test_rows_hold_the_listed_fields_and_the_plugins_own(narrow: Callable[[str], Workspace]) -> None:
    found = records(narrow(READS))
    (row,) = found.list("contact").rows
    assert set(row) == {"id", "version", "name", "account", "narrow__mark"}
    assert found.get("contact", row["id"]) == dict(row)
    assert [set(one) for one in found.each("contact")] == [set(row)]


REFUSED: list[tuple[str, Callable[[Any], object]]] = [
    ("contact\\(phone", lambda r: r.get("contact", 1, fields=("name", "phone"))),
    ("contact\\(phone", lambda r: r.list("contact", fields=("phone",))),
    ("contact\\(phone", lambda r: r.list("contact", filter='phone = "+49 30 123456"')),
    ("contact\\(phone", lambda r: r.list("contact", filter='name = "x" or not (phone is empty)')),
    ("contact\\(phone", lambda r: r.list("contact", sort=("-phone",))),
    ("contact\\(created_at", lambda r: r.list("contact", sort=("created_at",))),
    ("contact\\(phone", lambda r: list(r.each("contact", filter="phone is empty"))),
    ("contact\\(phone", lambda r: list(r.each("contact", sort=("phone",)))),
    ("contact\\(phone", lambda r: r.aggregate("contact", measures=("count",), group=("phone",))),
    ("contact\\(phone", lambda r: r.aggregate("contact", measures=("count",), filter="phone is empty")),
    ("contact\\(created_at", lambda r: r.aggregate("contact", measures=("min:created_at",))),
    ("account", lambda r: r.list("contact", expand=("account",))),
    ("account", lambda r: r.list("contact", sort=("account",))),
    ("account", lambda r: r.list("contact", filter='account.name = "Secret Ltd"')),
    ("account", lambda r: r.aggregate("contact", measures=("count",), group=("account",))),
]


def test_what_is_not_listed_can_not_be_found_out(narrow: Callable[[str], Workspace]) -> None:
    found = records(narrow(READS))
    for missing, ask in REFUSED:
        with pytest.raises(NotAllowed, match=f"did not ask for 'records:read:{missing}"):
            ask(found)


def test_listed_fields_are_filtered_sorted_and_grouped_by(narrow: Callable[[str], Workspace]) -> None:
    found = records(narrow(READS))
    assert len(found.list("contact", filter='name = "Ada"', sort=("-name",)).rows) == 1
    assert found.aggregate("contact", measures=("count",), group=("name",))[0]["count"] == 1


def test_only_listed_fields_are_written_and_come_back(narrow: Callable[[str], Workspace]) -> None:
    found = records(narrow(WRITES))
    with found.write() as writer:
        row = writer.update("contact", 1, {"name": "Bo", "narrow__mark": "n"})
        made = writer.create("contact", {"name": "Cy"})
    assert set(row) == set(made) == {"id", "version", "name", "narrow__mark"}
    tries: list[Callable[[Any], object]] = [
        lambda w: w.update("contact", 1, {"phone": "1"}),
        lambda w: w.create("contact", {"name": "D", "phone": "1"}),
        lambda w: w.create_many("contact", [{"name": "D"}, {"phone": "1"}]),
        lambda w: w.update_many("contact", [{"id": 1, "phone": "1"}]),
        lambda w: w.delete("contact", 1),
    ]
    for act in tries:
        with (
            found.write() as writer,
            pytest.raises(NotAllowed, match="did not ask for 'records:write:contact"),
        ):
            act(writer)


def test_reading_a_list_gives_no_leave_to_write(narrow: Callable[[str], Workspace]) -> None:
    found = records(narrow(READS))
    with found.write() as writer, pytest.raises(NotAllowed, match="records:write:contact"):
        writer.update("contact", 1, {"name": "Bo"})
