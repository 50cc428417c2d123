"""The worker: tells plugins what has happened and does their jobs, one by one, under a limit of time."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import closing
from types import FrameType

from karvan.access.actors import Actor
from karvan.events.deliveries import ENABLED, Batch
from karvan.events.jobs import MAIL, Job
from karvan.mail import MailFailed
from karvan.watchdog import Clock
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError, PluginFailed, TryLater

LIMIT_S = 30.0
GRACE_S = 5.0
IDLE_S = 0.25
SUSPENDED_S = 60.0
"""After how long it is asked again whether a suspended plugin is called again."""
SETTLE_S = 1.0
"""How often the worker looks whether a process has ended with a plugin on top."""
FAULT_S = 5.0
"""How long a worker rests after a fault that nobody foresaw."""
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
    workspace.deferred.run()
    return True


def do_job(workspace: Workspace) -> bool:
    """Do one job that is due; whether there was one."""
    job = workspace.jobs.claim(workspace.catalogs.current())
    if job is None:
        return False
    if job.name == MAIL:
        _send(workspace, job)
        return True
    if workspace.host.suspension(job.plugin) is not None:
        workspace.jobs.later(job, SUSPENDED_S)
        return True
    actor = Actor.system() if job.actor_id is None else workspace.actors.by_id(job.actor_id)
    try:
        if actor is None:
            reason = "the person for whom it was asked for may not sign in any more."
            raise PluginFailed(plugin=job.plugin, hook=f"job:{job.name}", reason=reason)
        moment = workspace.records.moment(actor, source=f"plugin:{job.plugin}")
        workspace.host.work(job.plugin, job.name, moment, job.payload)
    except TryLater as exc:
        workspace.jobs.later(job, exc.seconds)
    except PluginFailed as exc:
        log.warning("%s (attempt %d)", exc.message, job.attempts, exc_info=exc)
        workspace.jobs.failed(job, exc.message)
    else:
        workspace.jobs.done(job)
    return True


def _send(workspace: Workspace, job: Job) -> None:
    try:
        workspace.mailer.send(job.payload["message"])
    except MailFailed as exc:
        log.warning("%s (of plugin '%s', attempt %d)", exc.message, job.plugin, job.attempts)
        (workspace.jobs.lost if exc.is_final else workspace.jobs.failed)(job, exc.message)
    else:
        workspace.jobs.done(job)


def settle(workspace: Workspace, *, turns: int = 10_000) -> None:
    """Tell events and do jobs until nothing is due; for tests and for the demo."""
    for _ in range(turns):
        is_told = deliver(workspace)
        if not do_job(workspace) and not is_told:
            return
    raise RuntimeError("Plugins keep changing records, or asking for jobs: it never ends.")


def work(workspace: Workspace) -> None:
    """Deliver until told to stop (SIGTERM or Ctrl-C); the batch under way is finished first."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_to_stop)
    workspace.settle()
    with closing(Clock("A plugin", LIMIT_S, workspace.box, grace_s=GRACE_S)) as clock:
        _take_turns(workspace, stop, clock)


def _take_turns(workspace: Workspace, stop: threading.Event, clock: Clock) -> None:
    waits = " Safe mode: they wait until plugins are called again." if workspace.settings.safe_mode else ""
    log.info("The worker listens for events.%s", waits)
    parent = os.environ.get(PARENT)
    looked = time.monotonic()
    while not stop.is_set() and (parent is None or parent == str(os.getppid())):
        rest = IDLE_S
        if time.monotonic() - looked > SETTLE_S:
            looked = time.monotonic()
            if not workspace.is_settled or workspace.is_anything_left():
                workspace.settle()
        try:
            with clock:
                busy = not workspace.settings.safe_mode and workspace.deliveries.due() and deliver(workspace)
            with clock:
                works = not workspace.settings.safe_mode and workspace.jobs.due() and do_job(workspace)
            busy = busy or works
        except KarvanError as exc:  # the database is away or busy: nothing is lost, it is asked again
            log.warning("Events can't be delivered now: %s", exc.message)
            busy = False
        except Exception:  # what was claimed is told again; its attempt is counted
            log.exception("A turn of the worker failed.")
            busy, rest = False, FAULT_S
        workspace.figures.write_when_due()
        if not busy:
            stop.wait(rest)


def _tell(workspace: Workspace, batch: Batch) -> None:
    if workspace.host.suspension(batch.plugin) is not None:  # told once it is called again; no attempt counts
        workspace.deliveries.later(batch, SUSPENDED_S)
        return
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
