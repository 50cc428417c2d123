"""The texts of a plugin in other languages, read from its `.po` files as they are: no compiling needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babel.messages.pofile import PoFileError, read_po

from karvan_sdk.text import LANGUAGES

Texts = Mapping[str, Mapping[str, str]]
NONE: Texts = MappingProxyType({})


def read_texts(package: Path) -> tuple[Texts, tuple[str, ...]]:
    """(language → English text → text, what was wrong) of `locale/<language>/LC_MESSAGES/messages.po`."""
    found: dict[str, Mapping[str, str]] = {}
    problems: list[str] = []
    for language in LANGUAGES:
        file = package / "locale" / language / "LC_MESSAGES" / "messages.po"
        if not file.is_file():
            continue
        try:
            with file.open("rb") as stream:
                catalog = read_po(stream, locale=language, abort_invalid=True)
        except (PoFileError, ValueError, OSError) as exc:
            problems.append(f"'{file.name}' of '{language}' can't be read: {exc}")
            continue
        found[language] = {
            str(m.id): str(m.string) for m in catalog if m.id and m.string and isinstance(m.id, str)
        }
    return MappingProxyType(found), tuple(problems)


def translate(texts: Texts, language: str, text: str, params: Mapping[str, Any]) -> str:
    """The text in a language, else as it is, with its gaps (`%(name)s`) filled."""
    found = texts.get(language, {}).get(text) or text
    return found % params if params else found
