"""What a test needs from the machine: a printed notice for a newcomer, a failure under KARVAN_CI=1.

A test says `@pytest.mark.needs_chromium` or another of NEEDS, or takes the fixture `chromium`, `uv`,
`postgresql_url` or `shared_data`. A test with a parameter named `postgresql` needs PostgreSQL.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

POSTGRESQL_DEFAULT = "postgresql://postgres@127.0.0.1:5432/postgres"
LACKS = "This machine lacks "
CONNECT_TIMEOUT_S = 5


class Lacking(Exception):
    """The machine lacks what a test needs; the message says what, and how to get it."""


def postgresql_address() -> str:
    """The address of the server on which test databases are made."""
    return os.environ.get("KARVAN_TEST_POSTGRESQL", POSTGRESQL_DEFAULT)


@functools.cache
def find_postgresql() -> str:
    """The address of a server that answers; raises Lacking."""
    address = postgresql_address()
    try:
        psycopg.connect(address, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError as exc:
        raise Lacking(
            "PostgreSQL: no server answers at KARVAN_TEST_POSTGRESQL (or its default, 127.0.0.1:5432, "
            "user postgres, no password); what it would have proved was proved on SQLite only."
        ) from exc
    return address


@functools.cache
def find_shared_data() -> Path:
    """The folder with the real files of the acceptance tests; raises Lacking."""
    given = os.environ.get("KARVAN_SHARED_DATA", "")
    if given and Path(given).is_dir():
        return Path(given)
    raise Lacking("the real data files: set KARVAN_SHARED_DATA to their folder.")


@functools.cache
def find_chromium() -> str:
    """The path of a Chromium; raises Lacking."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise Lacking("Chromium: install it to run the tests in a real browser.")


@functools.cache
def find_uv() -> str:
    """The path of uv, beside this Python or on the PATH; raises Lacking."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found:
        return found
    raise Lacking("uv: install it to try the marketplace with it as with pip.")


@functools.cache
def find_procfs() -> Path:
    """The folder with the processes of Linux; raises Lacking."""
    if Path("/proc/self/stat").exists():
        return Path("/proc")
    raise Lacking("/proc: what looks at processes from outside runs on Linux alone.")


NEEDS: dict[str, Callable[[], object]] = {
    "needs_postgresql": find_postgresql,
    "needs_shared_data": find_shared_data,
    "needs_chromium": find_chromium,
    "needs_uv": find_uv,
    "needs_procfs": find_procfs,
}


def answer_lack(lack: Lacking, *, strict: bool) -> None:
    """Fail where everything must be there (`strict`), else skip; the reason is printed once at the end."""
    message = f"{LACKS}{lack}"
    if strict:
        pytest.fail(f"{message} (KARVAN_CI=1 allows no such gap.)", pytrace=False)
    pytest.skip(message)


def require(find: Callable[[], object]) -> object:
    """What `find` finds; skips or fails the test that asks when the machine lacks it."""
    try:
        return find()
    except Lacking as lack:
        answer_lack(lack, strict=os.environ.get("KARVAN_CI") == "1")
        raise


def needs_of(item: pytest.Item) -> Iterator[Callable[[], object]]:
    """What a test says it needs, by its markers and by a parameter named `postgresql`."""
    for marker, find in NEEDS.items():
        if item.get_closest_marker(marker):
            yield find
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "postgresql" in callspec.id.split("-"):
        yield find_postgresql


# -- the plugin, registered by the root conftest ----------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    for marker, find in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: {(find.__doc__ or '').split(';')[0]}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for find in needs_of(item):
        require(find)


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    """The address of a PostgreSQL server on which databases may be made."""
    return str(require(find_postgresql))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real files."""
    return Path(str(require(find_shared_data)))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    return str(require(find_chromium))


@pytest.fixture(scope="session")
def uv() -> str:
    """The path of uv."""
    return str(require(find_uv))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lacks: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if reason.startswith(LACKS):
                lacks[reason] += 1
    for reason, tests in sorted(lacks.items()):
        terminalreporter.write_line(f"NOTICE: {reason} ({tests} tests skipped)", yellow=True)
