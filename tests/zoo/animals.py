"""The animals: tiny plugins that have accidents, each at a word in a record's name or in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HEAD = """
schema = 1
id = "{id}"
api = ">=0.1,<1"
name = "{id}"
summary = "An animal of the zoo."
"""
CODE = """
import ctypes, os, sys, time
from pathlib import Path
from karvan_sdk import Change, Rejected, Response, Router, Widget, hookimpl
"""
GATE = '[[hooks]]\nhook = "check_records"\n'
GATE_CODE = """
@hookimpl
def check_records(changes):
    if any(c.values.get("c_name") == "{id}" for c in changes):
        {strike}
"""
LOOP = "while True: pass"
C_LOOP = "sum(range(10**13))"
EXIT = "os._exit(7)"
SEGFAULT = "ctypes.string_at(0)"
HOG = "return bytearray(2 * 1024**3)"
DEEP = "def down(n): return down(n + 1)\n        down(0)"
SLOW = "time.sleep(0.4)"
WORD = "garbage"


@dataclass(frozen=True, kw_only=True)
class Animal:
    """A plugin. `code` is what it is enabled with, `bad` what its file holds later (empty: the same)."""

    id: str
    manifest: str = ""
    code: str = ""
    bad: str = ""


def gate(id: str, strike: str) -> Animal:
    """One that strikes in the gate when a record is named after it."""
    return Animal(id=id, manifest=GATE, code=GATE_CODE.format(id=id, strike=strike))


def importer(id: str, bad: str) -> Animal:
    """One whose code was good when it was enabled."""
    return Animal(id=id, manifest=GATE, code=GATE_CODE.format(id=id, strike="pass"), bad=bad)


WIDGET = '[[widgets]]\nid = "card"\ntitle = "Card"\nslots = ["dashboard.grid"]\n'
WIDGET_CODE = """
def draw(ctx):
    {strike}

widgets = [Widget(id="card", render=draw)]
"""
ROUTE_CODE = """
router = Router()

@router.page("/", permission="signed_in")
@router.api("/", permission="signed_in")
def root(ctx, request):
    {strike}
"""
OBSERVER = 'capabilities = ["records:read:c_ship"]\n[[hooks]]\nhook = "records_changed"\n'
OBSERVER_CODE = """
@hookimpl
def records_changed(ctx, object, events):
    if any(ctx.records.get(object, e.record_id)["c_name"] == "{id}" for e in events):
        {strike}
"""
RESTRICT = '[[hooks]]\nhook = "restrict_records"\nobjects = ["c_ship"]\n'
RESTRICT_CODE = """
@hookimpl
def restrict_records(ctx, object, action):
    return {answer}
"""
PREPARE = '[[hooks]]\nhook = "prepare_records"\n'
PREPARE_CODE = """
@hookimpl
def prepare_records(changes):
    if any(c.values.get("c_name") == "{id}" for c in changes):
        {strike}
"""

GATES = (
    gate("z_loop", LOOP),
    gate("z_c_loop", C_LOOP),
    gate("z_exit", EXIT),
    gate("z_segfault", SEGFAULT),
)
"""Each ends the worker that saves a record of its name."""
MILD = (
    gate("z_hog", HOG),
    gate("z_deep", DEEP),
    gate("z_slow", SLOW),
    gate("z_raise", "raise RuntimeError('the bear is loose')"),
    gate("z_leave", "sys.exit('a bear leaves')"),
    Animal(id="z_number", manifest=PREPARE, code=PREPARE_CODE.format(id="z_number", strike="return 7")),
    Animal(id="z_fewer", manifest=PREPARE, code=PREPARE_CODE.format(id="z_fewer", strike="return []")),
    Animal(
        id="z_bytes",
        manifest=PREPARE,
        code=PREPARE_CODE.format(id="z_bytes", strike="return [object() for _ in changes]"),
    ),
)
"""Each does what a plugin must not, and costs no worker."""
ROUTES = {
    "z_route_loop": LOOP,
    "z_route_exit": EXIT,
    "z_route_garbage": "return object()",
    "z_route_status": "return Response(body=b'', status=99999)",
}
WIDGETS = {
    "z_card_number": "return 7",
    "z_card_raise": "raise SystemExit('a widget that ends the process')",
}
SURFACES = (
    *(Animal(id=i, code=ROUTE_CODE.format(strike=s)) for i, s in ROUTES.items()),
    *(Animal(id=i, manifest=WIDGET, code=WIDGET_CODE.format(strike=s)) for i, s in WIDGETS.items()),
)
CARD_LOOP = Animal(id="z_card_loop", manifest=WIDGET, code=WIDGET_CODE.format(strike=LOOP))
OBSERVERS = (
    Animal(id="z_tell", manifest=OBSERVER, code=OBSERVER_CODE.format(id="z_tell", strike=EXIT)),
    Animal(id="z_tell_loop", manifest=OBSERVER, code=OBSERVER_CODE.format(id="z_tell_loop", strike=LOOP)),
)
IMPORTERS = (
    importer("z_import_raise", "raise RuntimeError('born so')"),
    importer("z_import_syntax", "def ("),
    importer("z_import_loop", LOOP),
    importer("z_import_exit", EXIT),
    importer("z_import_crash", "import ctypes\nctypes.string_at(0)"),
)
RESTRICTER = Animal(
    id="z_restrict",
    manifest=RESTRICT,
    code=RESTRICT_CODE.format(answer="'owner = me()'"),
    bad=RESTRICT_CODE.format(answer="[1 for _ in iter(int, 1)]"),
)
"""Its restriction holds while its code loops."""


def put(folder: Path, animal: Animal, version: str = "1.0") -> Path:
    """Lay an animal out as an installer would; gives the file with its code."""
    package = folder / f"karvan_{animal.id}"
    info = folder / f"karvan_{animal.id}-{version}.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "manifest.toml").write_text(HEAD.format(id=animal.id) + animal.manifest)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: karvan-{animal.id.replace('_', '-')}\nVersion: {version}\n"
    )
    (info / "entry_points.txt").write_text(
        f"[karvan.plugins]\n{animal.id} = karvan_{animal.id}.plugin\n"
        f"[karvan.manifests]\n{animal.id} = karvan_{animal.id}:manifest.toml\n"
    )
    code = package / "plugin.py"
    code.write_text(CODE + animal.code)
    return code


def spoil(codes: Mapping[str, Path], animal: Animal) -> None:
    """Replace the code of an animal that is enabled, as a broken copy of a file would."""
    codes[animal.id].write_text(CODE + animal.bad)
