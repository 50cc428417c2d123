"""The address that providers call: signed messages in, one call record per call out."""

from __future__ import annotations

from karvan_sdk import Caller, PageContext, Public, Request, Response, Router, json_response
from karvan_telephony.events import read_event
from karvan_telephony.signature import is_signed
from karvan_telephony.tracker import record_event

BODY_MAX = 64 * 1024

router = Router()


def authenticate(ctx: PageContext, request: Request) -> Caller | None:
    """The provider, known by the signature over the whole body; None refuses."""
    secret = ctx.settings["secret"]
    if not secret:
        ctx.log.warning("A call event was refused: the setting 'secret' is empty.")
        return None
    return Caller(name="provider") if is_signed(secret, request.headers, request.body(), ctx.now) else None


@router.api("/hook", methods=("POST",), public=Public(authenticate=authenticate, max_body=BODY_MAX))
def hook(ctx: PageContext, request: Request) -> Response:
    """Record one event of a call."""
    event = read_event(request.json(), now=ctx.now, t=ctx.t)
    return json_response(record_event(ctx, event).as_json())
