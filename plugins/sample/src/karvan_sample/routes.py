"""The pages and the API of the sample plugin, one of each kind of route."""

from __future__ import annotations

from datetime import date

from karvan_sample import bell, book
from karvan_sample.visits import expected_today
from karvan_sdk import (
    BadInput,
    Caller,
    Cookie,
    PageContext,
    Public,
    Request,
    Response,
    Router,
    json_response,
    redirect_to,
    text_response,
)

BODY_MAX = 4096

router = Router()


def anybody(ctx: PageContext, request: Request) -> Caller | None:
    """Guests read the house rules without being known."""
    return Caller(name="guest")


@router.page("/", permission="visit:read")
def guest_list(ctx: PageContext, request: Request) -> str:
    """The guests of today, and a form for those who come unannounced."""
    title = ctx.t("Guests today")
    return ctx.page(title, "guest_list.html", title=title, visits=expected_today(ctx), days=book.days(ctx),
                    notices=_notices(ctx), wrong="", typed="")  # fmt: skip


def _notices(ctx: PageContext) -> list[str]:
    """What other plugins have to say about today."""
    return [line for _, line in ctx.collect("sample.notices", day=ctx.now.date())]


@router.page("/", permission="visit:create", methods=("POST",))
def add_guest(ctx: PageContext, request: Request) -> Response:
    """Guests who come unannounced are here at once, and are those of who lets them in."""
    typed = request.form().get("name", "")
    names = [name for part in typed.split(",") if (name := part.strip())]
    if not names:
        title = ctx.t("Guests today")
        body = ctx.page(title, "guest_list.html", title=title, visits=expected_today(ctx),
                        days=book.days(ctx), notices=_notices(ctx), wrong=ctx.t("Who is it?"),
                        typed=typed)  # fmt: skip
        return Response(body=body, status=422)
    now = ctx.now.isoformat()
    with ctx.records.write() as writer:
        writer.create_many(
            "visit",
            [{"name": name, "expected_at": now, "arrived_at": now, "owner": ctx.actor_id} for name in names],
        )
    return redirect_to(ctx.url("/"))


TOLD_TO_GUESTS = ("house_rules", "place", "rules_since", "closed_until", "questions_to", "map")
"""Settings that stand on the page of the house rules."""


@router.page("/rules", public=Public(authenticate=anybody))
def rules(ctx: PageContext, request: Request) -> Response:
    """The house rules, for guests; who has read them is remembered by their own browser."""
    shown = {name: ctx.settings[name] for name in TOLD_TO_GUESTS}
    shown["house_rules"] = ctx.refine("sample.house_rules", shown["house_rules"] or "")
    body = ctx.render("rules.html", **shown, again="read" in request.cookies)
    return Response(body=body, cookies=(Cookie(name="read", value="yes", max_age=86_400),))


@router.api("/bell", methods=("POST",), public=Public(authenticate=bell.is_device, max_body=BODY_MAX))
def ring(ctx: PageContext, request: Request) -> Response:
    """The device at the door tells who rings."""
    return json_response(bell.ring(ctx, request.json()), status=202)


@router.api("/today", permission="signed_in")
def today(ctx: PageContext, request: Request) -> Response:
    """The guests of today whom the reader may see."""
    return json_response({"data": expected_today(ctx)})


@router.api("/book/<day>", permission="admin")
def page_of_the_book(ctx: PageContext, request: Request, day: str) -> Response:
    """One day of the guest book as a text."""
    try:
        wanted = date.fromisoformat(day)
    except ValueError as exc:
        raise BadInput(ctx.t("A day like 2026-03-31 is needed."), field="day") from exc
    page = book.page_of(ctx, wanted)
    if page is None:
        return text_response(ctx.t("Nobody came on that day."), status=404)
    return text_response(page.decode())
