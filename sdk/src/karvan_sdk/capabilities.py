"""Capabilities: what a plugin asks for beyond its own objects, as its manifest writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_NAME = r"[a-z][a-z0-9]*(_{1,2}[a-z0-9]+)*"
CAPABILITY = re.compile(
    r"files|jobs|mail|secrets|sql"
    rf"|records:(read|write):(\*|{_NAME}(\({_NAME}(,{_NAME})*\))?)"
    r"|http:(http://)?(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?"
)
"""The whole grammar; a JSON Schema takes the same pattern."""


def read_fields(capability: str, verb: str, object: str) -> frozenset[str] | None:
    """The fields that `records:<verb>:<object>(<field>,…)` lists; None for every other text."""
    head = f"records:{verb}:{object}("
    if not capability.startswith(head) or not CAPABILITY.fullmatch(capability):
        return None
    return frozenset(capability[len(head) : -1].split(","))


@dataclass(frozen=True, kw_only=True)
class HostGrant:
    """Leave to call a host: `host` is its name, or `*.` and a name for all below it."""

    scheme: Literal["https", "http"]
    host: str
    port: int

    def covers(self, scheme: str, host: str, port: int) -> bool:
        """Whether a call of this scheme, host (lower case, ASCII) and port is allowed."""
        if (scheme, port) != (self.scheme, self.port):
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host


def read_host_grant(capability: str) -> HostGrant | None:
    """What a capability `http:…` allows; None for every other text.

    It stands for https unless it says `http:http://<host>`, and for its scheme's port unless it names one.
    """
    kind, _, rest = capability.partition(":")
    if kind != "http" or not CAPABILITY.fullmatch(capability):
        return None
    is_plain = rest.startswith("http://")
    host, _, port = rest.removeprefix("http://").partition(":")
    return HostGrant(
        scheme="http" if is_plain else "https", host=host, port=int(port or (80 if is_plain else 443))
    )
