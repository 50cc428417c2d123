"""What people chose about widgets, by slot and widget id; choices outlive the plugin that they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from karvan.database import Database
from karvan_sdk.widgets import WidgetUse

USER = "user"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What somebody chose about one widget in one slot; None inherits."""

    enabled: bool | None = None
    rank: float | None = None


Choices = Mapping[tuple[str, str], Choice]
"""(slot, widget id) → choice."""


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """A widget in a slot, as it is for one person. `id` is `<plugin>.<widget>`."""

    id: str
    plugin: str
    use: WidgetUse
    enabled: bool


def arrange(slot: str, widgets: Sequence[tuple[str, WidgetUse]], choices: Choices) -> list[Arranged]:
    """The widgets of a slot in the order of a person: plugin default, then what the person chose.

    Those without a place of their own stand at the end, in the order of their plugins.
    """
    placed: list[tuple[float, int, Arranged]] = []
    for number, (plugin, use) in enumerate(widgets):
        id_ = f"{plugin}.{use.id}"
        choice = choices.get((slot, id_), Choice())
        enabled = use.default == "on" if choice.enabled is None else choice.enabled
        rank = float("inf") if choice.rank is None else choice.rank
        placed.append((rank, number, Arranged(id=id_, plugin=plugin, use=use, enabled=enabled)))
    return [arranged for _, _, arranged in sorted(placed, key=lambda p: p[:2])]


class Layouts:
    """The choices of the people of one workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_user(self, user_id: int | None) -> Choices:
        """All choices of one person."""
        with self._database.read() as connection:
            rows = connection.fetchall(
                "SELECT slot, widget, enabled, rank FROM k_layout WHERE scope = ? AND scope_id = ?",
                (USER, user_id or 0),
            )
        return {
            (slot, widget): Choice(enabled=None if enabled is None else bool(enabled), rank=rank)
            for slot, widget, enabled, rank in rows
        }

    def switch(self, user_id: int, slot: str, widget: str, enabled: bool | None) -> None:
        """Switch a widget on or off for a person; None takes the choice back."""
        with self._database.write() as transaction:
            transaction.execute(_SWITCH, (USER, user_id, slot, widget, enabled))

    def order(self, user_id: int, slot: str, widgets: Sequence[str]) -> None:
        """Put the widgets of a slot into this order for a person."""
        with self._database.write() as transaction:
            rows = [(USER, user_id, slot, widget, float(n)) for n, widget in enumerate(widgets, 1)]
            transaction.execute_many(_PLACE, rows)

    def reset(self, user_id: int) -> None:
        """Take all choices of a person back."""
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM k_layout WHERE scope = ? AND scope_id = ?", (USER, user_id))


_SWITCH = (
    "INSERT INTO k_layout (scope, scope_id, slot, widget, enabled) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (scope, scope_id, slot, widget) DO UPDATE SET enabled = excluded.enabled"
)
_PLACE = (
    "INSERT INTO k_layout (scope, scope_id, slot, widget, rank) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (scope, scope_id, slot, widget) DO UPDATE SET rank = excluded.rank"
)
