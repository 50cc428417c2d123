"""One plugin under the checks: its manifest and its modules, and how a finding about them is made."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from karvan_sdk.checks.module import Module, constants_of, parse, parse_module
from karvan_sdk.checks.rules import Finding
from karvan_sdk.checks.source import Source
from karvan_sdk.errors import ManifestInvalid
from karvan_sdk.manifest import Manifest, load_manifest


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What the rules look at. `manifest` is None where the loader refused it; `data` is its TOML as far as it
    could be read; `packages` are the top-level packages of the distribution."""

    id: str
    source: Source
    file: str
    manifest: Manifest | None
    data: Mapping[str, Any]
    modules: tuple[Module, ...]
    packages: frozenset[str]

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it asks for."""
        return self.manifest.capabilities if self.manifest else ()

    @property
    def folder(self) -> str:
        """The folder of the manifest, with a slash behind it where it has a name."""
        folder = str(PurePosixPath(self.file).parent)
        return "" if folder == "." else f"{folder}/"

    def at_key(self, rule: str, key: str, message: str) -> Finding:
        """A finding about a key of the manifest (`hooks[1].event`)."""
        text = self.source.files.get(self.file, "")
        return Finding(path=self.file, line=line_of(text, key), column=1, rule=rule, message=message)


def at(module: Module, node: ast.AST, rule: str, message: str) -> Finding:
    """A finding about a place in a module."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    return Finding(path=module.path, line=line, column=column, rule=rule, message=message)


def at_file(path: str, rule: str, message: str, line: int = 1, column: int = 1) -> Finding:
    """A finding about a file."""
    return Finding(path=path, line=line, column=column, rule=rule, message=message)


def read_plugins(source: Source, findings: list[Finding]) -> list[Plugin]:
    """Every plugin of a distribution; what can't be read is told to `findings`."""
    modules = tuple(_read_modules(source, findings))
    packages = frozenset(module.name.partition(".")[0] for module in modules)
    plugins = []
    for id, file in sorted(source.manifests.items()):
        manifest = _read_manifest(source, id, file, findings)
        data = _toml(source.files.get(file, ""))
        plugins.append(
            Plugin(id=id, source=source, file=file, manifest=manifest, data=data, modules=modules,
                   packages=packages)
        )  # fmt: skip
    return plugins


def _read_modules(source: Source, findings: list[Finding]) -> Iterator[Module]:
    roots = _roots(source)
    trees = {}
    for path in source.modules:
        try:
            trees[path] = parse(source.files[path], path)
        except SyntaxError as exc:
            message = f"It is no Python: {exc.msg}."
            findings.append(at_file(path, "syntax", message, exc.lineno or 1, exc.offset or 1))
    names = {path: _module_name(path, roots) for path in trees}
    shared = {
        f"{names[path]}.{n}": texts for path, tree in trees.items() for n, texts in constants_of(tree).items()
    }
    for path in trees:
        package = path.endswith("__init__.py")
        yield parse_module(path, names[path], source.files[path], package, shared)


def _roots(source: Source) -> tuple[str, ...]:
    """The folders in which top-level packages stand."""
    return tuple(
        sorted({path.rpartition("src/")[0] + "src/" for path in source.modules if path.startswith("src/")})
    )


def _module_name(path: str, roots: tuple[str, ...]) -> str:
    inner = next((path.removeprefix(root) for root in roots if path.startswith(root)), path)
    name = inner.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def _read_manifest(source: Source, id: str, file: str, findings: list[Finding]) -> Manifest | None:
    folder = PurePosixPath(file).parent

    def read(name: str) -> str:
        path = str(folder / name)
        if path not in source.files:
            raise FileNotFoundError(f"there is no file '{name}' beside the manifest")
        return source.files[path]

    try:
        return load_manifest(id, read)
    except ManifestInvalid as exc:
        for error in exc.errors:
            path, key = _place(source, file, error.field)
            line = line_of(source.files.get(path, ""), key)
            findings.append(at_file(path, "manifest", f"{error.field}: {error.message}", line))
        return None


def _place(source: Source, file: str, key: str) -> tuple[str, str]:
    """(file, key in it) of a finding of the loader: in the manifest, or in the file of an object."""
    folder = PurePosixPath(file).parent
    for name in _toml(source.files.get(file, "")).get("objects", ()):
        path = str(folder / str(name))
        if path not in source.files:
            continue
        if key.startswith(f"{name}."):
            return path, key.removeprefix(f"{name}.")
        object = _toml(source.files[path])
        if key.startswith(f"{object.get('name')}."):
            return path, _key_of_object(object, key.removeprefix(f"{object.get('name')}."))
    return file, key


def _key_of_object(object: Mapping[str, Any], key: str) -> str:
    """`colour.options` → `fields[1].options`: the loader names fields, the file counts them."""
    name, _, rest = key.partition(".")
    fields = object.get("fields", ())
    names = [f.get("name") for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    return f"fields[{names.index(name)}].{rest}" if name in names else key


def _toml(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def line_of(text: str, key: str) -> int:
    """The line of a key (`hooks[1].event`, `capabilities[0]`) in a TOML text; 1 if it is not there."""
    lines = text.splitlines()
    table = re.match(r"([\w.]+)\[(\d+)\]\.?(\w*)", key)
    if not table:
        return _find(lines, 0, key.rpartition(".")[2]) or 1
    name, number, inner = table[1], int(table[2]), table[3]
    headers = [i for i, line in enumerate(lines) if line.split("#")[0].strip() == f"[[{name}]]"]
    if number < len(headers):
        begin = headers[number]
        after = (i for i in range(begin + 1, len(lines)) if lines[i].startswith("["))
        return (_find(lines[: next(after, len(lines))], begin + 1, inner) if inner else None) or begin + 1
    return _find_entry(lines, name, number)


def _find(lines: list[str], start: int, key: str) -> int | None:
    pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
    return next((i + 1 for i in range(start, len(lines)) if pattern and pattern.match(lines[i])), None)


def _find_entry(lines: list[str], name: str, number: int) -> int:
    """The line of an entry of a list: each on a line of its own, else that of the list."""
    begin = _find(lines, 0, name)
    if begin is None:
        return 1
    entry = -1
    for i in range(begin, len(lines)):
        written = lines[i].strip()
        if written.startswith("]"):
            break
        entry += bool(written) and not written.startswith("#")
        if entry == number and "]" not in lines[begin - 1].partition("=")[2]:
            return i + 1
    return begin
