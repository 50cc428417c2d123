"""New code is tried in a process of its own before anything depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from karvan.plugins.generations import CodeRefused

PROBE_S = 60
SAID_MAX = 4000
_PROBE = """
import importlib, sys
sys.path.append(sys.argv[1])
for entry in sys.argv[2:]:
    module, _, name = entry.partition(":")
    found = importlib.import_module(module)
    for part in filter(None, name.split(".")):
        found = getattr(found, part)
"""


def probe(site: Path, entries: Sequence[str]) -> None:
    """Import the new plugins in a process of their own; raises CodeRefused with what they said."""
    command = [sys.executable, "-P", "-c", _PROBE, str(site), *entries]
    with TemporaryFile() as said:  # a file and no pipe: whoever a plugin starts may hold it open for ever
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, timeout=PROBE_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as exc:
            raise CodeRefused(
                reason=f"The new plugins did not load within {PROBE_S} seconds. Nothing was installed."
            ) from exc
        if done.returncode:
            said.seek(-min(SAID_MAX, said.tell()), os.SEEK_END)
            lines = said.read().decode(errors="replace").strip().splitlines()
            why = lines[-1] if lines else f"the process ended with {done.returncode}"
            raise CodeRefused(reason=f"The new plugins can't be loaded: {why}. Nothing was installed.")
