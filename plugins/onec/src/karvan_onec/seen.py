"""Which products a full catalogue has held, over all its files in one session."""

from __future__ import annotations

from collections.abc import Iterable

from karvan_sdk import Files, RecordNotFound


class Seen:
    """Identifiers, one a line, in a file. Noted before the commit: a repeated piece notes them twice, which
    does no harm, while one forgotten would take a product off sale."""

    def __init__(self, files: Files, session: str) -> None:
        self._files = files
        self._name = f"uploads/{session}/seen"

    def add(self, guids: Iterable[str]) -> None:
        """Note products."""
        lines = "".join(f"{guid}\n" for guid in guids if guid)
        if lines:
            self._files.append(self._name, lines.encode())

    def read(self) -> set[str]:
        """All that were noted."""
        try:
            return set(self._files.read(self._name).decode().splitlines())
        except RecordNotFound:
            return set()
