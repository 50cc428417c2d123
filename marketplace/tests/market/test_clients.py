"""Unmodified pip and uv install from the running server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from karvan_marketplace.serve import THREADS

from .server import serving
from .wheels import write_plugin, write_wheel

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
UV = ["pip", "install", "--python", sys.executable]
REQUIRES = "Requires-Python: >=3.8\nRequires-Dist: karvan_tools>=1.0\n"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over a plugin in two versions, its dependency, and one that wants a Python of the future."""
    wheels = tmp_path_factory.mktemp("market") / "wheels"
    wheels.mkdir()
    write_wheel(wheels, "Karvan.Tools", "1.2")
    write_plugin(wheels, version="1.0", headers=REQUIRES)
    write_plugin(wheels, version="1.1", headers=REQUIRES)
    write_plugin(wheels, version="2.0", headers="Requires-Python: >=9\n")
    write_wheel(wheels, "large", files={"large/data": os.urandom(6_000_000)})
    (wheels / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip")
    with serving(wheels) as url:
        yield url


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run a client that knows nothing of this machine's settings."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PIP_", "UV_"))}
    env = {**kept, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    env |= {"XDG_CACHE_HOME": str(home / "cache"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)


def installed(target: Path) -> list[str]:
    return sorted(path.name for path in target.glob("*.dist-info"))


def test_pip_installs_the_newest_version_that_fits_with_what_it_needs(market: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    done = run(
        [*PIP, "install", "--target", str(target), "--index-url", f"{market}/simple/", "karvan-parcels"],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert installed(target) == ["Karvan_Tools-1.2.dist-info", "karvan_parcels-1.1.dist-info"]


def test_uv_installs_the_newest_version_that_fits_with_what_it_needs(
    market: str, uv: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    done = run(
        [uv, *UV, "--target", str(target), "--index-url", f"{market}/simple/", "Karvan_Parcels"],
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert installed(target) == ["Karvan_Tools-1.2.dist-info", "karvan_parcels-1.1.dist-info"]


def test_pip_refuses_a_version_for_another_python(market: str, tmp_path: Path) -> None:
    done = run(
        [
            *PIP,
            "download",
            "--dest",
            str(tmp_path),
            "--index-url",
            f"{market}/simple/",
            "karvan-parcels==2.0",
        ],
        tmp_path,
    )
    assert done.returncode != 0
    assert "require a different python version" in (done.stderr + done.stdout).lower()


def test_a_head_request_has_no_body_on_the_wire(market: str) -> None:
    asked = urllib.request.Request(f"{market}/files/karvan_parcels-1.1-py3-none-any.whl", method="HEAD")
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert int(answer.headers["Content-Length"]) > 0
        assert answer.read() == b""


def test_readers_that_stop_reading_hold_up_nobody(market: str) -> None:
    host, port = market.removeprefix("http://").split(":")
    asked = b"GET /files/large-1.0-py3-none-any.whl HTTP/1.1\r\nHost: market\r\n\r\n"
    with ExitStack() as stopped:
        for _ in range(2 * THREADS):
            reader = stopped.enter_context(socket.create_connection((host, int(port)), timeout=30))
            reader.sendall(asked)
            assert reader.recv(12) == b"HTTP/1.1 200"
        with urllib.request.urlopen(f"{market}/simple/", timeout=30) as answer:
            assert answer.status == 200
