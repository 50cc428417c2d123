"""The command: what it refuses to serve, and what it says."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from karvan_marketplace import cli

from .server import serving


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str, int, str]]:
    """What the command would have served."""
    found: list[tuple[Path, str, int, str]] = []
    monkeypatch.setattr(cli, "run_server", lambda *given: found.append(given))
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["serve", *arguments])


def test_a_missing_folder_is_named(tmp_path: Path, served: list[object]) -> None:
    done = run("--wheels", str(tmp_path / "nowhere"))
    assert done.exit_code == 1
    assert f"there is no folder '{tmp_path / 'nowhere'}'" in done.stderr
    assert served == []


def test_a_file_is_no_folder(tmp_path: Path, served: list[object]) -> None:
    (tmp_path / "file").write_text("")
    done = run("--wheels", str(tmp_path / "file"))
    assert done.exit_code == 1
    assert "is not a folder" in done.stderr
    assert served == []


def test_a_port_in_use_is_named(wheels: Path, served: list[object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--wheels", str(wheels), "--port", str(port))
    assert done.exit_code == 1
    assert f"127.0.0.1:{port} can't be used: something else listens there" in done.stderr
    assert served == []


def test_an_address_of_another_machine_is_named(
    wheels: Path, served: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 8100))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [found])
    done = run("--wheels", str(wheels), "--host", "192.0.2.1")
    assert done.exit_code == 1
    assert "192.0.2.1:8100 can't be used: Cannot assign requested address" in done.stderr
    assert served == []


def test_a_host_that_nobody_knows_is_named(
    wheels: Path, served: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    done = run("--wheels", str(wheels), "--host", "nowhere.invalid")
    assert done.exit_code == 1
    assert "'nowhere.invalid' is no address of this machine: Name or service not known" in done.stderr
    assert served == []


def test_an_empty_folder_is_served_and_said_to_be_empty(wheels: Path, served: list[object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run("--wheels", str(wheels), "--port", str(port))
    assert done.exit_code == 0
    assert "There is no wheel in" in done.stderr
    assert f"http://127.0.0.1:{port}/simple/" in done.stderr
    assert served == [(wheels, "127.0.0.1", port, "")]


@pytest.mark.parametrize(
    "url", ["plugins.example", "ftp://plugins.example", "https://", "https://[x", "http://a?b"]
)
def test_a_public_address_that_is_none_is_named(wheels: Path, served: list[object], url: str) -> None:
    done = run("--wheels", str(wheels), "--public-url", url)
    assert done.exit_code == 1
    assert f"--public-url: '{url}'" in done.stderr
    assert served == []


def test_the_running_server_answers_over_an_empty_folder(wheels: Path) -> None:
    with serving(wheels) as url, urllib.request.urlopen(f"{url}/api/v1/plugins", timeout=10) as answer:
        assert answer.read() == b'{"data":[]}'
