"""Every rule of `karvan-sdk check`, in the order in which docs/check.md explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: its stable id, how grave a breach is, what it finds, and what to do instead."""

    id: str
    severity: Severity
    about: str
    instead: str


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """A breach of a rule. `path` is relative to what was checked; line and column count from 1."""

    path: str
    line: int
    column: int
    rule: str
    message: str

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return RULES[self.rule].severity

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "instead": RULES[self.rule].instead,
        }

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}"
        return f"{place}: {self.severity} {self.rule}: {self.message} {RULES[self.rule].instead}"


def _rule(id: str, about: str, instead: str, severity: Severity = "error") -> Rule:
    return Rule(id=id, severity=severity, about=about, instead=instead)


_ALL = (
    _rule(
        "manifest",
        "the manifest, or the file of an object, is refused by the loader",
        "Mend the key; `karvan-sdk schema` says what it may hold.",
    ),
    _rule(
        "entry-points",
        "the distribution does not name the plugin and its manifest under one id",
        "Name both under the plugin's id: `karvan.plugins` and `karvan.manifests`.",
    ),
    _rule(
        "dependencies",
        "the distribution does not need karvan-sdk in the range of `api`, or needs Karvan itself",
        "Need `karvan-sdk` in the range that `api` names, and nothing else of Karvan.",
    ),
    _rule("syntax", "a module is no Python", "Mend the module."),
    _rule(
        "hook-undeclared",
        "a hook is implemented and not declared",
        "Declare it in a `[[hooks]]` table of the manifest.",
    ),
    _rule(
        "hook-missing",
        "a hook is declared and not implemented",
        "Implement it with `@hookimpl`, or take it out of the manifest.",
    ),
    _rule("hook-unknown", "`@hookimpl` marks what is no hook", "Choose a hook of docs/hooks.md."),
    _rule(
        "core-import",
        "Karvan's own modules, or the server's, are imported",
        "Use what `karvan_sdk` and `ctx` offer.",
    ),
    _rule(
        "foreign-import",
        "a module of another plugin is imported",
        "Use its objects through `ctx.records`, or the hooks that it offers.",
    ),
    _rule(
        "sdk-private",
        "a module of karvan_sdk is imported in place of its public names",
        "Import from `karvan_sdk` itself.",
    ),
    _rule(
        "database-import",
        "a database library is imported without the capability `sql`",
        "Use `ctx.records`, or ask for `sql`.",
    ),
    _rule(
        "network",
        "a network library is imported without a capability `http:<host>`, or `mail`",
        "Use `ctx.http`, and ask for the hosts with `http:<host>`; for mail ask for `mail`.",
    ),
    _rule(
        "process",
        "processes or signals are used",
        "Do it in the process you are called in; what is long goes on in pieces with `TryLater`.",
    ),
    _rule("native", "native code is reached from Python", "Use a library that has been compiled and packed."),
    _rule(
        "dynamic-code",
        "code is made of texts, or imported by a name that is not written there",
        "Write the code itself.",
    ),
    _rule("file-access", "files are used beside `ctx.files`", "Use `ctx.files`, and ask for `files`."),
    _rule(
        "file-escape",
        "a name leads out of the plugin's own files",
        "Name a file inside the plugin's folder.",
    ),
    _rule(
        "monkeypatch",
        "something that belongs to others is changed while the program runs",
        "Use a hook; if there is none for it, ask for one.",
    ),
    _rule(
        "introspection",
        "the insides of the running program are searched",
        "Use what `ctx` gives.",
    ),
    _rule(
        "private-attribute",
        "a private attribute of what the host gives is used",
        "Use the public names of docs/hooks.md.",
    ),
    _rule(
        "raw-sql",
        "SQL names a table of Karvan, of an administrator or of another plugin",
        "Use `ctx.records`.",
    ),
    _rule(
        "access-write",
        "users, roles or permissions are written",
        "Leave these to administrators.",
    ),
    _rule(
        "capability-missing",
        "something is used that the manifest did not ask for",
        "Ask for it under `capabilities`.",
    ),
    _rule(
        "capability-unused",
        "something was asked for that nothing uses",
        "Take it out of `capabilities`: administrators see the list.",
        "warning",
    ),
    _rule(
        "capability-added",
        "something is asked for that the version before did not ask for",
        "Say in the changelog what it is for: administrators are asked anew.",
        "warning",
    ),
    _rule(
        "route-public",
        "a public route is not declared",
        "Declare it in a `[[public_routes]]` table, with the reason.",
    ),
    _rule(
        "route-foreign",
        "a route is written as if it could stand outside of the plugin's prefix",
        "Write the rule below the plugin's prefix: `/calls`.",
    ),
    _rule(
        "import-effect",
        "something happens while a module is imported",
        "Do it in a hook; on import only make constants, classes and functions.",
    ),
    _rule(
        "text-untranslated",
        "a template holds a text that can't be translated",
        'Write `{{ _("…") }}`.',
        "warning",
    ),
    _rule(
        "language-missing",
        "a text is not there in a language that the manifest names",
        "Translate it, or take the language out of `languages`.",
        "warning",
    ),
    _rule(
        "allow",
        "a comment that allows a breach has no reason, no such rule, or nothing to allow",
        "Write `# karvan: allow RULE because …` at the line, or take the comment out.",
    ),
)
RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ALL})
"""Every rule by id."""
