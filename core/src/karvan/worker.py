"""The worker: tells plugins what has happened, one batch at a time, under a hard limit of time."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from contextlib import closing
from types import FrameType

from karvan.access.actors import Actor
from karvan.events.deliveries import ENABLED, Batch
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError, PluginFailed, TryLater

LIMIT_S = 30.0
IDLE_S = 0.25
FAULT_S = 5.0
"""How long a worker rests after a fault that nobody foresaw."""
EXIT_CODE = 70
PARENT = "KARVAN_WORKER_PARENT"
"""The process without which a worker ends, by its id; `karvan serve` names itself."""
log = logging.getLogger("karvan.worker")


def deliver(workspace: Workspace) -> bool:
    """Move events of the outbox on and tell one batch; whether there was anything to do."""
    catalog = workspace.catalogs.current()
    moved = workspace.deliveries.expand(catalog)
    batch = workspace.deliveries.claim(catalog)
    if batch is None:
        return bool(moved)
    if not batch.is_told_in(catalog):
        workspace.deliveries.done(batch)
        return True
    _tell(workspace, batch)
    return True


def settle(workspace: Workspace, *, turns: int = 10_000) -> None:
    """Deliver until nothing is due; for tests and for the demo."""
    for _ in range(turns):
        if not deliver(workspace):
            return
    raise RuntimeError("Plugins keep changing records: the events never end.")


def work(workspace: Workspace) -> None:
    """Deliver until told to stop (SIGTERM or Ctrl-C); the batch under way is finished first."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    with closing(_Clock()) as clock:
        _take_turns(workspace, stop, clock)


def _take_turns(workspace: Workspace, stop: threading.Event, clock: _Clock) -> None:
    log.info("The worker listens for events.")
    parent = os.environ.get(PARENT)
    while not stop.is_set() and (parent is None or parent == str(os.getppid())):
        rest = IDLE_S
        try:
            with clock:
                busy = workspace.deliveries.due() and deliver(workspace)
        except KarvanError as exc:  # the database is away or busy: nothing is lost, it is asked again
            log.warning("Events can't be delivered now: %s", exc.message)
            busy = False
        except Exception:  # what was claimed is told again; its attempt is counted
            log.exception("A turn of the worker failed.")
            busy, rest = False, FAULT_S
        if not busy:
            stop.wait(rest)


def _tell(workspace: Workspace, batch: Batch) -> None:
    moment = workspace.records.moment(Actor.system(), source=f"plugin:{batch.plugin}")
    arguments = (
        {}
        if batch.hook == ENABLED
        else {"object": batch.events[0].object, "event": batch.event, "events": batch.events}
    )
    try:
        workspace.host.observe(batch.plugin, batch.hook, moment, **arguments)
    except TryLater as exc:
        workspace.deliveries.later(batch, exc.seconds)
    except PluginFailed as exc:
        log.warning("%s (attempt %d)", exc.message, batch.attempts, exc_info=exc)
        workspace.deliveries.failed(batch, exc.message)
    else:
        workspace.deliveries.done(batch)


class _Clock:
    """Ends the process when one turn takes longer than `LIMIT_S`; its attempt is counted by then."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()
        self._thread.join()

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._began = None

    def _watch(self) -> None:
        while not self._closed.wait(0.5):
            faulthandler.dump_traceback_later(LIMIT_S + 5, exit=True)
            began = self._began
            if began is not None and time.monotonic() - began > LIMIT_S:
                sys.stderr.write(f"A plugin took more than {LIMIT_S} s; this worker ends.\n")
                faulthandler.dump_traceback()
                sys.stderr.flush()
                os._exit(EXIT_CODE)
        faulthandler.cancel_dump_traceback_later()
