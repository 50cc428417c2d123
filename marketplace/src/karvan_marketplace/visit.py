"""One request of a page: its language, its colours, what is remembered of them; the seal of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from babel import Locale
from babel.numbers import format_decimal
from flask import Request, Response

from karvan_sdk.text import LANGUAGES

LANGUAGE_COOKIE = "karvan_market_language"
THEME_COOKIE = "karvan_market_theme"
THEMES = ("auto", "light", "dark")
YEAR = 365 * 24 * 3600

LANGUAGE_NAMES: Mapping[str, str] = MappingProxyType(
    {"en": "English", "ru": "Русский", "fa": "فارسی", "zh": "中文"}
)
PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")  # babel leaves the digits as they are
LIST_COMMAS: Mapping[str, str] = MappingProxyType({"fa": "، ", "zh": "、"})

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Pages run no script and load nothing that is not ours (CSP 3)."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """How a page is shown to the one who looks at it."""

    language: str
    theme: str

    @property
    def locale(self) -> Locale:
        """The language as babel knows it."""
        return Locale.parse("zh_Hans" if self.language == "zh" else self.language)

    @property
    def direction(self) -> str:
        """`rtl` or `ltr`."""
        return str(self.locale.text_direction)

    def count(self, number: int) -> str:
        """A number in the digits of the language."""
        written = format_decimal(number, locale=self.locale, numbering_system="default")
        return written.translate(PERSIAN_DIGITS) if self.language == "fa" else written

    def join(self, words: list[str]) -> str:
        """A list with the commas of the language."""
        return LIST_COMMAS.get(self.language, ", ").join(words)


def visit_of(request: Request) -> Visit:
    """What the address asks for, else what was asked for before, else what the browser prefers."""
    return Visit(
        language=_chosen(request, "lang", LANGUAGE_COOKIE, LANGUAGES)
        or request.accept_languages.best_match(LANGUAGES)
        or "en",
        theme=_chosen(request, "theme", THEME_COOKIE, THEMES) or "auto",
    )


def _chosen(request: Request, parameter: str, cookie: str, known: tuple[str, ...]) -> str | None:
    given = (request.args.get(parameter), request.cookies.get(cookie))
    return next((value for value in given if value in known), None)


def seal(answer: Response, request: Request) -> Response:
    """Add the headers of a page, and remember what the address asked for."""
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Vary"] = "Accept-Language, Cookie"
    for parameter, cookie, known in (("lang", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES)):
        value = request.args.get(parameter)
        if value is not None and value in known:
            answer.set_cookie(
                cookie, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure
            )
    return answer
