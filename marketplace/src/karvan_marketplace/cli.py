"""The command line: `karvan-marketplace`. Words for people and faults go to standard error."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click

from karvan_marketplace.serve import serve as run_server


def say(text: str) -> None:
    """Words for people."""
    click.echo(text, err=True)


def fail(text: str) -> NoReturn:
    """Say what is wrong and end with status 1."""
    say(f"Error: {text}")
    sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="karvan-marketplace")
def main() -> None:
    """A marketplace for Karvan plugins: an index for pip and uv, a catalogue, and pages."""


@main.command()
@click.option("--wheels", required=True, type=click.Path(path_type=Path), help="Folder of the wheels.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
@click.option("--public-url", default="", help="Its address behind a proxy, for the commands on pages.")
def serve(wheels: Path, host: str, port: int, public_url: str) -> None:
    """Serve the wheels of a folder until told to stop."""
    check_folder(wheels)
    check_url(public_url)
    check_address(host, port)
    say(f"The marketplace answers at http://{_written(host)}:{port}/")
    say(f"For pip and uv: --index-url http://{_written(host)}:{port}/simple/")
    run_server(wheels, host, port, public_url)


def check_folder(wheels: Path) -> None:
    """End with a message where the folder can't be served; say so where it holds nothing yet."""
    if not wheels.exists():
        fail(f"--wheels: there is no folder '{wheels}'.")
    if not wheels.is_dir():
        fail(f"--wheels: '{wheels}' is not a folder.")
    try:
        empty = not any(path.suffix == ".whl" for path in wheels.iterdir())
    except OSError as exc:
        fail(f"--wheels: '{wheels}' can't be read: {exc.strerror}.")
    if empty:
        say(f"There is no wheel in '{wheels}' yet, so the index is empty. Wheels put there show up at once.")


def check_url(public_url: str) -> None:
    """End with a message where the public address is none."""
    try:
        parts = urlsplit(public_url)
    except ValueError as exc:
        fail(f"--public-url: '{public_url}' is no address: {exc}.")
    if public_url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        fail(f"--public-url: '{public_url}' must look like https://plugins.example.org")


def check_address(host: str, port: int) -> None:
    """End with a message where the address can't be listened at."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as exc:
        fail(f"--host: '{host}' is no address of this machine: {exc.strerror}.")
    family, kind, protocol, _, address = found
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(address)
        except OSError as exc:
            taken = exc.errno == errno.EADDRINUSE
            why = "something else listens there; choose another --port" if taken else exc.strerror
            fail(f"{_written(host)}:{port} can't be used: {why}.")


def _written(host: str) -> str:
    """As it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
