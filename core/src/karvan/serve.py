"""The server: granian processes with one blocking thread each, under a watchdog."""

from __future__ import annotations

import os
from collections.abc import Mapping

from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from karvan.app import create_app
from karvan.settings import Settings, load_settings
from karvan.watchdog import Watchdog

WORKER_MEMORY_MIB = 400
"""A worker that grew beyond this is replaced between two requests."""


def make_app() -> Watchdog:
    """The application of one worker process, with the settings that `serve` put into the environment."""
    settings = load_settings()
    return Watchdog(create_app(settings), settings.deadline_s)


def serve(settings: Settings) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); requests under way are finished first."""
    os.environ.update(as_environment(settings))
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
