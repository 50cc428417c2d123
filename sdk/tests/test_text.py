"""A text in several languages and its fallbacks."""

from __future__ import annotations

import pytest

from karvan_sdk import LANGUAGES, Text


def test_the_asked_language_is_given() -> None:
    assert Text.of({"en": "Name", "ru": "Имя"})("ru") == "Имя"


@pytest.mark.parametrize("language", ["fa", "zh", "en", "xx"])
def test_english_stands_in_for_a_missing_language(language: str) -> None:
    assert Text.of({"en": "Name", "ru": "Имя"})(language) == "Name"


def test_any_language_is_better_than_none() -> None:
    assert Text.of({"fa": "نام"})("en") == "نام"
    assert Text()("en") == ""


def test_a_plain_text_is_english_and_a_text_stays_itself() -> None:
    assert Text.of("Name") == Text.of({"en": "Name"}) == Text.of(Text.of("Name"))


def test_empty_wordings_do_not_count() -> None:
    assert not Text.of("")
    assert not Text.of({"en": ""})
    assert Text.of({"en": "A", "ru": ""}).as_dict() == {"en": "A"}


def test_the_order_of_languages_makes_no_difference() -> None:
    assert hash(Text.of({"en": "A", "ru": "Б"})) == hash(Text.of({"ru": "Б", "en": "A"}))


def test_all_wordings_are_there_for_matching() -> None:
    assert set(Text.of({"en": "A", "ru": "Б"}).all()) == {"A", "Б"}


def test_the_interface_speaks_four_languages() -> None:
    assert LANGUAGES == ("en", "ru", "fa", "zh")
