"""Calls to other servers: what is reached, what never is, and what an answer may cost."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from karvan.outbound import (
    BODY_MAX,
    Call,
    Outbound,
    Target,
    is_open,
    read_headers,
    read_places,
    read_target,
)
from karvan_sdk.errors import BadInput, HttpFailed, NotAllowed
from karvan_sdk.outbound import HttpAnswer

Answering = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Answering:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


class Server(ThreadingHTTPServer):
    """A server of this machine with an answer per path; it notes what it was asked."""

    def __init__(self, answers: dict[str, Answering]) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen.append((self.command, self.path, headers, self.rfile.read(length)))
                self.close_connection = True
                answers.get(self.path.partition("?")[0], answer(404))(self)

            do_POST = do_HEAD = do_PUT = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is what some tests are about."""


@contextmanager
def serving(answers: dict[str, Answering], context: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(answers) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(
    outbound: Outbound,
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 5.0,
    check: Callable[[Target], None] = lambda target: None,
    body_max: int = BODY_MAX,
) -> HttpAnswer:
    call = Call(method=method, target=read_target(url), headers=read_headers(headers or {}), body=body)
    return outbound.send(call, timeout=timeout, check=check, body_max=body_max)


# -- which addresses are reached ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1",
        "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
        "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "::ffff:0:7f00:1",
    ],
)  # fmt: skip
def test_an_address_inside_the_network_is_never_reached(address: str) -> None:
    assert not is_open(ip_address(address), private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "1.1.1.1"])
def test_an_address_of_the_public_network_is_reached(address: str) -> None:
    assert is_open(ip_address(address), private=False)


@pytest.mark.parametrize(
    ("address", "is_reached"),
    [
        ("127.0.0.1", True), ("::1", True), ("10.0.0.1", True), ("fd12::1", True), ("8.8.8.8", True),
        ("169.254.169.254", False), ("fe80::1", False), ("::ffff:10.0.0.1", False), ("0.0.0.0", False),
        ("168.63.129.16", False), ("224.0.0.1", False), ("64:ff9b::a00:1", False), ("::", False),
    ],
)  # fmt: skip
def test_an_administrator_opens_private_addresses_and_no_stranger_ones(
    address: str, is_reached: bool
) -> None:
    assert is_open(ip_address(address), private=True) is is_reached


def no_socket(*args: object, **kwargs: object) -> None:
    raise AssertionError("a connection was opened")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("https://rebound.example/", ["127.0.0.1"]),
        ("https://both.example/", ["8.8.8.8", "10.0.0.1"]),
        ("https://mapped.example/", ["::ffff:169.254.169.254"]),
        ("https://2130706433/", ["127.0.0.1"]),
        ("https://127.0.0.1.nip.example/", ["127.0.0.1"]),
        ("https://[::ffff:127.0.0.1]/", ["::ffff:127.0.0.1"]),
    ],
)
def test_a_name_with_one_address_inside_is_refused_before_a_connection(
    url: str, addresses: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", no_socket)
    outbound = Outbound(resolve=lambda host, port: addresses)
    with pytest.raises(NotAllowed, match=r"stands inside the network\. An administrator may add .*:443"):
        ask(outbound, url)


def resolve_as_glibc(host: str, port: int) -> Sequence[str]:
    return [socket.inet_ntoa(socket.inet_aton(host))]


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
def test_other_spellings_of_loopback_are_refused(host: str) -> None:
    with pytest.raises(NotAllowed, match=r"its address 127\.0\.0\.1 stands inside"):
        ask(Outbound(resolve=resolve_as_glibc), f"http://{host}:1/")


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    connected: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(HttpFailed, match="ConnectionRefusedError"):
        ask(Outbound(resolve=resolve), "https://rebound.example/")
    assert (asked, connected) == (["rebound.example"], ["93.184.216.34"])


@pytest.mark.parametrize(
    ("resolve", "why"),
    [
        (lambda host, port: (_ for _ in ()).throw(socket.gaierror(-2, "unknown")), "can't be resolved"),
        (lambda host, port: [], "has no address"),
        (lambda host, port: ["nonsense"], "no usable address"),
        (lambda host, port: time.sleep(0.5) or ["8.8.8.8"], "not resolved in time"),
    ],
    ids=["error", "nothing", "nonsense", "slow"],
)
def test_a_resolver_that_fails_closes_the_way(resolve: Callable[..., Sequence[str]], why: str) -> None:
    with pytest.raises(HttpFailed, match=why):
        ask(Outbound(resolve=resolve), "https://lost.example/", timeout=0.2)


# -- what goes out and comes back --------------------------------------------------------------------------


def test_a_call_brings_status_headers_and_body_whatever_the_status() -> None:
    with serving({"/a": answer(418, b'{"tea": true}', Content_Type="application/json")}) as server:
        got = ask(Outbound([server.place]), f"http://{server.place}/a?x=1", headers={"X-Key": "k"})
    assert (got.status, got.ok, got.json(), got.url) == (
        418,
        False,
        {"tea": True},
        f"http://{server.place}/a?x=1",
    )
    assert got.headers["content-type"] == "application/json"
    ((method, path, headers, _),) = server.seen
    assert (method, path, headers["x-key"]) == ("GET", "/a?x=1", "k")
    assert headers["host"] == server.place
    assert headers["accept-encoding"] == "identity"


def test_the_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving({"/": answer(204)}) as server:
        assert ask(Outbound([server.place]), f"http://{server.place}/").status == 204


def test_a_packed_body_comes_as_it_was_sent() -> None:
    packed = b"\x1f\x8b" + b"\x00" * 100
    with serving({"/": answer(200, packed, Content_Encoding="gzip")}) as server:
        assert ask(Outbound([server.place]), f"http://{server.place}/").body == packed


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x" * 65536)


@pytest.mark.parametrize("sent", [answer(200, b"x" * 2000), endless], ids=["said", "unsaid"])
def test_a_body_over_the_limit_is_not_read(sent: Answering) -> None:
    with (
        serving({"/": sent}) as server,
        pytest.raises(HttpFailed, match="larger than 1000 bytes"),
    ):
        ask(Outbound([server.place]), f"http://{server.place}/", body_max=1000)


def test_a_body_of_just_the_limit_is_read() -> None:
    with serving({"/": answer(200, b"x" * 1000)}) as server:
        assert len(ask(Outbound([server.place]), f"http://{server.place}/", body_max=1000).body) == 1000


def cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "8")
    handler.end_headers()
    handler.wfile.write(b"half")


def test_a_body_that_ends_early_is_no_answer() -> None:
    with (
        serving({"/": cut}) as server,
        pytest.raises(HttpFailed, match="IncompleteRead"),
    ):
        ask(Outbound([server.place]), f"http://{server.place}/")


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        handler.wfile.write(b"X: y\r\n"[:1])
        time.sleep(0.05)


@pytest.mark.parametrize("drip", [dripping_body, dripping_headers])
def test_a_server_that_drips_holds_nobody_beyond_the_time(drip: Answering) -> None:
    with serving({"/": drip}) as server:
        began = time.monotonic()
        with pytest.raises(HttpFailed, match="it took too long"):
            ask(Outbound([server.place]), f"http://{server.place}/", timeout=0.5)
        assert time.monotonic() - began < 2


def test_threads_and_sockets_are_gone_after_a_call() -> None:
    with serving({"/": answer(200)}) as server:
        outbound = Outbound([server.place])
        before = threading.active_count()
        for _ in range(5):
            ask(outbound, f"http://{server.place}/")
        for _ in range(100):
            if threading.active_count() <= before:
                break
            time.sleep(0.02)
        assert threading.active_count() <= before


# -- redirects ---------------------------------------------------------------------------------------------


def test_redirects_are_followed_and_the_secrets_stay_with_their_server() -> None:
    with (
        serving({"/end": answer(200, b"there")}) as other,
        serving({"/": answer(302, Location=f"http://{other.place}/end")}) as server,
    ):
        outbound = Outbound([server.place, other.place])
        headers = {"Authorization": "Bearer t", "Cookie": "c=1", "X-Api-Key": "k", "Accept": "text/html"}
        got = ask(outbound, f"http://{server.place}/", headers=headers)
    assert (got.body, got.url) == (b"there", f"http://{other.place}/end")
    assert server.seen[0][2]["authorization"] == "Bearer t"
    assert {"authorization", "cookie", "x-api-key"}.isdisjoint(other.seen[0][2])
    assert other.seen[0][2]["accept"] == "text/html"


def test_a_redirect_on_the_same_server_keeps_the_headers() -> None:
    with serving({"/": answer(301, Location="/end"), "/end": answer(200)}) as server:
        ask(Outbound([server.place]), f"http://{server.place}/", headers={"Authorization": "Bearer t"})
    assert server.seen[1][2]["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, "GET", b""), (302, "GET", b""), (307, "POST", b"in")]
)
def test_a_redirected_post_becomes_what_the_status_says(status: int, method: str, body: bytes) -> None:
    with serving({"/": answer(status, Location="/end"), "/end": answer(200)}) as server:
        ask(Outbound([server.place]), f"http://{server.place}/", method="POST", body=b"in")
    assert (server.seen[1][0], server.seen[1][3]) == (method, body)


@pytest.mark.parametrize(
    ("place", "error", "why"),
    [
        ("http://127.0.0.1:1/", NotAllowed, "stands inside the network"),
        ("http://169.254.169.254/latest/meta-data/", NotAllowed, "stands inside the network"),
        ("file:///etc/passwd", BadInput, "is no address to ask"),
        ("gopher://127.0.0.1/", BadInput, "is no address to ask"),
        ("http://user:word@127.0.0.1/", BadInput, "without user and password"),
    ],
)
def test_each_redirect_is_checked_anew(place: str, error: type[Exception], why: str) -> None:
    with (
        serving({"/": answer(302, Location=place)}) as server,
        pytest.raises(error, match=why),
    ):
        ask(Outbound([server.place]), f"http://{server.place}/")


def test_a_redirect_to_what_the_caller_may_not_ask_is_refused_by_its_check() -> None:
    def check(target: Target) -> None:
        if target.path == "/secret":
            raise NotAllowed(action="ask", object=target.url, reason="no.")

    with serving({"/": answer(302, Location="/secret"), "/secret": answer(200)}) as server:
        with pytest.raises(NotAllowed, match="/secret"):
            ask(Outbound([server.place]), f"http://{server.place}/", check=check)
        assert [seen[1] for seen in server.seen] == ["/"]


def test_a_circle_of_redirects_ends() -> None:
    with serving({"/": answer(302, Location="/")}) as server:
        with pytest.raises(HttpFailed, match="redirects more than 5 times"):
            ask(Outbound([server.place]), f"http://{server.place}/")
        assert len(server.seen) == 6


# -- TLS ---------------------------------------------------------------------------------------------------


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str]]:
    """(the server's side, the client's trust in it, the names that clients asked for)."""
    path = make_certificate(tmp_path, "api.example")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    names: list[str] = []
    server.sni_callback = lambda sock, name, context: names.append(name)
    return server, ssl.create_default_context(cafile=str(path)), names


def test_the_name_is_proved_though_the_address_is_connected_to(
    tls: tuple[ssl.SSLContext, ssl.SSLContext, list[str]],
) -> None:
    server_side, trust, names = tls
    with serving({"/": answer(200, b"safe")}, server_side) as server:
        place = f"api.example:{server.server_port}"
        outbound = Outbound([place], resolve=lambda host, port: ["127.0.0.1"], trust=trust)
        assert ask(outbound, f"https://{place}/").body == b"safe"
    assert (names, server.seen[0][2]["host"]) == (["api.example"], place)


@pytest.mark.parametrize(
    ("host", "is_trusted", "why"),
    [("other.example", True, "Hostname mismatch"), ("api.example", False, "self-signed certificate")],
)
def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    tls: tuple[ssl.SSLContext, ssl.SSLContext, list[str]], host: str, is_trusted: bool, why: str
) -> None:
    server_side, trust, _ = tls
    with serving({"/": answer(200)}, server_side) as server:
        place = f"{host}:{server.server_port}"
        outbound = Outbound(
            [place], resolve=lambda host, port: ["127.0.0.1"], trust=trust if is_trusted else None
        )
        with pytest.raises(HttpFailed, match=why):
            ask(outbound, f"https://{place}/")
    assert server.seen == []


# -- what can't be asked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com", "https://", "https://a b/", "https://example.com/\r\nX: y",
        "https://example.com:0/", "https://example.com:99999/", "https://u@example.com/", "https://a\\b/",
        "https://[::1/", "https://" + "a" * 9000,
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="is no"):
        read_target(url)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("HTTPS://Example.COM.:443", "https://example.com/"),
        (
            "https://пример.example/путь?q=да",
            "https://xn--e1afmkfd.example/%D0%BF%D1%83%D1%82%D1%8C?q=%D0%B4%D0%B0",
        ),
        ("https://example.com/a%20b?x=%2F#part", "https://example.com/a%20b?x=%2F"),
        ("http://example.com:8080/x", "http://example.com:8080/x"),
    ],
)
def test_an_address_is_brought_to_its_one_form(url: str, whole: str) -> None:
    assert read_target(url).url == whole


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"content-LENGTH": "1"},
        {"Proxy-Authorization": "x"},
        {"X": "a\r\nY: b"},
        {"X Y": "a"},
        {"": "a"},
    ],
)
def test_headers_of_the_client_and_broken_ones_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="The header"):
        read_headers(headers)


def test_the_setting_names_places_and_refuses_what_is_none() -> None:
    assert read_places(" ERP.lan:443, 127.0.0.1:80,") == ("erp.lan:443", "127.0.0.1:80")
    for wrong in ("erp.lan", "erp.lan:x", ":80", "a:99999"):
        with pytest.raises(BadInput, match="http_private holds"):
            read_places(wrong)
