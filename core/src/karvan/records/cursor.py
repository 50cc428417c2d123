"""The opaque cursor of keyset paging: where the page before ended, bound to the order it was made for."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

from karvan_sdk.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Position:
    """The last row of a page: `empty` says that its first sort value was empty, `values` are the others.

    `values` are in JSON form, one per sort term, the id last.
    """

    empty: bool
    values: tuple[Any, ...]


def encode_cursor(order: str, position: Position) -> str:
    """The text of a cursor for rows sorted by `order` (any text that tells orders apart)."""
    body = orjson.dumps([zlib.crc32(order.encode()), position.empty, *position.values])
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode_cursor(order: str, text: str, length: int) -> Position:
    """Read a cursor; raises BadInput that names `after` unless it is one for this order."""
    try:
        body = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        mark, empty, *values = body
    except (ValueError, TypeError, binascii.Error):
        raise _bad() from None
    if mark != zlib.crc32(order.encode()) or not isinstance(empty, bool) or len(values) != length:
        raise _bad()
    return Position(empty=empty, values=tuple(values))


def _bad() -> BadInput:
    return BadInput(
        "The cursor in 'after' is not one of this list and order. Start without it.", field="after"
    )
