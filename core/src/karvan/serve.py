"""The server: granian processes with one blocking thread each, under a watchdog, and a worker beside them.

The parent runs no plugin code and holds no connection. It starts again what ends, and writes into the black
boxes of its children how they ended.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from karvan.app import create_app
from karvan.plugins import BlackBox, tell_end
from karvan.settings import Settings, load_settings
from karvan.starting import begin_start, complete_start, incomplete_starts
from karvan.watchdog import Clock, Watchdog, WsgiApp
from karvan.worker import PARENT
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError

WORKER_PAUSE_S = 0.5
WORKER_GRACE_S = 10.0
"""How long the worker may go on with the batch under way when the server is stopped."""
WORKER_MEMORY_MIB = 400
"""A worker that grew beyond this is replaced between two requests."""
LOOK_S = 0.1
"""How often the parent looks for children that ended."""
STEADY_S = 3.0
"""How long a worker lives with its plugins before the start counts as complete."""
RESPAWNS_MAX = 30
"""How often page workers are started again before a start that is not complete is given up."""
OOM_SCORE = "500"
ORPHAN_CODE = 71
log = logging.getLogger("karvan.serve")


def make_app() -> WsgiApp:
    """The application of one worker process, with the settings that `serve` put into the environment."""
    settings = load_settings()
    start_logging()
    limit_memory(settings.memory_mib)
    box = BlackBox.open(settings.home, "pages", settings.deadline_s, told=True)
    threading.Thread(target=_end_with, args=(os.getppid(), box), name="orphan", daemon=True).start()
    workspace = Workspace(settings, box=box)
    workspace.settle()
    workspace.database.leave()
    watchdog = Watchdog(_Settled(create_app(workspace=workspace), workspace), settings.deadline_s, box)
    threading.Thread(target=_warm_up, args=(workspace, watchdog.clock), name="start", daemon=True).start()
    return watchdog


class _Settled:
    """Tries again, before each request, what could not be settled at the start: the database was away."""

    def __init__(self, app: WsgiApp, workspace: Workspace) -> None:
        self._app = app
        self._workspace = workspace

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self._workspace.is_settled:
            self._workspace.settle()
        return self._app(environ, start_response)


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); requests under way are finished first."""
    settings = _take_care(settings)
    os.environ.update(as_environment(settings))
    server = _make_server(settings)
    with _Children(settings.home, lambda: server.interrupt_signal) as children, _worker(children):
        server.serve()


def _take_care(settings: Settings) -> Settings:
    """The settings, with safe mode where it is asked for or armed by starts that were never completed."""
    if settings.safe_mode:
        complete_start(settings.home)
        _say("Safe mode: no code of plugins is imported or called. Start without it to have them back.")
        return settings
    if begin_start(settings.home):
        _say(
            "Safe mode: the last two starts were not completed, so this one imports and calls no code of"
            " plugins. Disable the plugin that is to blame (karvan plugins list), then start again."
        )
        return replace(settings, safe_mode=True)
    return settings


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def start_logging() -> None:
    """Write what Karvan and its plugins log to standard error."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("karvan").setLevel(logging.INFO)


def limit_memory(mib: int) -> None:
    """Hold this process to `mib` of memory for data: past it Python raises MemoryError in whoever asked.

    Where the machine has less left than that, the system ends a process: rather this one than the database
    or the server that would start it again.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    size = mib * 1024 * 1024
    resource.setrlimit(
        resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard)
    )
    try:
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    except OSError as exc:  # no Linux, or a container that forbids it
        log.info("The system can't be told to end this process first: %s", exc)


def _warm_up(workspace: Workspace, clock: Clock) -> None:
    """Load the plugins before anybody waits for them; living on afterwards completes the start."""
    try:
        with clock:
            workspace.catalogs.current()
    except KarvanError as exc:  # the database is away, which is no plugin's fault
        log.warning("The plugins can't be loaded yet: %s", exc.message)
    finally:
        workspace.database.leave()
    time.sleep(STEADY_S)
    complete_start(workspace.settings.home)


def _end_with(server: int, box: BlackBox) -> None:
    """End this process once its server was killed: else it would hold the port with the code of before."""
    while os.getppid() == server:
        time.sleep(WORKER_PAUSE_S)
    log.warning("The server is gone; its page worker ends.")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(WORKER_GRACE_S)
    box.forgive()
    os._exit(ORPHAN_CODE)


class _Children:
    """Says of each child that ended how it did. One that ended while the server stops was told to: nobody
    is to blame."""

    def __init__(self, home: Path, is_stopping: Callable[[], bool]) -> None:
        self._home = home
        self._is_stopping = is_stopping
        self._pages: dict[int, BaseProcess] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="children", daemon=True)

    def __enter__(self) -> _Children:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._look()

    def ended(self, pid: int, code: int) -> None:
        """Say how one ended that is not watched here."""
        tell_end(self._home, pid, code, forgive=self._is_stopping())

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        self._pages |= {p.pid: p for p in multiprocessing.active_children() if p.pid is not None}
        for pid, process in list(self._pages.items()):
            if process.exitcode is not None:
                del self._pages[pid]
                self.ended(pid, process.exitcode)


@contextmanager
def _worker(children: _Children) -> Iterator[None]:
    """A worker process that is started again whenever it ends, until the block does."""
    stopping = threading.Event()
    process = _start_worker()

    def keep_alive() -> None:
        nonlocal process
        while not stopping.wait(WORKER_PAUSE_S):
            if process.poll() is not None and not stopping.is_set():
                children.ended(process.pid, process.returncode)
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
        children.ended(process.pid, process.returncode)


def _start_worker() -> subprocess.Popen[bytes]:
    """The worker of this server: it ends by itself where the server was killed."""
    environ = {**os.environ, PARENT: str(os.getpid())}
    return subprocess.Popen([sys.executable, "-m", "karvan.cli", "worker"], env=environ)


class _Respawns(dict[int, float]):
    """When granian started each worker again, as its check for crash loops asks.

    Two ends of one worker within seconds make granian give up and end the server. But a person may try
    twice what a broken plugin answers, and of several plugins that end their process at import each costs
    a start. So only a start that is not complete after many tries is given up.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._count = 0
        super().__init__()

    def __setitem__(self, key: int, value: float) -> None:
        self._count = self._count + 1 if incomplete_starts(self._home) else 0
        super().__setitem__(key, value)

    def get(self, key: int, default: Any = None) -> Any:
        """When a worker was started again; long ago, unless that was too often."""
        return super().get(key, default) if self._count > RESPAWNS_MAX else default


def _make_server(settings: Settings) -> Any:
    server = Granian(
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
        workers_kill_timeout=max(10, int(settings.deadline_s) + 2),
        workers_max_rss=WORKER_MEMORY_MIB,
    )
    server.respawned_wrks = _Respawns(settings.home)
    return server


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
        "KARVAN_MEMORY_MIB": str(settings.memory_mib),
        "KARVAN_SAFE_MODE": "1" if settings.safe_mode else "0",
    }
