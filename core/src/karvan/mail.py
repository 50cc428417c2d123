"""The only module that sends mail: builds messages, and hands them to a mail server or into a folder."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from karvan_sdk.errors import BadInput, KarvanError

TIMEOUT_S = 10.0
RECIPIENTS_MAX = 50
SUBJECT_MAX = 255
BODY_MAX = 1024 * 1024
PORTS = {"smtp": 587, "smtps": 465}
LOCAL = ("127.0.0.1", "::1", "localhost")
POLICY = policy.SMTP.clone(cte_type="7bit")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@([a-z0-9-]+\.)*[a-z0-9-]+")


class MailFailed(KarvanError):
    """A mail was not taken by the mail server; `is_final` tells that another try would bring the same."""

    code = "mail_failed"
    template = "The mail was not sent: {reason}"

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        self.is_final = is_final
        super().__init__(reason=reason)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A mail server as `smtp_url` names it. Without `tls` it is spoken to in the clear."""

    host: str
    port: int
    user: str
    password: str
    tls: str


def read_server(url: str) -> Server | None:
    """The server of the setting `smtp_url`; None for an empty one. Raises BadInput.

    `smtps://` begins with TLS; `smtp://` turns to it (STARTTLS) and goes on in no other way, but for a server
    of this machine.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise BadInput(f"smtp_url is no address: {exc}", field="smtp_url") from exc
    if parts.scheme not in PORTS or not host or parts.path.strip("/") or parts.query:
        raise BadInput("smtp_url needs smtp://user:password@host:port, or smtps://…", field="smtp_url")
    tls = "at once" if parts.scheme == "smtps" else "no" if host in LOCAL else "on request"
    return Server(
        host=host,
        port=port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
    )


def read_address(text: str, field: str = "to") -> str:
    """An address, its domain in ASCII and lower case. Raises BadInput."""
    name, at, domain = str(text).strip().rpartition("@")
    try:
        found = f"{name}{at}{domain.encode('idna').decode('ascii').lower()}" if domain else ""
    except UnicodeError:
        found = ""
    if len(found) > 254 or not _ADDRESS.fullmatch(found):
        raise BadInput(f"'{str(text)[:100]}' is no mail address.", field=field)
    return found


def make_message(
    *, sender: str, to: Sequence[str], subject: str, text: str, html: str | None = None, reply_to: str = ""
) -> EmailMessage:
    """A message, its id and date set. Raises BadInput with the name of what is wrong."""
    people = list(dict.fromkeys(read_address(one) for one in to))
    if not 0 < len(people) <= RECIPIENTS_MAX:
        raise BadInput(f"A mail goes to 1 to {RECIPIENTS_MAX} people.", field="to")
    if not subject.strip() or len(subject) > SUBJECT_MAX or not subject.isprintable():
        reason = f"A subject is one line of 1 to {SUBJECT_MAX} printable characters."
        raise BadInput(reason, field="subject")
    for field, body in (("text", text), ("html", html or "")):
        if len(body.encode(errors="replace")) > BODY_MAX:
            raise BadInput(f"The {field} has more than {BODY_MAX} bytes.", field=field)
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = ", ".join(people)
    message["Subject"] = subject
    if reply_to:
        message["Reply-To"] = read_address(reply_to, "reply_to")
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_sendable(text))
    if html is not None:
        message.add_alternative(_sendable(html), subtype="html")
    return message


def _sendable(text: str) -> str:
    """The text without halves of characters, which can't be encoded."""
    return text.encode(errors="replace").decode()


class Mailer:
    """Where mail of the workspace goes: to the mail server, or as files into `<home>/outbox` without one."""

    def __init__(self, server: Server | None, sender: str, outbox: Path) -> None:
        self._server = server
        self.sender = read_address(sender, "mail_from")
        self._outbox = outbox

    def send(self, text: str) -> None:
        """Send a message that was written as text. Raises MailFailed. May take `TIMEOUT_S` per step."""
        message = message_from_string(text, policy=POLICY)
        if self._server is None:
            self._keep(message)
            return
        try:
            self._hand_over(self._server, message)
        except smtplib.SMTPRecipientsRefused as exc:
            codes = [code for code, _ in exc.recipients.values()]
            raise MailFailed(_say(exc), is_final=all(code >= 500 for code in codes)) from exc
        except smtplib.SMTPResponseException as exc:
            is_login = isinstance(exc, smtplib.SMTPAuthenticationError)
            raise MailFailed(_say(exc), is_final=exc.smtp_code >= 500 and not is_login) from exc
        except (OSError, smtplib.SMTPException) as exc:
            raise MailFailed(_say(exc)) from exc

    def _hand_over(self, server: Server, message: EmailMessage) -> None:
        trust = ssl.create_default_context()
        connect = (
            smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=trust)
            if server.tls == "at once"
            else smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        )
        with connect as smtp:
            if server.tls == "on request":
                smtp.starttls(context=trust)
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.sendmail(
                self.sender, [a.addr_spec for a in message["To"].addresses], message.as_bytes()
            )
        if refused:  # some got it: sending to all again would bring it to those twice
            raise MailFailed(f"refused for {', '.join(sorted(refused))}; the others have it.", is_final=True)

    def _keep(self, message: EmailMessage) -> None:
        """Write the message into the outbox under a name that sorts by time and is the same at each try."""
        mark = re.sub(r"[^A-Za-z0-9.-]", "", str(message["Message-ID"]).partition("@")[0])
        path = self._outbox / f"{message['Date'].datetime:%Y%m%dT%H%M%S}-{mark[:80]}.eml"
        draft = path.with_suffix(".new")
        try:
            self._outbox.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(message.as_bytes())
            draft.replace(path)
        except OSError as exc:
            raise MailFailed(f"it can't be written to {path}: {exc}") from exc


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
