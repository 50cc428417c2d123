"""Small and capital letters, one for one, and the blanks that trim() strips."""

from __future__ import annotations

BLANKS = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


def lower(text: str) -> str:
    """Small letters; a letter whose small form is more than one letter stays."""
    return (
        text.lower() if text.isascii() else "".join([c.lower() if len(c.lower()) == 1 else c for c in text])
    )


def upper(text: str) -> str:
    """Capital letters; a letter whose capital form is more than one letter stays."""
    return (
        text.upper() if text.isascii() else "".join([c.upper() if len(c.upper()) == 1 else c for c in text])
    )
