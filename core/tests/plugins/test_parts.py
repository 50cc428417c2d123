"""What a plugin brings beside hooks: routes, widgets, settings, providers, restrictions, events."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.database import Connection
from karvan.testing import WorkspaceWith, admin_of, make_client, make_page_client, set_settings, settle
from karvan.workspace import Workspace
from karvan_sdk.errors import NotAllowed, TryLater, UnknownPlugin, ValidationFailed


@pytest.fixture
def crowd(zoo: None, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the zoo, its first events told."""
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "zoo")
    settle(made)
    code().TOLD.clear()
    return made


def code() -> Any:
    return sys.modules["karvan_zoo.plugin"]


def add_contact(workspace: Workspace, name: str, phone: str = "", actor: Actor | None = None) -> int:
    with workspace.records.write(actor or admin_of(workspace)) as writer:
        made = writer.create("contact", {"name": name, "phone": phone or None})
    return int(made["id"])


# -- routes ------------------------------------------------------------------------------------------------


def test_a_public_route_answers_who_proves_himself_and_acts_as_the_plugin(crowd: Workspace) -> None:
    client = make_client(crowd)
    answer = client.post(
        "/api/x/zoo/hook", json={"name": "Bruno"}, headers={"X-Key": "sesame", "Authorization": ""}
    )
    assert answer.status_code == 201
    assert answer.get_json()["actor"] is None
    history = crowd.records.read(admin_of(crowd)).history("visit", answer.get_json()["id"]).rows
    assert history[0]["source"] == "plugin:zoo"


@pytest.mark.parametrize(
    ("headers", "body", "status", "code_"),
    [
        ({"X-Key": "guess"}, b'{"name": "x"}', 401, "caller_unknown"),
        ({"X-Key": "sesame"}, b'{"name": "' + b"x" * 200 + b'"}', 400, "bad_input"),
        ({"X-Key": "sesame"}, b"{", 400, "bad_input"),
    ],
    ids=["unknown", "too large", "no json"],
)
def test_a_public_route_refuses_the_rest_and_leaves_nothing(
    crowd: Workspace, headers: dict[str, str], body: bytes, status: int, code_: str
) -> None:
    answer = make_client(crowd).post(
        "/api/x/zoo/hook", data=body, headers={**headers, "Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.get_json()["code"]) == (status, code_)
    assert crowd.records.read(admin_of(crowd)).list("visit").rows == []


def test_a_route_with_a_permission_needs_a_person_and_acts_for_him(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    client = make_client(crowd)
    answer = client.get(f"/api/x/zoo/contacts/{contact}")
    assert answer.get_json() == {"name": "Ada", "actor": admin_of(crowd).id}
    assert (
        client.get(f"/api/x/zoo/contacts/{contact}", headers={"Authorization": "Bearer kv_no"}).status_code
        == 401
    )
    person = crowd.actors.create_user("bo@example.com", "Bo", "a good password")
    assert make_client(crowd, person).get(f"/api/x/zoo/contacts/{contact}").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status", "code_"),
    [
        ("GET", "/api/x/zoo/nothing", 404, "no_route"),
        ("GET", "/api/x/zoo/hook", 405, "method_not_allowed"),
        ("GET", "/api/x/elephant/hook", 404, "no_route"),
        ("GET", "/api/x/zoo/forbidden", 403, "not_allowed"),
        ("GET", "/api/x/zoo/broken", 500, "plugin_failed"),
    ],
)
def test_what_no_route_answers_is_a_problem(
    crowd: Workspace, method: str, path: str, status: int, code_: str | None
) -> None:
    answer = make_client(crowd).open(path, method=method)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    if code_:
        assert answer.get_json()["code"] == code_


@pytest.mark.parametrize("path", ["/x/zoo", "/x/zoo/"])
def test_the_root_of_a_plugin_is_a_page_like_any_other(crowd: Workspace, path: str) -> None:
    assert make_page_client(crowd).get(path).get_data(as_text=True) == "the zoo"


def test_a_disabled_plugins_routes_are_gone_at_once(crowd: Workspace) -> None:
    client = make_client(crowd)
    crowd.plugins.disable(admin_of(crowd), "zoo")
    assert client.get("/api/x/zoo/contacts/1").status_code == 404


def test_a_page_of_a_plugin_stands_in_our_frame_and_escapes(crowd: Workspace) -> None:
    page = make_page_client(crowd).get("/x/zoo/hello").get_data(as_text=True)
    assert "<p>&lt;b&gt;</p>" in page
    assert 'href="/contact"' in page


def test_a_page_of_a_plugin_needs_a_person_unless_it_is_public(crowd: Workspace) -> None:
    stranger = make_client(crowd)
    hidden = stranger.get("/x/zoo/hello")
    assert (hidden.status_code, hidden.location) == (302, "/login?next=/x/zoo/hello")
    answer = stranger.post("/x/zoo/gate")
    assert answer.data.decode("cp1251") == "ворота"
    assert answer.headers["Content-Type"] == "text/plain; charset=windows-1251"
    assert "Path=/x/zoo/" in answer.headers["Set-Cookie"]


def test_a_form_of_a_plugins_page_needs_its_token(crowd: Workspace) -> None:
    client = make_page_client(crowd)
    client.token = "guessed"
    assert client.post("/x/zoo/hello").status_code == 400


# -- widgets -----------------------------------------------------------------------------------------------


def slot(client: Any, contact: int) -> str:
    answer = client.get(f"/_w?slot=record.side&object=contact&id={contact}")
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def test_a_slot_is_drawn_in_one_request_and_a_broken_widget_is_a_card(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada <b>")
    client = make_page_client(crowd)
    page = client.get(f"/contact/{contact}").get_data(as_text=True)
    assert page.count('hx-get="/_w?slot=record.side') == 1
    html = slot(client, contact)
    assert "Ada &lt;b&gt; 2.5 Hello" in html
    assert "This widget could not be shown" in html
    assert "SystemExit: a widget that ends the process" in html
    assert "shy" not in html


def test_what_a_person_switches_off_is_never_called_for_him_and_is_for_others(
    crowd: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    contact = add_contact(crowd, "Ada")
    ada = make_page_client(crowd)
    bo_actor = crowd.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    bo = make_page_client(crowd, bo_actor)
    for widget in ("zoo.card", "zoo.broken"):
        form = {"slot": "record.side", "widget": widget, "enabled": "0"}
        assert ada.post("/settings/widgets", data=form).status_code == 302
    with caplog.at_level("INFO", logger="karvan"):
        assert "slot=record.side" not in ada.get(f"/contact/{contact}").get_data(as_text=True)
        assert "Ada" not in slot(ada, contact)
        assert not [r for r in caplog.records if r.name == "karvan.plugin.zoo"]
        assert "Ada" in slot(bo, contact)
        assert [r for r in caplog.records if r.name == "karvan.plugin.zoo"]
        assert f"widget zoo.card drawn in record.side for user {bo_actor.id}" in caplog.text
    ada.post("/settings/widgets", data={"reset": "1"})
    assert "Ada" in slot(ada, contact)


def test_more_widgets_in_a_slot_cost_no_statement_of_ours(
    crowd: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = add_contact(crowd, "Ada")
    client = make_page_client(crowd)
    slot(client, contact)
    asked: list[str] = []
    execute = Connection.execute

    def count(self: Connection, text: str, params: Any = ()) -> Any:
        asked.append(text)
        return execute(self, text, params)

    monkeypatch.setattr(Connection, "execute", count)
    slot(client, contact)
    with_two = len(asked)
    crowd.layouts.switch(1, "record.side", "zoo.shy", True)
    asked.clear()
    assert "shy" in slot(client, contact)
    assert 0 < len(asked) == with_two


def test_a_person_moves_widgets(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    client = make_page_client(crowd)
    first = slot(client, contact)
    assert first.index("zoo.card") < first.index("zoo.broken")
    client.post("/settings/widgets", data={"slot": "record.side", "widget": "zoo.broken", "move": "up"})
    after = slot(client, contact)
    assert after.index("zoo.broken") < after.index("zoo.card")
    page = client.get("/settings/widgets").get_data(as_text=True)
    assert page.index('value="zoo.broken"') < page.index('value="zoo.card"')


def test_a_form_of_a_widget_acts_and_draws_it_anew(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    client = make_page_client(crowd)
    place = f"slot=record.side&object=contact&id={contact}"
    answer = client.post(f"/_w/zoo.card/feed?{place}", data={"food": "fish"}, headers={"HX-Request": "true"})
    assert "Fed." in answer.get_data(as_text=True)
    reader = crowd.records.read(admin_of(crowd))
    assert [r["name"] for r in reader.list("visit").rows] == ["fish"]
    assert client.post(f"/_w/zoo.card/feed?{place}", data={"food": "hay"}).location == f"/contact/{contact}"
    refused = client.post(
        f"/_w/zoo.card/feed?{place}", data={"food": "stones"}, headers={"HX-Request": "true"}
    )
    assert "Bears eat no stones." in refused.get_data(as_text=True)
    assert 'value="stones"' in refused.get_data(as_text=True)
    assert client.post(f"/_w/zoo.card/fly?{place}", data={}).status_code == 404
    assert client.post(f"/_w/zoo.shy/feed?{place}", data={}).status_code == 404


def test_a_widget_speaks_the_language_of_the_page(crowd: Workspace) -> None:
    client = make_page_client(crowd)
    client.set_cookie("karvan_language", "ru")
    assert "nobody 2,5 Привет" in client.get("/_w?slot=dashboard.grid").get_data(as_text=True)


def test_choices_outlive_the_plugin(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    client = make_page_client(crowd)
    client.post("/settings/widgets", data={"slot": "record.side", "widget": "zoo.card", "enabled": "0"})
    crowd.plugins.disable(admin_of(crowd), "zoo")
    assert "hx-get" not in client.get(f"/contact/{contact}").get_data(as_text=True)
    crowd.plugins.enable(admin_of(crowd), "zoo")
    assert "Ada" not in slot(client, contact)


# -- settings ----------------------------------------------------------------------------------------------


def test_settings_are_checked_all_at_once_and_seen_by_the_next_call(crowd: Workspace) -> None:
    with pytest.raises(ValidationFailed) as caught:
        set_settings(crowd, "zoo", {"mode": "shut", "limit": "-1", "colour": "red"})
    assert {e.field for e in caught.value.errors} == {"mode", "limit", "colour"}
    set_settings(crowd, "zoo", {"limit": "7.25"})
    assert "nobody 7.25" in make_page_client(crowd).get("/_w?slot=dashboard.grid").get_data(as_text=True)
    set_settings(crowd, "zoo", {"limit": None})
    assert {v.setting.name: v.value for v in crowd.plugin_settings.list("zoo")}["limit"] == "2.50"


def test_a_secret_is_never_told(crowd: Workspace) -> None:
    set_settings(crowd, "zoo", {"secret": "honey"})
    (found,) = [v for v in crowd.plugin_settings.list("zoo") if v.setting.name == "secret"]
    assert (found.value, found.is_set) == (None, True)


def test_only_an_administrator_changes_settings_and_only_of_an_enabled_plugin(crowd: Workspace) -> None:
    person = crowd.actors.create_user("bo@example.com", "Bo", "a good password")
    with pytest.raises(NotAllowed):
        crowd.plugin_settings.change(person, "zoo", {"limit": "1"})
    with pytest.raises(UnknownPlugin):
        set_settings(crowd, "elephant", {})


# -- providers, restrictions, events -----------------------------------------------------------------------


def test_the_first_provider_with_an_answer_wins(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada", "+4930123456")
    moment = crowd.records.moment(admin_of(crowd))
    found = crowd.host.first("find_by_phone", moment, phone="+4930123456")
    assert (found.object, found.id) == ("contact", contact)
    assert crowd.host.first("find_by_phone", moment, phone="+4930999999") is None


def test_a_provider_that_raises_is_passed_over_and_counted(crowd: Workspace) -> None:
    moment = crowd.records.moment(admin_of(crowd))
    assert crowd.host.first("find_by_phone", moment, phone="\ud800") is None
    (figure,) = [f for f in crowd.host.figures() if f.hook == "find_by_phone"]
    assert figure.errors == 1


def test_a_restriction_holds_everywhere_and_for_each_person_apart(crowd: Workspace) -> None:
    ada = admin_of(crowd)
    bo = crowd.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    ids = {}
    for actor in (ada, bo):
        with crowd.records.write(actor) as writer:
            ids[actor.name] = writer.create("visit", {"name": actor.name})["id"]
    set_settings(crowd, "zoo", {"mode": "own"})
    for actor in (ada, bo):
        reader = crowd.records.read(actor)
        assert [r["name"] for r in reader.list("visit").rows] == [actor.name]
    client = make_client(crowd, bo)
    assert client.get(f"/api/v1/records/visit/{ids['Ada Admin']}").status_code == 404
    answer = client.post("/api/v1/records/visit/aggregate", json={"measures": [{"fn": "count"}]})
    assert answer.get_json()["data"][0]["count"] == 1
    set_settings(crowd, "zoo", {"mode": "open"})
    assert len(crowd.records.read(bo).list("visit").rows) == 2


@pytest.mark.parametrize("mode", ["raise", "bad"])
def test_a_restriction_that_fails_closes_the_object_to_all_but_administrators(
    crowd: Workspace, mode: str
) -> None:
    add = crowd.records.write(admin_of(crowd))
    with add as writer:
        writer.create("visit", {"name": "Bruno"})
    set_settings(crowd, "zoo", {"mode": mode})
    assert len(crowd.records.read(admin_of(crowd)).list("visit").rows) == 1
    restriction = crowd.catalogs.current().restrictions["visit", "read"][0]
    assert restriction.condition is None
    (info,) = [p for p in crowd.plugins.list() if p.id == "zoo"]
    assert info.state == "degraded"
    assert any("closed to all but administrators" in p for p in info.problems)


def test_observers_are_told_after_the_commit_once_for_each_event(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    with crowd.records.write(admin_of(crowd)) as writer:
        writer.update("contact", contact, {"name": "Ada L"})
        writer.delete("contact", contact)
    assert code().TOLD == []
    settle(crowd)
    told = {event: changes for object, event, id, source, changes in code().TOLD if id == contact}
    assert list(told) == ["create", "update", "delete"]
    assert told["update"] == {"name": ("Ada", "Ada L")}
    assert crowd.deliveries.count().waiting == 0


def test_nothing_is_told_of_what_was_not_committed(crowd: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), crowd.records.write(admin_of(crowd)) as writer:
        raise ZeroDivisionError(writer.create("contact", {"name": "Ada"}))
    settle(crowd)
    assert code().TOLD == []


def test_an_observer_that_fails_is_tried_again_and_at_last_laid_aside(crowd: Workspace) -> None:
    add_contact(crowd, "Ada")
    code().FAIL.append(RuntimeError("the bear sleeps"))
    settle(crowd)
    assert code().TOLD == []
    assert (crowd.deliveries.count().waiting, crowd.deliveries.count().dead) == (1, 0)
    make_due(crowd)
    settle(crowd)
    assert [t[0] for t in code().TOLD] == ["contact"]
    add_contact(crowd, "Bo")
    code().FAIL.extend(RuntimeError("the bear sleeps") for _ in range(8))
    for _ in range(9):
        settle(crowd)
        make_due(crowd)
        crowd.host.breakers.forget("zoo")  # else it is left alone after the fifth
    assert (crowd.deliveries.count().waiting, crowd.deliveries.count().dead) == (0, 1)
    assert len(code().TOLD) == 1


def test_an_observer_may_ask_for_another_turn_without_a_failure(crowd: Workspace) -> None:
    add_contact(crowd, "Ada")
    code().FAIL.extend(TryLater("more to do") for _ in range(20))
    settle(crowd)
    assert len(code().TOLD) == 1
    assert crowd.deliveries.count().waiting == 0


def test_a_claim_that_was_lost_with_its_worker_is_taken_again(crowd: Workspace) -> None:
    add_contact(crowd, "Ada")
    catalog = crowd.catalogs.current()
    crowd.deliveries.expand(catalog)
    lost = crowd.deliveries.claim(catalog)
    assert lost is not None
    settle(crowd)
    assert code().TOLD == []
    make_due(crowd)
    settle(crowd)
    assert len(code().TOLD) == 1
    crowd.deliveries.done(lost)
    assert crowd.deliveries.count().waiting == 0


def test_what_never_comes_back_is_laid_aside_too(crowd: Workspace) -> None:
    add_contact(crowd, "Ada")
    catalog = crowd.catalogs.current()
    crowd.deliveries.expand(catalog)
    for _ in range(8):
        assert crowd.deliveries.claim(catalog) is not None  # and the worker is ended by its clock
        make_due(crowd)
    assert crowd.deliveries.claim(catalog) is None
    assert (crowd.deliveries.count().waiting, crowd.deliveries.count().dead) == (0, 1)


def test_a_plugin_whose_code_is_missing_loses_no_event(crowd: Workspace) -> None:
    crowd.host.sync([])
    add_contact(crowd, "Ada")
    settle(crowd)
    assert crowd.deliveries.count().waiting == 1
    crowd.host.sync(["crm", "zoo"])
    make_due(crowd)
    settle(crowd)
    assert [t[0] for t in code().TOLD] == ["contact"]


def test_a_disabled_plugin_is_told_no_more(crowd: Workspace) -> None:
    add_contact(crowd, "Ada")
    crowd.deliveries.expand(crowd.catalogs.current())
    crowd.plugins.disable(admin_of(crowd), "zoo")
    settle(crowd)
    assert code().TOLD == []
    assert crowd.deliveries.count().waiting == 0


def test_a_plugin_is_told_that_it_was_enabled(zoo: None, workspace_with: WorkspaceWith) -> None:
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "zoo")
    settle(made)
    assert code().TOLD == [("zoo", "enabled")]


def make_due(workspace: Workspace) -> None:
    """Let the waiting time of every delivery pass."""
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_delivery SET due_at = at")


# -- what a plugin may touch -------------------------------------------------------------------------------


def test_a_plugin_writes_its_own_read_only_field_and_nobody_else_does(crowd: Workspace) -> None:
    contact = add_contact(crowd, "Ada")
    context = crowd.host.context("zoo", crowd.records.moment(Actor.system(), source="plugin:zoo"))
    with context.records.write() as writer:
        writer.update("contact", contact, {"zoo__visits": 3})
    with pytest.raises(ValidationFailed), crowd.records.write(admin_of(crowd)) as direct:
        direct.update("contact", contact, {"zoo__visits": 4})


def test_a_plugin_touches_only_what_its_capabilities_name(crowd: Workspace) -> None:
    context = crowd.host.context("zoo", crowd.records.moment(admin_of(crowd)))
    with pytest.raises(NotAllowed, match="records:read:account"):
        context.records.list("account")
    with pytest.raises(NotAllowed, match="records:read:account"):
        context.records.list("contact", expand=["account"])
    for asked in ({"filter": 'account.name contains "x"'}, {"sort": ["-account"]}):
        with pytest.raises(NotAllowed, match="records:read:account"):
            context.records.list("contact", **asked)
    with pytest.raises(NotAllowed, match="records:read:account"):
        context.records.aggregate("contact", measures=["count"], filter='account.name = "x"')
    assert context.records.list("contact", filter='name contains "a.b"').rows == []
    with pytest.raises(NotAllowed, match="records:write:deal"), context.records.write() as writer:
        writer.create("deal", {"name": "x"})


def test_files_stay_in_the_plugins_own_folder(crowd: Workspace) -> None:
    files = crowd.host.context("zoo", crowd.records.moment(admin_of(crowd))).files
    files.write("photos/bear.txt", b"brown")
    files.append("photos/bear.txt", b" bear")
    assert files.read("photos/bear.txt") == b"brown bear"
    assert files.names("photos/") == ("photos/bear.txt",)
    for name in ("../secret.key", "/etc/passwd", "a//b", "..", ".hidden", "a/../../b", "", "x" * 300):
        with pytest.raises(Exception, match="no name of a file"):
            files.write(name, b"")
    files.delete("photos/bear.txt")
    assert files.names() == ()
