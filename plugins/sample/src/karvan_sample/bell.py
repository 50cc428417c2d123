"""The bell at the door: who rings now, kept in a small file, and which visit that is."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta
from typing import Any

from karvan_sample.visits import to_e164
from karvan_sdk import BadInput, Caller, HookContext, NotAllowed, PageContext, RecordNotFound, Request

RINGS_FOR = timedelta(minutes=2)
LATEST = "bell/latest.json"
NAME_MAX = 200


def is_device(ctx: PageContext, request: Request) -> Caller | None:
    """The device, known by the key of the bell; None refuses."""
    key = ctx.settings["bell_key"]
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not key or not hmac.compare_digest(key.encode(), given.encode()):
        return None
    return Caller(name="bell")


def ring(ctx: HookContext, said: Any) -> dict[str, Any]:
    """Keep a ring: `{"name": …, "phone": …}`, both may be missing. Gives what is known of the guest."""
    if not isinstance(said, dict) or not all(isinstance(v, str) for v in said.values()):
        raise BadInput(ctx.t("An object of texts is needed."), field="body")
    found: dict[str, Any] = {"at": ctx.now.isoformat(), "name": said.get("name", "")[:NAME_MAX].strip()}
    phone = to_e164(said.get("phone"))
    whose = ctx.ask("find_by_phone", phone=phone) if phone else None
    if whose is not None:
        found |= {"object": whose.object, "id": whose.id}
    ctx.files.write(LATEST, json.dumps(found).encode())
    ctx.files.append("bell/log.jsonl", json.dumps(found).encode() + b"\n")
    return found


def ringing(ctx: HookContext) -> dict[str, Any] | None:
    """Who rings now, with the name of the record that the reader may see; None while it is quiet."""
    if LATEST not in ctx.files.names(LATEST):
        return None
    with ctx.files.open(LATEST) as stream:
        found: dict[str, Any] = json.load(stream)
    if ctx.now - datetime.fromisoformat(found["at"]) > RINGS_FOR:
        return None
    if "object" in found:
        try:
            found["name"] = ctx.records.get(found["object"], found["id"], fields=("name",))["name"]
        except (RecordNotFound, NotAllowed):
            found.pop("object")
    return found


def answer(ctx: HookContext) -> None:
    """Somebody went to the door: it is quiet again."""
    ctx.files.delete(LATEST)
