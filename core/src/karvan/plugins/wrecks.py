"""What dead processes left: whose plugin was on top, and how it ended. Each is charged once, then forgotten.

Whoever is to import plugins settles first (`settle`): else a plugin whose import ends the process would end
every one that comes after it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from karvan.plugins.accidents import STACK_MAX, Accident
from karvan.plugins.blackbox import (
    SUFFIX,
    boot_id,
    folder_of,
    note_end,
    read_head,
    read_notes,
    read_tops,
    stacks_of,
)

TELL_S = 2.0
"""How long to wait for the parent to say how a process ended; it looks several times a second."""
log = logging.getLogger("karvan.plugins")


Charge = Callable[[Accident], None]


def settle(home: Path, charge: Charge, *, own: Path | None = None) -> int:
    """Charge what the dead processes of a home left; gives how many plugins were charged.

    `own` is the box of this process: opening it would take its lock away. What `charge` raises goes through,
    and the box stays for the next one who settles. Of several processes that settle at once the others wait.
    """
    count = 0
    for path in sorted(folder_of(home).glob(f"*{SUFFIX}")):
        if path == own or path.name.startswith("new-"):
            continue
        with _opened(path) as file:
            if file is not None and _is_dead(file):
                count += _settle_one(path, file, charge)
    return count


def is_anything_left(home: Path, own: Path | None = None) -> bool:
    """Whether a dead process left its box; cheap, and for a process that has settled before."""
    for path in folder_of(home).glob(f"*{SUFFIX}"):
        if path == own or path.name.startswith("new-"):
            continue
        with _opened(path) as file:
            if file is not None and _is_dead(file):
                return True
    return False


def tell_end(home: Path, pid: int, code: int, *, forgive: bool) -> None:
    """Say how a child ended (as `Popen.returncode`), or that it was told to end and nobody is to blame."""
    for path in folder_of(home).glob(f"{pid}-*{SUFFIX}"):
        if forgive:
            path.unlink(missing_ok=True)
            stacks_of(path).unlink(missing_ok=True)
        else:
            note_end(path, code)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | None]:
    """The box, held against others who settle; None where one of them was quicker."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 1)
        yield file if path.exists() else None


def _is_dead(file: BinaryIO) -> bool:
    """Whether the process of a box has ended: only then its lock can be had."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError:
        return False
    return True


def _settle_one(path: Path, file: BinaryIO, charge: Charge) -> int:
    data = file.read()
    tops = read_tops(data)
    head = read_head(data)
    if head.get("boot") != boot_id():  # the machine went down: nobody's fault
        tops = ()
    if tops and head.get("told"):
        data = _wait_for_end(file, data)
    stacks = _read_stacks(path)
    for top in tops:
        why = say_end(data, stacks, head.get("limit_s"))
        found = Accident(
            plugin=top.plugin, version=top.version, hook=top.hook, why=why, stack=_excerpt(stacks)
        )
        log.error(
            "Plugin '%s' %s was on top in '%s' when a process ended: %s\n%s",
            top.plugin, top.version, top.hook, why, found.stack,
        )  # fmt: skip
        charge(found)
    path.unlink(missing_ok=True)
    stacks_of(path).unlink(missing_ok=True)
    return len(tops)


def _wait_for_end(file: BinaryIO, data: bytes) -> bytes:
    until = time.monotonic() + TELL_S
    while not any(read_notes(data)) and time.monotonic() < until:
        time.sleep(0.05)
        file.seek(0)
        data = file.read()
    return data


def say_end(data: bytes, stacks: str, limit_s: object) -> str:
    """How a process ended, from what it, its parent and faulthandler wrote: one sentence."""
    own, told = read_notes(data)
    if own:
        return own
    if stacks.startswith("Timeout"):
        return f"It took longer than {limit_s} s, and held the interpreter so that nothing else could run."
    if stacks.startswith("Fatal Python error:"):
        return f"The process crashed: {stacks.splitlines()[0].removeprefix('Fatal Python error:').strip()}."
    try:
        code = int(told)
    except ValueError:
        return "The process ended without a word, as it does when it is killed."
    if code >= 0:
        return f"The process ended with exit code {code}: the plugin ended it."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
    return f"The process was ended by {name}{hint}."


def _read_stacks(path: Path) -> str:
    try:
        return stacks_of(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _excerpt(stacks: str) -> str:
    """The stack of the thread that was in plugin code: it goes through the host and is not the clock."""
    threads = [part for part in stacks.split("\n\n") if "most recent call first" in part]
    others = [part for part in threads if f"{os.sep}watchdog.py" not in part or "in __call__" in part]
    inside = [part for part in others if f"{os.sep}karvan{os.sep}plugins{os.sep}" in part]
    crashed = [part for part in others if "Current thread" in part]
    found = (inside or crashed or others or [""])[0]
    return found[found.find("\n") + 1 :][:STACK_MAX]
