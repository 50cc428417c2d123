"""What a plugin uses against what it declared: capabilities, routes; and what it does on import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from karvan_sdk.checks.code import DATABASES, MAIL, NETWORK
from karvan_sdk.checks.module import Module
from karvan_sdk.checks.plugin import Plugin, at
from karvan_sdk.checks.rules import Finding

READS = frozenset(("list", "get", "aggregate", "each"))
WRITES = frozenset(("create", "update", "delete", "create_many", "update_many"))
HANDLES = ("files", "mail", "secrets", "http", "jobs")
"""Attributes of `ctx` that a capability opens."""
WAITS = re.compile(
    r"time\.sleep|threading\.(Thread|Timer)|asyncio\.run|builtins\.(print|input)|logging\.basicConfig"
)


def check_capabilities(plugin: Plugin) -> Iterator[Finding]:
    """What is used and was not asked for, and the other way round."""
    if plugin.manifest is None:
        return
    used: set[str] = set()
    for module in plugin.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                yield from _check_records(plugin, module, node)
            if isinstance(node, ast.Attribute) and node.attr in HANDLES and _is_context(node.value):
                used.add(node.attr)
                yield from _check_handle(plugin, module, node)
    yield from _check_unused(plugin, used)


def _is_context(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "ctx") or (
        isinstance(node, ast.Attribute) and node.attr in ("ctx", "_ctx")
    )


def _check_handle(plugin: Plugin, module: Module, node: ast.Attribute) -> Iterator[Finding]:
    name = node.attr
    if not any(c == name or c.startswith(f"{name}:") for c in plugin.capabilities):
        wanted = "http:<host>" if name == "http" else name
        yield at(module, node, "capability-missing", f"'ctx.{name}' needs '{wanted}'.")


def _check_records(plugin: Plugin, module: Module, node: ast.Call) -> Iterator[Finding]:
    """A call of `ctx.records` or of a writer with a written name of an object."""
    verb = _verb_of(node)
    if verb is None or not node.args:
        return
    for object in module.texts_of(node.args[0]) or ():
        if re.fullmatch(r"[a-z][a-z0-9_]*", object) and not _is_granted(plugin, verb, object):
            message = f"'{object}' is used and 'records:{verb}:{object}' was not asked for."
            yield at(module, node, "capability-missing", message)


def _verb_of(node: ast.Call) -> str | None:
    if not isinstance(node.func, ast.Attribute):
        return None
    holder = node.func.value
    name = (
        holder.attr
        if isinstance(holder, ast.Attribute)
        else holder.id
        if isinstance(holder, ast.Name)
        else ""
    )
    if node.func.attr in READS and name.lstrip("_") == "records":
        return "read"
    return "write" if node.func.attr in WRITES and name.lstrip("_") in ("writer", "records") else None


def _is_granted(plugin: Plugin, verb: str, object: str) -> bool:
    assert plugin.manifest is not None
    if object in {o.name for o in plugin.manifest.objects}:
        return True
    wanted = {f"records:{v}:{o}" for v in {verb, "write"} for o in (object, "*")}
    return bool(wanted & set(plugin.capabilities))


def _check_unused(plugin: Plugin, used: set[str]) -> Iterator[Finding]:
    for number, capability in enumerate(plugin.capabilities):
        if not _is_used(plugin, capability, used):
            key = f"capabilities[{number}]"
            yield plugin.at_key("capability-unused", key, f"Nothing uses '{capability}'.")


def _is_used(plugin: Plugin, capability: str, used: set[str]) -> bool:
    """Whether anything could use it: where names are not written out, a mere mention counts."""
    kind, _, rest = capability.partition(":")
    if kind == "records":
        object = rest.partition(":")[2]
        return _mentions(plugin, object) if object != "*" else _mentions_attribute(plugin, "records")
    imported = {one.reached for module in plugin.modules for one in module.imports}
    libraries = {"sql": DATABASES, "http": NETWORK, "mail": MAIL}.get(kind, frozenset())
    return kind in used or any(
        name == one or name.startswith(f"{one}.") for name in imported for one in libraries
    ) or _mentions_attribute(plugin, kind)  # fmt: skip


def _mentions(plugin: Plugin, object: str) -> bool:
    assert plugin.manifest is not None
    if any(f.object == object for f in plugin.manifest.fields):
        return True
    word = re.compile(rf"\b{re.escape(object)}\b")
    for module in plugin.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and word.search(node.value):
                return True
    return False


def _mentions_attribute(plugin: Plugin, name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == name
        for m in plugin.modules
        for node in ast.walk(m.tree)
    )


def check_routes(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """Public routes that are not declared, and rules that try to leave the plugin's prefix."""
    declared = {(r.surface, r.path) for r in plugin.manifest.public_routes} if plugin.manifest else set()
    for node in ast.walk(module.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        surface, rule = node.func.attr, module.text_of(node.args[0]) if node.args else None
        names = {keyword.arg for keyword in node.keywords}
        if surface not in ("page", "api") or rule is None or not names & {"permission", "public"}:
            continue
        if re.match(r"/(api/)?x/|//|.*/\.\.(/|$)", rule):
            message = f"'{rule}' would answer below '/x/{plugin.id}' all the same."
            yield at(module, node, "route-foreign", message)
        if "public" in names and (surface, rule) not in declared:
            yield at(module, node, "route-public", f"The public route '{rule}' ({surface}) is not declared.")


def check_effects(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """What happens when a module is imported."""
    for node in _run_on_import(module.tree.body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = module.dotted(node.value.func) or ast.unparse(node.value.func)
            yield at(
                module, node, "import-effect", f"It calls '{called.removeprefix('builtins.')}' on import."
            )
        elif isinstance(node, ast.While):
            yield at(module, node, "import-effect", "It loops on import.")
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            yield at(module, node, "import-effect", "It opens something on import.")
        else:
            yield from _waits_in(module, node)


def _waits_in(module: Module, node: ast.stmt) -> Iterator[Finding]:
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        for inner in ast.walk(node.value):
            name = module.dotted(inner.func) if isinstance(inner, ast.Call) else None
            if name and WAITS.fullmatch(name):
                yield at(
                    module, inner, "import-effect", f"It calls '{name.removeprefix('builtins.')}' on import."
                )


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported; those behind `__main__` and in functions do not."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If):
            if not _is_main(node.test):
                yield from _run_on_import(node.body)
            yield from _run_on_import(node.orelse)
        elif isinstance(node, (ast.ClassDef, ast.For)):
            yield from _run_on_import(node.body)
        elif isinstance(node, ast.Try):
            for part in (node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody):
                yield from _run_on_import(part)
        else:
            yield node


def _is_main(test: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(test))
