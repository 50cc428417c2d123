"""Scores follow every change, of records as of rules, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.testing import WorkspaceWith, admin_of, settle
from karvan.workspace import Workspace
from karvan_lead_scoring.scoring import GRADE, REASONS, SCORE


@pytest.fixture
def crm(workspace_with: WorkspaceWith) -> Workspace:
    made = workspace_with("crm", "lead_scoring")
    settle(made)
    return made


def create(workspace: Workspace, object: str, **values: Any) -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create(object, values)["id"])


def lead(workspace: Workspace, id: int, object: str = "lead") -> dict[str, Any]:
    return workspace.records.read(admin_of(workspace)).get(object, id)


def test_a_new_lead_is_scored_by_the_starter_rules(crm: Workspace) -> None:
    id = create(crm, "lead", name="Ada", company="Engines", title="Technical Director", rating="hot")
    settle(crm)
    found = lead(crm, id)
    assert (found[SCORE], found[GRADE]) == (25, "C")
    assert [r["points"] for r in found[REASONS]] == [10, 20, 25, -30]
