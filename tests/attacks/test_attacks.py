"""The zoo of attacks: refused where they pass the sdk, found by the check with file and line.

Code in the process is trusted; what goes around the sdk is found where it does not hide. No more is claimed.
"""

from __future__ import annotations

import importlib.util
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from karvan.plugins.secrets import PluginSecrets
from karvan.testing import InstallPlugin, admin_of, make_client, make_page_client
from karvan.workspace import Workspace
from karvan_sdk import Conflict, HookContext, PageContext, WidgetContext
from karvan_sdk.checks import check_plugin
from tests.attacks.animals import ANIMALS, BAG, GRANTS, MANIFEST, Animal, passing
from tests.attacks.conftest import Let, LetIn


def names(animal: Animal) -> str:
    return animal.name


@pytest.mark.parametrize("animal", ANIMALS, ids=names)
def test_an_attack_that_does_not_hide_is_found_with_its_file_and_line(animal: Animal, let: Let) -> None:
    report = check_plugin(let(animal))
    marked = {n for n, line in enumerate(animal.plugin.splitlines(), 1) if line.endswith("# here")}
    errors = [f for f in report.findings if f.severity == "error"]
    assert report.failed
    assert {f.path for f in errors} == {"plugin.py"}
    assert {f.line for f in errors} == marked
    assert {f.rule for f in errors} == animal.rules


@pytest.mark.parametrize("more", GRANTS, ids=lambda more: more.strip() or "no grant")
def test_attacks_through_the_sdk_are_refused_and_change_nothing(more: str, let_in: LetIn) -> None:
    animals = passing(more)
    workspace = let_in(*animals)
    before = state_of(workspace)
    client = make_client(workspace)
    answers = [client.post(f"/api/x/thief/go/{number}") for number in range(len(animals))]
    refused = {a.name: answer.get_json()["code"] for a, answer in zip(animals, answers, strict=True)}
    assert refused == {a.name: a.code for a in animals}
    assert all(answer.status_code in (400, 403, 404, 422) for answer in answers)
    assert not any("sesame" in answer.get_data(as_text=True) for answer in answers)
    assert state_of(workspace) == before


def state_of(workspace: Workspace) -> Any:
    """What an attack would change: people, records, tables, files."""
    with workspace.database.read() as connection:
        users = [tuple(r) for r in connection.fetchall("SELECT email, is_admin FROM k_user ORDER BY id")]
    files = sorted(p.as_posix() for p in (workspace.settings.home / "files").rglob("*"))
    contacts = workspace.records.read(admin_of(workspace)).get("contact", 1)
    return users, contacts, sorted(workspace.catalogs.current().objects), files


def go(workspace: Workspace) -> Any:
    return make_client(workspace).post("/api/x/thief/go/0")


LOOK_BEHIND = {
    "expand": 'ctx.records.list("bag", expand=("whose",)).rows',
    "filter": 'ctx.records.list("bag", filter=\'whose.email = "ada@example.org"\').rows',
    "sort": 'ctx.records.list("bag", sort=("whose",)).rows',
    "each": 'list(ctx.records.each("bag", filter="whose.email is not empty"))',
    "aggregate": 'ctx.records.aggregate("bag", measures=["count"], filter="whose.email is not empty")',
}


def test_a_lookup_is_no_way_into_a_table_of_others(let_in: LetIn) -> None:
    animals = [
        Animal(name=n, body=f"return json_response({w})", rules=frozenset()) for n, w in LOOK_BEHIND.items()
    ]
    client = make_client(let_in(*animals))
    answers = [client.post(f"/api/x/thief/go/{number}") for number in range(len(animals))]
    refused = [(a.name, r.status_code, r.get_json()["code"]) for a, r in zip(animals, answers, strict=True)]
    assert refused == [(name, 403, "not_allowed") for name in LOOK_BEHIND]


def test_the_context_offers_no_way_to_the_database_or_to_another_plugin(let_in: LetIn) -> None:
    """Its public names are those of the contract, and no more."""
    body = "return json_response(sorted(n for n in dir(ctx) if not n.startswith('_')))"
    answer = go(let_in(Animal(name="names", body=body, rules=frozenset())))
    contract = {
        n for p in (HookContext, PageContext, WidgetContext) for n in vars(p) if not n.startswith("_")
    }
    assert set(answer.get_json()) - contract <= {"package", "capabilities"}


def test_the_settings_are_those_of_the_plugin_alone(let_in: LetIn) -> None:
    body = "return json_response([ctx.plugin, dict(ctx.settings)])"
    answer = go(
        let_in(Animal(name="settings", body=body, rules=frozenset(), more='[[settings]]\nname = "a"\n'))
    )
    assert answer.get_json() == ["thief", {"a": None}]


def test_secrets_of_another_plugin_are_not_seen_even_with_the_grant(let_in: LetIn) -> None:
    body = "return json_response([ctx.secrets.names(), ctx.secrets.get('key'), ctx.secrets.get('crm/key')])"
    workspace = let_in(
        Animal(name="secrets", body=body, rules=frozenset(), more='capabilities = ["secrets"]\n')
    )
    PluginSecrets("crm", workspace.database, workspace.vault, check=lambda capability: None).set(
        "key", "sesame"
    )
    assert go(workspace).get_json() == [[], None, None]


# -- a manifest that wants more later ----------------------------------------------------------------------

READING = next(a for a in ANIMALS if a.name == "reads what others keep")
WANTED = 'capabilities = ["records:read:contact"]\n'


def exchange_manifest(package: Path, more: str) -> None:
    """What an upgrade of the code does."""
    (package / "manifest.toml").write_text(MANIFEST + more, encoding="utf-8")


def test_a_capability_that_an_upgrade_brings_is_not_granted_before_an_administrator_enables_it(
    let_in: LetIn,
) -> None:
    workspace = let_in(READING)
    found = importlib.util.find_spec("karvan_thief")
    assert found is not None
    assert found.origin is not None
    exchange_manifest(Path(found.origin).parent, WANTED)
    with closing(Workspace(workspace.settings)) as again:
        assert go(again).get_json()["code"] == "not_allowed"
        assert "records:read:contact" in " ".join(again.plugins.info("thief").problems)
        again.plugins.enable(admin_of(again), "thief")
        assert [row["name"] for row in go(again).get_json()] == ["Ada"]
        assert again.plugins.info("thief").problems == ()


PUBLIC = """from karvan_sdk import Caller, Public, Router

router = Router()


@router.api("/open", public=Public(authenticate=lambda ctx, request: Caller(name="anybody")))
def go(ctx, request):
    return "open"
"""


def test_a_public_route_that_an_upgrade_brings_is_closed_before_an_administrator_enables_it(
    install_plugin: InstallPlugin, workspace_with: Any
) -> None:
    package = install_plugin("thief", MANIFEST, PUBLIC) / "karvan_thief"
    (package / "bag.toml").write_text(BAG, encoding="utf-8")
    workspace = workspace_with("crm", "thief")
    exchange_manifest(package, '[[public_routes]]\nsurface = "api"\npath = "/open"\nwhy = "Anybody."\n')
    with closing(Workspace(workspace.settings)) as again:
        assert make_client(again).get("/api/x/thief/open").status_code == 404
        assert "public route /open" in " ".join(again.plugins.info("thief").problems)
        again.plugins.enable(admin_of(again), "thief")
        assert make_client(again).get("/api/x/thief/open").get_data(as_text=True) == "open"


def test_a_capability_that_an_upgrade_brings_is_found(tmp_path: Path) -> None:
    for folder, more in (("old", ""), ("new", WANTED)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.toml").write_text(MANIFEST + more, encoding="utf-8")
        (tmp_path / folder / "bag.toml").write_text(BAG, encoding="utf-8")
        (tmp_path / folder / "plugin.py").write_text(READING.plugin, encoding="utf-8")
    (finding,) = check_plugin(tmp_path / "new", before=tmp_path / "old").findings
    assert (finding.rule, finding.path) == ("capability-added", "manifest.toml")
    assert finding.line == len(MANIFEST.splitlines()) + 1


# -- names of others ---------------------------------------------------------------------------------------


def test_a_route_written_below_another_plugins_prefix_answers_below_its_own(
    install_plugin: InstallPlugin, workspace_with: Any
) -> None:
    code = PUBLIC.replace("/open", "/x/crm/deals").replace(
        'public=Public(authenticate=lambda ctx, request: Caller(name="anybody"))', 'permission="signed_in"'
    )
    package = install_plugin("thief", MANIFEST, code.replace("router.api", "router.page")) / "karvan_thief"
    (package / "bag.toml").write_text(BAG, encoding="utf-8")
    client = make_page_client(workspace_with("crm", "thief"))
    assert client.get("/x/crm/deals").status_code == 404
    assert client.get("/x/thief/x/crm/deals").get_data(as_text=True) == "open"
    (finding,) = check_plugin(package).findings
    assert (finding.rule, finding.path, finding.line) == ("route-foreign", "plugin.py", 6)


def test_an_object_of_another_plugin_is_not_taken_over(let: Let, workspace_with: Any) -> None:
    package = let(replace(READING, more=""))
    (package / "bag.toml").write_text(BAG.replace('"bag"', '"contact"'), encoding="utf-8")
    workspace = workspace_with("crm")
    with pytest.raises(Conflict, match="held by plugin:crm"):
        workspace.plugins.enable(admin_of(workspace), "thief")


# -- what the page claims ----------------------------------------------------------------------------------


def test_the_page_of_plugins_says_that_their_code_is_trusted(let_in: LetIn) -> None:
    page = make_page_client(let_in(READING)).get("/settings").get_data(as_text=True)
    assert "A plugin runs inside Karvan and is trusted code" in page
    assert "code that means harm is not held back" in page
