"""The server: granian processes with one blocking thread each, under a watchdog, and a worker beside them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from karvan.app import create_app
from karvan.settings import Settings, load_settings
from karvan.watchdog import Watchdog
from karvan.worker import PARENT

WORKER_PAUSE_S = 0.5
WORKER_GRACE_S = 10.0
"""How long the worker may go on with the batch under way when the server is stopped."""
WORKER_MEMORY_MIB = 400
"""A worker that grew beyond this is replaced between two requests."""
ORPHAN_CODE = 71
log = logging.getLogger("karvan.serve")


def make_app() -> Watchdog:
    """The application of one worker process, with the settings that `serve` put into the environment."""
    settings = load_settings()
    start_logging()
    threading.Thread(target=_end_with, args=(os.getppid(),), name="orphan", daemon=True).start()
    return Watchdog(create_app(settings), settings.deadline_s)


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); requests under way are finished first."""
    os.environ.update(as_environment(settings))
    with _worker():
        _serve_pages(settings)


def start_logging() -> None:
    """Write what Karvan and its plugins log to standard error."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("karvan").setLevel(logging.INFO)


def _end_with(server: int) -> None:
    """End this process once its server was killed: else it would hold the port with the code of before."""
    while os.getppid() == server:
        time.sleep(WORKER_PAUSE_S)
    log.warning("The server is gone; its page worker ends.")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(WORKER_GRACE_S)
    os._exit(ORPHAN_CODE)


@contextmanager
def _worker() -> Iterator[None]:
    """A worker process that is started again whenever it ends, until the block does."""
    stopping = threading.Event()
    process = _start_worker()

    def keep_alive() -> None:
        nonlocal process
        while not stopping.wait(WORKER_PAUSE_S):
            if process.poll() is not None and not stopping.is_set():
                try:
                    process = _start_worker()
                except OSError as exc:  # no memory or no processes left: tried again
                    log.warning("The worker can't be started now: %s", exc)

    keeper = threading.Thread(target=keep_alive, name="keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()
        process.terminate()
        try:
            process.wait(timeout=WORKER_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start_worker() -> subprocess.Popen[bytes]:
    """The worker of this server: it ends by itself where the server was killed."""
    environ = {**os.environ, PARENT: str(os.getpid())}
    return subprocess.Popen([sys.executable, "-m", "karvan.cli", "worker"], env=environ)


def _serve_pages(settings: Settings) -> None:
    Granian(
        "karvan.serve:make_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=1,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=10,
        workers_max_rss=WORKER_MEMORY_MIB,
    ).serve()


def as_environment(settings: Settings) -> Mapping[str, str]:
    """The settings as environment variables, for processes that are started anew."""
    return {
        "KARVAN_HOME": str(settings.home.absolute()),
        "KARVAN_DATABASE_URL": settings.url if settings.database_url else "",
        "KARVAN_LANGUAGE": settings.language,
        "KARVAN_TIMEZONE": settings.timezone,
        "KARVAN_CURRENCY": settings.currency,
        "KARVAN_DEADLINE_S": str(settings.deadline_s),
        "KARVAN_SESSION_DAYS": str(settings.session_days),
        "KARVAN_BODY_MAX": str(settings.body_max),
    }
