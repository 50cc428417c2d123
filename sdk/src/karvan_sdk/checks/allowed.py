"""Comments that allow one breach at one place, with the reason: `# karvan: allow RULE because …`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from karvan_sdk.checks.plugin import at_file
from karvan_sdk.checks.rules import RULES, Finding

COMMENT = re.compile(r"karvan:\s*allow\b\s*(?P<rule>[\w-]*)\s*(?:because\b\s*(?P<reason>.*))?")


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """A breach that a comment allows, and why."""

    finding: Finding
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Comment:
    path: str
    line: int
    column: int
    rule: str
    reason: str
    covers: frozenset[int]


def sort_out(
    findings: list[Finding], files: Mapping[str, str]
) -> tuple[tuple[Finding, ...], tuple[Allowed, ...]]:
    """(what stands, what is allowed): a comment covers its own line, or the next one if it stands alone."""
    comments = [c for path, text in sorted(files.items()) for c in _comments(path, text)]
    good = [c for c in comments if c.rule in RULES and c.rule != "allow" and c.reason]
    standing, allowed, used = [], [], set()
    for finding in sorted(set(findings)):
        comment = next((c for c in good if c.path == finding.path and c.rule == finding.rule
                        and finding.line in c.covers), None)  # fmt: skip
        if comment is None:
            standing.append(finding)
        else:
            used.add(id(comment))
            allowed.append(Allowed(finding=finding, reason=comment.reason))
    for comment in comments:
        why = _fault_of(comment, is_used=id(comment) in used)
        if why:
            standing.append(at_file(comment.path, "allow", why, comment.line, comment.column))
    return tuple(sorted(standing)), tuple(allowed)


def _fault_of(comment: _Comment, *, is_used: bool) -> str | None:
    if comment.rule not in RULES or comment.rule == "allow":
        return f"There is no rule '{comment.rule}' that could be allowed."
    if not comment.reason:
        return f"It gives no reason why '{comment.rule}' is allowed."
    return None if is_used else f"Nothing here breaks '{comment.rule}'."


def _comments(path: str, text: str) -> Iterator[_Comment]:
    if "karvan:" not in text:
        return
    lines = text.splitlines()
    for line, column, written in _written(path, text):
        found = COMMENT.search(written)
        if not found:
            continue
        alone = not lines[line - 1][: column - 1].strip()
        covers = frozenset((line, _next_code(lines, line) if alone else line))
        yield _Comment(path=path, line=line, column=column, rule=found["rule"],
                       reason=(found["reason"] or "").strip(" #}-"), covers=covers)  # fmt: skip


def _next_code(lines: list[str], line: int) -> int:
    """The first line below one that is neither empty nor a comment."""
    below = range(line, len(lines))
    return next(
        (i + 1 for i in below if lines[i].strip() and not lines[i].strip().startswith(("#", "{#"))), line
    )


def _written(path: str, text: str) -> Iterator[tuple[int, int, str]]:
    """(line, column, text) of every comment."""
    if path.endswith(".py"):
        try:
            for token in tokenize.generate_tokens(io.StringIO(text).readline):
                if token.type == tokenize.COMMENT:
                    yield token.start[0], token.start[1] + 1, token.string
        except (tokenize.TokenError, SyntaxError):
            return  # the module is a finding of its own
    elif path.endswith((".toml", ".html")):
        mark = "#" if path.endswith(".toml") else "{#"
        for number, line in enumerate(text.splitlines(), 1):
            before, marked, _ = line.partition("karvan:")
            if marked and mark in before:
                column = before.rindex(mark) + 1
                yield number, column, line[column - 1 :]
