"""Static checks of a plugin: what `karvan-sdk check` finds, without importing anything of it.

The checks are for honest authors and for reviewers: code that means to hide can. Plugin code runs inside the
server and is trusted code; a report without findings is no promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karvan_sdk.checks import code, declared, surface, texts
from karvan_sdk.checks.allowed import Allowed, sort_out
from karvan_sdk.checks.module import Module
from karvan_sdk.checks.plugin import Plugin, read_plugins
from karvan_sdk.checks.rules import RULES, Finding, Rule
from karvan_sdk.checks.source import NoPlugin, read_source

__all__ = ["RULES", "Allowed", "Finding", "NoPlugin", "Report", "Rule", "check_plugin"]

OF_PLUGIN: tuple[Callable[[Plugin], Iterator[Finding]], ...] = (
    declared.check_distribution,
    declared.check_hooks,
    surface.check_capabilities,
    texts.check_templates,
    texts.check_languages,
)
OF_MODULE: tuple[Callable[[Plugin, Module], Iterator[Finding]], ...] = (
    code.check_imports,
    code.check_calls,
    code.check_patches,
    code.check_sql,
    code.check_access,
    surface.check_routes,
    surface.check_effects,
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found, in the order of files and lines, and what comments allow."""

    findings: tuple[Finding, ...]
    allowed: tuple[Allowed, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is any error."""
        return any(finding.severity == "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "failed": self.failed,
            "findings": [finding.as_dict() for finding in self.findings],
            "allowed": [{**one.finding.as_dict(), "reason": one.reason} for one in self.allowed],
        }


def check_plugin(path: Path, before: Path | None = None) -> Report:
    """Check a plugin's source folder or wheel; raises NoPlugin.

    `before` is the same plugin in an older version, to be told of capabilities that came since.
    """
    source = read_source(path)
    findings: list[Finding] = []
    plugins = read_plugins(source, findings)
    for plugin in plugins:
        for check in OF_PLUGIN:
            findings.extend(check(plugin))
        for module in plugin.modules:
            for look in OF_MODULE:
                findings.extend(look(plugin, module))
    if before is not None:
        findings.extend(_check_added(plugins, read_plugins(read_source(before), [])))
    standing, allowed = sort_out(findings, source.files)
    return Report(findings=standing, allowed=allowed)


def _check_added(plugins: list[Plugin], older: list[Plugin]) -> Iterator[Finding]:
    held = {plugin.id: set(plugin.capabilities) for plugin in older}
    for plugin in plugins:
        for number, capability in enumerate(plugin.capabilities):
            if plugin.id in held and capability not in held[plugin.id]:
                message = f"'{capability}' was not asked for before."
                yield plugin.at_key("capability-added", f"capabilities[{number}]", message)
