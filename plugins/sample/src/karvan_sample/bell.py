"""The bell at the door: who rings now, kept in a small file, and which visit that is."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta
from typing import Any

from karvan_sample.visits import to_e164
from karvan_sdk import (
    BadInput,
    Caller,
    HookContext,
    HttpFailed,
    NotAllowed,
    PageContext,
    RecordNotFound,
    Request,
)

RINGS_FOR = timedelta(minutes=2)
LATEST = "bell/latest.json"
NAME_MAX = 200
OPEN_S = 5
PAIRED = "opener"
OPENER_TIMEOUT_S = 3.0


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


def open_door(ctx: HookContext) -> str | None:
    """Ask the opener to let the guest in, where there is one; gives what a person should know."""
    address = ctx.settings["opener"]
    if not address:
        return None
    try:
        answer = ctx.http.request(
            "POST", address, headers=_pass(ctx), json={"seconds": OPEN_S}, timeout=OPENER_TIMEOUT_S
        )
    except HttpFailed as exc:
        ctx.log.warning("The opener of the door did not answer: %s", exc)
        return ctx.t("The opener does not answer. Open the door by hand.")
    return ctx.t("The door is open.") if answer.ok else ctx.t("The opener refused. Open the door by hand.")


def pair(ctx: HookContext, code: str) -> None:
    """Exchange the code that the opener shows for a token, and keep it. Raises BadInput."""
    answer = ctx.http.request("POST", f"{ctx.settings['opener']}/pair", json={"code": code})
    token = answer.json().get("token") if answer.ok else None
    if not isinstance(token, str) or not token:
        raise BadInput(ctx.t("The opener does not take this code."), field="code")
    ctx.secrets.set(PAIRED, token)


def part(ctx: HookContext) -> bool:
    """Forget the token of the opener; tells whether there was one."""
    found = PAIRED in ctx.secrets.names()
    ctx.secrets.delete(PAIRED)
    return found


def _pass(ctx: HookContext) -> dict[str, str]:
    token = ctx.secrets.get(PAIRED)
    return {"Authorization": f"Bearer {token}"} if token else {}
