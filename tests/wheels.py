"""The wheels of the first-party plugins, and a marketplace that serves them: real ones, on loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.sizes import WHEEL_TIMEOUT_S
from tests.source import ROOT

MARKETPLACE = Path(sys.executable).parent / "karvan-marketplace"
STARTER = ("telephony", "price_book", "lead_scoring", "onec")
START_S = 60


def build_wheels(folder: Path, *plugins: str) -> Path:
    """Build the wheels of these plugins into a folder, with the bundles beside them."""
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    done = subprocess.run(
        [*pip, *(str(ROOT / "plugins" / p) for p in plugins)],
        capture_output=True,
        text=True,
        timeout=WHEEL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    bundles = folder / "bundles"
    bundles.mkdir()
    for file in (ROOT / "deploy" / "bundles").glob("*.toml"):
        (bundles / file.name).write_bytes(file.read_bytes())
    return folder


@contextmanager
def serve_wheels(folder: Path) -> Iterator[str]:
    """`karvan-marketplace serve` over a folder; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder.parent / f"marketplace-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(MARKETPLACE), "serve", "--wheels", str(folder), "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=20)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/api/v1/plugins")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError(f"The marketplace did not start:\n{log.read_text(errors='replace')[-4000:]}")
