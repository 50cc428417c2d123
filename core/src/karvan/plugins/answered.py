"""What plugins last asked of records: restrictions as data, in force while the code can't be asked.

The only module that touches `k_restriction`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from karvan.database import Database
from karvan.plugins.effective import hash_settings

Place = tuple[str, str, str]
"""(plugin, uid of the object, action)."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The condition that a plugin gave last, empty for none, and the edition of the plugin that gave it."""

    condition: str
    edition: str


def name_edition(version: str, settings: Mapping[str, Any]) -> str:
    """What tells whether a plugin is the same: its version and its settings; a text without meaning."""
    text = orjson.dumps([version, hash_settings(settings)])
    return hashlib.sha256(text).hexdigest()[:32]


class Answers:
    """The answers of one workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Mapping[Place, Answer]:
        """All of them."""
        with self._database.read() as connection:
            rows = connection.fetchall("SELECT plugin, object, action, condition, edition FROM k_restriction")
        return {(r[0], r[1], r[2]): Answer(condition=r[3], edition=r[4]) for r in rows}

    def write(self, answers: Mapping[Place, Answer]) -> None:
        """Store new answers in place of older ones, in a transaction of its own."""
        with self._database.write() as transaction:
            transaction.execute_many(
                "INSERT INTO k_restriction (plugin, object, action, condition, edition)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (plugin, object, action)"
                " DO UPDATE SET condition = excluded.condition, edition = excluded.edition",
                [(*place, answer.condition, answer.edition) for place, answer in answers.items()],
            )

    def forget(self, plugin: str) -> None:
        """Drop those of a plugin that an administrator switched off."""
        with self._database.write() as transaction:
            transaction.execute("DELETE FROM k_restriction WHERE plugin = ?", (plugin,))
