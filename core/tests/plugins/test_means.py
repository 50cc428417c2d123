"""What the host lends to plugins that declare it: calls to other servers, jobs, mail, secrets."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from karvan.mail import MailFailed
from karvan.settings import Settings
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, settle
from karvan.vault import SecretLost
from karvan.workspace import Workspace
from karvan_sdk.capabilities import read_host_grant
from karvan_sdk.errors import BadInput, NotAllowed, PluginFailed, Rejected, TryLater

MANIFEST = """
schema = 1
id = "borrower"
api = ">=0.1,<1"
name = "Borrower"
summary = "Of the tests."
jobs = [{jobs}]
capabilities = [{capabilities}]
objects = ["thing.toml"]

[[hooks]]
hook = "check_records"
objects = ["thing"]

[[hooks]]
hook = "records_changed"
objects = ["thing"]
"""
THING = 'name = "thing"\n[[fields]]\nname = "name"\ntype = "text"\n'
BODY = """
from karvan_sdk import hookimpl

DO = {}


def remind(ctx, payload):
    DONE.append((ctx.actor_id, dict(payload)))
    if "job" in DO:
        DO["job"](ctx)


DONE = []


@hookimpl
def check_records(ctx, object, event, changes):
    if "gate" in DO:
        DO["gate"](ctx)


@hookimpl
def records_changed(ctx, object, event, events):
    if "observe" in DO:
        DO["observe"](ctx)
"""

Borrowing = Callable[..., Workspace]


@pytest.fixture
def borrowing(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Iterator[Borrowing]:
    """Makes a workspace with the plugin `borrower`, which declares the given capabilities."""

    def make(*capabilities: str, http_private: str = "") -> Workspace:
        named = ", ".join(f'"{one}"' for one in capabilities)
        works = "jobs" in capabilities
        manifest = MANIFEST.format(capabilities=named, jobs='"remind"' if works else "")
        body = BODY + 'jobs = {"remind": remind}\n' * works
        package = install_plugin("borrower", manifest, body) / "karvan_borrower"
        (package / "thing.toml").write_text(THING)
        plain = workspace_with()
        if http_private:
            url = plain.settings.url
            settings = Settings(home=plain.settings.home, database_url=url, http_private=http_private)
            plain = opened.enter_context(closing(Workspace(settings)))
        plain.plugins.enable(admin_of(plain), "borrower")
        settle(plain)
        return plain

    with ExitStack() as opened:
        yield make


def code() -> Any:
    return sys.modules["karvan_borrower.plugin"]


def context(workspace: Workspace) -> Any:
    """The context in which a command of the plugin would run."""
    return workspace.host.context("borrower", workspace.records.moment(admin_of(workspace)))


def add_thing(workspace: Workspace, name: str = "a") -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create("thing", {"name": name})["id"])


@pytest.fixture
def hello() -> Iterator[str]:
    """A server of this machine that says what it was asked; its place."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = f"{self.path} {self.headers['Content-Type']} {body.decode()}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# -- http --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "url", "is_covered"),
    [
        ("http:api.example.com", "https://api.example.com:443", True),
        ("http:api.example.com", "http://api.example.com:80", False),
        ("http:api.example.com", "https://api.example.com:8443", False),
        ("http:api.example.com", "https://evil-api.example.com:443", False),
        ("http:api.example.com", "https://api.example.com.evil.org:443", False),
        ("http:api.example.com:8443", "https://api.example.com:8443", True),
        ("http:api.example.com:8443", "https://api.example.com:443", False),
        ("http:http://printer.example.com", "http://printer.example.com:80", True),
        ("http:http://printer.example.com", "https://printer.example.com:443", False),
        ("http:*.example.com", "https://a.b.example.com:443", True),
        ("http:*.example.com", "https://example.com:443", False),
        ("http:*.example.com", "https://evilexample.com:443", False),
    ],
)
def test_a_capability_covers_its_host_and_no_neighbour(capability: str, url: str, is_covered: bool) -> None:
    grant = read_host_grant(capability)
    assert grant is not None
    scheme, _, rest = url.partition("://")
    host, _, port = rest.partition(":")
    assert grant.covers(scheme, host, int(port)) is is_covered


@pytest.mark.parametrize("text", ["files", "records:read:deal", "http:*", "http:https://a.de", "http:a_b"])
def test_what_is_no_host_grants_no_calls(text: str) -> None:
    assert read_host_grant(text) is None


def test_a_plugin_calls_the_host_it_declared(borrowing: Borrowing, hello: str) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    answer = context(workspace).http.request(
        "post", f"http://{hello}/in?a=1", params={"b": "2 3"}, json={"text": "да"}
    )
    assert answer.text == '/in?a=1&b=2+3 application/json {"text": "да"}'
    answer = context(workspace).http.request("POST", f"http://{hello}/", data={"a": "b c"})
    assert answer.text == "/ application/x-www-form-urlencoded a=b+c"


@pytest.mark.parametrize("capabilities", [(), ("http:other.example",), ("http:127.0.0.1",)])
def test_an_undeclared_host_is_refused_by_the_name_of_the_capability(
    borrowing: Borrowing, hello: str, capabilities: tuple[str, ...]
) -> None:
    workspace = borrowing(*capabilities, http_private=hello)
    with pytest.raises(NotAllowed, match=f"'borrower' did not ask for 'http:http://{hello}' in its manifest"):
        context(workspace).http.request("POST", f"http://{hello}/", data=b"")


def test_a_declared_host_inside_the_network_is_refused_unless_the_deployment_opens_it(
    borrowing: Borrowing, hello: str
) -> None:
    workspace = borrowing(f"http:http://{hello}")
    with pytest.raises(NotAllowed, match=f"An administrator may add {hello} to the setting http_private"):
        context(workspace).http.request("POST", f"http://{hello}/", data=b"")


def test_a_gate_may_not_ask_while_its_transaction_is_open_and_an_observer_may(
    borrowing: Borrowing, hello: str
) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    said: list[str] = []

    def ask(ctx: Any) -> None:
        said.append(ctx.http.request("POST", f"http://{hello}/", data="x").text)

    code().DO["gate"] = ask
    with pytest.raises(PluginFailed, match="a transaction is open, and it would wait"):
        add_thing(workspace)
    assert said == []
    code().DO.clear()
    code().DO["observe"] = ask
    add_thing(workspace)
    settle(workspace)
    assert said == ["/ text/plain; charset=utf-8 x"]


def test_a_block_of_writing_is_a_transaction_too(borrowing: Borrowing, hello: str) -> None:
    workspace = borrowing(f"http:http://{hello}", http_private=hello)
    ctx = context(workspace)
    with ctx.records.write(), pytest.raises(NotAllowed, match="a transaction is open"):
        ctx.http.request("POST", f"http://{hello}/", data="x")


BAD_CALLS: list[dict[str, Any]] = [
    {"method": "TRACE"}, {"timeout": 0}, {"timeout": 26}, {"json": {}, "data": b""}, {"json": {1, 2}},
    {"headers": {"Host": "x"}}, {"data": b"x" * (10 * 1024 * 1024 + 1)},
]  # fmt: skip


def test_what_can_not_be_sent_is_said(borrowing: Borrowing) -> None:
    workspace = borrowing("http:api.example.com")
    for wrong in BAD_CALLS:
        asked = {"method": "GET", "url": "https://api.example.com/", **wrong}
        with pytest.raises(BadInput):
            context(workspace).http.request(asked.pop("method"), asked.pop("url"), **asked)


# -- jobs --------------------------------------------------------------------------------------------------


def rows(
    workspace: Workspace, table: str = "k_job", columns: str = "state, attempts, last_error"
) -> list[Any]:
    with workspace.database.read() as connection:
        return [tuple(row) for row in connection.fetchall(f"SELECT {columns} FROM {table} ORDER BY 1")]


def make_due(workspace: Workspace) -> None:
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_job SET due_at = created_at")


def test_a_job_is_done_for_the_person_who_was_served(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    context(workspace).jobs.later("remind", {"who": "Ада", "n": [1, 2.5, None]})
    assert code().DONE == []
    settle(workspace)
    assert [(admin_of(workspace).id, {"who": "Ада", "n": [1, 2.5, None]})] == code().DONE
    assert rows(workspace) == []


def test_a_job_asked_for_by_the_plugin_itself_is_done_as_the_plugin(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    code().DO["observe"] = lambda ctx: ctx.jobs.later("remind")
    add_thing(workspace)
    settle(workspace)
    assert code().DONE == [(None, {})]


def test_a_save_that_is_refused_leaves_no_job_and_one_that_goes_through_does(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")

    def ask_and_refuse(ctx: Any) -> None:
        ctx.jobs.later("remind", {"n": 1})
        raise Rejected("not today")

    code().DO["gate"] = ask_and_refuse
    with pytest.raises(Rejected):
        add_thing(workspace)
    assert rows(workspace) == []
    code().DO["gate"] = lambda ctx: ctx.jobs.later("remind", {"n": 2})
    add_thing(workspace)
    settle(workspace)
    assert [payload for _, payload in code().DONE] == [{"n": 2}]


def test_a_job_waits_for_its_time(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    context(workspace).jobs.later("remind", delay_s=3600)
    settle(workspace)
    assert (code().DONE, workspace.jobs.due()) == ([], False)
    make_due(workspace)
    settle(workspace)
    assert len(code().DONE) == 1


def test_a_job_that_fails_is_tried_again_and_laid_aside_in_the_end(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")

    def fail(ctx: Any) -> None:
        raise RuntimeError("no line")

    code().DO["job"] = fail
    context(workspace).jobs.later("remind")
    for attempt in range(1, 9):
        workspace.host.breakers.forget("borrower")  # else the job rests after the fifth
        settle(workspace)
        state = "dead" if attempt == 8 else "waiting"
        assert [row[:2] for row in rows(workspace)] == [(state, attempt)]
        make_due(workspace)
    assert "RuntimeError: no line" in rows(workspace)[0][2]
    settle(workspace)
    assert len(code().DONE) == 8
    assert workspace.jobs.count("borrower") == {"waiting": 0, "dead": 1}


def test_a_job_that_asks_for_another_turn_counts_no_attempt(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")

    def again(ctx: Any) -> None:
        raise TryLater("half done", seconds=60)

    code().DO["job"] = again
    context(workspace).jobs.later("remind")
    settle(workspace)
    assert rows(workspace) == [("waiting", 0, "")]


def test_a_key_keeps_one_job_with_the_earlier_time_and_the_newer_payload(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    jobs = context(workspace).jobs
    jobs.later("remind", {"n": 1}, key="a")
    jobs.later("remind", {"n": 2}, key="a", delay_s=3600)
    jobs.later("remind", {"n": 3}, key="b")
    jobs.later("remind", {"n": 4})
    jobs.later("remind", {"n": 4})
    settle(workspace)
    assert [payload["n"] for _, payload in code().DONE] == [2, 3, 4, 4]


def test_a_job_asked_for_anew_while_it_is_done_is_done_once_more(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")

    def ask_again(ctx: Any) -> None:
        if len(code().DONE) == 1:
            ctx.jobs.later("remind", {"n": 2}, key="a")

    code().DO["job"] = ask_again
    context(workspace).jobs.later("remind", {"n": 1}, key="a")
    settle(workspace)
    assert [payload["n"] for _, payload in code().DONE] == [1, 2]
    assert rows(workspace) == []


def test_a_claim_that_was_lost_changes_nothing_any_more(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    context(workspace).jobs.later("remind")
    catalog = workspace.catalogs.current()
    first = workspace.jobs.claim(catalog)
    assert workspace.jobs.claim(catalog) is None
    make_due(workspace)  # its lease is over
    second = workspace.jobs.claim(catalog)
    assert first is not None
    assert second is not None
    workspace.jobs.done(first)
    workspace.jobs.failed(first, "late")
    assert rows(workspace) == [("waiting", 2, "")]
    workspace.jobs.done(second)
    assert rows(workspace) == []


def test_jobs_of_a_plugin_that_is_off_wait_and_a_purge_removes_them(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs", "secrets")
    admin = admin_of(workspace)
    context(workspace).jobs.later("remind")
    context(workspace).secrets.set("token", "x")
    workspace.plugins.disable(admin, "borrower")
    settle(workspace)
    assert len(rows(workspace)) == 1
    workspace.plugins.enable(admin, "borrower")
    settle(workspace)
    assert len(code().DONE) == 1
    context(workspace).jobs.later("remind")
    workspace.uninstaller.apply(admin, workspace.uninstaller.plan("borrower", purge=True))
    assert rows(workspace) == rows(workspace, "k_secret", "name") == []


def test_nobody_who_may_not_sign_in_is_served(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    context(workspace).jobs.later("remind")
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_user SET active = ?", (False,))
    settle(workspace)
    assert code().DONE == []
    assert "may not sign in any more" in rows(workspace)[0][2]


def test_an_undeclared_job_is_refused(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    with pytest.raises(BadInput, match="declares no job 'sing'"):
        context(workspace).jobs.later("sing")


USES: list[tuple[str, Callable[[Any], object]]] = [
    ("jobs", lambda ctx: ctx.jobs.later("remind")),
    ("mail", lambda ctx: ctx.mail.send("ada@example.com", "a", "b")),
    ("secrets", lambda ctx: ctx.secrets.get("a")),
    ("secrets", lambda ctx: ctx.secrets.set("a", "b")),
    ("secrets", lambda ctx: ctx.secrets.names()),
    ("secrets", lambda ctx: ctx.secrets.delete("a")),
]


def test_what_is_not_declared_is_refused(borrowing: Borrowing) -> None:
    workspace = borrowing()
    for capability, use in USES:
        with pytest.raises(NotAllowed, match=f"'borrower' did not ask for '{capability}' in its manifest"):
            use(context(workspace))


BAD_JOBS: list[dict[str, Any]] = [
    {"payload": {"a": object()}}, {"payload": {"a": "x" * 70_000}}, {"payload": {1: 2}},
    {"delay_s": -1}, {"delay_s": float("nan")}, {"delay_s": 1e9}, {"key": ""}, {"key": "a\0"},
]  # fmt: skip


def test_a_bad_job_is_refused_when_it_is_asked_for(borrowing: Borrowing) -> None:
    workspace = borrowing("jobs")
    for wrong in BAD_JOBS:
        with pytest.raises(BadInput):
            context(workspace).jobs.later("remind", **wrong)
    assert rows(workspace) == []


# -- secrets -----------------------------------------------------------------------------------------------


def test_a_secret_is_kept_sealed_and_only_the_plugin_reads_it(borrowing: Borrowing) -> None:
    workspace = borrowing("secrets")
    secrets = context(workspace).secrets
    assert secrets.get("token") is None
    secrets.set("token", "first")
    secrets.set("token", "s3cret")
    assert (secrets.get("token"), secrets.names()) == ("s3cret", ("token",))
    ((sealed,),) = rows(workspace, "k_secret", "value")
    assert "s3cret" not in sealed
    secrets.delete("token")
    assert (secrets.get("token"), rows(workspace, "k_secret", "name")) == (None, [])


def test_a_sealed_secret_put_under_another_name_or_plugin_does_not_open(borrowing: Borrowing) -> None:
    workspace = borrowing("secrets")
    secrets = context(workspace).secrets
    secrets.set("token", "s3cret")
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_secret SET name = 'other'")
    with pytest.raises(SecretLost):
        secrets.get("other")


def test_a_secret_goes_with_the_transaction_that_is_open(borrowing: Borrowing) -> None:
    workspace = borrowing("secrets")

    def keep_and_refuse(ctx: Any) -> None:
        ctx.secrets.set("token", "x")
        raise Rejected("not today")

    code().DO["gate"] = keep_and_refuse
    with pytest.raises(Rejected):
        add_thing(workspace)
    assert rows(workspace, "k_secret", "name") == []


def test_a_bad_secret_is_refused(borrowing: Borrowing) -> None:
    workspace = borrowing("secrets")
    for name, value in (("", "x"), ("a" * 101, "x"), ("a\0", "x"), ("a", "x" * 16385)):
        with pytest.raises(BadInput):
            context(workspace).secrets.set(name, value)


# -- mail --------------------------------------------------------------------------------------------------


def kept(workspace: Workspace) -> list[EmailMessage]:
    """The mail in the outbox of a workspace that has no mail server."""
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted((workspace.settings.home / "outbox").glob("*"))
    ]


def test_mail_waits_for_the_worker_and_becomes_a_file_without_a_mail_server(borrowing: Borrowing) -> None:
    workspace = borrowing("mail")
    context(workspace).mail.send(
        ["ada@example.com", "bo@пример.example"],
        "Встреча",
        "Завтра.",
        "<b>Завтра.</b>",
        reply_to="me@example.com",
    )
    assert kept(workspace) == []
    settle(workspace)
    (message,) = kept(workspace)
    assert message["To"] == "ada@example.com, bo@xn--e1afmkfd.example"
    assert (message["From"], message["Reply-To"]) == ("karvan@localhost", "me@example.com")
    assert message["Subject"] == "Встреча"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == ("Завтра.", "<b>Завтра.</b>")
    assert rows(workspace) == []


def test_a_save_that_is_refused_sends_no_mail(borrowing: Borrowing) -> None:
    workspace = borrowing("mail")

    def send_and_refuse(ctx: Any) -> None:
        ctx.mail.send("ada@example.com", "a", "b")
        raise Rejected("not today")

    code().DO["gate"] = send_and_refuse
    with pytest.raises(Rejected):
        add_thing(workspace)
    settle(workspace)
    assert kept(workspace) == []


def test_mail_of_a_plugin_that_was_switched_off_is_sent(borrowing: Borrowing) -> None:
    workspace = borrowing("mail")
    context(workspace).mail.send("ada@example.com", "a", "b")
    workspace.plugins.disable(admin_of(workspace), "borrower")
    settle(workspace)
    assert len(kept(workspace)) == 1


def test_mail_that_is_not_taken_is_tried_again_and_one_refused_for_good_is_laid_aside(
    borrowing: Borrowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = borrowing("mail")
    failures = [MailFailed("busy"), MailFailed("no such person", is_final=True)]

    def fail(text: str) -> None:
        raise failures.pop(0)

    monkeypatch.setattr(workspace.mailer, "send", fail)
    context(workspace).mail.send("ada@example.com", "a", "b")
    settle(workspace)
    assert rows(workspace) == [("waiting", 1, "The mail was not sent: busy")]
    make_due(workspace)
    settle(workspace)
    assert rows(workspace) == [("dead", 2, "The mail was not sent: no such person")]
