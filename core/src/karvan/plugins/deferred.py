"""Writes that arose where none may be made, as inside a caller's transaction; done as soon as they may."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from karvan.database import Database
from karvan_sdk.errors import KarvanError

KEPT = 1000
"""So many wait at most; the oldest go first."""
log = logging.getLogger("karvan.plugins")


class Deferred:
    """The waiting writes of one process. Each opens a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Callable[[], None]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def put(self, act: Callable[[], None]) -> None:
        """Have `act` called later, maybe more than once; never here."""
        self._waiting.append(act)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def run(self) -> None:
        """Do what waits, unless a transaction is open on this thread; what fails is kept for the next time.

        Costs nothing where nothing waits, and raises nothing.
        """
        if not self._waiting or self._database.is_busy or not self._lock.acquire(blocking=False):
            return
        try:
            while self._waiting:
                act = self._waiting.popleft()
                act()
        except KarvanError as exc:
            self._waiting.appendleft(act)
            log.warning("What is to be noted of plugins can't be written now: %s", exc.message)
        finally:
            self._lock.release()
