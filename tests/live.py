"""A real server for tests: `karvan serve` in processes of its own, on loopback, ended at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

KARVAN = Path(sys.executable).parent / "karvan"
START_S = 60
ADMIN = "admin@example.com"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server: its port and a token of its administrator."""

    port: int
    token: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request over a connection of its own, so that any worker may take it."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Authorization": f"Bearer {self.token}", "Connection": "close", **headers}
        data = None
        if body is not None:
            data = json.dumps(body)
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return Answer(
            status=answer.status,
            headers=dict(answer.getheaders()),
            body=json.loads(text) if is_json and text else text,
        )


class Browser:
    """A person in front of the pages of a running server."""

    def __init__(self, server: Server, email: str) -> None:
        self._root = f"http://127.0.0.1:{server.port}"
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/login"))
        assert found
        self._token = found[1]
        self.post("/login", email=email, password="a good password")

    def get(self, path: str) -> str:
        with self._opener.open(f"{self._root}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def post(self, path: str, **fields: str) -> str:
        data = urlencode({**fields, "csrf_token": self._token}).encode()
        with self._opener.open(Request(f"{self._root}{path}", data=data), timeout=60) as answer:
            return str(answer.read().decode())


NOTHING: Mapping[str, str] = {}


def environment(home: Path, url: str = "", more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """The environment of a command over one workspace; `more` wins."""
    found = {n: v for n, v in os.environ.items() if not n.startswith("KARVAN_")}
    place = {"KARVAN_HOME": str(home), **({"KARVAN_DATABASE_URL": url} if url else {})}
    return {**found, **place, **more}


def run(home: Path, url: str, *words: str, expect: int = 0, more: Mapping[str, str] = NOTHING) -> str:
    """Run a command of `karvan`; gives what it printed."""
    command = [str(KARVAN), *words]
    done = subprocess.run(
        command, env=environment(home, url, more), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def serve(home: Path, url: str = "", *, workers: int = 2, plugins: bool = True) -> Iterator[Server]:
    """A workspace made by `karvan init` and served by `karvan serve`."""
    run(
        home, url, "init", "--admin", ADMIN, "--password", "a good password", *([] if plugins else ["--bare"])
    )
    with serve_made(home, url, workers=workers) as server:
        yield server


@contextmanager
def serve_made(
    home: Path, url: str = "", *, workers: int = 2, more: Mapping[str, str] = NOTHING
) -> Iterator[Server]:
    """A workspace that is there, served by `karvan serve` with `more` in its environment."""
    token = json.loads(run(home, url, "user", "token", ADMIN, "--json"))["token"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(KARVAN), "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)],
            env=environment(home, url, more),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(port=port, token=token)
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            if server.call("GET", "/ready").status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")
