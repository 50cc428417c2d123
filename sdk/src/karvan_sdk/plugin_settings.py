"""Settings of a plugin: declared in its manifest, kept per workspace, given to its code as Python values."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from karvan_sdk.errors import FieldError
from karvan_sdk.fields import Option
from karvan_sdk.text import Text
from karvan_sdk.values import (
    DATE,
    DATETIME,
    DIGITS_MAX,
    EMAIL,
    INTEGER_MAX,
    LINE_MAX,
    NUMBER,
    URL,
)

SETTING_TYPES = (
    "text", "long_text", "integer", "decimal", "boolean", "select", "date", "datetime", "email", "url",
)  # fmt: skip
SETTING_SCOPES = ("system", "user")
"""For whom a setting may be set, the weakest first: for all, for oneself. Below them is the default."""
TEXT_MAX = 10_000
DECIMALS_MAX = 8
_SURROGATES = re.compile("[\ud800-\udfff]")


class Wrong(ValueError):
    """A value that breaks a rule of its setting: a stable code and a message template with its gaps."""

    def __init__(self, code: str, template: str, **params: Any) -> None:
        self.code = code
        self.template = template
        self.params = params
        super().__init__(template.format(**params))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting. `default` is a JSON value (a decimal as text); `secret` ones are never shown again.

    `scopes` are those of `SETTING_SCOPES` in which it may be set. `minimum` and `maximum` bound a number,
    `scale` its decimals (8 if None), `max_length` and `pattern` (`*`, `?`) a text; `options` are the choices
    of a select. Codes, messages and limits are those of fields of the same type, but for the length of texts:
    10,000 characters.
    """

    name: str
    type: str = "text"
    label: Text = Text()
    help: Text = Text()
    default: Any = None
    required: bool = False
    secret: bool = False
    scopes: tuple[str, ...] = ("system",)
    minimum: int | str | None = None
    maximum: int | str | None = None
    scale: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    options: tuple[Option, ...] = ()

    def read(self, value: Any) -> Any:
        """The Python value of a JSON value that passed `check`: Decimal, date, datetime in UTC, else a JSON
        scalar. None and an empty text stay what they are."""
        return value if value is None or value == "" else _LOADS[self.type](self, value)

    def check(self, value: Any) -> FieldError | None:
        """What is wrong with a JSON value for this setting, or None."""
        try:
            if value is None or value == "":
                if self.required:
                    raise Wrong("required", "This setting is required.")
            else:
                _LOADS[self.type](self, value)
        except Wrong as exc:
            return FieldError(field=self.name, code=exc.code, template=exc.template, params=exc.params)
        return None


def _load_text(setting: Setting, value: Any) -> str:
    return _line(setting, value, setting.max_length or TEXT_MAX)


def _line(setting: Setting, value: Any, limit: int) -> str:
    text = _text(value)
    if len(text) > limit:
        raise Wrong("too_long", "At most {limit} characters fit; this has {length}.",
                    limit=limit, length=len(text))  # fmt: skip
    if setting.pattern and not fnmatch.fnmatchcase(text, setting.pattern):
        raise Wrong("pattern", "The text must look like {pattern}.", pattern=setting.pattern)
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong("wrong_type", "A text is needed here.")
    if _SURROGATES.search(value):
        raise Wrong("bad_character", "The text holds a character that can't be stored.")
    return value


def _load_email(setting: Setting, value: Any) -> str:
    text = _line(setting, value, setting.max_length or LINE_MAX).strip()
    if not EMAIL.fullmatch(text):
        raise Wrong("email", "'{value}' is no e-mail address.", value=text[:80])
    return text


def _load_url(setting: Setting, value: Any) -> str:
    text = _line(setting, value, setting.max_length or LINE_MAX).strip()
    if not URL.fullmatch(text):
        raise Wrong("url", "'{value}' is no web address (http or https).", value=text[:80])
    return text


def _load_select(setting: Setting, value: Any) -> str:
    text = _text(value)
    if text not in {o.value for o in setting.options}:
        raise Wrong("unknown_option", "'{value}' is not one of the choices.", value=text[:80])
    return text


def _load_integer(setting: Setting, value: Any) -> int:
    number = value
    if isinstance(value, float) and value.is_integer() and abs(value) <= INTEGER_MAX:
        number = int(value)  # JSON has one number type: 1.0 is 1
    if isinstance(number, bool) or not isinstance(number, int):
        raise Wrong("wrong_type", "A whole number is needed here.")
    if abs(number) > INTEGER_MAX:
        raise Wrong("out_of_range", "Whole numbers go from -9007199254740991 to 9007199254740991.")
    _check_bounds(setting, number)
    return number


def _load_decimal(setting: Setting, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise Wrong("wrong_type", "A number is needed here (as text, to keep its decimals exact).")
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        raise Wrong("wrong_type", "'{value}' is no number (like 1054.50).", value=value.strip()[:40])
    number = Decimal(repr(value) if isinstance(value, float) else value)
    scale = DECIMALS_MAX if setting.scale is None else setting.scale
    digits = DIGITS_MAX - (setting.scale or 0)
    if not number.is_finite() or abs(number) >= Decimal(10) ** digits:
        raise Wrong("out_of_range", "At most {digits} digits fit before the point.", digits=digits)
    if number != round(number, scale):
        raise Wrong("too_precise", "At most {scale} decimals are kept here.", scale=scale)
    number = abs(number) if number.is_zero() else number  # -0 is 0
    _check_bounds(setting, number)
    return number


def _check_bounds(setting: Setting, value: Any) -> None:
    if setting.minimum is not None and value < Decimal(str(setting.minimum)):
        raise Wrong("too_small", "The value must be at least {limit}.", limit=str(setting.minimum))
    if setting.maximum is not None and value > Decimal(str(setting.maximum)):
        raise Wrong("too_large", "The value must be at most {limit}.", limit=str(setting.maximum))


def _load_boolean(setting: Setting, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong("wrong_type", "true or false is needed here.")


def _load_date(setting: Setting, value: Any) -> date:
    if isinstance(value, str) and DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Wrong("bad_date", "There is no date {value}.", value=value) from None
    raise Wrong("wrong_type", "A date like 2026-03-31 is needed here.")


def _load_datetime(setting: Setting, value: Any) -> datetime:
    if not isinstance(value, str) or not DATETIME.fullmatch(value):
        raise Wrong("wrong_type", "A moment like 2026-03-31T10:00:00Z is needed here, with its offset.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong("bad_date", "There is no moment {value}.", value=value[:40]) from None


_LOADS: Mapping[str, Callable[[Setting, Any], Any]] = {
    "text": _load_text,
    "long_text": _load_text,
    "integer": _load_integer,
    "decimal": _load_decimal,
    "boolean": _load_boolean,
    "select": _load_select,
    "date": _load_date,
    "datetime": _load_datetime,
    "email": _load_email,
    "url": _load_url,
}
