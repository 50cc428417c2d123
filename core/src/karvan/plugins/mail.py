"""`ctx.mail`: messages that a plugin has sent, by the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from karvan.events.jobs import MAIL, Jobs
from karvan.mail import make_message


class PluginMail:
    """Implements `karvan_sdk.Mail` for one plugin."""

    def __init__(
        self, plugin: str, sender: str, jobs: Jobs, actor_id: int | None, check: Callable[[str], None]
    ) -> None:
        self._plugin = plugin
        self._sender = sender
        self._jobs = jobs
        self._actor_id = actor_id
        self._check = check

    def send(
        self,
        to: str | Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: str = "",
    ) -> None:
        """Have a mail sent (see the sdk's protocol)."""
        self._check("mail")
        people = [to] if isinstance(to, str) else to
        message = make_message(
            sender=self._sender, to=people, subject=subject, text=text, html=html, reply_to=reply_to
        )
        payload = {"message": message.as_string()}
        self._jobs.add(plugin=self._plugin, name=MAIL, payload=payload, actor_id=self._actor_id)
