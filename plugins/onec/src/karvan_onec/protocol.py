"""The address that 1C calls: https://v8.1c.ru/tekhnologii/obmen-dannymi-i-integratsiya/standarty-i-formaty/protokol-obmena-s-saytom/

Answers are plain lines; the first is the verdict (success, progress, failure). Only a missing or wrong
sign-in is answered with another status than 200, because that is what 1C understands.
"""

from __future__ import annotations

from types import MappingProxyType

from karvan_onec.exchange import Budget, Job, advance, find_exchange, start_exchange
from karvan_onec.seen import Seen
from karvan_onec.sessions import (
    COOKIE,
    Session,
    TooManyTries,
    check_tries,
    find_session,
    forget_tries,
    knows_password,
    note_wrong_try,
    open_session,
)
from karvan_onec.uploads import Upload, UploadRefused, Uploads, clean_name
from karvan_sdk import (
    BadInput,
    Caller,
    KarvanError,
    PageContext,
    Public,
    RecordNotFound,
    Request,
    Response,
    Router,
)

BODY_MAX = 64 * 1024 * 1024
VERSIONS = ("2.03", "2.04", "2.05", "2.06", "2.07", "2.08", "2.09", "2.10", "3.1")
PLAIN = "text/plain; charset=utf-8"

router = Router()


def authenticate(ctx: PageContext, request: Request) -> Caller:
    """Name the caller. A stranger is let through to be told `failure` in the words of the protocol; the
    handler asks again who it is before it does anything, and before the body is read."""
    known = find_session(ctx, request) is not None
    return Caller(name="1C" if known else "unknown")


@router.page(
    "/exchange", methods=("GET", "POST"), public=Public(authenticate=authenticate, max_body=BODY_MAX)
)
def exchange(ctx: PageContext, request: Request) -> Response:
    """Answer one request of 1C."""
    mode = request.query.get("mode", "")
    try:
        if mode == "checkauth":
            return _check_auth(ctx, request)
        session = find_session(ctx, request)
        if session is None:
            return _refuse(ctx.t("The session is unknown or has ended. Sign in again."))
        if request.query.get("type", "") != "catalog":
            return _failure(_wrong_type(ctx, request))
        return _answer(ctx, request, mode, session)
    except UploadRefused as exc:
        return _failure(ctx.t(exc.text, **exc.params))
    except (BadInput, RecordNotFound) as exc:
        return _failure(exc.message)
    except KarvanError as exc:
        ctx.log.warning("A request of 1C (%s) was not answered.", mode, exc_info=exc)
        return _failure(exc.message)


def _answer(ctx: PageContext, request: Request, mode: str, session: Session) -> Response:
    uploads = Uploads(ctx.files, session.key)
    if mode == "init":
        return _init(ctx, request, session, uploads)
    if mode == "file":
        if request.method != "POST":
            return _failure(ctx.t("A file is sent with POST."))
        uploads.add_chunk(_file_name(ctx, request), request.body())
        return _lines("success")
    if mode == "import":
        return _import(ctx, _file_name(ctx, request), session, uploads)
    if mode in ("deactivate", "complete"):  # what is missing was dealt with at the end of the full catalogue
        return _lines("success")
    return _failure(ctx.t("The mode '%(mode)s' is unknown.", mode=mode[:40]))


def _check_auth(ctx: PageContext, request: Request) -> Response:
    try:
        check_tries(ctx, request.address)
    except TooManyTries:
        return _refuse(ctx.t("Too many wrong passwords. Try again in a few minutes."))
    if not knows_password(ctx.settings, request):
        if "authorization" in request.headers:
            note_wrong_try(ctx, request.address)
        return _refuse(ctx.t("The user name or the password is wrong."))
    forget_tries(ctx, request.address)
    if request.query.get("type", "") != "catalog":
        return _failure(_wrong_type(ctx, request))
    session = open_session(ctx)
    stamp = int(ctx.now.timestamp())
    return _lines("success", COOKIE, session.token, f"sessid={session.sessid}", f"timestamp={stamp}")


def _init(ctx: PageContext, request: Request, session: Session, uploads: Uploads) -> Response:
    uploads.clear()
    lines = [f"zip={'yes' if ctx.settings['zip'] else 'no'}", f"file_limit={ctx.settings['file_limit']}"]
    version = request.query.get("version", "")
    if version:
        lines += [f"sessid={session.sessid}"] if session.token else []
        lines.append(f"version={version if version in VERSIONS else '2.10'}")
    return _lines(*lines)


def _import(ctx: PageContext, name: str, session: Session, uploads: Uploads) -> Response:
    upload = uploads.find(name)
    if upload is None or upload.kind == "zip":
        if uploads.open_zips():
            return _lines("progress", ctx.t("The zip is unpacked."))
        if upload is None:
            return _failure(ctx.t("The file %(name)s was not sent.", name=clean_name(name)))
        return _lines("success")
    row = find_exchange(ctx, upload.id)
    if row is None or (row["state"] == "failed" and not upload.read):
        row = start_exchange(ctx, name=upload.name, upload=upload.id, session=session.key, mode="exchange")
    row = advance(ctx, row, _job(ctx, session, uploads, upload), Budget(records=ctx.settings["slice_size"]))
    if row["state"] == "failed":
        return _failure(_last_line(row["message"]))
    counts = _counts(ctx, row)
    if row["state"] == "running":
        done, total = row["progress"]["done"], row["progress"]["total"]
        return _lines("progress", ctx.t("%(done)s of %(total)s", done=done, total=total), counts)
    uploads.mark_read(upload)
    return _lines("success", counts)


def _job(ctx: PageContext, session: Session, uploads: Uploads, upload: Upload) -> Job:
    return Job(
        open=uploads.opener(upload),
        seen=Seen(ctx.files, session.key),
        is_last=lambda: not uploads.awaits_catalogue(upload),
    )


def _counts(ctx: PageContext, row: dict[str, object]) -> str:
    return ctx.t(
        "created %(created)s, changed %(updated)s, unchanged %(unchanged)s, refused %(failed)s",
        created=row["created"], updated=row["updated"], unchanged=row["unchanged"], failed=row["failed"],
    )  # fmt: skip


def _wrong_type(ctx: PageContext, request: Request) -> str:
    kind = request.query.get("type", "")
    if kind == "sale":
        return ctx.t("Orders are not exchanged yet; turn the exchange of orders off in 1C.")
    return ctx.t("The type '%(type)s' is unknown; only 'catalog' is exchanged.", type=kind[:40])


def _file_name(ctx: PageContext, request: Request) -> str:
    name = request.query.get("filename", "")
    if not name:
        raise UploadRefused("The name of the file is missing.")
    return name


def _last_line(message: str | None) -> str:
    return (message or "").rpartition("\n")[2]


def _lines(*lines: str) -> Response:
    return Response(body="".join(f"{line}\n" for line in lines), content_type=PLAIN)


def _failure(why: str) -> Response:
    return _lines("failure", why)


def _refuse(why: str) -> Response:
    return Response(
        body=f"failure\n{why}\n",
        status=401,
        content_type=PLAIN,
        headers=MappingProxyType({"WWW-Authenticate": 'Basic realm="Karvan", charset="UTF-8"'}),
    )
