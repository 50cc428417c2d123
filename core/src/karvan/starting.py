"""Whether the last starts were completed: two in a row that were not arm safe mode for the next.

A start is complete when a page worker has loaded the plugins and lived on for a while. The count of those
that were not stands in one file of the home, so that it outlives whatever ended them.
"""

from __future__ import annotations

from pathlib import Path

from karvan.plugins import folder_of

FILE = "starts"
INCOMPLETE_MAX = 2


def begin_start(home: Path) -> bool:
    """Note that a start begins; True where those before it failed so often that it must be a safe one."""
    count = incomplete_starts(home)
    if count >= INCOMPLETE_MAX:
        complete_start(home)
        return True
    file = folder_of(home) / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{count + 1}\n", encoding="ascii")
    return False


def complete_start(home: Path) -> None:
    """Note that the start under way is complete; any number of workers may say so."""
    (folder_of(home) / FILE).unlink(missing_ok=True)


def incomplete_starts(home: Path) -> int:
    """How many starts in a row were not completed, the one under way included."""
    try:
        return int((folder_of(home) / FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):  # an empty file: the disk was full
        return 0
