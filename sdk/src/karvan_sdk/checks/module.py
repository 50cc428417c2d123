"""One Python module as a tree, and what its names stand for; nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BUILTINS = frozenset((
    "eval", "exec", "compile", "open", "__import__", "setattr", "delattr", "getattr", "vars", "globals",
    "input", "breakpoint", "print", "type", "object",
))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Import:
    """A name that an import binds: `origin` is what it stands for, `reached` what was asked for."""

    node: ast.AST
    bound: str
    origin: str
    reached: str


@dataclass(frozen=True, kw_only=True)
class Module:
    """A parsed module. `name` is its dotted name, `imported` maps its names to what they were imported as,
    `constants` its upper-case names to the texts they hold."""

    path: str
    name: str
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]
    imported: Mapping[str, str]
    defined: frozenset[str]
    constants: Mapping[str, tuple[str, ...]]

    def dotted(self, node: ast.AST) -> str | None:
        """What an expression names, by its full name (`os.path.join`), if it begins with something imported.

        `importlib.import_module("x")`, `__import__("x")` and `getattr(x, "y")` are seen through; builtins
        are `builtins.open`.
        """
        if isinstance(node, ast.Name):
            if node.id in self.imported:
                return self.imported[node.id]
            return f"builtins.{node.id}" if node.id in BUILTINS and node.id not in self.defined else None
        if isinstance(node, ast.Attribute):
            inner = self.dotted(node.value)
            return f"{inner}.{node.attr}" if inner else None
        if isinstance(node, ast.Subscript) and self.dotted(node.value) == "sys.modules":
            return self.text_of(node.slice)
        if isinstance(node, ast.Call):
            called = self.dotted(node.func)
            if called in ("importlib.import_module", "builtins.__import__") and node.args:
                return self.text_of(node.args[0])
            if called == "builtins.getattr" and len(node.args) > 1:
                inner, name = self.dotted(node.args[0]), self.text_of(node.args[1])
                return f"{inner}.{name}" if inner and name else None
        return None

    def text_of(self, node: ast.AST | None) -> str | None:
        """The text that an expression is known to be, or None."""
        found = self.texts_of(node)
        return found[0] if found is not None and len(found) == 1 else None

    def texts_of(self, node: ast.AST | None) -> tuple[str, ...] | None:
        """The texts that an expression may be: one, or those of a constant that holds several; else None."""
        if isinstance(node, ast.Constant):
            return (node.value,) if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.constants.get(node.id)
        if isinstance(node, ast.IfExp):
            either = (self.texts_of(node.body), self.texts_of(node.orelse))
            return either[0] + either[1] if either[0] is not None and either[1] is not None else None
        return None

    def sketch_of(self, node: ast.AST) -> str | None:
        """The text of an expression with `{}` for what is not known; None where it is no text at all."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(self.sketch_of(part) or "{}" for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.text_of(node.value) or "{}"
        if isinstance(node, ast.Name):
            return self.text_of(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
            left, right = self.sketch_of(node.left), self.sketch_of(node.right)
            if left is None and right is None:
                return None
            return left if isinstance(node.op, ast.Mod) else f"{left or '{}'}{right or '{}'}"
        return None

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call of something whose full name is known."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and (name := self.dotted(node.func)):
                yield node, name


def parse_module(
    path: str, name: str, text: str, package: bool, shared: Mapping[str, tuple[str, ...]]
) -> Module:
    """Parse a module; `shared` are constants of its neighbours by full name. Raises SyntaxError."""
    tree = parse(text, path)
    within = name if package else name.rpartition(".")[0]
    imports = tuple(imports_of(tree, within))
    imported = {one.bound: one.origin for one in imports}
    constants = {
        **{bound: shared[full] for bound, full in imported.items() if full in shared},
        **constants_of(tree),
    }
    return Module(
        path=path,
        name=name,
        text=text,
        tree=tree,
        imports=imports,
        imported=imported,
        defined=frozenset(_defined(tree)),
        constants=constants,
    )


def parse(text: str, path: str) -> ast.Module:
    """The tree of a text; whatever the parser raises about it is a SyntaxError."""
    try:
        return ast.parse(text, filename=path)
    except (ValueError, RecursionError, MemoryError) as exc:
        raise SyntaxError(f"it can't be parsed: {exc}") from exc


def imports_of(tree: ast.Module, package: str) -> Iterator[Import]:
    """Every import, those inside functions too; relative ones by their full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                origin = alias.name if alias.asname else top
                yield Import(node=node, bound=alias.asname or top, origin=origin, reached=alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(node=node, bound=alias.asname or alias.name, origin=full, reached=full)


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def constants_of(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """The texts of names that a module sets once, at its top: `CALL = "call"`, `BOTH = ("a", "b")`."""
    found: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or not target.id.isupper():
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found[target.id] = (value.value,)
        elif isinstance(value, (ast.Tuple, ast.List)):
            texts = [e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            if texts and len(texts) == len(value.elts):
                found[target.id] = tuple(texts)
    return found


def docstrings(tree: ast.Module) -> set[int]:
    """The ids of the nodes that are mere texts between statements: docstrings and the like."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
