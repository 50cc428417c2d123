"""Manifests: what a plugin declares is read without importing it, and every finding is told at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from karvan_sdk import HookUse, Manifest, ManifestInvalid, Text, load_manifest

GOOD = """
schema = 1
id = "toy"
api = ">=0.1,<1"
icon = "rocket"
name = { en = "Toy", ru = "Игрушка" }
summary = "A toy."
after = ["crm"]
requires = { crm = ">=0.1" }
capabilities = ["http:example.org"]
objects = ["objects/car.toml"]
categories = ["play"]
links = { home = "https://example.org" }

[[fields]]
object = "deal"
name = "score"
type = "integer"

[[hooks]]
hook = "check_records"
objects = ["car"]
events = ["create"]

[[hooks]]
hook = "demo_records"
"""
CAR = """
name = "car"
fields = [
  { name = "name", type = "text", required = true },
  { name = "colour", type = "select", options = ["red", { value = "blue", label = { ru = "синий" } }] },
]
[[views]]
name = "all"
columns = ["name", "owner"]
sort = ["-created_at"]
"""


def folder(manifest: str = GOOD, car: str = CAR) -> Callable[[str], str]:
    files = {"manifest.toml": manifest, "objects/car.toml": car}

    def read(name: str) -> str:
        if name not in files:
            raise FileNotFoundError(f"no file {name}")
        return files[name]

    return read


def load(manifest: str = GOOD, car: str = CAR) -> Manifest:
    return load_manifest("toy", folder(manifest, car))


def findings(manifest: str = GOOD, car: str = CAR) -> dict[str, str]:
    with pytest.raises(ManifestInvalid) as raised:
        load(manifest, car)
    return {e.field: e.message for e in raised.value.errors}


def test_a_good_manifest_is_read_whole() -> None:
    manifest = load()
    assert manifest.name == Text.of({"en": "Toy", "ru": "Игрушка"})
    assert manifest.requires == {"crm": ">=0.1"}
    assert [o.name for o in manifest.objects] == ["car"]
    assert [(f.object, f.field.name) for f in manifest.fields] == [("deal", "score")]
    assert manifest.hooks[0] == HookUse(hook="check_records", objects=("car",), events=("create",))
    assert manifest.hooks[1].hook == "demo_records"


def test_a_hook_listens_only_where_it_is_declared() -> None:
    use = load().hooks[0]
    assert use.listens("car", "create")
    assert not use.listens("car", "update")
    assert not use.listens("deal", "create")
    assert HookUse(hook="check_records").listens("anything", "delete")


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("schema = 1", "schema = 2", "schema", "schema = 1"),
        ('id = "toy"', 'id = "toys"', "id", "'toys'"),
        ('summary = "A toy."', "", "summary", "required"),
        ('api = ">=0.1,<1"', "", "api", "required"),
        ('api = ">=0.1,<1"', 'api = "about one"', "api", "no version range"),
        ('crm = ">=0.1"', "crm = 1", "requires", "table of texts"),
        ('icon = "rocket"', 'colour = "red"', "colour", "Unknown key"),
        ('hook = "check_records"', 'hook = "check_record"', "hooks[0]", "no hook 'check_record'"),
        ('events = ["create"]', 'events = ["created"]', "hooks[0]", "no event 'created'"),
        ('hook = "demo_records"', 'hook = "demo_records"\nobjects = ["car"]', "hooks[1]", "asked once"),
        ('events = ["create"]', 'event = ["create"]', "hooks[0].event", "Unknown key"),
        ('object = "deal"\n', "", "fields[0].object", "required"),
        ('type = "integer"', 'type = "int"', "fields[0].type", "no field type 'int'"),
        ('name = "score"', 'name = "Score"', "fields[0].name", "lower-case"),
        ('"objects/car.toml"', '"objects/cart.toml"', "objects/cart.toml", "no file"),
    ],
)
def test_a_fault_of_a_manifest_is_told_with_its_key(old: str, new: str, key: str, message: str) -> None:
    assert old in GOOD
    assert message in findings(GOOD.replace(old, new, 1))[key]


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('columns = ["name", "owner"]', 'columns = ["nam"]', "car.views.all.columns", "no field 'nam'"),
        ('sort = ["-created_at"]', 'sort = ["-made"]', "car.views.all.sort", "no field 'made'"),
        ('name = "name", type = "text"', 'name = "name", type = "date"', "car.name_field", "no text field"),
        ('"red", ', '"red", "red", ', "car.colour.options", "stands twice"),
        ('name = "colour"', 'name = "name"', "car.fields", "stands twice"),
        ('name = "car"', 'name = "select"', "select.name", "reserved"),
        ("required = true", "requird = true", "objects/car.toml.fields[0].requird", "Unknown key"),
        ("required = true", 'required = "maybe"', "objects/car.toml.fields[0].required", "Choose one of"),
    ],
)
def test_a_fault_of_an_object_is_told_with_its_key(old: str, new: str, key: str, message: str) -> None:
    assert old in CAR
    assert message in findings(car=CAR.replace(old, new, 1))[key]


def test_all_faults_are_told_at_once() -> None:
    broken = GOOD.replace("schema = 1", "schema = 9").replace('summary = "A toy."', "").replace("rocket", "r")
    assert {"schema", "summary"} <= set(findings(broken))


@pytest.mark.parametrize("text", ["schema = ", "\x00", "[["])
def test_a_file_that_is_no_toml_is_one_finding(text: str) -> None:
    assert list(findings(text)) == ["manifest.toml"]


def test_a_missing_file_is_one_finding() -> None:
    def read(name: str) -> str:
        raise FileNotFoundError(name)

    with pytest.raises(ManifestInvalid, match=r"Manifest of 'toy'"):
        load_manifest("toy", read)


@pytest.mark.parametrize(
    "line",
    [
        "requires = 3",
        'conflicts = "crm"',
        'objects = "objects/car.toml"',
        "objects = [1]",
        "fields = 1",
        "fields = [1]",
        "hooks = [1]",
        'hooks = ["check_records"]',
        'hooks = [{ hook = ["x"] }]',
        'hooks = [{ hook = "check_records", events = "create" }]',
        'hooks = [{ hook = "check_records", objects = 3 }]',
        "after = 1",
        'after = "crm"',
        "links = 1",
        "categories = 1",
        "icon = 1",
        "capabilities = [1]",
        "name = 3",
        "summary = [1]",
        "api = 1",
    ],
)
def test_a_value_of_the_wrong_type_is_a_finding_and_no_crash(line: str) -> None:
    key = line.split(" ")[0]
    base = {"schema": "1", "id": '"toy"', "api": '">=0.1"', "name": '"Toy"', "summary": '"A toy."'}
    base.pop(key, None)
    text = "\n".join([*(f"{k} = {v}" for k, v in base.items()), line])
    assert any(found.startswith(key) for found in findings(text))
