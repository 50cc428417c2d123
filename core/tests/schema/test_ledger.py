"""The drop guard: the ledger's owner and the exact prefix, both."""

from __future__ import annotations

import pytest

from karvan.access.actors import Actor
from karvan.schema.ledger import has_exact_prefix, may_drop, owner_of
from karvan.workspace import Workspace
from karvan_sdk.fields import Field

from .manifests import foreign, harbour, project


@pytest.mark.parametrize(
    ("owner", "table", "column", "granted"),
    [
        ("plugin:lead", "x_lead__score", None, True),
        ("plugin:lead", "x_lead_scoring__score", None, False),
        ("plugin:lead_scoring", "x_lead__score", None, False),
        ("plugin:lead_scoring", "x_lead_scoring__score", None, True),
        ("plugin:telephony", "x_telephony_kamailio__call", None, False),
        ("plugin:telephony_kamailio", "x_telephony_kamailio__call", None, True),
        ("plugin:lead", "x_crm__deal", "x_lead__score", True),
        ("plugin:lead", "x_crm__deal", "x_lead_scoring__score", False),
        ("plugin:lead", "x_crm__deal", "amount", False),
        ("plugin:crm", "x_crm__deal", "amount", True),
        ("plugin:crm", "x_crm__deal", "c_budget", False),
        ("plugin:crm", "x_crm__deal", "x_lead__score", False),
        ("custom", "x_crm__deal", "c_budget", True),
        ("custom", "x_crm__deal", "amount", False),
        ("custom", "c_project", None, True),
        ("custom", "x_c__project", None, False),
        ("plugin:lead", "c_project", None, False),
        ("plugin:lead", "k_user", None, False),
        ("custom", "k_user", None, False),
    ],
)
def test_the_prefix_is_compared_up_to_the_double_underscore(
    owner: str, table: str, column: str | None, granted: bool
) -> None:
    assert has_exact_prefix(owner, table, column) is granted


def test_who_made_a_thing_may_drop_it_and_nobody_else(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    for plugin in ("lead", "lead_scoring"):
        workspace.schema.enable_plugin(
            admin, foreign(plugin, "c_project", Field(name="score", type="integer"))
        )
    workspace.schema.enable_plugin(admin, harbour())
    with workspace.database.read() as c:
        assert owner_of(c, "c_project.x_lead_scoring__score") == "plugin:lead_scoring"
        assert may_drop(c, "plugin:lead", "c_project", "x_lead__score")
        assert not may_drop(c, "plugin:lead", "c_project", "x_lead_scoring__score")
        assert not may_drop(c, "plugin:lead_scoring", "c_project", "x_lead__score")
        assert may_drop(c, "plugin:harbour", "x_harbour__quay", "length")
        assert not may_drop(c, "plugin:harbour", "c_project")
        assert not may_drop(c, "plugin:harbour", "x_harbour__nothing")


def test_a_right_name_without_a_ledger_row_is_not_enough(workspace: Workspace) -> None:
    with workspace.database.write() as t:
        t.execute("CREATE TABLE x_lead__old (id integer)")
        assert not may_drop(t, "plugin:lead", "x_lead__old")


def test_a_ledger_row_without_the_right_name_is_not_enough(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    with workspace.database.write() as t:
        t.execute("UPDATE k_ledger SET owner = 'plugin:lead' WHERE physical = 'c_project'")
        assert owner_of(t, "c_project") == "plugin:lead"
        assert not may_drop(t, "plugin:lead", "c_project")


def test_after_a_purge_nobody_owns_the_name(workspace: Workspace, admin: Actor) -> None:
    workspace.schema.create_object(admin, project())
    workspace.schema.detach_object(admin, "c_project")
    workspace.schema.purge(admin, "custom", "c_project")
    with workspace.database.read() as c:
        assert owner_of(c, "c_project") is None
        assert not may_drop(c, "custom", "c_project")
