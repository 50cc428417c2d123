"""A text that people see: one value per language, English as the fallback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LANGUAGES = ("en", "ru", "fa", "zh")
"""The languages of the interface, in the order in which they are offered."""


@dataclass(frozen=True)
class Text:
    """A label or help text in one or more languages.

    `by_language` is a tuple of (language, text) pairs so that the value stays hashable;
    build one with `Text.of`.
    """

    by_language: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: str | Mapping[str, str] | Text) -> Text:
        """Accept `"Name"` (English) or `{"en": "Name", "ru": "Имя"}`."""
        if isinstance(value, Text):
            return value
        if isinstance(value, str):
            return cls((("en", value),)) if value else cls()
        return cls(tuple(sorted((str(k), str(v)) for k, v in value.items() if v)))

    def __call__(self, language: str = "en") -> str:
        """The text in `language`, else in English, else in any language, else empty."""
        texts = dict(self.by_language)
        return texts.get(language) or texts.get("en") or next(iter(texts.values()), "")

    def __str__(self) -> str:
        return self()

    def __bool__(self) -> bool:
        return bool(self.by_language)

    def all(self) -> tuple[str, ...]:
        """Every wording, for matching a header or a name in any language."""
        return tuple(text for _, text in self.by_language)

    def as_dict(self) -> dict[str, str]:
        """The JSON form."""
        return dict(self.by_language)
