"""`ctx.http`: calls to the hosts that a plugin's manifest names, and to no others."""

from __future__ import annotations

import json as json_
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from karvan.database import Database
from karvan.outbound import (
    BODY_MAX,
    METHODS,
    TIMEOUT_MAX_S,
    TIMEOUT_S,
    Call,
    Outbound,
    Target,
    read_headers,
    read_target,
)
from karvan_sdk.capabilities import read_host_grant
from karvan_sdk.errors import BadInput, NotAllowed
from karvan_sdk.outbound import HttpAnswer


class PluginHttp:
    """Implements `karvan_sdk.Http` for one plugin."""

    def __init__(
        self, plugin: str, capabilities: Sequence[str], outbound: Outbound, database: Database
    ) -> None:
        self._plugin = plugin
        self._grants = [grant for text in capabilities if (grant := read_host_grant(text))]
        self._outbound = outbound
        self._database = database

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | None = None,
        timeout: float = TIMEOUT_S,
    ) -> HttpAnswer:
        """Ask another server (see the sdk's protocol)."""
        call = _read_call(method, url, headers or {}, params, json, data)
        if not 0 < timeout <= TIMEOUT_MAX_S:
            raise BadInput(f"timeout needs a number of seconds up to {TIMEOUT_MAX_S:.0f}.", field="timeout")
        self._check(call.target)
        if self._database.is_busy:
            reason = (
                "a transaction is open, and it would wait for the other server."
                " Ask from a job (ctx.jobs.later) or from an observe hook."
            )
            raise NotAllowed(action="ask", object=call.target.url, reason=reason)
        return self._outbound.send(call, timeout=timeout, check=self._check)

    def _check(self, target: Target) -> None:
        if any(grant.covers(target.scheme, target.host, target.port) for grant in self._grants):
            return
        wanted = _capability(target)
        reason = f"plugin '{self._plugin}' did not ask for '{wanted}' in its manifest."
        raise NotAllowed(action="ask", object=target.url, reason=reason)


def _capability(target: Target) -> str:
    """The capability that a call of this target needs."""
    standard = {"https": 443, "http": 80}[target.scheme]
    port = "" if target.port == standard else f":{target.port}"
    return f"http:{'http://' if target.scheme == 'http' else ''}{target.host}{port}"


def _read_call(
    method: str,
    url: str,
    headers: Mapping[str, str],
    params: Mapping[str, Any] | None,
    json: Any,
    data: bytes | str | Mapping[str, Any] | None,
) -> Call:
    """The request, checked as far as that goes without asking anybody. Raises BadInput."""
    if method.upper() not in METHODS:
        raise BadInput(
            f"There is no method '{method}' here; choose of {', '.join(sorted(METHODS))}.", field="method"
        )
    if json is not None and data is not None:
        raise BadInput("Give json or data, not both.", field="data")
    if params:
        base, hash_, rest = url.partition("#")
        url = f"{base}{'&' if '?' in base else '?'}{urlencode(params, doseq=True)}{hash_}{rest}"
    found = read_headers(headers)
    body, content_type = _read_body(json, data)
    if body is not None and len(body) > BODY_MAX:
        raise BadInput(f"The body is larger than {BODY_MAX} bytes.", field="data")
    if content_type:
        found.setdefault("content-type", content_type)
    return Call(method=method.upper(), target=read_target(url), headers=found, body=body)


def _read_body(json: Any, data: bytes | str | Mapping[str, Any] | None) -> tuple[bytes | None, str]:
    if json is not None:
        try:
            return json_.dumps(json, ensure_ascii=False).encode(), "application/json"
        except (TypeError, ValueError, RecursionError) as exc:
            raise BadInput(f"This can't be sent as JSON: {exc}", field="json") from exc
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    if isinstance(data, str):
        return data.encode(), "text/plain; charset=utf-8"
    return data, ""
