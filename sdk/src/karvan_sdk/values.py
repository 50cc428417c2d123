"""The forms of texts that stand for something else: an address, a number, a day, a moment."""

from __future__ import annotations

import re

EMAIL = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s\"(),:;<>\[\]\\.]+(?:\.[^@\s\"(),:;<>\[\]\\.]+)+")
URL = re.compile(r"(?:https?://)[^\s/?#]+\S*|[^\s/?#:@]+\.[^\s/?#:@.]{2,}(?:[/?#]\S*)?", re.IGNORECASE)
NUMBER = re.compile(r"-?[0-9]{1,26}(?:\.[0-9]{1,26})?")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
INTEGER_MAX = 2**53 - 1
"""The largest whole number that every reader of JSON takes exactly."""
DIGITS_MAX = 18
"""Digits of a decimal, those behind the point included."""
LINE_MAX = 255
"""The longest e-mail or web address, in characters."""
