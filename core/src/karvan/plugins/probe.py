"""New code is tried in a process of its own before anything depends on it.

The child has its own session, limits of time and memory, no files of ours, and no environment but what
running Python needs: the database's address and other secrets stay here. What it started is ended with it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from karvan.plugins import trial
from karvan_sdk.errors import PluginRefused

SAID_MAX = 2000
KEPT = re.compile(r"PATH|LANG|LC_\w+|TZ|LD_LIBRARY_PATH|PYTHONHOME|VIRTUAL_ENV|SSL_CERT_\w+")
"""The variables that a child is given."""
_PLACE = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+)')
_POLL_S = 0.01


class PluginUnfit(PluginRefused):
    """A plugin's code was tried in a process of its own and can't be used; nothing was changed."""

    code = "plugin_unfit"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a trial may take: `wall_s` to load all its plugins, `start_s` for the process to come up before,
    `memory_mib` MiB of data."""

    wall_s: float = 4.0
    start_s: float = 3.0
    memory_mib: int = 1024


LIMITS = Limits()
INSTALL = Limits(wall_s=60.0)
"""An install tries several plugins at once, whose code was never compiled; nobody's request waits."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a trial: per plugin why it can't be used, in sentences; its time and its most memory."""

    problems: Mapping[str, tuple[str, ...]]
    seconds: float
    memory_mib: float

    @property
    def reason(self) -> str:
        """All problems in one text, empty where there is none."""
        return " ".join(text for found in self.problems.values() for text in found)


def try_plugins(plugins: Mapping[str, str], limits: Limits = LIMITS, *, site: Path | None = None) -> Trial:
    """Load plugins (id → distribution) in a process of their own, as the host would.

    `site` is a folder of code that is not on the path yet. Never raises for what plugins do.
    """
    path = [place for place in sys.path if place] + ([str(site)] if site else [])
    with TemporaryDirectory(prefix="karvan-trial-") as name:
        folder = Path(name)
        request = {"path": path, "plugins": list(plugins.items()), "wall_s": limits.wall_s,
                   "memory_mib": limits.memory_mib}  # fmt: skip
        (folder / trial.REQUEST).write_text(json.dumps(request), encoding="utf-8")
        began = time.perf_counter()
        status = _run(folder, limits.wall_s + limits.start_s)
        seconds = time.perf_counter() - began
        report = _read(folder)
        if report is not None:
            return report
        at = _text(folder / trial.AT) or next(iter(plugins), "")
        why = _say_end(folder, status, limits)
        return Trial(problems={at: (why,)}, seconds=seconds, memory_mib=0.0)


def _run(folder: Path, limit_s: float) -> Any:
    """Run the child and end whatever is left of it; its status, None where it had to be ended."""
    command = [sys.executable, "-P", trial.__file__, str(folder)]
    with (folder / "said").open("wb") as said:  # a file and no pipe: who reads a pipe waits for all who write
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder,
            env=_environment(folder), start_new_session=True,
        )  # fmt: skip
    try:
        ended = _wait(process.pid, limit_s)
    finally:
        # before the child is reaped, while its number can't be another's
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode if ended else None


def _wait(pid: int, limit_s: float) -> bool:
    until = time.monotonic() + limit_s
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder)}


def _read(folder: Path) -> Trial | None:
    """The child's report, None where it left none that can be read."""
    try:
        found = json.loads((folder / trial.REPORT).read_text(encoding="utf-8"))
        return Trial(
            problems={str(p): tuple(map(str, texts)) for p, texts in found["problems"].items() if texts},
            seconds=float(found["seconds"]),
            memory_mib=float(found["memory_mib"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _say_end(folder: Path, status: int | None, limits: Limits) -> str:
    """Why there is no report, in a sentence or two."""
    stack = _text(folder / trial.STACK)
    place = _place(stack)
    if status is None or stack.startswith("Timeout"):
        return f"It did not load within {limits.wall_s:g} seconds{place}."
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return f"Its import ended the process by the signal {name}{place}.{_said(folder)}"
    return f"Its import ended the process with exit code {status}{place}.{_said(folder)}"


def _place(stack: str) -> str:
    """Where the child was: the innermost frame that is neither Python's nor ours."""
    for found in _PLACE.finditer(stack):
        file = Path(found["file"])
        if not _is_known(file):
            return f" ({'/'.join(file.parts[-2:])}, line {found['line']})"
    return ""


def _is_known(file: Path) -> bool:
    """Whether a file belongs to Python or to this package; a frozen module has no real path."""
    ours, python = Path(trial.__file__).parent, Path(os.__file__).parent
    inside = file.is_relative_to(python) and "site-packages" not in file.parts
    return inside or file.parent == ours or file.name.startswith("<")


def _said(folder: Path) -> str:
    """The last line that the child wrote, if any."""
    with (folder / "said").open("rb") as said:
        said.seek(max(0, os.fstat(said.fileno()).st_size - SAID_MAX))
        lines = said.read().decode(errors="replace").replace("\0", "\\x00").strip().splitlines()
    return f" It said: {lines[-1][:300]}" if lines else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:100_000]
    except OSError:
        return ""


def refuse_unfit(plugin: str, found: Trial) -> None:
    """Raise PluginUnfit where a trial found anything."""
    if found.problems:
        raise PluginUnfit(plugin=plugin, action="enabled", reason=found.reason)
