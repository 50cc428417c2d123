"""The only way out to other servers: one HTTP client that never reaches what stands inside the network.

Each name is resolved here, every address it has is checked, and the connection goes to the very address that
was checked; certificate, SNI and Host are the name's. The environment's proxies are not asked, and bodies are
never unpacked.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote, urljoin, urlsplit

from karvan_sdk.errors import BadInput, HttpFailed, NotAllowed
from karvan_sdk.outbound import HttpAnswer

BODY_MAX = 10 * 1024 * 1024
REDIRECTS_MAX = 5
TIMEOUT_S = 5.0
TIMEOUT_MAX_S = 25.0
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
PORTS = {"https": 443, "http": 80}
OURS = frozenset(
    (
        "host", "content-length", "transfer-encoding", "connection", "accept-encoding", "te", "upgrade",
        "expect", "trailer", "keep-alive",
    )
)  # fmt: skip
"""Headers that the client sets itself."""
HARMLESS = frozenset(("accept", "accept-language", "content-type", "user-agent"))
"""Headers that go along when a redirect leads to another server; others may hold what proves the caller."""
NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, of them 169.254.169.254: the metadata of clouds
        "168.63.129.16/32",  # the same of Azure
        "192.0.0.0/24",  # the same of Oracle, and protocol assignments
        "100.100.100.200/32",  # the same of Alibaba
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fd00:ec2::/32",  # metadata of AWS
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "::/96",  # the rest carries IPv4 addresses in IPv6 ones
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)
"""What is never reached, even where a deployment lets a host have private addresses (but for `::1`)."""

LOOPBACK = {4: ip_network("127.0.0.0/8"), 6: ip_network("::1/128")}

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a request goes: `host` is ASCII and in lower case, `path` quoted, with its query."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """`host:port`, as `http_private` names it."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address."""
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: its headers by name in lower case, checked by `read_headers`."""

    method: str
    target: Target
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes | None = None


def read_target(url: str) -> Target:
    """The target of an address. Raises BadInput for what is no plain http(s) address."""
    if len(url) > 8192 or any(c <= " " or c in "\\\x7f" for c in url):
        raise BadInput(f"'{url[:200]}' is no address: it is too long or holds spaces.", field="url")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError as exc:
        raise BadInput(f"'{url[:200]}' is no address: {exc}", field="url") from exc
    if scheme not in ("https", "http") or not host or "@" in parts.netloc or port == 0:
        reason = f"'{url[:200]}' is no address to ask: write https://host/path, without user and password."
        raise BadInput(reason, field="url")
    path = quote(parts.path or "/", safe="/:@!$&'()*+,;=~%-._")
    query = quote(parts.query, safe="/:@!$&'()*+,;=~%-._?[]")
    return Target(
        scheme="https" if scheme == "https" else "http",
        host=read_host(host),
        port=port or PORTS[scheme],
        path=f"{path}?{query}" if query else path,
    )


def read_host(host: str) -> str:
    """A host's name as certificates have it: ASCII, lower case, no dot at its end. Raises BadInput."""
    try:
        found = host.rstrip(".").encode("idna").decode("ascii").lower() if not host.isascii() else host
    except UnicodeError as exc:
        raise BadInput(f"'{host[:200]}' is no name of a host.", field="url") from exc
    found = found.removesuffix(".").lower()
    if not found or len(found) > 253 or "%" in found:
        raise BadInput(f"'{host[:200]}' is no name of a host.", field="url")
    return found


def read_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers by name in lower case. Raises BadInput for those of the client itself, and for bad ones."""
    found = {}
    for name, value in headers.items():
        key = str(name).lower()
        legal = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        if not legal or not isinstance(value, str) or any(c < " " or c == "\x7f" for c in value):
            raise BadInput(f"The header '{str(name)[:100]}' can't be sent as it is.", field="headers")
        if key in OURS or key.startswith("proxy-"):
            raise BadInput(f"The header '{name}' is set by Karvan itself.", field="headers")
        found[key] = value
    return found


def is_open(address: Address, *, private: bool) -> bool:
    """Whether an address may be reached; `private` lets those of a network of one's own through."""
    if not (private and address in LOOPBACK[address.version]) and any(
        address in network for network in NEVER if network.version == address.version
    ):
        return False
    if private:
        return True
    return address.is_global and not (address.is_multicast or address.is_private or address.is_reserved)


def read_places(text: str) -> tuple[str, ...]:
    """The places of the setting `http_private`: `host:port`, separated by commas. Raises BadInput."""
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            reason = f"http_private holds '{part}'; write host:port, separated by commas."
            raise BadInput(reason, field="http_private")
        found.append(f"{read_host(host)}:{int(port)}")
    return tuple(found)


def is_address(host: str) -> bool:
    """Whether a host is given as an address, which needs no resolver."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def resolve_name(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, in the order of the resolver; raises OSError."""
    if is_address(host):
        return (host,)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


class Outbound:
    """The client of one workspace; any number of threads may use it. Keeps no cookies and no connections.

    `private` are the places (`host:port`) whose addresses may be private or loopback ones.
    """

    def __init__(
        self,
        private: Sequence[str] = (),
        *,
        resolve: Resolve = resolve_name,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._private = frozenset(private)
        self._resolve = resolve
        self._trust = trust

    def send(
        self, call: Call, *, timeout: float, check: Callable[[Target], None], body_max: int = BODY_MAX
    ) -> HttpAnswer:
        """Send a request, follow up to `REDIRECTS_MAX` redirects, and give the answer, whatever its status.

        `timeout` is for all of it, in seconds. `check` is asked about each target first, and refuses by
        raising. Raises NotAllowed for an address that is not reached from here, HttpFailed where no whole
        answer came.
        """
        end = monotonic() + timeout
        for _ in range(REDIRECTS_MAX + 1):
            check(call.target)
            answer = self._send_once(call, end, body_max)
            place = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or not place:
                return answer
            call = _redirected(call, answer.status, place)
        raise _failed(call.target, f"it redirects more than {REDIRECTS_MAX} times.")

    # -- inside ----------------------------------------------------------------------------------------

    def _send_once(self, call: Call, end: float, body_max: int) -> HttpAnswer:
        target = call.target
        addresses = self._addresses(target, end)
        clock = _Clock(end)
        try:
            connection = _Connection(target, self._connected(target, addresses, clock))
            with clock:
                return _exchange(connection, call, body_max)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            if clock.rang:
                raise _failed(target, "it took too long.") from exc
            raise _failed(target, f"{type(exc).__name__}: {exc}") from exc
        finally:
            clock.close()

    def _addresses(self, target: Target, end: float) -> Sequence[Address]:
        """The checked addresses of a target. One that may not be reached refuses them all."""
        try:
            found = [ip_address(text) for text in self._looked_up(target, end)]
        except ValueError as exc:
            raise _failed(target, "its name has no usable address.") from exc
        if not found:
            raise _failed(target, "its name has no address.")
        private = target.place in self._private
        for address in found:
            if not is_open(address, private=private):
                reason = (
                    f"its address {address} stands inside the network."
                    f" An administrator may add {target.place} to the setting http_private."
                )
                raise NotAllowed(action="ask", object=target.url, reason=reason)
        return found

    def _looked_up(self, target: Target, end: float) -> Sequence[str]:
        """Ask the resolver, which knows no limit of time, on a thread that may be left behind."""
        found: list[Sequence[str]] = []
        wrong: list[Exception] = []

        def ask() -> None:
            try:
                found.append(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as exc:
                wrong.append(exc)

        thread = threading.Thread(target=ask, name="resolver", daemon=True)
        thread.start()
        thread.join(max(0.0, end - monotonic()))
        if wrong:
            raise _failed(target, f"its name can't be resolved: {wrong[0]}") from wrong[0]
        if not found:
            raise _failed(target, "its name was not resolved in time.")
        return found[0]

    def _connected(self, target: Target, addresses: Sequence[Address], clock: _Clock) -> socket.socket:
        """A socket to the first address that answers, under TLS for https. Raises OSError."""
        for number, address in enumerate(addresses, 1):
            try:
                plain = socket.create_connection((str(address), target.port), timeout=clock.left())
                break
            except OSError:
                if number == len(addresses) or clock.over():
                    raise
        clock.watch(plain)
        if target.scheme == "http":
            return plain
        try:
            with clock:
                return self._context.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._trust or ssl.create_default_context()


class _Clock:
    """Ends a connection at its time, whatever it is busy with: a server that drips holds nobody."""

    def __init__(self, end: float) -> None:
        self._end = end
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.rang = False

    def left(self) -> float:
        """The seconds left, never quite none: a socket takes 0 for another mode."""
        return max(0.001, self._end - monotonic())

    def over(self) -> bool:
        """Whether the time is up."""
        self.rang = self.rang or monotonic() >= self._end
        return self.rang

    def watch(self, plain: socket.socket) -> None:
        """Shut this connection down at the end."""
        # a duplicate: TLS takes the original's descriptor away, and shutting down ends them both
        self._socket = plain.dup()
        self._timer = threading.Timer(self.left(), self._ring)
        self._timer.daemon = True
        self._timer.start()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._socket is not None:
            self._socket.close()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self.over():
            raise TimeoutError("the time is up")

    def _ring(self) -> None:
        self.rang = True
        try:
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other side was faster


class _Connection(http.client.HTTPConnection):
    """http.client over a socket that is connected already."""

    def __init__(self, target: Target, opened: socket.socket) -> None:
        super().__init__(target.host, target.port)
        self.default_port = PORTS[target.scheme]
        self.sock = opened

    def connect(self) -> None:
        """Refuse: a second connection would be an unchecked one."""
        raise ConnectionError("the connection was closed before the answer.")


def _exchange(connection: _Connection, call: Call, body_max: int) -> HttpAnswer:
    headers = {
        "accept": "*/*",
        "user-agent": "Karvan",
        **call.headers,
        "accept-encoding": "identity",
        "connection": "close",
    }
    try:
        connection.request(call.method, call.target.path, body=call.body, headers=headers)
        with connection.getresponse() as response:
            if (response.length or 0) > body_max:
                raise _failed(call.target, f"its answer is larger than {body_max} bytes.")
            body = response.read(body_max + 1) if call.method != "HEAD" else b""
            if len(body) > body_max:
                raise _failed(call.target, f"its answer is larger than {body_max} bytes.")
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            names = dict.fromkeys(name.lower() for name in response.headers)
            found = {name: ", ".join(response.headers.get_all(name, ())) for name in names}
            return HttpAnswer(
                status=response.status, headers=MappingProxyType(found), body=body, url=call.target.url
            )
    finally:
        connection.close()


def _redirected(call: Call, status: int, place: str) -> Call:
    """The next request after a redirect (RFC 9110, 15.4): what proves the caller stays with its server."""
    target = read_target(urljoin(call.target.url, place))
    keeps_method = status in (307, 308) or call.method in ("GET", "HEAD")
    headers = dict(call.headers)
    if (target.scheme, target.place) != (call.target.scheme, call.target.place):
        headers = {name: value for name, value in headers.items() if name in HARMLESS}
    if keeps_method:
        return replace(call, target=target, headers=headers)
    headers.pop("content-type", None)
    return Call(method="GET", target=target, headers=headers)


def _failed(target: Target, reason: str) -> HttpFailed:
    return HttpFailed(url=target.url, reason=reason)
