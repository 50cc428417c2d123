"""Whether a message was signed with our secret: Standard Webhooks (standardwebhooks.com), form `v1`.

Signed is `<webhook-id>.<webhook-timestamp>.<body>` with HMAC-SHA256. Nothing here tells which part was wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime

TOLERANCE_S = 300
PREFIX = "whsec_"
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")


def is_signed(secret: str | None, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether one of the signatures in the headers (names in lower case) is ours and fresh.

    Without a secret, or with one that can't be read, nothing is.
    """
    key = key_of(secret)
    message_id = headers.get("webhook-id", "")
    seconds = headers.get("webhook-timestamp", "")
    if key is None or not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(seconds):
        return False
    if abs(now.timestamp() - int(seconds)) > TOLERANCE_S:
        return False
    wanted = sign(key, message_id, seconds, body).encode("ascii")
    found = False
    for given in headers.get("webhook-signature", "").split(" "):
        # every one is compared, in constant time: how long it takes tells nothing
        found |= hmac.compare_digest(wanted, given.encode("utf-8", "replace"))
    return found


def sign(key: bytes, message_id: str, seconds: str, body: bytes) -> str:
    """The signature of a message, `v1,<base64>`."""
    signed = b".".join((message_id.encode("ascii"), seconds.encode("ascii"), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode("ascii")


def key_of(secret: str | None) -> bytes | None:
    """The key in a secret: base64 behind `whsec_`, else the text itself; None when there is none."""
    text = (secret or "").strip()
    if not text.startswith(PREFIX):
        return text.encode("utf-8") or None
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True) or None
    except ValueError:  # binascii.Error is one; letters beyond ASCII give the plain class
        return None
