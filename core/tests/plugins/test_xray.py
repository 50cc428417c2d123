"""The conflict x-ray: what manifests alone tell of order, clashes and reach."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from karvan.plugins import xray as module
from karvan.plugins.order import Placed, explain_order, find_circles, order_plugins, show_reason
from karvan.plugins.xray import Examined, Finding, XRay, examine
from karvan_sdk import Manifest, Text, load_manifest
from karvan_sdk.deprecations import DeprecatedKind, Deprecation

ROOT = Path(__file__).parents[3]
HEAD = 'schema = 1\nid = "{id}"\nname = "N"\nsummary = "S."\napi = "{api}"\n'
OBJECT = 'name = "{name}"\n[[fields]]\nname = "name"\ntype = "text"\n'
OFFER = (
    '[[provides.hooks]]\nname = "find"\nkind = "first"\nversion = 2\n'
    '[[provides.slots]]\nname = "card"\ntitle = "C"\n'
)
LOOKUP = (
    '[[fields]]\nobject = "thing"\nname = "up"\ntype = "lookup"\ntarget = "{target}"\n'
    'relation = {{ name = "kids" }}\n'
)


def plugin(id: str, body: str = "", *, version: str = "1.0", api: str = ">=0", objects: str = "") -> Examined:
    names = objects.split()
    files = {"manifest.toml": HEAD.format(id=id, api=api)}
    files |= {f"{name}.toml": OBJECT.format(name=name) for name in names}
    listed = ", ".join(f'"{name}.toml"' for name in names)
    files["manifest.toml"] += f"objects = [{listed}]\n{body}"
    return Examined(id=id, manifest=load_manifest(id, files.__getitem__), version=version)


def hook(name: str, *objects: str) -> str:
    return f'[[hooks]]\nhook = "{name}"\nobjects = [{", ".join(repr(o) for o in objects)}]\n'


THING = plugin("base", objects="thing")
SQL = Deprecation(
    kind=DeprecatedKind.CAPABILITY, name="sql", since="0.1", removed_in="0.3", replacement="records"
)
CASES: dict[str, tuple[list[Examined], str, str]] = {
    "unusable": (
        [Examined(id="gone", manifest=None, why="it is not installed.")],
        "error",
        "gone can't be used: it is not installed.",
    ),
    "api": ([plugin("aged", api="<0.1")], "error", "aged needs karvan-sdk <0.1, this is 0.1."),
    "requirement_missing": (
        [plugin("a", 'requires = { b = ">=2" }\n')],
        "error",
        "a needs b >=2, which is not on.",
    ),
    "requirement_version": (
        [plugin("a", 'requires = { b = ">=2" }\n'), plugin("b", version="1.5")],
        "error",
        "a needs b >=2, this is 1.5.",
    ),
    "conflict": (
        [plugin("a", 'conflicts = { b = "<2" }\n'), plugin("b", version="1.5")],
        "error",
        "a says that it can't stand beside b 1.5.",
    ),
    "circle": (
        [plugin("a", 'after = ["b"]\n'), plugin("b", 'after = ["a"]\n')],
        "error",
        "The order is a circle among a, b.",
    ),
    "behind_circle": (
        [plugin("a", 'after = ["b"]\n'), plugin("b", 'after = ["a"]\n'), plugin("c", 'after = ["a"]\n')],
        "error",
        "c stands behind plugins whose order is a circle.",
    ),
    "object_taken": (
        [THING, plugin("other", objects="thing")],
        "error",
        "The object thing is brought by each of base, other.",
    ),
    "field_on_nothing": (
        [plugin("a", '[[fields]]\nobject = "thing"\nname = "hue"\ntype = "text"\n')],
        "error",
        "a adds the field hue to thing, which nobody brings.",
    ),
    "offer_missing": (
        [
            plugin("base"),
            plugin("a", 'requires = { base = ">=0" }\n[[hooks]]\nhook = "base.find"\nversion = 1\n'),
        ],
        "warning",
        "a wants base.find@1, which base does not offer.",
    ),
    "offer_version": (
        [
            plugin("base", OFFER),
            plugin("a", 'requires = { base = ">=0" }\n[[hooks]]\nhook = "base.find"\nversion = 1\n'),
        ],
        "warning",
        "a wants base.find@1, base offers @2.",
    ),
    "lookup_to_nothing": (
        [THING, plugin("a", LOOKUP.format(target="ghost"))],
        "warning",
        "a points from up to ghost, which nobody brings.",
    ),
    "route_twice": (
        [plugin("a", 2 * '[[public_routes]]\nsurface = "api"\npath = "/in"\nwhy = "W."\n')],
        "warning",
        "a declares the public route /in twice.",
    ),
    "deprecated": (
        [plugin("a", 'capabilities = ["sql"]\n')],
        "warning",
        "a uses capability sql: deprecated since karvan-sdk 0.1, gone in 0.3. Use records instead.",
    ),
    "writers": (
        [
            plugin("a", 'capabilities = ["records:write:thing"]\n'),
            plugin("b", 'capabilities = ["records:write:thing"]\n'),
        ],
        "note",
        "thing may be written by each of a, b.",
    ),
    "listens_to_nothing": (
        [plugin("a", hook("check_records", "ghost"))],
        "note",
        "a listens to ghost, which nobody brings.",
    ),
    "list_taken": (
        [THING, plugin("a", LOOKUP.format(target="thing")), plugin("b", LOOKUP.format(target="thing"))],
        "note",
        "The related list kids of thing is brought by a, b; all but one get another name.",
    ),
    "restricted": (
        [THING, plugin("a", hook("restrict_records", "thing"))],
        "note",
        "Who may see or change records of thing is narrowed by a.",
    ),
}


def look(*plugins: Examined) -> XRay:
    return examine(plugins, [SQL], sdk="0.1")


@pytest.mark.parametrize("code", CASES)
def test_a_clash_is_found_once_and_told_with_its_weight(code: str) -> None:
    plugins, severity, message = CASES[code]
    found = [f for f in look(*plugins).findings if f.code == code]
    assert [(f.severity, f.message) for f in found] == [(severity, message)]


@pytest.mark.parametrize("code", CASES)
def test_it_is_found_whatever_the_order_of_the_plugins(code: str) -> None:
    plugins, severity, _ = CASES[code]
    found = [f for f in look(*reversed(plugins)).findings if f.code == code]
    assert [f.severity for f in found] == [severity]


def test_plugins_that_fit_have_no_finding() -> None:
    uses = 'requires = { base = ">=1" }\n[[hooks]]\nhook = "base.find"\nversion = 2\n'
    uses += '[[widgets]]\nid = "w"\ntitle = "W"\nslots = ["base.card@1"]\n'
    fitting = [plugin("base", OFFER, objects="thing"), plugin("a", uses + LOOKUP.format(target="thing"))]
    assert look(*fitting).findings == ()


def test_a_field_of_an_admin_is_no_clash() -> None:
    body = '[[fields]]\nobject = "c_house"\nname = "hue"\ntype = "text"\n' + hook("check_records", "c_house")
    assert look(plugin("a", body)).findings == ()


def test_two_writers_of_one_field_are_a_warning() -> None:
    one = plugin("a", 'capabilities = ["records:write:thing(colour,size)"]\n')
    two = plugin("b", 'capabilities = ["records:write:thing(colour)"]\n')
    assert [(f.severity, f.message) for f in look(THING, one, two).findings] == [
        ("warning", "thing.colour may be written by each of a, b.")
    ]


def test_every_finding_is_tried_here_and_documented() -> None:
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'code="(\w+)"', source)) == set(CASES)
    text = (ROOT / "docs/xray.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, flags=re.MULTILINE))
    assert documented == {code: severity for code, (_, severity, _) in CASES.items()}


# -- order -------------------------------------------------------------------------------------------------


def test_everyone_in_a_hook_stands_in_order_with_the_reason() -> None:
    one = hook("check_records", "thing")
    found = look(
        plugin("crm", one),
        plugin("early", 'before = ["crm"]\n' + one),
        plugin("book", 'requires = { crm = ">=0" }\n' + one),
        plugin("zoo", 'after = ["book"]\n' + one),
        plugin("apart", one),
    )
    assert [(s.plugin, s.reason) for s in found.hooks["check_records"]] == [
        ("apart", "by its id"),
        ("early", "by its id"),
        ("crm", "'early' asks to stand before it"),
        ("book", "it requires 'crm'"),
        ("zoo", "it asks to stand after 'book'"),
    ]


def test_who_meets_is_asked_per_hook_object_and_event() -> None:
    narrow = '[[hooks]]\nhook = "check_records"\nobjects = ["thing"]\nevents = ["create"]\n'
    everywhere = '[[hooks]]\nhook = "check_records"\n'
    found = look(plugin("a", narrow), plugin("b", everywhere), plugin("c", hook("check_records", "other")))

    def meet(object: str, event: str) -> list[str]:
        return [s.plugin for s in found.meeting("check_records", object, event)]

    assert meet("thing", "create") == ["a", "b"]
    assert meet("thing", "delete") == ["b"]
    assert meet("other", "create") == ["b", "c"]
    assert meet("", "") == ["a", "b", "c"]
    assert found.meeting("prepare_records", "thing", "create") == ()


def test_widgets_stand_in_their_slots_in_the_order_of_their_plugins() -> None:
    widget = '[[widgets]]\nid = "{id}"\ntitle = "W"\nslots = ["record.side"]\n'
    found = look(
        plugin("b", widget.format(id="one")), plugin("a", 'after = ["b"]\n' + widget.format(id="two"))
    )
    assert [s.widget for s in found.slots["record.side"]] == ["b.one", "a.two"]


def test_the_order_with_its_reasons_is_the_order_of_the_calls() -> None:
    manifests = [m for plugins, _, _ in CASES.values() for p in plugins if (m := p.manifest) is not None]
    assert [p.plugin for p in explain_order(manifests)] == order_plugins(manifests)[0]


def test_the_last_of_several_is_the_reason_of_a_place() -> None:
    made = [
        plugin("a"),
        plugin("b", 'after = ["a"]\n'),
        plugin("c", 'requires = { a = ">=0" }\nafter = ["b"]\n'),
    ]
    found = explain_order(m.manifest for m in made if m.manifest)
    assert found[-1] == Placed(plugin="c", behind="b", because="after")
    assert show_reason(found[-1]) == "it asks to stand after 'b'"


@pytest.mark.parametrize(
    ("after", "circles"),
    [
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "a"}, [("a", "b"), ("c", "d")]),
        ({"a": "b", "b": "c", "c": "a", "d": "c"}, [("a", "b", "c")]),
        ({"a": "a"}, [("a",)]),
        ({"a": "b", "b": ""}, []),
        ({f"p{n}": f"p{(n + 1) % 3000}" for n in range(3000)}, [tuple(sorted(f"p{n}" for n in range(3000)))]),
    ],
    ids=["two", "one with a tail", "itself", "none", "long"],
)
def test_circles_are_told_apart(after: dict[str, str], circles: list[tuple[str, ...]]) -> None:
    manifests = [bare(name, after=(other,) if other else ()) for name, other in after.items()]
    assert find_circles(manifests) == circles


# -- work --------------------------------------------------------------------------------------------------


def bare(id: str, **parts: Any) -> Manifest:
    return Manifest(id=id, name=Text.of(id), summary=Text.of(id), api=">=0", **parts)


def crowd(count: int) -> list[Examined]:
    """Plugins that all meet: in one hook, in one slot, on one object, in one long chain of requirements."""
    found = [plugin("p0", OFFER, objects="thing")]
    for n in range(1, count):
        body = f'requires = {{ p0 = ">=0" }}\nafter = ["p{n - 1}"]\ncapabilities = ["records:write:thing"]\n'
        body += hook("check_records", "*") + hook("restrict_records", "thing")
        body += '[[hooks]]\nhook = "p0.find"\nversion = 2\n[[widgets]]\nid = "w"\ntitle = "W"\n'
        body += 'slots = ["record.side", "p0.card@1"]\n'
        body += '[[fields]]\nobject = "thing"\nname = "hue"\ntype = "text"\n'
        found.append(plugin(f"p{n}", body))
    return found


def steps(work: Callable[[], object]) -> int:
    """How many lines of our own code run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if "karvan" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_the_work_grows_with_the_plugins_and_not_with_their_square() -> None:
    small, large = crowd(75), crowd(300)
    few, many = steps(lambda: look(*small)), steps(lambda: look(*large))
    assert many > 300
    assert many < 4.5 * few


def test_the_answer_grows_with_the_plugins_and_not_with_their_square() -> None:
    few, many = (len(str(look(*crowd(n)).as_dict())) for n in (75, 300))
    assert many < 5 * few


def test_a_finding_names_who_has_a_part_in_it() -> None:
    found = look(THING, plugin("other", objects="thing"), plugin("alone", hook("check_records", "ghost")))
    assert [f.code for f in found.about(["alone"])] == ["listens_to_nothing"]
    assert [f.code for f in found.errors] == ["object_taken"]
    assert isinstance(found.findings[0], Finding)
