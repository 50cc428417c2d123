"""What the host lends to plugins: calls to other servers, for those who declare them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from karvan.settings import Settings
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, settle
from karvan.workspace import Workspace
from karvan_sdk.capabilities import read_host_grant
from karvan_sdk.errors import BadInput, NotAllowed, PluginFailed

MANIFEST = """
schema = 1
id = "borrower"
api = ">=0.1,<1"
name = "Borrower"
summary = "Of the tests."
capabilities = [{capabilities}]
objects = ["thing.toml"]

[[hooks]]
hook = "check_records"
objects = ["thing"]

[[hooks]]
hook = "records_changed"
objects = ["thing"]
"""
THING = 'name = "thing"\n[[fields]]\nname = "name"\ntype = "text"\n'
BODY = """
from karvan_sdk import hookimpl

DO = {}


@hookimpl
def check_records(ctx, object, event, changes):
    if "gate" in DO:
        DO["gate"](ctx)


@hookimpl
def records_changed(ctx, object, event, events):
    if "observe" in DO:
        DO["observe"](ctx)
"""

Borrowing = Callable[..., Workspace]


@pytest.fixture
def borrowing(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Iterator[Borrowing]:
    """Makes a workspace with the plugin `borrower`, which declares the given capabilities."""

    def make(*capabilities: str, http_private: str = "") -> Workspace:
        named = ", ".join(f'"{one}"' for one in capabilities)
        package = install_plugin("borrower", MANIFEST.format(capabilities=named), BODY) / "karvan_borrower"
        (package / "thing.toml").write_text(THING)
        plain = workspace_with()
        if http_private:
            url = plain.settings.url
            settings = Settings(home=plain.settings.home, database_url=url, http_private=http_private)
            plain = opened.enter_context(closing(Workspace(settings)))
        plain.plugins.enable(admin_of(plain), "borrower")
        settle(plain)
        return plain

    with ExitStack() as opened:
        yield make


def code() -> Any:
    return sys.modules["karvan_borrower.plugin"]


def context(workspace: Workspace) -> Any:
    """The context in which a command of the plugin would run."""
    return workspace.host.context("borrower", workspace.records.moment(admin_of(workspace)))


def add_thing(workspace: Workspace, name: str = "a") -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create("thing", {"name": name})["id"])


@pytest.fixture
def hello() -> Iterator[str]:
    """A server of this machine that says what it was asked; its place."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = f"{self.path} {self.headers['Content-Type']} {body.decode()}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# -- http --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "url", "is_covered"),
    [
        ("http:api.example.com", "https://api.example.com:443", True),
        ("http:api.example.com", "http://api.example.com:80", False),
        ("http:api.example.com", "https://api.example.com:8443", False),
        ("http:api.example.com", "https://evil-api.example.com:443", False),
        ("http:api.example.com", "https://api.example.com.evil.org:443", False),
        ("http:api.example.com:8443", "https://api.example.com:8443", True),
        ("http:api.example.com:8443", "https://api.example.com:443", False),
        ("http:http://printer.example.com", "http://printer.example.com:80", True),
        ("http:http://printer.example.com", "https://printer.example.com:443", False),
        ("http:*.example.com", "https://a.b.example.com:443", True),
        ("http:*.example.com", "https://example.com:443", False),
        ("http:*.example.com", "https://evilexample.com:443", False),
    ],
)
def test_a_capability_covers_its_host_and_no_neighbour(capability: str, url: str, is_covered: bool) -> None:
    grant = read_host_grant(capability)
    assert grant is not None
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    assert grant.covers(scheme, host, int(port)) is is_covered


@pytest.mark.parametrize("text", ["files", "records:read:deal", "http:*", "http:https://a.de", "http:a_b"])
def test_what_is_no_host_grants_no_calls(text: str) -> None:
    assert read_host_grant(text) is None


def test_a_plugin_calls_the_host_it_declared(borrowing: Borrowing, hello: str) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    answer = context(workspace).http.request(
        "post", f"http://{hello}/in?a=1", params={"b": "2 3"}, json={"text": "да"}
    )
    assert answer.text == '/in?a=1&b=2+3 application/json {"text": "да"}'
    answer = context(workspace).http.request("POST", f"http://{hello}/", data={"a": "b c"})
    assert answer.text == "/ application/x-www-form-urlencoded a=b+c"


@pytest.mark.parametrize("capabilities", [(), ("http:other.example",), ("http:127.0.0.1",)])
def test_an_undeclared_host_is_refused_by_the_name_of_the_capability(
    borrowing: Borrowing, hello: str, capabilities: tuple[str, ...]
) -> None:
    workspace = borrowing(*capabilities, http_private=hello)
    with pytest.raises(NotAllowed, match=f"'borrower' did not ask for 'http:http://{hello}' in its manifest"):
        context(workspace).http.request("POST", f"http://{hello}/", data=b"")


def test_a_declared_host_inside_the_network_is_refused_unless_the_deployment_opens_it(
    borrowing: Borrowing, hello: str
) -> None:
    workspace = borrowing(f"http:http://{hello}")
    with pytest.raises(NotAllowed, match=f"An administrator may add {hello} to the setting http_private"):
        context(workspace).http.request("POST", f"http://{hello}/", data=b"")


def test_a_gate_may_not_ask_while_its_transaction_is_open_and_an_observer_may(
    borrowing: Borrowing, hello: str
) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    said: list[str] = []

    def ask(ctx: Any) -> None:
        said.append(ctx.http.request("POST", f"http://{hello}/", data="x").text)

    code().DO["gate"] = ask
    with pytest.raises(PluginFailed, match="a transaction is open, and it would wait"):
        add_thing(workspace)
    assert said == []
    code().DO.clear()
    code().DO["observe"] = ask
    add_thing(workspace)
    settle(workspace)
    assert said == ["/ text/plain; charset=utf-8 x"]


def test_a_block_of_writing_is_a_transaction_too(borrowing: Borrowing, hello: str) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    ctx = context(workspace)
    with ctx.records.write(), pytest.raises(NotAllowed, match="a transaction is open"):
        ctx.http.request("POST", f"http://{hello}/", data="x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "TRACE"}, {"timeout": 0}, {"timeout": 26}, {"json": {}, "data": b""}, {"json": {1, 2}},
        {"headers": {"Host": "x"}}, {"data": b"x" * (10 * 1024 * 1024 + 1)},
    ],
    ids=["method", "no time", "long", "two bodies", "no json", "header", "large"],
)  # fmt: skip
def test_what_can_not_be_sent_is_said(borrowing: Borrowing, wrong: dict[str, Any]) -> None:
    workspace = borrowing("http:api.example.com")
    asked = {"method": "GET", "url": "https://api.example.com/", **wrong}
    with pytest.raises(BadInput):
        context(workspace).http.request(asked.pop("method"), asked.pop("url"), **asked)
