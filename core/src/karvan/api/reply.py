"""Answers made of ready bytes and a list of headers: nothing is parsed, guessed or copied on the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

JSON = "application/json"
_STATUS_LINES = {code: f"{code} {text.upper()}" for code, text in HTTP_STATUS_CODES.items()}


class Reply(Response):
    """A response whose body is complete. Functions behind the request may still add headers.

    Werkzeug's own constructor and header work cost more than the API's handler; what they would find out
    is known here.
    """

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Sequence[tuple[str, str]] = (),
        *,
        media_type: str = JSON,
    ) -> None:
        self.headers = Headers()
        fixed = [("Content-Length", str(len(body)))]
        if body:
            fixed.append(("Content-Type", media_type))
        if status in (204, 304):
            fixed = []
        self.headers._list = [*fixed, *headers]  # one by one each would be validated
        self._status = _STATUS_LINES[status]
        self._status_code = status
        self.response = [body]
        self.direct_passthrough = False
        self._on_close = []

    @property
    def body(self) -> bytes:
        """The bytes of the answer."""
        return self.response[0]  # type: ignore[index,no-any-return]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        start_response(self._status, self.headers.to_wsgi_list())
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response  # type: ignore[return-value]


def json_reply(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """An answer with a JSON value as its body."""
    return Reply(orjson.dumps(value), status, headers)


def empty_reply(status: int = 204, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """An answer without a body."""
    return Reply(b"", status, headers)
