"""What a plugin gets back from the world outside: answers of `ctx.http`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from karvan_sdk.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """What another server answered, whatever its status. Names of headers are in lower case.

    `body` is as it was sent, never unpacked; several headers of one name are joined with `, `. `url` is where
    the answer came from, after redirects.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    url: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 200 to 299."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text in the charset that its content type names, UTF-8 by default; never raises."""
        charset = "utf-8"
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip("\"'") or charset
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON; raises BadInput."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as exc:
            raise BadInput(f"{self.url} answered {self.status} with no JSON: {exc}", field="body") from exc
