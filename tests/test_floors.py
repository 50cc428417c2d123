"""The floors of docs/architecture.md: who may import whom, and which modules may build SQL text."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.source import ROOT, imported_modules, source_files

SQL_BUILDERS = {
    "karvan.access.actors",
    "karvan.access.guard",
    "karvan.api.idempotency",
    "karvan.database.audit",
    "karvan.database.connection",
    "karvan.events.deliveries",
    "karvan.events.jobs",
    "karvan.events.outbox",
    "karvan.events.queue",
    "karvan.metadata.expressions.sqlite",
    "karvan.metadata.store",
    "karvan.plugins.figures",
    "karvan.plugins.uninstall",
    "karvan.records.aggregate",
    "karvan.records.model",
    "karvan.records.query",
    "karvan.records.reader",
    "karvan.records.writer",
    "karvan.schema.apply",
    "karvan.schema.ledger",
}
"""The modules that put SQL text together, from catalog names and constants; values always travel as `?`."""

SDK_STANDS_ON = {"karvan_sdk", "pluggy", "packaging"}
SQL_WORD = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b")


# -- the table ---------------------------------------------------------------------------------------------


def read_floors(text: str) -> dict[str, int]:
    """The table of docs/architecture.md: part → floor."""
    rows = re.findall(r"^\| (\d+) \| ([^|]+)\|", text, flags=re.MULTILINE)
    return {part: int(floor) for floor, cell in rows for part in re.findall(r"`([\w.]+)`", cell)}


def part_of(module: str, floors: Mapping[str, int]) -> str | None:
    """The part of the house in which a module stands; None for what stands outside (and bare `karvan`)."""
    fitting = [part for part in floors if module == part or module.startswith(f"{part}.")]
    return max(fitting, key=len, default=None)


FLOORS = read_floors((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))


# -- the checkers: each takes source text, so that each can be seen to fail --------------------------------


def check_floors(
    text: str, module: str, floors: Mapping[str, int] = FLOORS, *, package: bool = False
) -> list[str]:
    """What is wrong with the imports of a module of the core or the sdk.

    The top floor is the wiring: its parts know each other, in one direction (`find_circle`).
    """
    here = part_of(module, floors)
    if here is None:
        return [] if module == "karvan" else [f"{module} stands on no floor of docs/architecture.md"]
    top = max(floors.values())
    found = []
    for line, name in imported_modules(text, module, package=package):
        there = part_of(name, floors)
        if there is None or there == here:
            continue
        if floors[there] > floors[here]:
            found.append(f"{module}:{line} imports {name} from a floor above")
        elif floors[there] == floors[here] != top:
            found.append(f"{module}:{line} imports {name} from its own floor")
    return found


def check_sdk(text: str, module: str) -> list[str]:
    """What the sdk imports beyond the standard library, pluggy and packaging."""
    allowed = SDK_STANDS_ON | set(sys.stdlib_module_names)
    return [
        f"{module}:{line} imports {name}; the sdk stands on nothing but {', '.join(sorted(SDK_STANDS_ON))}"
        for line, name in imported_modules(text, module)
        if name.split(".")[0] not in allowed
    ]


def check_plugin(text: str, module: str, required: Iterable[str] = ()) -> list[str]:
    """What a plugin imports of Karvan beyond the sdk, itself and the plugins that it requires."""
    allowed = {"karvan_sdk", module.split(".")[0], *(f"karvan_{plugin}" for plugin in required)}
    return [
        f"{module}:{line} imports {name}; a plugin stands on the sdk and on plugins that it requires"
        for line, name in imported_modules(text, module)
        if re.match(r"karvan(_|\.|$)", name) and name.split(".")[0] not in allowed
    ]


def built_sql(text: str) -> list[int]:
    """The lines on which SQL text is put together from parts."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.JoinedStr, ast.BinOp, ast.Call)):
            texts = (p.value for p in _joined(node) if isinstance(p, ast.Constant))
            if any(SQL_WORD.search(str(text)) for text in texts):
                found.add(node.lineno)
    return sorted(found)


def _joined(node: ast.JoinedStr | ast.BinOp | ast.Call) -> Iterable[ast.AST]:
    """The parts of a text that is put together; nothing for any other expression."""
    if isinstance(node, ast.JoinedStr):
        return node.values if any(isinstance(v, ast.FormattedValue) for v in node.values) else ()
    if isinstance(node, ast.BinOp):
        return ast.walk(node) if isinstance(node.op, (ast.Add, ast.Mod)) else ()
    return ast.walk(node) if getattr(node.func, "attr", "") in ("format", "join") else ()


def find_circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Parts that import each other in a circle, or nothing."""

    def visit(part: str, path: list[str]) -> list[str]:
        if part in path:
            return [*path[path.index(part) :], part]
        for other in sorted(imports.get(part, ())):
            circle = visit(other, [*path, part])
            if circle:
                return circle
        return []

    return next((circle for part in sorted(imports) if (circle := visit(part, []))), [])


# -- the house ---------------------------------------------------------------------------------------------


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def required_by(path: Path) -> list[str]:
    """The ids of the plugins that the plugin of this file requires, from its manifest."""
    package = next(p for p in path.parents if p.parent.name == "src")
    return list(tomllib.loads(read(package / "manifest.toml")).get("requires", {}))


def test_every_part_of_the_core_stands_on_a_floor() -> None:
    package = ROOT / "core/src/karvan"
    parts = {p.stem for p in package.glob("*.py")} | {p.parent.name for p in package.glob("*/*.py")}
    assert {f"karvan.{p}" for p in parts - {"__init__"}} <= set(FLOORS)


def test_modules_import_only_from_floors_below() -> None:
    found = [
        wrong
        for module, path in source_files()
        if part_of(module, FLOORS) or module.split(".")[0] == "karvan"
        for wrong in check_floors(read(path), module, package=path.stem == "__init__")
    ]
    assert not found, "\n".join(found)


def test_the_wiring_has_no_circle() -> None:
    top = max(FLOORS.values())
    imports: dict[str, set[str]] = {}
    for module, path in source_files():
        here = part_of(module, FLOORS)
        if here and FLOORS[here] == top:
            there = {part_of(n, FLOORS) for _, n in imported_modules(read(path), module)}
            imports.setdefault(here, set()).update(p for p in there if p and p != here and FLOORS[p] == top)
    assert not find_circle(imports)


def test_the_sdk_stands_on_nothing_of_the_core() -> None:
    found = [
        wrong
        for module, path in source_files()
        if module.split(".")[0] == "karvan_sdk"
        for wrong in check_sdk(read(path), module)
    ]
    assert not found, "\n".join(found)


def test_plugins_stand_on_the_sdk_and_on_what_they_require() -> None:
    found = [
        wrong
        for module, path in source_files()
        if "plugins" in path.relative_to(ROOT).parts[:1]
        for wrong in check_plugin(read(path), module, required_by(path))
    ]
    assert not found, "\n".join(found)


def test_sql_text_is_built_only_where_the_list_says() -> None:
    builders = {module for module, path in source_files() if built_sql(read(path))}
    assert builders == SQL_BUILDERS


# -- the checkers are seen to fail -------------------------------------------------------------------------

HOUSE = {
    "karvan_sdk": 0,
    "karvan.low": 1,
    "karvan.mid": 2,
    "karvan.mate": 2,
    "karvan.app": 3,
    "karvan.cli": 3,
}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("import karvan.mid.rooms", 1, id="plain"),
        pytest.param("from karvan.mid import rooms", 1, id="from"),
        pytest.param("from karvan import mid", 1, id="from the package"),
        pytest.param("from ..mid import rooms", 1, id="relative"),
        pytest.param("def act():\n    from karvan.mid import rooms\n", 2, id="inside a function"),
        pytest.param("if TYPE_CHECKING:\n    from karvan.mid import rooms\n", 2, id="for types only"),
        pytest.param("rooms = import_module('karvan.mid.rooms')", 1, id="by name"),
        pytest.param("try:\n    import karvan.mid\nexcept ImportError:\n    mid = None\n", 2, id="tried"),
    ],
)
def test_an_upward_import_is_seen_wherever_it_stands(text: str, line: int) -> None:
    (found,) = check_floors(text, "karvan.low.cellar", HOUSE)
    assert found.startswith(f"karvan.low.cellar:{line} imports karvan.mid")
    assert found.endswith("from a floor above")


def test_an_import_from_the_own_floor_is_seen() -> None:
    found = check_floors("from karvan.mate import x", "karvan.mid", HOUSE)
    assert found == ["karvan.mid:1 imports karvan.mate.x from its own floor"]


def test_a_module_on_no_floor_is_seen() -> None:
    assert check_floors("", "karvan.attic", HOUSE)


@pytest.mark.parametrize(
    "text",
    [
        "from karvan.low import x",
        "from karvan_sdk import Field",
        "from karvan.mid.rooms import y",
        "import os",
    ],
)
def test_imports_from_below_and_from_the_same_part_are_fine(text: str) -> None:
    assert check_floors(text, "karvan.mid", HOUSE) == []


def test_the_wiring_may_know_itself_but_not_in_a_circle() -> None:
    assert check_floors("from karvan.app import x", "karvan.cli", HOUSE) == []
    assert find_circle({"app": {"workspace"}, "cli": {"app"}}) == []
    assert find_circle({"app": {"cli"}, "cli": {"app"}}) == ["app", "cli", "app"]


@pytest.mark.parametrize("text", ["import karvan.low", "import flask", "def f():\n    import sqlalchemy"])
def test_a_foreign_import_of_the_sdk_is_seen(text: str) -> None:
    assert check_sdk(text, "karvan_sdk.fields")


def test_a_plugin_that_reaches_into_the_core_is_seen() -> None:
    assert check_plugin("from karvan.records import service", "karvan_toy.plugin")
    assert check_plugin("import karvan", "karvan_toy.plugin")
    assert check_plugin("from karvan_crm import words", "karvan_toy.plugin")
    assert not check_plugin("from karvan_crm import words", "karvan_toy.plugin", ["crm"])
    assert not check_plugin("from karvan_sdk import Text", "karvan_toy.plugin")


@pytest.mark.parametrize(
    "text",
    [
        "q = f'SELECT {columns} FROM t'",
        "q = 'DELETE FROM ' + table",
        "q = 'UPDATE %s SET x = 1' % table",
        "q = 'INSERT INTO {} VALUES (1)'.format(table)",
        "q = ' UNION '.join(f'SELECT {c}' for c in names)",
    ],
)
def test_built_sql_is_seen(text: str) -> None:
    assert built_sql(text) == [1]


@pytest.mark.parametrize(
    "text", ["q = 'SELECT 1'", "q = f'{x} chosen'", "mode = f'{a if b else \"DELETE\"}'"]
)
def test_constant_sql_and_other_texts_are_fine(text: str) -> None:
    assert built_sql(text) == []
