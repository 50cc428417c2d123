"""What a plugin serves over HTTP: routes, requests, answers. Values only; the host owns the server.

A plugin makes one `Router` and names it `router` on its object. Pages live below `/x/<plugin>`, its API
below `/api/x/<plugin>`; rules are those of werkzeug (`/calls/<int:id>`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from karvan_sdk.errors import BadInput
from karvan_sdk.protocols import PageContext

Surface = Literal["page", "api"]
SIGNED_IN = "signed_in"
ADMIN = "admin"
BODY_MAX = 1024 * 1024

Handler = Callable[..., "Response | str"]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request as a handler sees it.

    `path` is what stands behind the plugin's prefix. `query` and `cookies` hold the first value of each
    name; names of `headers` are lower case. `address` is the peer's IP address, `root` the scheme and
    host that were asked (`https://crm.example.com`). The body is read on first use, up to the route's
    limit; one that is longer raises `BadInput`.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str
    root: str
    read: Callable[[], bytes]
    read_form: Callable[[], Mapping[str, str]]

    def body(self) -> bytes:
        """The bytes of the body."""
        return self.read()

    def form(self) -> Mapping[str, str]:
        """The first value of each field of a form body."""
        return self.read_form()

    def json(self) -> Any:
        """The JSON value in the body; raises BadInput when there is none."""
        try:
            return json.loads(self.read())
        except (ValueError, RecursionError) as exc:
            raise BadInput(f"The body is no JSON: {exc}", field="body") from exc


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """A cookie for the plugin's own path; an empty value deletes it. `max_age` is in seconds."""

    name: str
    value: str
    max_age: int | None = None


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer: any bytes, charset and headers. A text body is sent as UTF-8."""

    body: bytes | str = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    cookies: tuple[Cookie, ...] = ()


def json_response(data: Any, status: int = 200) -> Response:
    """`data` as JSON."""
    body = json.dumps(data, ensure_ascii=False)
    return Response(body=body, status=status, content_type="application/json")


def text_response(text: str, status: int = 200) -> Response:
    """A plain text."""
    return Response(body=text, status=status, content_type="text/plain; charset=utf-8")


def redirect_to(address: str) -> Response:
    """Go on to another page of this workspace with GET: `address` begins with one slash."""
    if not address.startswith("/") or address.startswith(("//", "/\\")):
        raise ValueError(f"{address!r} is no address of this workspace.")
    return Response(status=303, headers=MappingProxyType({"Location": address}))


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who was recognised at a public route: a name for the log. The handler then acts as the plugin."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Public:
    """How a route without a signed-in person knows its caller.

    `authenticate(ctx, request)` gives the Caller, or None to refuse (401). It is called before the
    handler and before anything is written. `max_body` bounds the body, in bytes. The manifest names each
    such route under `public_routes`, with the reason; one that it does not name is refused.
    """

    authenticate: Callable[[PageContext, Request], Caller | None]
    max_body: int = BODY_MAX


@dataclass(frozen=True, kw_only=True)
class Route:
    """One rule with its handler. Exactly one of `permission` and `public` is set."""

    surface: Surface
    rule: str
    methods: tuple[str, ...]
    handler: Handler
    permission: str | None = None
    public: Public | None = None
    max_body: int = BODY_MAX


class Router:
    """The routes of a plugin, collected by decorators.

    A handler is `handler(ctx, request, **values_of_the_rule) -> Response | str` (a text is HTML).
    `permission` is `signed_in`, `admin`, or `<object>:<verb>` with the verbs read, create, update, delete.
    Forms of pages must carry the token that `{{ ui.token() }}` draws; public routes need none.
    """

    def __init__(self) -> None:
        self._routes: list[Route] = []

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, in the order in which they were declared."""
        return tuple(self._routes)

    def page(
        self,
        rule: str,
        *,
        permission: str | None = None,
        public: Public | None = None,
        methods: Iterable[str] = ("GET",),
    ) -> Callable[[H], H]:
        """A page at `/x/<plugin><rule>`."""
        return self._add("page", rule, permission, public, methods)

    def api(
        self,
        rule: str,
        *,
        permission: str | None = None,
        public: Public | None = None,
        methods: Iterable[str] = ("GET",),
    ) -> Callable[[H], H]:
        """An endpoint at `/api/x/<plugin><rule>`; its errors are problem+json."""
        return self._add("api", rule, permission, public, methods)

    def _add(
        self,
        surface: Surface,
        rule: str,
        permission: str | None,
        public: Public | None,
        methods: Iterable[str],
    ) -> Callable[[H], H]:
        if not rule.startswith("/"):
            raise ValueError(f"The rule {rule!r} must begin with a slash.")
        if (permission is None) == (public is None):
            raise ValueError(f"The route {rule!r} needs either permission= or public=.")

        def add(handler: H) -> H:
            self._routes.append(
                Route(
                    surface=surface,
                    rule=rule,
                    methods=tuple(m.upper() for m in methods),
                    handler=handler,
                    permission=permission,
                    public=public,
                    max_body=public.max_body if public else BODY_MAX,
                )
            )
            return handler

        return add
