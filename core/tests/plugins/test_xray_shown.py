"""The x-ray where people meet it: the command, the page, the interface; and that its errors are refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.cli import main
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, make_client, make_page_client
from karvan.workspace import Workspace
from karvan_sdk import KarvanError

MANIFEST = 'schema = 1\nid = "{id}"\nname = "Name of {id}"\nsummary = "S."\napi = "{api}"\n'
CODE = "from karvan_sdk import hookimpl\n\n@hookimpl\ndef check_records(changes):\n    return None\n"
CHECKS = '[[hooks]]\nhook = "check_records"\nobjects = ["contact"]\n'


def run(workspace: Workspace, *arguments: str) -> Any:
    settings = workspace.settings
    place = ["--home", str(settings.home)]
    place += ["--database-url", settings.url] if settings.database_url else []
    return CliRunner().invoke(main, [*place, *arguments])


def bring(install_plugin: InstallPlugin, id: str, body: str = CHECKS, api: str = ">=0") -> None:
    install_plugin(id, MANIFEST.format(id=id, api=api) + body, CODE if "check_records" in body else "")


@pytest.fixture
def pair(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and `prompt`; `late`, which asks to stand before it, and `never` are off."""
    bring(install_plugin, "prompt")
    bring(install_plugin, "late", 'before = ["prompt"]\n' + CHECKS)
    bring(install_plugin, "never", 'requires = { ghost = ">=1" }\n')
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "prompt")
    return made


def test_the_doctor_tells_who_is_called_in_which_order_and_why(pair: Workspace) -> None:
    answer = run(pair, "plugins", "doctor", "late", "--object", "contact", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert [(s["plugin"], s["reason"]) for s in found["hooks"]["check_records"]] == [
        ("late", "by its id"),
        ("prompt", "'late' asks to stand before it"),
    ]
    assert "hooks" in found
    assert run(pair, "plugins", "doctor", "--object", "contact").output.count("prompt") == 1


def test_the_doctor_fails_where_something_will_be_refused(pair: Workspace) -> None:
    answer = run(pair, "plugins", "doctor", "never")
    assert answer.exit_code == 1
    assert "never needs ghost >=1, which is not on." in answer.output
    assert run(pair, "plugins", "doctor").exit_code == 0
    assert run(pair, "plugins", "doctor", "nobody").exit_code == 1


def test_a_plan_to_enable_shows_the_findings_and_changes_nothing(pair: Workspace) -> None:
    answer = run(pair, "plugins", "enable", "never", "--plan", "--json")
    assert answer.exit_code == 1
    (finding,) = json.loads(answer.stdout)["findings"]
    assert (finding["severity"], finding["code"]) == ("error", "requirement_missing")
    assert "never needs ghost" in run(pair, "plugins", "enable", "never", "--plan").output
    assert run(pair, "plugins", "enable", "late", "--plan").exit_code == 0
    assert pair.plugins.enabled() == ("crm", "prompt")


def test_the_interface_tells_the_same_to_administrators_only(pair: Workspace) -> None:
    client = make_client(pair)
    found = client.get("/api/v1/plugins/x-ray").get_json()["data"]
    assert [s["plugin"] for s in found["hooks"]["check_records"] if "prompt" in s["plugin"]] == ["prompt"]
    assert found["findings"] == []
    (finding,) = client.get("/api/v1/plugins/never/x-ray").get_json()["data"]["findings"]
    assert finding["message"] == "never needs ghost >=1, which is not on."
    assert client.get("/api/v1/plugins/nobody/x-ray").status_code == 404
    person = pair.actors.create_user("bo@example.com", "Bo", "a good password")
    assert make_client(pair, person).get("/api/v1/plugins/x-ray").status_code == 403


def test_the_page_tells_the_findings_and_who_is_called(pair: Workspace) -> None:
    client, place = make_page_client(pair), "/settings/plugins/x-ray"
    page = client.get(f"{place}?also=never&object=contact").get_data(as_text=True)
    assert "never needs ghost &gt;=1, which is not on." in page
    assert ">prompt</bdi>" in page
    narrowed = client.get(f"{place}?object=account").get_data(as_text=True).partition("Findings")[2]
    assert "never" not in narrowed
    assert ">prompt</bdi>" not in narrowed


def test_the_page_is_for_administrators_and_knows_only_what_is_installed(pair: Workspace) -> None:
    assert make_page_client(pair).get("/settings/plugins/x-ray?also=nobody").status_code == 404
    person = pair.actors.create_user("bo@example.com", "Bo", "a good password")
    assert make_page_client(pair, person).get("/settings/plugins/x-ray").status_code == 403
    assert "/settings/plugins/x-ray" in make_page_client(pair).get("/settings").get_data(as_text=True)


@pytest.mark.parametrize(
    ("body", "api"),
    [
        ("", "<0.0.1"),
        ('requires = { ghost = ">=1" }\n', ">=0"),
        ('requires = { crm = ">=99" }\n', ">=0"),
        ('conflicts = { crm = ">=0" }\n', ">=0"),
        ('requires = { crm = ">=0" }\nbefore = ["crm"]\n', ">=0"),
        ('[[fields]]\nobject = "ghost"\nname = "hue"\ntype = "text"\n', ">=0"),
        ("unknown = 1\n", ">=0"),
    ],
    ids=["api", "missing", "version", "conflict", "circle", "field", "unreadable"],
)
def test_what_the_x_ray_calls_an_error_is_refused_when_it_is_enabled(
    body: str, api: str, install_plugin: InstallPlugin, workspace_with: WorkspaceWith
) -> None:
    bring(install_plugin, "trial", body, api)
    made = workspace_with("crm")
    assert any("trial" in f.plugins for f in made.plugins.xray(["trial"]).errors)
    with pytest.raises(KarvanError):
        made.plugins.enable(admin_of(made), "trial")


def test_an_object_that_is_taken_is_an_error_and_refused(
    install_plugin: InstallPlugin, workspace_with: WorkspaceWith
) -> None:
    folder = install_plugin("trial", MANIFEST.format(id="trial", api=">=0") + 'objects = ["c.toml"]\n', "")
    (folder / "karvan_trial" / "c.toml").write_text(
        'name = "contact"\n[[fields]]\nname = "name"\ntype = "text"\n'
    )
    made = workspace_with("crm")
    assert [f.code for f in made.plugins.xray(["trial"]).errors] == ["object_taken"]
    with pytest.raises(KarvanError):
        made.plugins.enable(admin_of(made), "trial")


def test_the_first_party_plugins_have_no_error_together(workspace_with: WorkspaceWith) -> None:
    found = workspace_with("crm").plugins.xray(["telephony", "price_book", "lead_scoring", "onec"])
    assert found.errors == ()
    assert found.writers["contact"] == ("lead_scoring", "telephony")
    assert found.restrictions == {"call": ("telephony",)}
