"""docs/import.md holds the one table of synonyms; it is held to what the plugins declare."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from karvan_sdk import Manifest, load_manifest

DOCS = Path(__file__).parents[1] / "docs" / "import.md"


def crm() -> Manifest:
    files = resources.files("karvan_crm")
    return load_manifest("crm", lambda name: files.joinpath(name).read_text(encoding="utf-8"))


def synonyms(manifest: Manifest) -> str:
    lines = ["| object | field | headers |", "|---|---|---|"]
    for declared in manifest.objects:
        if declared.synonyms:
            lines.append(f"| {declared.name} | *its name field* | {_words(declared.synonyms)} |")
        for field in declared.fields:
            if field.synonyms:
                lines.append(f"| {declared.name} | {field.name} | {_words(field.synonyms)} |")
    return "\n".join(lines)


def types(manifest: Manifest) -> str:
    lines = ["| field | type | words |", "|---|---|---|"]
    for declared in manifest.objects:
        for field in declared.fields:
            for type_, words in field.option_types.items():
                lines.append(f"| {declared.name}.{field.name} | {type_} | {_words(words)} |")
    return "\n".join(lines)


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(words).replace("|", "\\|")


def _table(mark: str) -> str:
    found = re.search(
        rf"<!-- {mark} -->\n(.*)\n?<!-- /{mark} -->", DOCS.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, f"docs/import.md has no table between the marks '{mark}'"
    return found[1].strip()


def test_the_table_of_synonyms_is_that_of_the_declarations() -> None:
    assert _table("synonyms") == synonyms(crm())


def test_the_table_of_types_is_that_of_the_declarations() -> None:
    assert _table("types") == types(crm())


if __name__ == "__main__":  # python tests/test_import_docs.py writes the tables anew
    text = DOCS.read_text(encoding="utf-8")
    for mark, table in (("synonyms", synonyms(crm())), ("types", types(crm()))):
        text = re.sub(
            rf"<!-- {mark} -->\n.*<!-- /{mark} -->",
            lambda _, m=mark, t=table: f"<!-- {m} -->\n{t}\n<!-- /{m} -->",
            text,
            flags=re.DOTALL,
        )
    DOCS.write_text(text, encoding="utf-8")
