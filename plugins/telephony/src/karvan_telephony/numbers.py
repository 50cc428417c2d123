"""Telephone numbers: any way people write them to E.164, and back to a form that is easy to read.

The rules of each country's numbers are those of the `phonenumbers` library.
"""

from __future__ import annotations

import unicodedata

import phonenumbers
from phonenumbers import (
    CountryCodeSource,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    ValidationResult,
)

_WITH_COUNTRY = (
    CountryCodeSource.FROM_NUMBER_WITH_PLUS_SIGN,
    CountryCodeSource.FROM_NUMBER_WITH_IDD,
)

_PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def is_country(text: str) -> bool:
    """Whether this is a country (two capital letters, ISO 3166) with numbers of its own."""
    return text in phonenumbers.SUPPORTED_REGIONS


def to_e164(text: str | None, country: str) -> str | None:
    """The number as `+4930123456`, or None when the text holds none that could ring.

    `country` says how a number without a country code is read. Digits may be of any script; blanks, marks
    and an extension do not matter. Short numbers (an extension, 112) belong to no country: None.
    """
    written = plain(text or "")
    number = _parse(written, country)
    if number is not None:
        if phonenumbers.is_valid_number(number):
            return _e164(number)
        if number.country_code_source in _WITH_COUNTRY and _has_full_length(number):
            return _e164(number)  # a range that is newer than the library
    # providers write 74955404444: with the country code, without the plus
    bare = _parse(f"+{written}", country) if written[:1].isdigit() else None
    return _e164(bare) if bare is not None and phonenumbers.is_valid_number(bare) else None


def readable(e164: str) -> str:
    """An E.164 number in the groups of its country: `+49 30 123456`."""
    number = _parse(e164, "")
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL) if number else e164


def in_digits_of(language: str, text: str) -> str:
    """The text with the digits that readers of the language expect."""
    return text.translate(_PERSIAN) if language == "fa" else text


def plain(text: str) -> str:
    """The text with the digits of all scripts as 0 to 9, without the invisible marks of copied numbers."""
    letters = []
    for letter in text.strip():
        digit = unicodedata.decimal(letter, None)
        if digit is not None:
            letters.append(str(digit))
        elif unicodedata.category(letter) != "Cf":
            letters.append(letter)
    return "".join(letters)


def _parse(text: str, country: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country or None, keep_raw_input=True)
    except NumberParseException:
        return None


def _has_full_length(number: PhoneNumber) -> bool:
    return phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
