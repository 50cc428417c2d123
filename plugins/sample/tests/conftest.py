"""A workspace with the sample plugin on both engines, and a house with guests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from karvan.records.shapes import ListQuery
from karvan.testing import PageClient, admin_of, make_page_client, settle
from karvan.workspace import Workspace


class House:
    """The visits of a workspace, as its administrator sees and writes them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.now = datetime.now(UTC).replace(microsecond=0)

    def at(self, minutes: int) -> str:
        """A moment so many minutes from now, in JSON form."""
        return (self.now + timedelta(minutes=minutes)).isoformat()

    def add(self, object: str = "visit", **values: Any) -> int:
        """Create a record; a visit is expected now."""
        if object == "visit":
            values.setdefault("expected_at", self.at(0))
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            return int(writer.create(object, values)["id"])

    def change(self, id: int, **values: Any) -> None:
        """Change a visit."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            writer.update("visit", id, values)

    def remove(self, id: int) -> None:
        """Put a visit into the trash."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            writer.delete("visit", id)

    def get(self, object: str, id: int) -> dict[str, Any]:
        """One record."""
        return self.workspace.records.read(admin_of(self.workspace)).get(object, id)

    def all(self, object: str = "visit") -> list[dict[str, Any]]:
        """All records of an object."""
        reader = self.workspace.records.read(admin_of(self.workspace))
        return list(reader.list(object, ListQuery(sort=("id",), limit=200)).rows)

    def settle(self) -> None:
        """Let the worker tell all that happened."""
        settle(self.workspace)


@pytest.fixture
def house(workspace_with: Callable[..., Workspace]) -> House:
    return House(workspace_with("crm", "sample"))


@pytest.fixture
def client(house: House) -> PageClient:
    """A browser in which the administrator is signed in."""
    return make_page_client(house.workspace)
