"""The core knows no noun of selling: names, texts, templates and translations are read word by word.

Docstrings and comments may speak of deals as examples; what runs or is shown may not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from karvan_sdk import HookKind
from tests.source import ROOT, docstrings

NOUNS = {"account", "contact", "lead", "deal", "pipeline", "product", "price", "ticket"}
FORBIDDEN = NOUNS | {f"{noun}s" for noun in NOUNS}
CONTRACT_WORDS = {kind.value for kind in HookKind} | {kind.name for kind in HookKind}
"""Identifiers that are the sdk's own names for kinds of hooks, `pipeline` among them."""

PACKAGE = ROOT / "core/src/karvan"
SHOWN = ("*.html", "*.txt", "*.js", "*.css", "*.toml", "*.mako")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def split_words(text: str) -> list[str]:
    """`next_stageName` → next, stage, name."""
    return [word.lower() for word in WORD.findall(text)]


def nouns_in(text: str) -> list[str]:
    """The nouns of selling among the words of a text or an identifier."""
    return [word for word in split_words(text) if word in FORBIDDEN]


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of everything that is given or called by a name."""
    for node in ast.walk(tree):
        names: list[str | None] = []
        if isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.arg, ast.keyword)):
            names = [node.arg]
        elif isinstance(node, ast.alias):
            names = [node.name, node.asname]
        yield from ((getattr(node, "lineno", 0), name) for name in names if name)


def check_python(text: str, at: str = "") -> list[str]:
    """The nouns of selling in a source's identifiers and string constants."""
    tree = ast.parse(text)
    spared = docstrings(tree)
    found = [
        f"{at}:{line} names {name}"
        for line, name in identifiers(tree)
        if name not in CONTRACT_WORDS and nouns_in(name)
    ]
    found += [
        f"{at}:{node.lineno} says {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spared
        if nouns_in(node.value)
    ]
    return found


def check_words(text: str, at: str = "") -> list[str]:
    """The nouns of selling in a template, style or script."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{at}:{number} says {' '.join(nouns_in(line))}" for number, line in lines if nouns_in(line)]


def check_messages(text: str, at: str = "") -> list[str]:
    """The nouns of selling in the msgids of a `.po` file; its comments hold paths and are no matter."""
    return check_words("\n".join(line for line in text.splitlines() if not line.startswith("#")), at)


def files(*patterns: str) -> list[Path]:
    found = (path for pattern in patterns for path in sorted(PACKAGE.rglob(pattern)))
    return [path for path in found if "vendor" not in path.parts]


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_name_and_no_text_in_the_core_is_a_noun_of_selling() -> None:
    found = [wrong for path in files("*.py") for wrong in check_python(path.read_text("utf-8"), place(path))]
    assert not found, "\n".join(found)


def test_no_template_style_or_script_has_a_noun_of_selling() -> None:
    found = [wrong for path in files(*SHOWN) for wrong in check_words(path.read_text("utf-8"), place(path))]
    assert not found, "\n".join(found)


def test_no_translation_has_a_noun_of_selling() -> None:
    texts = files("*.po", "*.pot")
    found = [wrong for path in texts for wrong in check_messages(path.read_text("utf-8"), place(path))]
    assert not found, "\n".join(found)


def test_no_file_in_the_core_is_named_by_a_noun_of_selling() -> None:
    assert not [place(path) for path in files("*") if nouns_in(str(path.relative_to(PACKAGE)))]


@pytest.mark.parametrize(
    "text",
    [
        "deal = 1",
        "def close_deals(): ...",
        "class LeadScore: ...",
        "x.accountName",
        "f(price=1)",
        "import ticket",
        "def f(contact): ...",
        "label = 'All products'",
        "route = '/pipelines/<id>'",
        "label = f'{n} deals'",
    ],
)
def test_a_noun_of_selling_is_seen(text: str) -> None:
    assert check_python(text)


@pytest.mark.parametrize(
    "text",
    ["leading = 1", "ideal = 2", "'''A deal, for example.'''", "priced = 3", "hooks.pipeline(x)", "# deal"],
)
def test_other_words_docstrings_and_the_words_of_the_contract_are_fine(text: str) -> None:
    assert not check_python(text)


def test_a_noun_in_a_template_or_a_translation_is_seen() -> None:
    assert check_words("<h1>New\nDeal</h1>", "x.html") == ["x.html:2 says deal"]
    assert check_messages('#: lead.py\nmsgid "Price"\n', "x.po")
    assert not check_messages('#: lead.py\nmsgid "Amount"\n', "x.po")
