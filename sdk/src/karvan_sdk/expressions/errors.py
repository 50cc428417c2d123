"""What can be wrong with an expression: one class, a stable code per kind, a template and a place each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from karvan_sdk.errors import BadInput

ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "blank": "Write an expression.",
        "too_long": "An expression has at most {limit} characters; this one has {length}.",
        "too_big": "The expression has too many parts (at most {limit}).",
        "too_deep": "The expression is nested too deeply (at most {limit} levels).",
        "bad_char": "The character “{found}” can't be used here.",
        "open_text": "The text that begins here has no closing quote.",
        "expected": "Here “{wanted}” is expected, not “{found}”.",
        "unexpected": "“{found}” is not expected here.",
        "chained": "Comparisons cannot be chained.",
        "and_word": "“&&” is not used here.",
        "or_word": "“||” is not used here.",
        "bad_date": "There is no date or moment “{found}”.",
        "number_size": "A number has at most 26 digits before the point and 12 after it.",
        "duration": "A duration is a whole number with a unit.",
        "unknown_field": "There is no field “{found}”.",
        "unknown_option": "“{found}” is not one of the choices.",
        "unknown_function": "There is no function “{found}”.",
        "path": "A path has at most {limit} steps.",
        "arguments": "{name} takes {wanted}.",
        "type": "{wanted} is needed here, not {found}.",
        "not_condition": "A condition (yes or no) is needed, not {found}.",
        "mismatch": "{left} can't be compared or joined with {right}.",
        "order": "{found} has no order; compare it with = or !=.",
        "list": "A list has from 1 to {limit} values and stands after “in”.",
        "multi": "A range or period stands after “in” only.",
        "money": "Amounts with a currency can't be written here yet; write the number alone.",
        "fixed": "{wanted} must be written out here, not computed.",
        "field": "A field is needed here.",
        "context": "{name} can't be used here.",
        "lost_field": "A field that this expression used is gone ({found}).",
        "not_in_sql": "{name} can't be used in a filter.",
    }
)
"""Every code with its message; `docs/expressions.md` holds the same table."""

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "did_you_mean": "did you mean {near}?",
        "write": "write {text}",
        "use_date": "use date(…)",
        "use_text": "use text(…)",
        "add_duration": "add a duration to a date: write {text} days",
        "plus": "in an address write + as %2B",
        "months": "use date(…) + 1 month",
        "quotes": "text is written in quotes",
        "zone": "a moment needs its offset, like 2026-03-31T10:00Z",
    }
)
"""What may be said in addition; each is a template of its own."""


class ExpressionError(BadInput):
    """An expression can't be understood; `position` to `end` is the place in its text, from 0.

    `hint` is a further English sentence or ""; `hint_template` and `hint_params` are its translatable form.
    """

    code: ClassVar[str] = "expression"

    def __init__(
        self,
        code: str,
        position: int = 0,
        end: int | None = None,
        *,
        hint: str = "",
        hint_params: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> None:
        self.code = code  # type: ignore[misc]  # the class stands for a family of kinds
        self.position = position
        self.end = position if end is None else end
        self.hint_template = HINTS[hint] if hint else ""
        self.hint_params = dict(hint_params or {})
        self.hint = self.hint_template.format(**self.hint_params)
        self.template = ERRORS[code]  # type: ignore[misc]
        if self.hint:
            self.template += " ({hint})"  # type: ignore[misc]  # as above
            params["hint"] = self.hint
        self.field = "filter"
        super(BadInput, self).__init__(**params)
