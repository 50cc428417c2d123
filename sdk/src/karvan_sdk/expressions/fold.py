"""One folding of text for all engines: character by character, so that parts of a text fold alike."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_LETTERS = {
    **{"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ؤ": "و", "أ": "ا", "إ": "ا", "آ": "ا"},
    **{"ё": "е", "ß": "s", "\u200c": "", "\u200d": "", "\u0640": ""},
}


@lru_cache(maxsize=8192)
def _letter(sign: str) -> str:
    lower = sign.lower()
    mapped = _LETTERS.get(lower)
    if mapped is not None:
        return mapped
    kept = "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    return "".join(_LETTERS.get(c, str(unicodedata.digit(c)) if c.isdigit() else c) for c in kept.lower())


def fold(text: str) -> str:
    """The text without case, accents, vowel marks and joiners, with one form of each letter and digit."""
    if text.isascii():
        return text.lower()
    return "".join(_letter(c) for c in text)
