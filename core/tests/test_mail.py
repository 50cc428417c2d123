"""Mail: what may be written, and how it is handed to a mail server that speaks SMTP."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from karvan.mail import Mailer, MailFailed, Server, make_message, read_address, read_server
from karvan_sdk.errors import BadInput


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP (RFC 5321) to take mail, or to refuse it with the answers it was given."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], bytes]] = []
        self.lines: list[str] = []
        self.answers: dict[str, str] = {}
        super().__init__(("127.0.0.1", 0), Talk)


class Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        people: list[str] = []
        self.say("220 mail.test ESMTP")
        while line := self.rfile.readline().decode().strip():
            self.server.lines.append(line)
            verb = line.partition(" ")[0].upper()
            answer = self.server.answers.get(verb + line[len(verb) :]) or self.server.answers.get(verb)
            if answer:
                self.say(answer)
            elif verb == "EHLO":
                self.say("250-mail.test")
                self.say("250 AUTH PLAIN")
            elif verb == "AUTH":
                self.say("235 welcome")
            elif verb == "RCPT":
                people.append(line.partition("<")[2].rstrip(">"))
                self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                body = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    body += part
                self.server.taken.append((people, body))
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def message(**changes: object) -> str:
    given: dict[str, object] = {"sender": "crm@example.com", "to": ["ada@example.com"], "subject": "Привет",
                                "text": "Строка\n.точка", **changes}  # fmt: skip
    return make_message(**given).as_string()  # type: ignore[arg-type]  # some tests give what is wrong


def mailer(server: MailServer, tmp_path: Path, user: str = "") -> Mailer:
    host, port = "127.0.0.1", server.server_address[1]
    made = Server(host=host, port=port, user=user, password="p@ss", tls="no")
    return Mailer(made, "crm@example.com", tmp_path / "outbox")


def test_a_mail_reaches_its_people_whole(server: MailServer, tmp_path: Path) -> None:
    mailer(server, tmp_path).send(message(to=["ada@example.com", "bo@example.com"], html="<p>Строка</p>"))
    ((people, body),) = server.taken
    assert people == ["ada@example.com", "bo@example.com"]
    found = message_from_bytes(body, policy=policy.default)
    assert found["Subject"] == "Привет"
    plain = found.get_body(("plain",))  # type: ignore[attr-defined]  # an EmailMessage by this policy
    assert plain.get_content().split() == ["Строка", ".точка"]
    assert body.isascii()
    assert not (tmp_path / "outbox").exists()


def test_a_user_signs_in(server: MailServer, tmp_path: Path) -> None:
    mailer(server, tmp_path, user="crm").send(message())
    assert any(line.startswith("AUTH PLAIN") for line in server.lines)


@pytest.mark.parametrize(
    ("answers", "is_final"),
    [
        ({"RCPT": "550 no such person"}, True),
        ({"RCPT": "450 come back"}, False),
        ({"MAIL": "552 too much"}, True),
        ({"MAIL": "421 busy"}, False),
        ({"DATA": "554 spam"}, True),
        ({"AUTH": "535 who are you"}, False),
        ({"RCPT TO:<bo@example.com>": "550 no"}, True),
    ],
    ids=["nobody", "greylisted", "full", "busy", "spam", "password", "one of two"],
)
def test_a_refusal_says_whether_another_try_may_help(
    server: MailServer, tmp_path: Path, answers: dict[str, str], is_final: bool
) -> None:
    server.answers = answers
    with pytest.raises(MailFailed) as failed:
        mailer(server, tmp_path, user="crm").send(message(to=["ada@example.com", "bo@example.com"]))
    assert failed.value.is_final is is_final


def test_a_server_that_can_not_speak_tls_is_told_nothing(server: MailServer, tmp_path: Path) -> None:
    made = Server(host="127.0.0.1", port=server.server_address[1], user="crm", password="p", tls="on request")
    with pytest.raises(MailFailed, match="STARTTLS"):
        Mailer(made, "crm@example.com", tmp_path).send(message())
    assert not any(line.startswith(("AUTH", "MAIL")) for line in server.lines)


def test_a_server_that_is_away_is_asked_again_later(tmp_path: Path) -> None:
    made = Server(host="127.0.0.1", port=1, user="", password="", tls="no")
    with pytest.raises(MailFailed, match="ConnectionRefusedError") as failed:
        Mailer(made, "crm@example.com", tmp_path).send(message())
    assert not failed.value.is_final


def test_another_try_leaves_one_file(tmp_path: Path) -> None:
    made, text = Mailer(None, "crm@example.com", tmp_path / "outbox"), message()
    made.send(text)
    made.send(text)
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.suffix == ".eml"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": "a\r\nBcc: eve@example.com"}, "subject"),
        ({"subject": "a\nb"}, "subject"),
        ({"subject": "a\u2028b"}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "a" * 256}, "subject"),
        ({"to": []}, "to"),
        ({"to": ["ada@example.com\r\nBcc: eve@example.com"]}, "to"),
        ({"to": ["Ada <ada@example.com>"]}, "to"),
        ({"to": ["ada@example.com, eve@example.com"]}, "to"),
        ({"to": ["ada"]}, "to"),
        ({"to": ["@example.com"]}, "to"),
        ({"to": ["a..b@example.com"]}, "to"),
        ({"to": [f"a{n}@example.com" for n in range(51)]}, "to"),
        ({"reply_to": "x\ny@example.com"}, "reply_to"),
        ({"text": "x" * (1024 * 1024 + 1)}, "text"),
        ({"html": "x" * (1024 * 1024 + 1)}, "html"),
    ],
)
def test_what_would_break_out_of_a_header_or_is_no_address_is_refused(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        message(**changes)
    assert refused.value.field == field


def test_an_address_of_another_script_is_written_in_ascii() -> None:
    assert read_address(" Ada@Пример.Example ") == "Ada@xn--e1afmkfd.example"


@pytest.mark.parametrize(
    ("url", "tls", "port"),
    [
        ("smtps://u:p%40ss@mail.example.com", "at once", 465),
        ("smtp://u:p%40ss@mail.example.com", "on request", 587),
        ("smtp://u:p%40ss@127.0.0.1:25", "no", 25),
    ],
)
def test_the_setting_names_a_server(url: str, tls: str, port: int) -> None:
    found = read_server(url)
    assert found is not None
    assert (found.tls, found.port, found.user, found.password) == (tls, port, "u", "p@ss")


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://a", "smtp://", "smtp://a:b", "smtp://a/b", "smtp://a?x"]
)
def test_a_setting_that_names_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="smtp_url"):
        read_server(url)


def test_without_the_setting_there_is_none() -> None:
    assert read_server("") is None
