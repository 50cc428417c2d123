"""A request that never ends costs its worker, and nothing else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from karvan.testing import InstallPlugin

PROGRAM = """
import sys, time
from karvan.watchdog import Watchdog

def app(environ, start_response):
    {body}
    return [b""]

watched = Watchdog(app, {deadline})
for _ in range({times}):
    watched({{}}, None)
"""
MANIFEST = """
schema = 1
id = "zoo_sleep"
api = ">=0.1,<1"
name = "Zoo"
summary = "Sleeps for ever when it is asked to."

[[hooks]]
hook = "check_records"
"""
SLEEPER = """
import time
from karvan_sdk import hookimpl

@hookimpl
def check_records(changes):
    if any("sleep" in str(c.values) for c in changes):
        time.sleep(600)
"""


def watch(body: str, deadline: float = 0.6, times: int = 1) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(body=body, deadline=deadline, times=times)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_request_that_waits_too_long_ends_its_process_with_all_stacks() -> None:
    done = watch("time.sleep(600)")
    assert done.returncode == 70
    assert "more than 0.6 s" in done.stderr
    assert "in app" in done.stderr


def test_a_loop_in_c_that_holds_the_interpreter_is_ended_too() -> None:
    done = watch("sum(range(10**12))")
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "in app" in done.stderr


def test_many_short_requests_are_no_long_one() -> None:
    done = watch("time.sleep(0.2)", times=10)
    assert (done.returncode, done.stderr) == (0, "")


# -- a real server -----------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path, install_plugin: InstallPlugin) -> Iterator[tuple[int, str]]:
    """Two workers with a plugin that can sleep: the port and a token."""
    folder = install_plugin("zoo_sleep", MANIFEST, SLEEPER)
    home = tmp_path / "home"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "KARVAN_HOME": str(home),
        "KARVAN_DATABASE_URL": "",
        "KARVAN_DEADLINE_S": "1.5",
        "KARVAN_PORT": str(port),
        "KARVAN_WORKERS": "2",
    }
    karvan = [sys.executable, "-m", "karvan.cli"]

    def run(*words: str) -> str:
        done = subprocess.run(
            [*karvan, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("init", "--bare", "--admin", "a@example.com", "--password", "long enough")
    run("plugins", "enable", "zoo_sleep")
    token = json.loads(run("user", "token", "a@example.com", "--json"))["token"]
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen([*karvan, "serve"], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while status(port, token, "GET", "/ready") != 200:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.1)
        yield port, token
    finally:
        process.terminate()
        process.wait(timeout=30)


def status(port: int, token: str, method: str, path: str, body: Any = None) -> int:
    """The status of an answer; 0 where the connection was refused or cut."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Connection": "close",
    }
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.mark.slow
def test_a_plugin_that_never_answers_costs_one_worker_which_comes_back(
    served: tuple[int, str], tmp_path: Path
) -> None:
    port, token = served
    ship = {"name": "ship", "label": {"en": "Ship"}, "fields": [{"name": "name", "type": "text"}]}
    assert status(port, token, "POST", "/api/v1/meta/objects", ship) == 201
    records = "/api/v1/records/c_ship"
    stuck: list[int] = []
    sleeper = threading.Thread(
        target=lambda: stuck.append(status(port, token, "POST", records, {"c_name": "sleep"}))
    )
    sleeper.start()
    sleeper.join(timeout=20)
    assert stuck == [0]  # cut, never acknowledged
    until = time.monotonic() + 20
    good = 0
    while good < 10 and time.monotonic() < until:
        good = good + 1 if status(port, token, "POST", records, {"c_name": "awake"}) == 201 else 0
    assert good == 10
    log = (tmp_path / "serve.log").read_text(errors="replace")
    assert "in check_records" in log  # the culprit is named
