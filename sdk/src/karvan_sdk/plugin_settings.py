"""Settings of a plugin: declared in its manifest, kept per workspace, given to its code as Python values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from karvan_sdk.errors import FieldError
from karvan_sdk.fields import Option
from karvan_sdk.text import Text

SETTING_TYPES = ("text", "long_text", "integer", "decimal", "boolean", "select")
TEXT_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting. `default` is a JSON value (a decimal as text); `secret` ones are never shown again.

    `minimum` and `maximum` bound a number, `options` are the choices of a select.
    """

    name: str
    type: str = "text"
    label: Text = Text()
    help: Text = Text()
    default: Any = None
    required: bool = False
    secret: bool = False
    minimum: int | str | None = None
    maximum: int | str | None = None
    options: tuple[Option, ...] = ()

    def read(self, value: Any) -> Any:
        """The Python value of a JSON value that passed `check`: Decimal for a decimal, else as it is."""
        return Decimal(str(value)) if self.type == "decimal" and value is not None else value

    def check(self, value: Any) -> FieldError | None:
        """What is wrong with a JSON value for this setting, or None."""
        if value is None or value == "":
            return self._wrong("required", "This setting is required.") if self.required else None
        if self.type == "boolean":
            return (
                None
                if isinstance(value, bool)
                else self._wrong("wrong_type", "True or false is needed here.")
            )
        if self.type in ("integer", "decimal"):
            return self._check_number(value)
        if not isinstance(value, str):
            return self._wrong("wrong_type", "A text is needed here.")
        if len(value) > TEXT_MAX:
            return self._wrong("too_long", "At most {limit} characters fit here.", limit=TEXT_MAX)
        if self.type == "select" and value not in {o.value for o in self.options}:
            allowed = ", ".join(o.value for o in self.options)
            return self._wrong("unknown_value", "Choose one of: {allowed}.", allowed=allowed)
        return None

    def _check_number(self, value: Any) -> FieldError | None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if self.type == "integer" and not whole:
            return self._wrong("wrong_type", "A whole number is needed here.")
        try:
            number = Decimal(str(value)) if whole or isinstance(value, str) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite():
            return self._wrong("wrong_type", "A number is needed here (decimals as text).")
        if self.minimum is not None and number < Decimal(str(self.minimum)):
            return self._wrong("too_small", "At least {limit} is needed here.", limit=self.minimum)
        if self.maximum is not None and number > Decimal(str(self.maximum)):
            return self._wrong("too_large", "At most {limit} is allowed here.", limit=self.maximum)
        return None

    def _wrong(self, code: str, template: str, **params: Any) -> FieldError:
        return FieldError(field=self.name, code=code, template=template, params=params)
