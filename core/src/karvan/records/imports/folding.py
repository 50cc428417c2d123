"""How a header or a name is made comparable: without case, accents and the variants of one letter."""

from __future__ import annotations

import unicodedata

_VARIANTS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ـ": None, "\u200c": None, "\u200d": None})


def _letters(text: str) -> str:
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.translate(_VARIANTS))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


def fold_header(text: str) -> str:
    """A header, label or technical name for comparison: `Close date`, `close_date`, `CloseDate` are one."""
    return "".join(c for c in _letters(text) if c.isalnum())


def fold_name(text: str) -> str:
    """A record's name for comparison; spaces are kept apart, so that `GTXPro` is not `GTX Pro`."""
    return " ".join(_letters(text).split())


def ascii_digits(text: str) -> str:
    """The text with Persian, Arabic and full-width digits as 0 to 9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
