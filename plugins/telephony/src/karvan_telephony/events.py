"""What a provider tells of a call: one event, read from JSON with all findings at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from karvan_sdk import FieldError, ValidationFailed

Kind = Literal["ringing", "answered", "missed", "ended"]
Direction = Literal["in", "out"]
Translate = Callable[..., str]

KINDS = ("ringing", "answered", "missed", "ended")
DIRECTIONS = ("in", "out")
REQUIRED = ("event", "call_id", "from", "to", "at")
KEYS = (*REQUIRED, "direction", "duration_s", "recording_url")
ID_MAX = 200
NUMBER_MAX = 100
URL_MAX = 2000
DURATION_MAX = 7 * 24 * 3600
CLOCK_SKEW = timedelta(days=1)
"""Clocks of telephone systems go wrong, so only a clear error is refused."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class CallEvent:
    """One thing that happened to one call. `caller` and `called` are as the provider writes them."""

    kind: Kind
    call_id: str
    caller: str
    called: str
    at: datetime
    direction: Direction = "in"
    duration: int | None = None
    recording_url: str | None = None

    @property
    def phone(self) -> str:
        """The number of the other side."""
        return self.caller if self.direction == "in" else self.called

    @property
    def line(self) -> str:
        """The number of our side."""
        return self.called if self.direction == "in" else self.caller


def read_event(data: Any, *, now: datetime, t: Translate) -> CallEvent:
    """The event in a JSON value; `t` translates.

    Raises ValidationFailed that names every wrong or missing key.
    """
    if not isinstance(data, Mapping):
        raise ValidationFailed([_finding("body", "wrong_type", t("A JSON object is needed here."))])
    reading = _Reading(data, now, t)
    event = reading.one_of("event", [f"call.{kind}" for kind in KINDS])
    found = {
        "kind": event.removeprefix("call."),
        "call_id": reading.text("call_id", ID_MAX),
        "caller": reading.text("from", NUMBER_MAX),
        "called": reading.text("to", NUMBER_MAX),
        "at": reading.moment("at"),
        "direction": reading.one_of("direction", DIRECTIONS, default="in"),
        "duration": reading.seconds("duration_s"),
        "recording_url": reading.address("recording_url"),
    }
    reading.refuse_unknown()
    if reading.errors:
        raise ValidationFailed(reading.errors)
    return CallEvent(**cast(dict[str, Any], found))


class _Reading:
    """Reads keys one by one and collects what is wrong; a wrong key gives a stand-in that is never used."""

    def __init__(self, data: Mapping[Any, Any], now: datetime, t: Translate) -> None:
        self.errors: list[FieldError] = []
        self._data = data
        self._now = now
        self._t = t

    def text(self, key: str, longest: int) -> str:
        """A text that is not blank."""
        value = self._get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not value.strip():
            return self._wrong(key, "wrong_type", self._t("A text that is not empty is needed here."))
        if len(value) > longest:
            return self._wrong(
                key, "too_long", self._t("At most %(limit)s characters fit here.", limit=longest)
            )
        if _CONTROL.search(value):
            return self._wrong(
                key, "bad_character", self._t("The text holds a character that can't be stored.")
            )
        return value.strip()

    def one_of(self, key: str, allowed: list[str] | tuple[str, ...], default: str = "") -> str:
        """One of some words; `default` when the key is missing and may be."""
        value = self._data.get(key) or default if default else self._get(key)
        if value is None:
            return ""
        if value not in allowed:
            message = self._t("Choose one of: %(allowed)s.", allowed=", ".join(allowed))
            return self._wrong(key, "unknown_value", message)
        return str(value)

    def moment(self, key: str) -> datetime:
        """A moment of RFC 3339, in UTC."""
        value = self._get(key)
        found = _moment_in(value) if isinstance(value, str) else None
        if value is not None and found is None:
            message = self._t("A moment of RFC 3339 like 2026-03-31T10:00:00Z is needed here.")
            self._wrong(key, "bad_date", message)
        elif found is not None and found > self._now + CLOCK_SKEW:
            self._wrong(
                key, "in_future", self._t("This moment lies in the future: check the provider's clock.")
            )
        return found or self._now

    def seconds(self, key: str) -> int | None:
        """A whole number of seconds, or None."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= DURATION_MAX:
            message = self._t("Whole seconds from 0 to %(limit)s are needed here.", limit=DURATION_MAX)
            self._wrong(key, "wrong_type", message)
            return None
        return value

    def address(self, key: str) -> str | None:
        """A web address, or None."""
        value = self._data.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > URL_MAX or not _is_web_address(value):
            message = self._t("A web address (http or https) of at most %(limit)s characters is needed here.",
                              limit=URL_MAX)  # fmt: skip
            return self._wrong(key, "url", message)
        return value

    def refuse_unknown(self) -> None:
        """A misspelt key must not be lost silently."""
        for key in self._data:
            if key not in KEYS:
                message = self._t("There is no such key; known are: %(known)s.", known=", ".join(KEYS))
                self._wrong(str(key)[:80], "unknown_key", message)

    def _get(self, key: str) -> Any:
        value = self._data.get(key)
        if value is None:
            self._wrong(key, "required", self._t("This key is required."))
        return value

    def _wrong(self, key: str, code: str, message: str) -> str:
        self.errors.append(_finding(key, code, message))
        return ""


def _finding(key: str, code: str, message: str) -> FieldError:
    return FieldError(field=key, code=code, template="{message}", params={"message": message})


def _moment_in(text: str) -> datetime | None:
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_web_address(text: str) -> bool:
    if re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
