"""What a careless or hostile plugin, or a hostile request to one, can't do to Karvan."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from karvan import watchdog, worker
from karvan.testing import (
    InstallPlugin,
    WorkspaceWith,
    admin_of,
    make_client,
    make_page_client,
    postgresql_address,
    set_settings,
    settle,
)
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError, PluginRefused, Unavailable

MANIFEST = """
schema = 1
id = "beast"
api = ">=0.1,<1"
name = "Beast"
summary = "Of the tests."
capabilities = ["records:write:activity"]

[[hooks]]
hook = "records_changed"
objects = ["contact"]

[[hooks]]
hook = "check_records"
objects = ["contact"]

[[widgets]]
id = "first"
title = "First"
slots = ["record.side"]

[[widgets]]
id = "second"
title = "Second"
slots = ["record.side"]

[[settings]]
name = "depth"
type = "integer"
default = 1

[[settings]]
name = "kind"
type = "select"
options = ["a", "b"]
default = "a"

[[settings]]
name = "key"
secret = true

[[settings]]
name = "text"
type = "text"

[[public_routes]]
surface = "api"
path = "/open"
methods = ["POST", "GET"]
why = "Of the tests."

[[public_routes]]
surface = "api"
path = "/form"
methods = ["POST"]
why = "Of the tests."

[[public_routes]]
surface = "page"
path = "/lobby"
methods = ["GET", "POST"]
why = "Of the tests."
"""
BODY = """
import asyncio
from karvan_sdk import Caller, Cookie, Public, Rejected, Response, Router, TryLater, Widget, hookimpl

ANSWER = [lambda: "ok"]
CALLER = [lambda: Caller(name="anybody")]
RENDER = {"first": lambda ctx: "first", "second": lambda ctx: "second"}
ACT = [lambda ctx, form: None]
OBSERVE = [lambda events: None]
CHECK = [lambda changes: None]
TOLD = []
router = Router()
known = Public(authenticate=lambda ctx, request: CALLER[0](), max_body=1000)


@router.api("/number/<int:n>", permission="signed_in", methods=["GET", "POST"])
def number(ctx, request, n):
    return ANSWER[0]()


@router.api("/answer", permission="signed_in", methods=["GET", "POST"])
def answer(ctx, request):
    return ANSWER[0]()


@router.api("/open", public=known, methods=["GET", "POST"])
def open_(ctx, request):
    if request.method == "POST":
        return Response(body=str(len(request.body())), content_type="text/plain")
    return ANSWER[0]()


@router.api("/form", public=known, methods=["POST"])
def form(ctx, request):
    return Response(body=",".join(sorted(request.form())), content_type="text/plain")


@router.page("/answer", permission="signed_in", methods=["GET", "POST"])
def page(ctx, request):
    return ANSWER[0]()


@router.page("/lobby", public=known, methods=["GET", "POST"])
def lobby(ctx, request):
    if request.method == "POST":
        return Response(body=str(len(request.body())), content_type="text/plain")
    return ctx.page("Lobby", "lobby.html")


class Evil(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


widgets = [
    Widget(id="first", render=lambda ctx: RENDER["first"](ctx), actions={"go": lambda *all: ACT[0](*all)}),
    Widget(id="second", render=lambda ctx: RENDER["second"](ctx)),
]


@hookimpl
def check_records(changes):
    return CHECK[0](changes)


@hookimpl
def records_changed(ctx, object, events):
    OBSERVE[0](events)
    TOLD.extend((object, e.record_id) for e in events)
"""


@pytest.fixture
def beast(install_plugin: InstallPlugin) -> None:
    """The plugin `beast` on the path: each of its parts does what the test puts there."""
    folder = install_plugin("beast", MANIFEST, BODY) / "karvan_beast"
    (folder / "templates").mkdir()
    (folder / "templates" / "lobby.html").write_text("<p>lobby</p>")


@pytest.fixture
def den(beast: None, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the beast."""
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "beast")
    settle(made)
    return made


@pytest.fixture(autouse=True)
def served() -> Iterator[None]:
    """As in the server and the worker: SIGINT has a handler, so that nobody's Ctrl-C is KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def unheard() -> Iterator[None]:
    """Keeps lone surrogates out of the captured log: it travels between the processes of a test run."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def code() -> Any:
    return sys.modules["karvan_beast.plugin"]


def add_contact(workspace: Workspace, name: str = "Ada") -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create("contact", {"name": name})["id"])


# -- answers of routes ---------------------------------------------------------------------------------------

GARBAGE = {
    "none": "None",
    "a number as body": "Response(body=5)",
    "a lazy body": "Response(body=(b'x' for _ in range(3)))",
    "no body": "Response(body=None)",
    "status 999": "Response(status=999)",
    "status 100": "Response(status=100)",
    "status none": "Response(status=None)",
    "status text": "Response(status='no')",
    "newline in a header": "Response(headers={'X-A': 'a\\r\\nSet-Cookie: b=c'})",
    "newline in a header's name": "Response(headers={'X-A\\r\\nSet-Cookie': 'b'})",
    "space in a header's name": "Response(headers={'X A': 'b'})",
    "empty header name": "Response(headers={'': 'b'})",
    "wide header": "Response(headers={'X-A': 'Привет'})",
    "NUL in a header": "Response(headers={'X-A': 'a\\0b'})",
    "number in a header": "Response(headers={'X-A': 5})",
    "headers none": "Response(headers=None)",
    "content type none": "Response(content_type=None)",
    "content type newline": "Response(content_type='text/html\\r\\nX: y')",
    "surrogate": "Response(body='\\ud800')",
    "surrogate text": "'\\ud800'",
    "odd cookie": "Response(cookies=(Cookie(name='a;b', value='1'),))",
    "cookie newline": "Response(cookies=(Cookie(name='a\\r\\nb', value='1'),))",
    "cookie none": "Response(cookies=(Cookie(name=None, value='1'),))",
    "cookie number": "Response(cookies=(Cookie(name='a', value=7),))",
    "cookie age": "Response(cookies=(Cookie(name='a', value='7', max_age='x'),))",
    "no cookies": "Response(cookies=None)",
    "a text as cookies": "Response(cookies='abc')",
    "session cookie": "Response(headers={'Set-Cookie': 'karvan_session=x'})",
}


def test_an_answer_that_is_none_is_the_plugins_fault(den: Workspace) -> None:
    client, page = make_client(den), make_page_client(den)
    for what, answer in GARBAGE.items():
        den.host.breakers.forget("beast")  # else it is left alone after the fifth
        code().ANSWER[0] = lambda answer=answer: eval(answer, vars(code()))
        found = client.get("/api/x/beast/answer")
        assert (found.status_code, found.get_json()["code"]) == (500, "plugin_failed"), what
        shown = page.get("/x/beast/answer")
        assert shown.status_code >= 400, what
        assert "beast" in shown.get_data(as_text=True), what
        assert not {"Set-Cookie", "X-A"} & set(found.headers.keys()), what
    (figure,) = [f for f in den.host.figures() if f.hook == "route:/answer"]
    assert figure.errors == 2 * len(GARBAGE)


RAISED = (
    "Mute()",
    "Evil()",
    "GeneratorExit()",
    "asyncio.CancelledError()",
    "KeyboardInterrupt()",
    "SystemExit(3)",
    "RuntimeError('a\\0b\\ud800')",
    "StopIteration()",
    "RecursionError()",
)


def raiser(text: str) -> Any:
    def throw(*_: Any) -> Any:
        raise eval(text, vars(code()))

    return throw


@pytest.mark.usefixtures("unheard")
def test_whatever_plugin_code_raises_in_a_request_is_a_failure_of_the_plugin(den: Workspace) -> None:
    contact = add_contact(den)
    for raised in RAISED:
        den.host.breakers.forget("beast")  # else it is left alone after the fifth
        raise_in_requests(den, contact, raised)


def raise_in_requests(den: Workspace, contact: int, raised: str) -> None:
    code().ANSWER[0] = code().CHECK[0] = code().RENDER["first"] = code().ACT[0] = raiser(raised)
    client, page = make_client(den), make_page_client(den)
    answer = client.get("/api/x/beast/answer")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "plugin_failed")
    assert "beast" in page.get("/x/beast/answer").get_data(as_text=True)
    slot = f"slot=record.side&object=contact&id={contact}"
    html = page.get(f"/_w?{slot}").get_data(as_text=True)
    assert "This widget could not be shown" in html
    assert "second" in html
    acted = page.post(f"/_w/beast.first/go?{slot}", headers={"HX-Request": "true"})
    assert "The plugin failed" in acted.get_data(as_text=True)
    assert add_contact(den) > contact


@pytest.mark.usefixtures("unheard")
def test_whatever_plugin_code_raises_in_the_worker_is_kept_and_told_again(den: Workspace) -> None:
    for raised in RAISED:
        add_contact(den)
        code().OBSERVE[0] = raiser(raised)
        den.host.breakers.forget("beast")  # else it is left alone after the fifth
        settle(den)
        with den.database.write() as transaction:
            (row,) = transaction.fetchall("SELECT state, attempts, last_error FROM k_delivery")
            transaction.execute("DELETE FROM k_delivery")
        assert tuple(row[:2]) == ("waiting", 1), raised
        assert "Plugin 'beast' failed in records_changed" in row[2]


def test_another_turn_at_an_absurd_time_does_not_end_the_worker(den: Workspace) -> None:
    for seconds in (float("inf"), float("nan"), 1e300, -5, "soon", None):
        add_contact(den)
        turns: list[Any] = [seconds]

        def later(events: Any, turns: list[Any] = turns) -> None:
            if turns:
                raise code().TryLater("later", seconds=turns.pop())

        code().OBSERVE[0] = later
        code().TOLD.clear()
        settle(den)
        make_due(den)
        settle(den)
        assert len(code().TOLD) == 1, seconds
    assert den.deliveries.count().dead == 0


def make_due(workspace: Workspace) -> None:
    """Let the waiting time of every delivery pass."""
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_delivery SET due_at = at")


CALLERS = ["True", "Caller(name=5)", "Caller(name=Mute())", "'x'"]  # fmt: skip


def test_an_absurd_caller_is_the_plugins_fault_or_a_name(den: Workspace) -> None:
    for caller in CALLERS:
        code().CALLER[0] = lambda caller=caller: eval(caller, vars(code()))
        answer = make_client(den).get("/api/x/beast/open")
        assert answer.status_code in (200, 500)
        if answer.status_code == 500:
            assert answer.get_json()["code"] == "plugin_failed"


def test_a_strangers_request_is_not_told_why_a_plugin_failed(den: Workspace) -> None:
    code().ANSWER[0] = raiser("RuntimeError('the key is honey')")
    answer = make_client(den).get("/api/x/beast/open", headers={"Authorization": ""})
    assert (answer.status_code, answer.get_json()["code"]) == (500, "plugin_failed")
    assert "honey" not in answer.get_data(as_text=True)


# -- requests ------------------------------------------------------------------------------------------------


PATHS = ["number/" + "9" * 5000, "number/" + "9" * 40, "number/%00", "number/-1", "answer%00",
    "%2e%2e/answer",
         "..%2fanswer", "/answer", "answer//", "a" * 10_000, "%ff%fe", "number/%D9%A1",
         "a%0d%0aX:%20y"]  # fmt: skip


def test_a_strange_path_is_found_or_not_and_never_a_fault(den: Workspace) -> None:
    for prefix, client in (("/api/x/beast/", make_client(den)), ("/x/beast/", make_page_client(den))):
        for path in PATHS:
            answer = client.get(prefix + path)
            assert answer.status_code in (200, 404), path
            assert "X" not in answer.headers, path


def test_other_methods_are_refused_and_a_head_has_no_body(den: Workspace) -> None:
    for path, client in (
        ("/api/x/beast/answer", make_client(den)),
        ("/x/beast/answer", make_page_client(den)),
    ):
        for method in ("OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "BREW"):
            assert client.open(path, method=method).status_code == 405, method
        answer = client.head(path)
        assert (answer.status_code, answer.data) == (200, b"")


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "raw": lambda: {"data": b"x" * 1001, "content_type": "application/octet-stream"},
    "form": lambda: {"data": {"a": "x" * 1001}},
    "multipart": lambda: {"data": {"a": "x" * 1001}, "content_type": "multipart/form-data"},
    "file": lambda: {"data": {"a": (BytesIO(b"x" * 2000), "f")}, "content_type": "multipart/form-data"},
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_beyond_the_limit_of_a_public_route_is_refused(den: Workspace, kind: str) -> None:
    client = make_client(den)
    for path in ("/api/x/beast/open", "/api/x/beast/form", "/x/beast/lobby"):
        answer = client.post(path, headers={"Authorization": ""}, **BODIES[kind]())
        assert answer.status_code == 400
        assert "1000" in answer.get_data(as_text=True)


def test_a_body_that_ends_early_is_the_callers_fault(den: Workspace) -> None:
    client = make_client(den)
    for path in ("/api/x/beast/open", "/api/x/beast/form"):
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain"):
            answer = client.post(
                path, input_stream=BytesIO(b"--b\r\na=b"), content_type=kind,
                headers={"Authorization": ""}, environ_overrides={"CONTENT_LENGTH": "500"},
            )  # fmt: skip
            assert answer.status_code in (200, 400), (path, kind)
            if kind == "text/plain" and path.endswith("open"):
                assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_input")
    for length in ("-1", "abc", "9" * 40, ""):
        answer = client.post(
            "/api/x/beast/open", data=b"x", headers={"Authorization": ""},
            environ_overrides={"CONTENT_LENGTH": length},
        )  # fmt: skip
        assert answer.status_code in (200, 400), length


def test_an_error_of_the_plugins_own_making_is_a_problem(den: Workspace) -> None:
    class OfItsOwn(KarvanError):
        code = "of_its_own"
        template = "It has {reason}."

    def throw() -> None:
        raise OfItsOwn(reason="a reason")

    code().ANSWER[0] = throw
    answer = make_client(den).get("/api/x/beast/answer")
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"] == "of_its_own"


def test_a_body_of_unknown_length_ends_at_the_limit(den: Workspace) -> None:
    answer = make_client(den).post(
        "/api/x/beast/open", input_stream=BytesIO(b"x" * 1_000_000),
        environ_overrides={"wsgi.input_terminated": True}, headers={"Authorization": ""},
    )  # fmt: skip
    assert answer.status_code == 400


def test_a_public_page_opens_for_a_stranger_and_for_a_person(den: Workspace) -> None:
    for client in (make_client(den), make_page_client(den)):
        answer = client.get("/x/beast/lobby", headers={"Authorization": ""})
        assert (answer.status_code, "<p>lobby</p>" in answer.get_data(as_text=True)) == (200, True)
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_session_of_a_page_opens_the_api_only_with_its_token(den: Workspace) -> None:
    client = make_page_client(den)
    assert client.post("/api/x/beast/answer").status_code == 200
    client.token = "guessed"
    answer = client.post("/api/x/beast/answer")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert client.post("/x/beast/answer").status_code == 400
    assert client.post("/settings/plugins/beast", data={"depth": "3"}).status_code == 400
    contact = add_contact(den)
    path = f"/_w/beast.first/go?slot=record.side&object=contact&id={contact}"
    assert client.post(path).status_code == 400
    assert client.post("/settings/widgets", data={"reset": "1"}).status_code == 400


def test_html_from_the_api_can_run_nothing(den: Workspace) -> None:
    code().ANSWER[0] = lambda: "<script>alert(1)</script>"
    answer = make_client(den).get("/api/x/beast/answer")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Security-Policy" in answer.headers


def test_a_plugin_is_not_given_the_session_of_a_person(den: Workspace) -> None:
    seen: list[Any] = []
    original = code().known.authenticate
    object.__setattr__(
        code().known, "authenticate", lambda ctx, request: seen.append(request) or original(ctx, request)
    )
    client = make_page_client(den)
    client.get("/x/beast/lobby")
    assert "karvan_session" not in seen[0].cookies
    assert "karvan_session" not in seen[0].headers.get("cookie", "")


# -- widgets -------------------------------------------------------------------------------------------------


def test_a_widget_can_not_change_the_record_of_its_neighbours(den: Workspace) -> None:
    contact = add_contact(den)

    def spoil(ctx: Any) -> str:
        dict.clear(ctx.record)
        return "spoilt"

    code().RENDER["first"] = spoil
    code().RENDER["second"] = lambda ctx: f"second sees {ctx.record['id']}"
    html = (
        make_page_client(den).get(f"/_w?slot=record.side&object=contact&id={contact}").get_data(as_text=True)
    )
    assert f"second sees {contact}" in html


def test_a_widget_without_the_right_to_a_record_sees_its_id_and_own_fields_alone(den: Workspace) -> None:
    contact = add_contact(den)
    code().RENDER["first"] = lambda ctx: f"sees {sorted(ctx.record)}"
    html = (
        make_page_client(den).get(f"/_w?slot=record.side&object=contact&id={contact}").get_data(as_text=True)
    )
    assert "sees ['id']" in html


DRAWN = ["5", "Mute()", "b'x'", "[1]", "(x for x in 'ab')", "'\\ud800'", "'a\\0b'"]  # fmt: skip


def test_a_widget_that_draws_or_tells_garbage_is_a_card_of_its_own(den: Workspace) -> None:
    for answer in DRAWN:
        contact = add_contact(den)
        slot = f"slot=record.side&object=contact&id={contact}"
        code().RENDER["first"] = code().ACT[0] = lambda *_, answer=answer: eval(answer, vars(code()))
        page = make_page_client(den)
        drawn = page.get(f"/_w?{slot}")
        assert drawn.status_code == 200
        assert "second" in drawn.get_data(as_text=True)
        assert page.post(f"/_w/beast.first/go?{slot}", headers={"HX-Request": "true"}).status_code == 200


@pytest.mark.parametrize(
    "part",
    ["widgets = None", "widgets = 5", "widgets = [Widget(id='first', render=None)]", "widgets = [None]",
     "widgets = [Widget(id='first', render=len, actions=[])]", "widgets = [Widget(id=[], render=len)]",
     "widgets = [Widget(id='first', render=len)] * 2", "router = 5", "commands = [5]", "commands = None",
     "router.page('/<no_such:x>', permission='admin')(len)",
     "router.page('/<x>/<x>', permission='admin')(len)",
     "raise Evil", "raise KeyboardInterrupt", "raise asyncio.CancelledError", "raise SystemExit",
     "raise Mute",
     "import sys; sys.exit(3)", "def __getattr__(name): raise Evil"],
)  # fmt: skip
def test_absurd_parts_keep_a_plugin_from_being_enabled(
    install_plugin: InstallPlugin, workspace_with: WorkspaceWith, part: str
) -> None:
    body = BODY.replace("widgets = [", "found = [").replace(
        "@hookimpl\ndef check_records", f"widgets = found\n{part}\n\n\n@hookimpl\ndef check_records"
    )
    if part.startswith("def __getattr__"):
        body = body.replace("widgets = found", "")
    install_plugin("beast", MANIFEST, body)
    made = workspace_with("crm")
    with pytest.raises(PluginRefused):
        made.plugins.enable(admin_of(made), "beast")
    status = made.host.sync(["crm", "beast"])
    assert status["beast"].state in ("failed", "degraded")
    assert status["crm"].state == "ready"


def test_a_slot_of_a_record_that_is_gone_or_in_the_trash_is_not_found(den: Workspace) -> None:
    contact = add_contact(den)
    with den.records.write(admin_of(den)) as writer:
        writer.delete("contact", contact)
    page = make_page_client(den)
    for id_ in (contact, 999_999, "9" * 18, "9" * 30, "-1", "٣", "x", ""):
        answer = page.get(f"/_w?slot=record.side&object=contact&id={id_}")
        assert answer.status_code in (400, 404), id_
    assert page.get("/_w?slot=record.side&object=nothing&id=1").status_code == 404
    assert page.get("/_w?slot=%00&object=contact&id=1").status_code == 400


def test_an_action_that_refuses_with_half_a_character_is_answered(den: Workspace) -> None:
    contact = add_contact(den)
    path = f"/_w/beast.first/go?slot=record.side&object=contact&id={contact}"
    page = make_page_client(den)
    for refusal in ("Rejected('\\ud800')", "Rejected('{x} %s')", "TryLater('x', seconds=None)"):
        code().ACT[0] = raiser(refusal)
        answer = page.post(path, headers={"HX-Request": "true"})
        assert answer.status_code == 200, refusal


def test_a_render_can_not_write(den: Workspace) -> None:
    contact = add_contact(den)

    def write(ctx: Any) -> str:
        with ctx.records.write() as writer:
            writer.create("activity", {"subject": "x"})
        return "written"

    code().RENDER["first"] = write
    html = (
        make_page_client(den).get(f"/_w?slot=record.side&object=contact&id={contact}").get_data(as_text=True)
    )
    assert "written" not in html
    assert den.records.read(admin_of(den)).list("activity").rows == []


ELSEWHERE = ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nX: y", "\\evil"]  # fmt: skip


def test_a_choice_leads_nowhere_else(den: Workspace) -> None:
    for next_ in ELSEWHERE:
        answer = make_page_client(den).post("/settings/widgets", data={"reset": "1", "next": next_})
        assert answer.location == "/"


# -- settings ------------------------------------------------------------------------------------------------


WRONG = [{"kind": []}, {"kind": {}}, {"depth": 2**70}, {"depth": 1.5}, {"depth": True},
    {"depth": "1"}, {"text": 5},
     {"text": "x" * 10_001}, {"key": ["honey"]}, {"key": "honey" * 3000}, {"depth": [[]]}]  # fmt: skip


def test_a_setting_of_the_wrong_kind_is_refused_by_name(den: Workspace) -> None:
    for values in WRONG:
        answer = make_client(den).patch("/api/v1/plugins/beast/settings", json=values)
        assert answer.status_code == 422, answer.get_json()
        assert answer.get_json()["errors"][0]["field"] == next(iter(values))
        assert "honey" not in answer.get_data(as_text=True)


TYPED = ["--5", "5-", "٥", "1e400", "9" * 5000, "\0", "𝟓"]  # fmt: skip


def test_whatever_is_typed_into_a_number_is_saved_or_refused(den: Workspace) -> None:
    for typed in TYPED:
        page = make_page_client(den)
        answer = page.post("/settings/plugins/beast", data={"depth": typed, "kind": "a"})
        assert answer.status_code in (302, 422)


def test_settings_of_no_plugin_are_not_found(den: Workspace) -> None:
    page = make_page_client(den)
    for plugin in ("elephant", "%00", "a" * 5000):
        assert page.get(f"/settings/plugins/{plugin}").status_code == 404
        assert page.post(f"/settings/plugins/{plugin}", data={"x": "1"}).status_code == 404


def test_a_refused_secret_is_not_drawn_again(den: Workspace) -> None:
    page = make_page_client(den)
    answer = page.post("/settings/plugins/beast", data={"depth": "x", "kind": "a", "key": "honey"})
    assert answer.status_code == 422
    assert "honey" not in answer.get_data(as_text=True)


def test_texts_of_every_script_are_kept_as_they_are(den: Workspace) -> None:
    text = "\0 Жук 甲 ك 🐝 \u202e <b> %s {x} '\""
    set_settings(den, "beast", {"text": text})
    assert {v.setting.name: v.value for v in den.plugin_settings.list("beast")}["text"] == text


def test_a_stored_setting_that_no_longer_fits_falls_back(den: Workspace) -> None:
    with den.database.write() as transaction:
        transaction.execute(
            "INSERT INTO k_setting (plugin, name, scope, scope_id, value)"
            " VALUES ('beast', 'kind', 'system', 0, '\"gone\"')"
        )
        transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")
    assert make_page_client(den).get("/settings/plugins/beast").status_code == 200


# -- restrictions --------------------------------------------------------------------------------------------

FENCE = """
schema = 1
id = "fence"
api = ">=0.1,<1"
name = "Fence"
summary = "Of the tests."

[[hooks]]
hook = "restrict_records"
objects = ["contact"]

[[widgets]]
id = "post"
title = "Post"
slots = ["record.side"]
"""
FENCE_BODY = """
from karvan_sdk import Widget, hookimpl

widgets = [Widget(id="post", render=lambda ctx: "drawn")]


@hookimpl
def restrict_records(ctx, object, action):
    return "owner = me()"
"""


def test_a_hidden_record_shows_nowhere_and_is_changed_by_nobody(
    install_plugin: InstallPlugin, workspace_with: WorkspaceWith
) -> None:
    install_plugin("fence", FENCE, FENCE_BODY)
    made = workspace_with("crm")
    bo = made.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    with made.records.write(admin_of(made)) as writer:
        ids = [
            writer.create("contact", {"name": name})["id"] for name in ("Zz Sesame", "Aa Sesame", "Sesame")
        ]
        deals = [writer.create("deal", {"name": f"d{n}", "contact": id_})["id"] for n, id_ in enumerate(ids)]
        writer.delete("contact", ids[2])
    made.plugins.enable(admin_of(made), "fence")
    client, page = make_client(made, bo), make_page_client(made, bo)
    api = "/api/v1/records"
    for path in (f"contact/{ids[0]}", f"contact/{ids[0]}/history"):
        assert client.get(f"{api}/{path}").status_code == 404
    for path in (
        "contact",
        "deal?expand=contact",
        f"deal/{deals[0]}?expand=contact",
        f"deal/{deals[0]}/history",
    ):
        answer = client.get(f"{api}/{path}")
        assert (answer.status_code, "Sesame" in answer.get_data(as_text=True)) == (200, False), path
    assert "Sesame" not in client.get("/api/v1/trash/contact").get_data(as_text=True)
    for order in ("contact", "-contact"):
        rows = client.get(f"{api}/deal?sort={order},id").get_json()["data"]
        assert [r["id"] for r in rows] == deals, "the names of hidden records make no order"
    match = {"If-Match": '"1"'}
    assert client.patch(f"{api}/contact/{ids[0]}", json={"name": "x"}, headers=match).status_code == 404
    assert client.delete(f"{api}/contact/{ids[0]}", headers=match).status_code == 404
    for version in (1, 2, 3):
        headers = {"If-Match": f'"{version}"'}
        assert client.post(f"{api}/contact/{ids[2]}/restore", headers=headers).status_code == 404
    for path in (f"/contact/{ids[0]}", f"/_w?slot=record.side&object=contact&id={ids[0]}"):
        assert page.get(path).status_code == 404
    for path in ("/contact", "/contact/trash", "/deal", f"/deal/{deals[0]}", "/"):
        assert "Sesame" not in page.get(path).get_data(as_text=True), path
    assert made.records.read(admin_of(made)).get("contact", ids[0])["name"] == "Zz Sesame"


# -- events --------------------------------------------------------------------------------------------------


REFUSALS = ["Rejected(None)", "Rejected('a', index='x')", "Rejected('a', index=99)",
                                       "Rejected('a', field='\\0')", "Rejected.many([])",
    "Rejected('\\ud800')"]  # fmt: skip


def test_an_odd_refusal_still_refuses(den: Workspace) -> None:
    for rejected in REFUSALS:
        code().CHECK[0] = raiser(rejected)
        answer = make_client(den).post("/api/v1/records/contact", json={"name": "Ada"})
        assert answer.status_code in (422, 500)
        assert answer.get_json()["code"] != "internal_error"


# -- the worker and the server -------------------------------------------------------------------------------


def test_what_became_of_a_purged_object_is_told_to_nobody(den: Workspace) -> None:
    contact = add_contact(den)
    den.deliveries.expand(den.catalogs.current())
    with den.database.write() as transaction:
        transaction.execute("UPDATE k_delivery SET object = 'of_a_purged_object'")
    settle(den)
    assert code().TOLD == []
    assert den.deliveries.count().waiting == 0
    add_contact(den)
    settle(den)
    assert [("contact", contact + 1)] == code().TOLD


def test_a_fault_of_the_worker_itself_does_not_end_it(
    den: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_contact(den)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    faults = [RuntimeError("nobody foresaw this")]
    told = worker.deliver

    def deliver(workspace: Workspace) -> bool:
        if faults:
            raise faults.pop()
        busy = told(workspace)
        if not busy or workspace.deliveries.count().waiting == 0:
            signal.raise_signal(signal.SIGTERM)
        return busy

    monkeypatch.setattr(worker, "deliver", deliver)
    monkeypatch.setattr(worker, "FAULT_S", 0.01)
    try:
        worker.work(den)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert len(code().TOLD) == 1
    assert "clock" not in {thread.name for thread in threading.enumerate()}


def test_workers_side_by_side_tell_each_event_once(den: Workspace) -> None:
    with den.records.write(admin_of(den)) as writer:
        writer.create_many("contact", [{"name": f"n{n}"} for n in range(700)])
    others = [Workspace(den.settings) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(settle, others))
    for one in others:
        one.close()
    settle(den)
    assert len(code().TOLD) == len(set(code().TOLD)) == 700
    assert den.deliveries.count().waiting == 0


@pytest.mark.parametrize("engine", ["postgresql"])  # SQLite is a file: it goes nowhere
def test_a_worker_waits_for_a_database_that_is_away(den: Workspace) -> None:
    name = make_url(den.settings.database_url).database
    environ = {
        **os.environ,
        "KARVAN_HOME": str(den.settings.home),
        "KARVAN_DATABASE_URL": den.settings.database_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen([sys.executable, "-m", "karvan.cli", "worker"], env=environ)
    try:
        with psycopg.connect(postgresql_address(), autocommit=True) as server:
            add_contact(den)
            assert wait_for(lambda: den.deliveries.count().waiting == 0)
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            time.sleep(1.5)
            assert process.poll() is None
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        wait_for(lambda: try_add(den))
        assert wait_for(lambda: den.deliveries.count().waiting == 0)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


HANGING = """
import sys
from karvan import worker
from karvan.cli import main

worker.LIMIT_S = 1.0
main(["worker"])
"""


def test_the_clock_ends_a_worker_that_hangs_and_the_next_one_goes_on(den: Workspace) -> None:
    """A hung call is the plugin's attempt: the event waits for its turn, the rest of the queue does not."""
    add_contact(den)
    folder = Path(code().__file__).parents[1]
    (folder / "karvan_beast" / "hang.py").write_text("import time\ntime.sleep(60)\n")
    source = Path(code().__file__).read_text()
    calling = source.replace("OBSERVE[0](events)", "import karvan_beast.hang")
    Path(code().__file__).write_text(calling)
    environ = {
        **os.environ,
        "KARVAN_HOME": str(den.settings.home),
        "KARVAN_DATABASE_URL": den.settings.database_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = subprocess.run([sys.executable, "-c", HANGING], env=environ, capture_output=True, timeout=60)
    assert ended.returncode == watchdog.EXIT_CODE
    assert b"hang.py" in ended.stderr, "the stacks name the culprit"
    with den.database.read() as connection:
        (row,) = connection.fetchall("SELECT state, attempts FROM k_delivery")
    assert tuple(row) == ("waiting", 1)
    add_contact(den)
    settle(den)
    assert len(code().TOLD) == 1
    make_due(den)
    settle(den)
    assert len(code().TOLD) == 2


def test_plugins_come_and_go_while_they_are_called(den: Workspace) -> None:
    contact = add_contact(den)
    stop = threading.Event()
    page = make_page_client(den)

    def swap() -> None:
        while not stop.is_set():
            den.host.sync(["crm"])
            den.host.sync(["crm", "beast"])

    with ThreadPoolExecutor() as pool:
        swapping = [pool.submit(swap) for _ in range(2)]
        try:
            paths = (f"/_w?slot=record.side&object=contact&id={contact}", "/x/beast/answer")
            found = {page.get(path).status_code for path in paths for _ in range(20)}
        finally:
            stop.set()
        for one in swapping:
            one.result()
    assert found <= {200, 404}


def test_a_plugin_that_goes_while_its_caller_is_asked_for_is_not_found(
    den: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(den)
    match = den.host.match

    def match_and_go(*given: Any) -> Any:
        found = match(*given)
        den.host.sync(["crm"])
        return found

    monkeypatch.setattr(den.host, "match", match_and_go)
    for path in ("/api/x/beast/answer", "/api/x/beast/open"):
        assert client.get(path).status_code == 404
        den.host.sync(["crm", "beast"])


def try_add(workspace: Workspace) -> int:
    """A contact, once the database is back: the first connection of before is dead."""
    try:
        return add_contact(workspace)
    except Unavailable:
        return 0


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_for(what: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 40
    while not (found := what()) and time.monotonic() < ends:
        time.sleep(0.1)
    return found


def workers_of(server: int) -> list[int]:
    """The worker processes that a server started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == server and b"worker" in line:
            found.append(int(folder.name))
    return found


@pytest.mark.needs_procfs
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_heals_its_worker_and_takes_all_its_processes_along(
    den: Workspace, ending: signal.Signals
) -> None:
    environ = {
        **os.environ,
        "KARVAN_HOME": str(den.settings.home),
        "KARVAN_DATABASE_URL": den.settings.database_url,
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "karvan.cli", "serve", "--port", str(port)]
    server = subprocess.Popen(command, env=environ)
    try:
        (first,) = wait_for(lambda: workers_of(server.pid))
        os.kill(first, signal.SIGKILL)
        (second,) = wait_for(lambda: [w for w in workers_of(server.pid) if w != first])
        assert wait_for(lambda: answers(port))
    finally:
        server.send_signal(ending)
        server.wait(timeout=40)
    assert wait_for(lambda: not is_alive(second))
    assert wait_for(lambda: not answers(port))


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
