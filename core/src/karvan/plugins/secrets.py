"""`ctx.secrets`: what a plugin keeps sealed, each plugin its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from karvan.database import Database
from karvan.events.queue import stored
from karvan.vault import Vault
from karvan_sdk.errors import BadInput

NAME_MAX = 100
VALUE_MAX = 16 * 1024


class PluginSecrets:
    """Implements `karvan_sdk.Secrets` for one plugin."""

    def __init__(self, plugin: str, database: Database, vault: Vault, check: Callable[[str], None]) -> None:
        self._plugin = plugin
        self._database = database
        self._vault = vault
        self._check = check

    def get(self, name: str) -> str | None:
        """The secret, or None (see the sdk's protocol)."""
        self._check("secrets")
        with self._database.read() as connection:
            row = connection.fetchone(
                "SELECT value FROM k_secret WHERE plugin = ? AND name = ?", (self._plugin, name)
            )
        return None if row is None else self._vault.open(row[0], self._place(name))

    def set(self, name: str, value: str) -> None:
        """Keep a secret (see the sdk's protocol)."""
        self._check("secrets")
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX or not name.isprintable():
            raise BadInput(f"A secret's name has 1 to {NAME_MAX} printable characters.", field="name")
        if not isinstance(value, str) or len(value.encode(errors="replace")) > VALUE_MAX:
            raise BadInput(f"A secret is a text of at most {VALUE_MAX} bytes.", field="value")
        sealed = self._vault.seal(value, self._place(name))
        with self._database.joined() as transaction:
            transaction.execute(
                "INSERT INTO k_secret (plugin, name, value, changed_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (plugin, name)"
                " DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at",
                (self._plugin, name, sealed, stored(datetime.now(UTC), transaction)),
            )

    def delete(self, name: str) -> None:
        """Forget a secret."""
        self._check("secrets")
        with self._database.joined() as transaction:
            transaction.execute("DELETE FROM k_secret WHERE plugin = ? AND name = ?", (self._plugin, name))

    def names(self) -> Sequence[str]:
        """The names of all secrets that are kept, sorted."""
        self._check("secrets")
        with self._database.read() as connection:
            rows = connection.fetchall("SELECT name FROM k_secret WHERE plugin = ?", (self._plugin,))
        return tuple(sorted(row[0] for row in rows))

    def _place(self, name: str) -> str:
        return f"secret/{self._plugin}/{name}"
