"""What plugin code gives back, held against what was asked for; an error says what else it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from karvan_sdk.router import Caller, Cookie, Response

KEPT_BY_US = frozenset({"set-cookie", "content-length", "transfer-encoding", "connection", "content-type"})
"""Headers that an answer may not hold: cookies have a place of their own, the others are the server's."""
YEAR_S = 365 * 24 * 3600
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def read_html(answer: Any) -> str:
    """The HTML of a widget; None shows nothing."""
    return _encodable(_text(answer, "HTML"), "HTML") if answer is not None else ""


def read_message(answer: Any) -> str:
    """What an action of a widget tells; None tells nothing."""
    return _encodable(_text(answer, "a message"), "message") if answer is not None else ""


def read_caller(answer: Any) -> str | None:
    """The name of a recognised caller; None for one who was not."""
    if answer is None:
        return None
    if not isinstance(answer, Caller):
        raise TypeError(f"it answered {type(answer).__name__} where a Caller or None is needed.")
    return _text(answer.name, "the name of a caller")


def read_response(answer: Any) -> Response:
    """The answer of a route, each part of it fit to be sent."""
    if isinstance(answer, str):
        answer = Response(body=answer)
    if not isinstance(answer, Response):
        raise TypeError(f"it answered {type(answer).__name__} where a Response or a text is needed.")
    _check_body(answer.body)
    _check_status(answer.status)
    _check_header("Content-Type", answer.content_type)
    _check_headers(answer.headers)
    _check_cookies(answer.cookies)
    return answer


def is_wait(seconds: Any) -> bool:
    """Whether a plugin can be called again after so many seconds."""
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return is_number and not math.isnan(seconds) and seconds <= YEAR_S


def _check_body(body: Any) -> None:
    if isinstance(body, str):
        _encodable(body, "body")
    elif not isinstance(body, bytes):
        raise TypeError(f"its body is {type(body).__name__}, not a text or bytes.")


def _check_status(status: Any) -> None:
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise ValueError(f"its status is {status!r}, not a number from 200 to 599.")


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping):
        raise TypeError(f"its headers are {type(headers).__name__}, not a mapping.")
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"it answered with the header {name!r}, which is no name of a header.")
        if name.lower() in KEPT_BY_US:
            raise ValueError(f"it answered with the header '{name}', which is not its to set.")
        _check_header(name, value)


def _check_header(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ValueError(f"its header '{name}' holds {value!r}, which is no line of Latin letters.")


def _check_cookies(cookies: Any) -> None:
    if not isinstance(cookies, (tuple, list)):
        raise TypeError(f"its cookies are {type(cookies).__name__}, not a tuple.")
    for cookie in cookies:
        if not isinstance(cookie, Cookie):
            raise TypeError(f"its cookies hold {type(cookie).__name__}, which is no Cookie.")
        if not isinstance(cookie.name, str) or not _TOKEN.fullmatch(cookie.name):
            raise ValueError(f"its cookie {cookie.name!r} has no name of a cookie.")
        _encodable(_text(cookie.value, f"the value of the cookie '{cookie.name}'"), "cookie")
        if cookie.max_age is not None and type(cookie.max_age) is not int:
            raise TypeError(f"its cookie '{cookie.name}' has an age that is no number of seconds.")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"it answered {type(value).__name__} where {what} is needed.")
    return value


def _encodable(text: str, what: str) -> str:
    """The text itself; raises ValueError for half a character (a lone surrogate), which can't be sent."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"its {what} holds half a character at {exc.start}, which can't be sent.") from exc
    return text
