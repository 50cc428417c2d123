"""The stored sort key of a text, one function for both engines: code-point order of keys is human order.

It works letter by letter (`sort_key(a + b) == sort_key(a) + sort_key(b)`), so that a part of a text has a
part of its key, and one column serves order, prefix and containment.
"""

from __future__ import annotations

from functools import lru_cache

from karvan_sdk.expressions.fold import fold

YO_MARK = "\ue800"
# Persian and Arabic letters in the order of the Persian alphabet, moved into a block of private code points
_PERSIAN = "اءبپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیئ"
_MOVED = {letter: chr(0xE000 + place) for place, letter in enumerate(_PERSIAN)}


@lru_cache(maxsize=8192)
def _letter(sign: str) -> str:
    if sign in "ёЁ":
        return f"е{YO_MARK}"  # behind every е, before ж
    return "".join(_MOVED.get(c, c) for c in fold(sign))


def sort_key(text: str) -> str:
    """The key of a text; empty for the empty text."""
    if text.isascii():
        return text.lower()
    return "".join(_letter(c) for c in text)
