"""The manifest against the packaging and the hooks: one plugin, told alike everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from karvan_sdk.checks.module import Module
from karvan_sdk.checks.plugin import Plugin, at, at_file
from karvan_sdk.checks.rules import Finding
from karvan_sdk.checks.source import Distribution
from karvan_sdk.hookspecs import POLICIES
from karvan_sdk.provides import code_name

HOOKIMPL = ("karvan_sdk.hookimpl", "karvan_sdk.hookspecs.hookimpl")


def check_distribution(plugin: Plugin) -> Iterator[Finding]:
    """Entry points and requirements."""
    distribution = plugin.source.distribution
    if distribution is None:
        return
    file, text = distribution.file, plugin.source.files.get(distribution.file, "")
    for group, entries in distribution.entries.items():
        if plugin.id not in entries and (group == "karvan.manifests" or plugin.modules):
            yield at_file(file, "entry-points", f"The group '{group}' does not name '{plugin.id}'.")
    for id in set(distribution.entries["karvan.plugins"]) - set(plugin.source.manifests):
        message = f"'{id}' has no manifest in the group 'karvan.manifests'."
        yield at_file(file, "entry-points", message, _line(text, id))
    yield from _check_module(plugin, distribution, text)
    yield from _check_requirements(plugin, distribution, text)


def _check_module(plugin: Plugin, distribution: Distribution, text: str) -> Iterator[Finding]:
    value = distribution.entries["karvan.plugins"].get(plugin.id)
    module = (value or "").partition(":")[0].strip()
    path = module.replace(".", "/")
    there = {f"/{one}" for one in plugin.source.modules}
    if value is not None and not any(one.endswith((f"/{path}.py", f"/{path}/__init__.py")) for one in there):
        message = f"'{plugin.id}' names the module '{module}', which is not there."
        yield at_file(distribution.file, "entry-points", message, _line(text, value))


def _check_requirements(plugin: Plugin, distribution: Distribution, text: str) -> Iterator[Finding]:
    needed: dict[str, tuple[Requirement, str]] = {}
    for line in distribution.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # the build tools refuse it, with better words
        if requirement.marker is None or "extra" not in str(requirement.marker):
            needed[canonicalize_name(requirement.name)] = (requirement, line)
    for name in ("karvan", "karvan-suite", "karvan-marketplace"):
        if name in needed:
            message = f"It needs '{name}'."
            yield at_file(distribution.file, "dependencies", message, _line(text, needed[name][1]))
    if "karvan-sdk" not in needed:
        yield at_file(distribution.file, "dependencies", "It does not need karvan-sdk.")
        return
    requirement, line = needed["karvan-sdk"]
    try:
        api = SpecifierSet(str(plugin.data.get("api", "")))
    except InvalidSpecifier:
        return  # the loader says so
    if api != requirement.specifier:
        message = f"It needs karvan-sdk '{requirement.specifier}', and its manifest says api = '{api}'."
        yield at_file(distribution.file, "dependencies", message, _line(text, line))


def _line(text: str, wanted: str) -> int:
    return next((n for n, line in enumerate(text.splitlines(), 1) if wanted in line), 1)


def check_hooks(plugin: Plugin) -> Iterator[Finding]:
    """Hooks that are implemented against those that are declared."""
    declared = {code_name(str(use.get("hook", ""))): n for n, use in enumerate(_hook_tables(plugin))}
    implemented = set()
    for module in plugin.modules:
        for name, node in implementations(module):
            implemented.add(name)
            if name not in POLICIES and "__" not in name:
                yield at(module, node, "hook-unknown", f"'{name}' is no hook of karvan-sdk.")
            elif name not in declared:
                yield at(module, node, "hook-undeclared", f"It implements '{name}' without declaring it.")
    for name, number in declared.items():
        if name not in implemented:
            message = f"It declares '{name}' and does not implement it."
            yield plugin.at_key("hook-missing", f"hooks[{number}].hook", message)


def _hook_tables(plugin: Plugin) -> list[dict[str, object]]:
    tables = plugin.data.get("hooks", [])
    return [t for t in tables if isinstance(t, dict)] if isinstance(tables, list) else []


def implementations(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """(hook, decorator) of every function marked with `@hookimpl`."""
    for node in ast.walk(module.tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for mark in node.decorator_list:
            called = mark.func if isinstance(mark, ast.Call) else mark
            if module.dotted(called) not in HOOKIMPL:
                continue
            given = mark.keywords if isinstance(mark, ast.Call) else []
            named = next((module.text_of(k.value) for k in given if k.arg == "specname"), None)
            yield named or node.name, node
