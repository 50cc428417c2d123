"""Ends a page worker whose request takes too long: the server keeps the others, and a new one comes.

A worker has one blocking thread, so a request that never ends would hold it for ever. A thread looks
every quarter of a second; a loop in C that holds the interpreter's lock is ended by faulthandler's own
thread. Both write all stacks first, so that the culprit can be named.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

EXIT_CODE = 70
TICK_S = 0.25
WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Watchdog:
    """Wraps a WSGI application; `deadline_s` is the time that one request may take."""

    def __init__(self, app: WsgiApp, deadline_s: float) -> None:
        self._app = app
        self._deadline = deadline_s
        self._started: dict[int, float] = {}
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request under the clock."""
        me = threading.get_ident()
        self._started[me] = time.monotonic()
        try:
            return self._app(environ, start_response)
        finally:
            self._started.pop(me, None)

    def _watch(self) -> None:
        while True:
            faulthandler.dump_traceback_later(self._deadline + 1, exit=True)
            time.sleep(TICK_S)
            oldest = min(self._started.values(), default=None)
            if oldest is not None and time.monotonic() - oldest > self._deadline:
                sys.stderr.write(f"A request took more than {self._deadline} s; this worker ends.\n")
                faulthandler.dump_traceback()
                sys.stderr.flush()
                os._exit(EXIT_CODE)
