"""What no test may do: reach any network but loopback. (That warnings are errors stands in pyproject.toml.)

Libraries that open sockets in C (libpq) are not seen here; they are only ever given loopback addresses.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import pytest

LOCAL_NAMES = {None, "", "localhost", socket.gethostname()}


class NetworkForbidden(RuntimeError):
    """A test tried to leave the machine."""


def is_loopback(host: object) -> bool:
    """Whether a host, as given to connect or getaddrinfo, is this machine."""
    if isinstance(host, (bytes, bytearray)):
        host = host.decode("ascii", "replace")
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def refuse_foreign(host: object) -> None:
    """Raise NetworkForbidden unless the host is this machine."""
    if not is_loopback(host):
        raise NetworkForbidden(
            f"A test tried to reach {host!r}. Tests talk to loopback only: start a fake that speaks the real "
            "protocol on 127.0.0.1, and hand its address to the code under test."
        )


def _guarded(act: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse_foreign(args[-1][0])
        return act(self, *args)

    return guarded


def close_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close every way out of the machine that Python code can take."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        refuse_foreign(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


# -- the plugin, registered by the root conftest ----------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    monkeypatch = pytest.MonkeyPatch()
    close_network(monkeypatch)
    config.add_cleanup(monkeypatch.undo)
