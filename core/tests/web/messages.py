"""Finds every text that the pages must be able to say: those in the pages, and the templates of errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir

CORE = Path(__file__).parents[2] / "src/karvan"
WEB = CORE / "web"
VALIDATION = (
    CORE / "metadata/kinds.py",
    CORE / "metadata/checks.py",
    CORE / "records/writer.py",
    CORE / "plugins/settings.py",
    CORE / "plugins/xray.py",
    CORE.parents[2] / "sdk/src/karvan_sdk/plugin_settings.py",
)
"""Where the findings are written that forms show beside their inputs, and those that the x-ray shows."""


def page_texts() -> set[str]:
    """The msgids in the Python modules and templates of the pages."""
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {text for _, _, text, _, _ in found if isinstance(text, str)}


def error_texts() -> set[str]:
    """The templates of field errors, and of the errors that a form or an error page may show."""
    found = {text for path in VALIDATION for text in _templates(ast.parse(path.read_text(encoding="utf-8")))}
    form = ast.parse((WEB / "forms.py").read_text(encoding="utf-8"))
    return {text for text in found | set(_templates(form)) if text.strip("{}").isidentifier() is False}


def _templates(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "template" and _is_text(keyword.value):
                yield ast.literal_eval(keyword.value)
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in ("Wrong", "_Unclear", "_wrong") and len(node.args) > 1 and _is_text(node.args[1]):
            yield ast.literal_eval(node.args[1])


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
