"""Ends a process of ours that takes too long: the server keeps the others, and a new one comes.

A page worker has one blocking thread, so a request that never ends would hold it for ever. A thread looks
every quarter of a second; a loop in C that holds the interpreter's lock is ended by faulthandler's own
thread. Both write all stacks first, and the black box says whose plugin was on top: it is charged.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from karvan.plugins import BlackBox

EXIT_CODE = 70
TICK_S = 0.25
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Clock:
    """Ends this process when something in `with clock:` takes longer than `limit_s`.

    Any number of threads may be under it. Between two of its looks the hard limit is `grace_s` more: then
    faulthandler ends the process, whatever holds the interpreter.
    """

    def __init__(self, what: str, limit_s: float, box: BlackBox, *, grace_s: float = 1.0) -> None:
        self._what = what
        self._limit = limit_s
        self._grace = grace_s
        self._box = box
        self._stacks = box.open_stacks()
        self._started: dict[int, float] = {}
        self._closed = threading.Event()
        if self._stacks is not None:
            faulthandler.enable(self._stacks)  # a crash writes its stacks there, too
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        self._started[threading.get_ident()] = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.pop(threading.get_ident(), None)

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()
        self._thread.join()
        if self._stacks is not None:
            faulthandler.disable()
            self._stacks.close()

    def _watch(self) -> None:
        while True:
            faulthandler.dump_traceback_later(
                self._limit + self._grace, exit=True, file=self._stacks or sys.stderr
            )
            if self._closed.wait(TICK_S):
                break
            now = time.monotonic()
            for thread, began in list(self._started.items()):
                if now - began > self._limit:
                    self._end(thread)
        faulthandler.cancel_dump_traceback_later()

    def _end(self, thread: int) -> None:
        said = f"{self._what} took more than {self._limit:g} s; this worker ends.\n"
        self._box.note(f"It took longer than {self._limit:g} s.", thread)
        sys.stderr.write(said)
        faulthandler.dump_traceback()
        sys.stderr.flush()
        if self._stacks is not None:
            faulthandler.dump_traceback(self._stacks)
        os._exit(EXIT_CODE)


class Watchdog:
    """Wraps a WSGI application; `deadline_s` is the time that one request may take."""

    def __init__(self, app: WsgiApp, deadline_s: float, box: BlackBox | None = None) -> None:
        self._app = app
        self.clock = Clock("A request", deadline_s, box or BlackBox())

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request under the clock."""
        with self.clock:
            return self._app(environ, start_response)
