"""Starts the real server as a process of its own, and stops it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_WITHIN_S = 60


@contextmanager
def serving(wheels: Path) -> Iterator[str]:
    """The address of a server over `wheels`."""
    port = _free_port()
    command = [sys.executable, "-m", "karvan_marketplace", "serve"]
    command += ["--wheels", str(wheels), "--port", str(port)]
    log = wheels.parent / "server.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"The server ended:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/simple/", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"The server did not answer:\n{log.read_text()}")
