"""A request to a plugin's own page or API: matched, its caller known, answered; and back to bytes.

Both surfaces go through `serve`; they differ in how a person is known and in how errors look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from werkzeug.exceptions import ClientDisconnected, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.wrappers import Request as HttpRequest
from werkzeug.wrappers import Response as HttpResponse

from karvan.access import policy
from karvan.access.actors import Actor
from karvan.access.moment import Moment
from karvan.metadata.catalog import Catalog
from karvan.plugins.context import Draw, Frame
from karvan.plugins.host import Host
from karvan.plugins.parts import NoRoute
from karvan_sdk.errors import BadInput, KarvanError, NotAllowed, PluginFailed
from karvan_sdk.router import ADMIN, SIGNED_IN, Public, Request, Response, Route, Surface

TOO_LARGE = "The body has more than {limit} bytes."
TOO_SHORT = "The body ended before it was as long as its header says."
API_CSP = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""What an endpoint of the API answers is data, even where it is HTML: a browser runs nothing of it."""
OUR_COOKIES = frozenset({"karvan_session", "session"})
"""What opens a person's session, and the secret of his forms: no plugin's to see."""


class CallerUnknown(KarvanError):
    """A public route of a plugin was called by somebody who did not prove who he is; nothing was done."""

    code = "caller_unknown"
    template = "The request does not prove who sends it."


@dataclass(frozen=True, kw_only=True)
class Door:
    """What a surface brings: who is signed in (raises NotSignedIn, and what a forged form raises), the
    moment of an actor, how templates are drawn."""

    surface: Surface
    identify: Callable[[], Actor]
    moment: Callable[[Actor, str, Catalog | None], Moment]
    draw: Draw
    frame: Frame


def serve(host: Host, door: Door, plugin: str, path: str, http: HttpRequest) -> HttpResponse:
    """Let a plugin answer.

    Raises NotFound and MethodNotAllowed of werkzeug where no route fits, CallerUnknown where a public route
    does not know its caller, and the errors of `Host.handle`.
    """
    try:
        return _serve(host, door, plugin, path, http)
    except NoRoute as exc:
        if exc.allowed:
            raise MethodNotAllowed(exc.allowed) from exc
        raise NotFound from exc


def _serve(host: Host, door: Door, plugin: str, path: str, http: HttpRequest) -> HttpResponse:
    source = f"plugin:{plugin}"
    # reads the catalog in force, so that the host knows its plugins
    itself = door.moment(Actor.system(), source, None)
    route, values = host.match(plugin, door.surface, path, http.method)
    request = _read_request(http, path, route.max_body)
    if route.public is not None:
        _check_declared(plugin, route, itself.catalog)
        answer = _serve_caller(host, door, plugin, route, route.public, values, request, itself)
        return _write_response(answer, plugin, route)
    actor = door.identify()
    moment = door.moment(actor, source, itself.catalog)
    _check_permission(actor, moment, route)
    answer = host.handle(plugin, route, values, request, moment, door.draw, door.frame)
    return _write_response(answer, plugin, route)


def _check_declared(plugin: str, route: Route, catalog: Catalog) -> None:
    """Raise NoRoute for a public route that the manifest did not name when an administrator enabled it."""
    seen = catalog.manifests.get(plugin, {}).get("public_routes", ())
    if not any((one["surface"], one["path"]) == (route.surface, route.rule) for one in seen):
        raise NoRoute


def _serve_caller(
    host: Host,
    door: Door,
    plugin: str,
    route: Route,
    public: Public,
    values: Mapping[str, Any],
    request: Request,
    moment: Moment,
) -> Response:
    """The answer of a public route. Why its plugin failed is for the log, not for whoever may call."""
    try:
        if host.authenticate(plugin, public, request, moment, door.draw, door.frame) is None:
            raise CallerUnknown
        return host.handle(plugin, route, values, request, moment, door.draw, door.frame)
    except PluginFailed as exc:
        raise PluginFailed(plugin=plugin, hook=exc.hook, reason="the log has the details.") from exc


def _check_permission(actor: Actor, moment: Moment, route: Route) -> None:
    permission = route.permission or ADMIN
    if permission == SIGNED_IN:
        return
    if permission == ADMIN:
        if not actor.is_admin:
            raise NotAllowed(action="open", object="this page", reason="it needs an administrator.")
        return
    object, _, verb = permission.partition(":")
    policy.check_may(actor, moment.catalog.object(object), verb)


def _read_request(http: HttpRequest, path: str, max_body: int) -> Request:
    http.max_content_length = max_body

    @cache
    def read() -> bytes:
        try:
            return http.get_data(cache=True, parse_form_data=False)
        except RequestEntityTooLarge as exc:
            _refuse_body(TOO_LARGE.format(limit=max_body), exc)
        except ClientDisconnected as exc:
            _refuse_body(TOO_SHORT, exc)

    @cache
    def read_form() -> Mapping[str, str]:
        try:
            return http.form.to_dict(flat=True)
        except RequestEntityTooLarge as exc:
            _refuse_body(TOO_LARGE.format(limit=max_body), exc)
        except ClientDisconnected as exc:
            _refuse_body(TOO_SHORT, exc)

    return Request(
        method=http.method,
        path=path,
        query=http.args.to_dict(flat=True),
        headers={name.lower(): value for name, value in http.headers if name.lower() != "cookie"},
        cookies={n: v for n, v in http.cookies.items() if n not in OUR_COOKIES},
        address=http.remote_addr or "",
        root=http.host_url.rstrip("/"),
        read=read,
        read_form=read_form,
    )


def _refuse_body(why: str, cause: Exception) -> NoReturn:
    raise BadInput(why, field="body") from cause


def _write_response(answer: Response, plugin: str, route: Route) -> HttpResponse:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    made = HttpResponse(body, status=answer.status)
    made.headers["Content-Type"] = answer.content_type
    if route.surface == "api":
        made.headers["Content-Security-Policy"] = API_CSP
    for name, value in answer.headers.items():
        made.headers[name] = value
    made.headers["X-Content-Type-Options"] = "nosniff"
    for cookie in answer.cookies:
        path = f"{'/api' if route.surface == 'api' else ''}/x/{plugin}/"
        if not cookie.value:
            made.delete_cookie(cookie.name, path=path)
            continue
        made.set_cookie(
            cookie.name, cookie.value, max_age=cookie.max_age, path=path, httponly=True, samesite="Lax"
        )
    return made
