"""The audit over HTTP, for administrators: who changed what of the workspace itself."""

from __future__ import annotations

from typing import Any

from karvan.api.call import Call
from karvan.api.parameters import HISTORY, refuse_parameters
from karvan.api.problems import BadQuery
from karvan.api.reply import Reply, json_reply
from karvan.database.audit import Entry
from karvan.metadata.kinds import moment_text
from karvan_sdk.errors import FieldError

ID_DIGITS = 18


def list_audit(call: Call) -> Reply:
    """One page of everything, the newest first."""
    return _page(call, "")


def list_plugin_audit(call: Call, plugin: str) -> Reply:
    """One page of what happened to a plugin and its settings, the newest first; it may be gone by now."""
    return _page(call, f"plugin/{plugin}")


def _page(call: Call, subject: str) -> Reply:
    query = refuse_parameters(call.query, HISTORY).query
    before = _read_cursor(query.after)
    call.prove_admin("audit")
    page = call.workspace.plugin_settings.changes(subject, query.limit, before)
    following = None if page.next is None else str(page.next)
    return json_reply({"data": [_shown(entry) for entry in page.entries], "next": following})


def _read_cursor(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS):
        template = "The cursor in 'after' is not one of this list. Start without it."
        raise BadQuery([FieldError(field="after", code="bad_cursor", template=template)])
    return int(text)


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": moment_text(entry.at),
        "actor": entry.actor_id,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }
