"""A workspace with lead_scoring on both engines, its records at hand, and what the database was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.database import Connection
from karvan.plugins.context import PluginContext
from karvan.records.shapes import ListQuery
from karvan.testing import WorkspaceWith, admin_of, settle
from karvan.workspace import Workspace
from karvan_lead_scoring.scoring import GRADE, REASONS, SCORE
from karvan_sdk import Field


class Desk:
    """Records as the administrator writes them and the worker scores them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def add(self, object: str, **values: Any) -> int:
        """Create a record."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            return int(writer.create(object, values)["id"])

    def add_many(self, object: str, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Create many records."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            found = writer.create_many(object, rows, partial=False)
            return [i for i in found.ids if i is not None]

    def change(self, object: str, id: int, **values: Any) -> None:
        """Change a record."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            writer.update(object, id, values)

    def remove(self, object: str, id: int) -> None:
        """Put a record into the trash."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            writer.delete(object, id)

    def restore(self, object: str, id: int) -> None:
        """Take a record out of the trash."""
        with self.workspace.records.write(admin_of(self.workspace)) as writer:
            writer.restore(object, id)

    def rule(self, name: str, condition: str, points: int, **values: Any) -> int:
        """Create a rule."""
        return self.add("score_rule", name=name, condition=condition, points=points, **values)

    def broken_rule(self) -> int:
        """A rule of 40 points whose field is removed after it was saved; told to nobody yet."""
        schema, admin = self.workspace.schema, admin_of(self.workspace)
        schema.add_fields(admin, "lead", [Field(name="budget", type="integer")])
        id = self.rule("Has a budget", "c_budget > 1000", 40)
        schema.detach_field(admin, "lead", "c_budget")
        return id

    def all(self, object: str, filter: str = "") -> list[dict[str, Any]]:
        """All records of an object, oldest first."""
        query = ListQuery(filter=filter, sort=("id",))
        reader = self.workspace.records.read(admin_of(self.workspace))
        return [row for batch in reader.stream(object, query) for row in batch]

    def get(self, object: str, id: int) -> dict[str, Any]:
        """One record."""
        return self.workspace.records.read(admin_of(self.workspace)).get(object, id)

    def score(self, id: int, object: str = "lead") -> int | None:
        """The score of a record."""
        found: int | None = self.get(object, id)[SCORE]
        return found

    def scores(self, object: str = "lead") -> list[int | None]:
        """The scores of all records of an object, oldest first."""
        return [row[SCORE] for row in self.all(object)]

    def shown(self, id: int, object: str = "lead") -> tuple[Any, Any, list[tuple[str, int]]]:
        """Score, grade and reasons of a record."""
        found = self.get(object, id)
        return found[SCORE], found[GRADE], [(r["name"], r["points"]) for r in found[REASONS] or ()]

    def context(self) -> PluginContext:
        """What the worker gives the plugin."""
        moment = self.workspace.records.moment(Actor.system(), source="plugin:lead_scoring")
        return self.workspace.host.context("lead_scoring", moment)

    def settle(self) -> None:
        """Let the worker do all there is to do."""
        settle(self.workspace)

    def settle_retries(self) -> None:
        """The same, as if the time had passed after which failed deliveries are tried again."""
        with self.workspace.database.write() as transaction:
            transaction.execute("UPDATE k_delivery SET due_at = at")
        settle(self.workspace)

    def waiting(self) -> int:
        """How many deliveries were not made yet."""
        return self.workspace.deliveries.count().waiting


@pytest.fixture
def desk(workspace_with: WorkspaceWith) -> Desk:
    """A workspace with crm and lead_scoring, settled, without any rules."""
    made = Desk(workspace_with("crm", "lead_scoring"))
    made.settle()
    with made.workspace.records.write(admin_of(made.workspace)) as writer:
        writer.delete_many("score_rule", [row["id"] for row in made.all("score_rule")])
    made.settle()
    return made


@pytest.fixture
def started(workspace_with: WorkspaceWith) -> Desk:
    """A workspace as it is after the plugin was enabled: with the starter rules."""
    made = Desk(workspace_with("crm", "lead_scoring"))
    made.settle()
    return made


Counting = Callable[[], Any]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Counts what the database is asked: `with statements() as asked: …`; `asked` holds the texts."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        asked: list[str] = []
        execute = Connection.execute

        def counting(self: Connection, text: str, params: Sequence[Any] = ()) -> Any:
            asked.append(text)
            return execute(self, text, params)

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "execute", counting)
            yield asked

    return count
