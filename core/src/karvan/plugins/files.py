"""Files of plugins: a folder of its own below the workspace's home for each, and nothing outside of it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from karvan_sdk.errors import BadInput, NotAllowed, RecordNotFound

_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
PARTS_MAX = 8


class PluginFiles:
    """Implements `karvan_sdk.Files` below one folder, which is made with the first file."""

    def __init__(self, folder: Path, plugin: str, *, allowed: bool) -> None:
        self._folder = folder
        self._plugin = plugin
        self._allowed = allowed

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole; whoever reads it sees the old one or the new one."""
        path = self._made(name)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        try:
            with draft.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file."""
        with self._made(name).open("ab") as stream:
            stream.write(data)

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises RecordNotFound."""
        with self.open(name) as stream:
            return stream.read()

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A file for reading; raises RecordNotFound."""
        try:
            stream = self._path(name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as exc:
            raise RecordNotFound(object="file", id=name) from exc
        with stream:
            yield stream

    def names(self, prefix: str = "") -> Sequence[str]:
        """The names of all files that begin with `prefix`."""
        self._check()
        if not self._folder.is_dir():
            return ()
        found = (p.relative_to(self._folder).as_posix() for p in self._folder.rglob("*") if p.is_file())
        return tuple(sorted(n for n in found if n.startswith(prefix)))

    def delete(self, name: str) -> None:
        """Remove a file."""
        self._path(name).unlink(missing_ok=True)

    def _made(self, name: str) -> Path:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _path(self, name: str) -> Path:
        self._check()
        parts = name.split("/")
        if len(parts) > PARTS_MAX or not all(_PART.fullmatch(part) for part in parts):
            raise BadInput(
                f"'{name[:200]}' is no name of a file: use letters, digits, '.', '-', '_', and '/' between.",
                field="name",
            )
        return self._folder.joinpath(*parts)

    def _check(self) -> None:
        if not self._allowed:
            raise NotAllowed(
                action="use", object="files", reason=f"plugin '{self._plugin}' did not ask for 'files'."
            )
