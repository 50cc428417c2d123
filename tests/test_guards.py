"""The guards of the suite itself: seen to refuse what they are there to refuse."""

from __future__ import annotations

import socket
import warnings
from typing import Any

import pytest

from tests.guards import NetworkForbidden, is_loopback
from tests.needs import Lacking, answer_lack


@pytest.mark.parametrize("host", ["192.0.2.1", "8.8.8.8", "example.com", "2001:db8::1", b"example.com"])
def test_a_foreign_host_is_not_loopback(host: object) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", None])
def test_this_machine_is_loopback(host: object) -> None:
    assert is_loopback(host)


def test_a_test_cannot_connect_to_another_machine() -> None:
    with socket.socket() as opened, pytest.raises(NetworkForbidden, match=r"192\.0\.2\.1"):
        opened.connect(("192.0.2.1", 9))


def test_a_test_cannot_send_a_datagram_to_another_machine() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened,
        pytest.raises(NetworkForbidden, match=r"192\.0\.2\.1"),
    ):
        opened.sendto(b"x", ("192.0.2.1", 9))


def test_a_test_cannot_ask_for_a_foreign_name() -> None:
    with pytest.raises(NetworkForbidden, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)


def test_loopback_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as opened:
        opened.connect(server.getsockname())


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning, match="old"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def _outcome(strict: bool) -> Any:
    with pytest.raises(BaseException) as raised:  # noqa: PT011  pytest's outcomes are no Exceptions
        answer_lack(Lacking("a thing: get it."), strict=strict)
    return raised


def test_what_a_machine_lacks_is_skipped_with_its_reason() -> None:
    assert _outcome(strict=False).type is pytest.skip.Exception
    assert "lacks a thing" in str(_outcome(strict=False).value)


def test_what_a_machine_lacks_fails_where_everything_must_be_there() -> None:
    assert _outcome(strict=True).type is pytest.fail.Exception
