"""What is on top of a process right now: a few bytes of a mapped file, which outlive whatever ends it.

Around every call of plugin code the host writes who is called. The bytes belong to the kernel, so they are
there after a segmentation fault, `os._exit`, SIGKILL or the end of memory. A lock on the file, which the
kernel takes away with the process, tells the living from the dead. `karvan.plugins.wrecks` reads what
the dead left.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from karvan_sdk.names import PATTERN

FOLDER = "run"
SUFFIX = ".box"
HEAD = 512
NOTE = 256
SLOT = 256
SLOTS = 12
SIZE = HEAD + 2 * NOTE + SLOTS * SLOT
NOBODY = bytes(SLOT)
VERSION_MAX = 60
IMPORT = "import"
"""The hook under which the import of a plugin's code is written."""


def folder_of(home: Path) -> Path:
    """Where the processes of a home keep their boxes."""
    return home.absolute() / FOLDER


def make_mark(plugin: str, version: str, hook: str) -> bytes:
    """The bytes for `BlackBox.enter`; made once per call that may happen, not at each."""
    text = f"{plugin}\n{version[:VERSION_MAX]}\n{hook}".encode()[: SLOT - 1]
    return text + bytes(SLOT - len(text))


@dataclass(frozen=True, kw_only=True)
class Top:
    """Whose code a thread was in."""

    plugin: str
    version: str
    hook: str


class _Here(threading.local):
    """The slot of this thread while it is in plugin code (-1 while it is not), and what stands there."""

    slot: int = -1
    mark: bytes = NOBODY


class BlackBox:
    """The box of this process. Threads write into slots of their own; one without a slot is not recorded.

    Made with no file it is memory only: nobody reads it, and the host need not ask whether there is one.
    """

    def __init__(self, memory: bytearray | mmap.mmap | None = None, path: Path | None = None) -> None:
        self._memory = bytearray(SIZE) if memory is None else memory
        self._here = _Here()
        self._slots: dict[int, int] = {}
        self._free = deque(range(HEAD + 2 * NOTE, SIZE, SLOT))
        self._file: BinaryIO | None = None
        self.path = path
        """The file; None where there is none."""

    @classmethod
    def open(cls, home: Path, kind: str, limit_s: float, *, told: bool = False) -> BlackBox:
        """A box in a new file of the home. `kind` says what the process is, `limit_s` its limit of time;
        `told`: a parent will say how it ended (`karvan.plugins.wrecks.tell_end`)."""
        folder = folder_of(home)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{time.time_ns()}{SUFFIX}"
        draft = folder / f"new-{name}"
        file = draft.open("x+b")  # held while the process lives: its lock is the proof of that
        file.truncate(SIZE)
        fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
        head = {
            "kind": kind,
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(),
            "boot": boot_id(),
            "limit_s": limit_s,
            "told": told,
        }
        memory = mmap.mmap(file.fileno(), SIZE)
        memory[:HEAD] = _fit(orjson.dumps(head), HEAD)
        os.rename(draft, folder / name)  # only now: a box without its lock looks like that of a dead process
        box = cls(memory, folder / name)
        box._file = file
        return box

    def enter(self, mark: bytes) -> bytes:
        """Write that a call begins in this thread; gives what `leave` must put back."""
        here = self._here
        outer = here.mark
        if here.slot < 0:
            try:
                here.slot = self._free.popleft()
            except IndexError:  # more threads in plugin code than slots
                return outer
            self._slots[threading.get_ident()] = here.slot
        here.mark = mark
        self._memory[here.slot : here.slot + SLOT] = mark
        return outer

    def leave(self, outer: bytes) -> None:
        """Write that the call has ended: the outer one is on top again, if there is one."""
        here = self._here
        if here.slot < 0:
            return
        here.mark = outer
        self._memory[here.slot : here.slot + SLOT] = outer
        if outer is NOBODY:
            self._free.append(here.slot)
            here.slot = -1
            del self._slots[threading.get_ident()]

    def note(self, why: str, thread: int | None = None) -> None:
        """Write why this process is about to be ended; `thread` is to blame, no other (None: all that are in
        plugin code)."""
        self._memory[HEAD : HEAD + NOTE] = _fit(why.encode(), NOTE)
        if thread is not None:
            for ident, slot in list(self._slots.items()):
                if ident != thread:
                    self._memory[slot : slot + SLOT] = NOBODY

    def forgive(self) -> None:
        """Write that nobody is to blame for the end of this process."""
        self._memory[HEAD + 2 * NOTE :] = bytes(SIZE - HEAD - 2 * NOTE)

    def tops(self) -> tuple[Top, ...]:
        """What is on top of each thread that is in plugin code."""
        return read_tops(bytes(self._memory))

    def open_stacks(self) -> BinaryIO | None:
        """A file for the stacks that are written when the process ends; None where there is no box file."""
        return stacks_of(self.path).open("wb", buffering=0) if self.path else None

    def close(self) -> None:
        """Take the box away: the process ends well."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            stacks_of(self.path).unlink(missing_ok=True)
        memory, self._memory = self._memory, bytearray(SIZE)
        if isinstance(memory, mmap.mmap):
            memory.close()
        if self._file is not None:
            self._file.close()


def read_tops(data: bytes) -> tuple[Top, ...]:
    """What the slots of a box say; bytes that were only half written when the process ended say nothing."""
    found = []
    for at in range(HEAD + 2 * NOTE, SIZE, SLOT):
        parts = _text(data[at : at + SLOT]).split("\n", 2)
        if len(parts) == 3 and PATTERN.fullmatch(parts[0]) and parts[2]:
            found.append(Top(plugin=parts[0], version=parts[1], hook=parts[2]))
    return tuple(found)


def read_notes(data: bytes) -> tuple[str, str]:
    """What the process itself wrote of its end, and what its parent did."""
    return _text(data[HEAD : HEAD + NOTE]), _text(data[HEAD + NOTE : HEAD + 2 * NOTE])


def read_head(data: bytes) -> Mapping[str, object]:
    """What the box says of its process; empty where it can't be read."""
    try:
        head = orjson.loads(_text(data[:HEAD]))
    except orjson.JSONDecodeError:
        return {}
    return head if isinstance(head, dict) else {}


def note_end(path: Path, code: int) -> None:
    """Write into the box of a child how it ended, as `Popen.returncode` says it."""
    try:
        with path.open("r+b") as file:
            file.seek(HEAD + NOTE)
            file.write(_fit(str(code).encode(), NOTE))
    except FileNotFoundError:  # it was settled meanwhile
        return


def stacks_of(path: Path) -> Path:
    """The file beside a box that holds the stacks of its process."""
    return path.with_suffix(".stacks")


def boot_id() -> str:
    """Tells one run of the machine from the next; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _fit(text: bytes, size: int) -> bytes:
    return text[: size - 1] + bytes(size - len(text[: size - 1]))


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="ignore")
