"""The server: one granian process with a few blocking threads over one catalogue."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from karvan_marketplace.app import create_app
from karvan_marketplace.folder import Folder

WHEELS = "KARVAN_MARKETPLACE_WHEELS"
PUBLIC_URL = "KARVAN_MARKETPLACE_PUBLIC_URL"
THREADS = 32
"""More than the cores can use: a slow reader of a large file holds one."""


def make_app() -> Flask:
    """The application of the worker process, with what `serve` put into the environment.

    The folder is read before the first request is taken.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = Folder(Path(os.environ[WHEELS]))
    folder.look()
    return create_app(folder, os.environ[PUBLIC_URL])


def serve(wheels: Path, host: str, port: int, public_url: str) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C); requests under way are finished first."""
    os.environ[WHEELS] = str(wheels.absolute())
    os.environ[PUBLIC_URL] = public_url
    Granian(
        "karvan_marketplace.serve:make_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=10,
    ).serve()
