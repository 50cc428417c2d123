"""Who exchanges: user and password of the settings, then a cookie whose value is kept as a hash only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from karvan_sdk import Files, HookContext, RecordNotFound, Request

COOKIE = "karvan_onec"
LASTS = timedelta(hours=4)
FOLDER = "sessions"
TRIES = 10
TRIES_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One visit of 1C: `key` names its uploads, `token` is known only in the answer that opens it."""

    key: str
    token: str = ""

    @property
    def sessid(self) -> str:
        """What 1C repeats in every address, so that a forged one is known."""
        return _sessid(self.token)


def open_session(ctx: HookContext) -> Session:
    """A new session; sessions that have ended go, with what was uploaded in them."""
    _sweep(ctx.files, ctx.now)
    token = secrets.token_urlsafe(32)
    digest = _digest(token)
    ends = (ctx.now + LASTS).isoformat()
    ctx.files.write(f"{FOLDER}/{digest}.json", json.dumps({"ends": ends}).encode())
    return Session(key=digest[:32], token=token)


def find_session(ctx: HookContext, request: Request) -> Session | None:
    """The session of a request: by its cookie, else the one of user and password; None for a stranger."""
    token = request.cookies.get(COOKIE, "").strip('"')
    if token:
        digest = _digest(token)
        if _lasts(ctx.files, digest, ctx.now):
            given = request.query.get("sessid")
            if given is None or hmac.compare_digest(given.encode(), _sessid(token).encode()):
                return Session(key=digest[:32], token=token)
            return None
    if knows_password(ctx.settings, request):
        user = str(ctx.settings["user"] or "")
        return Session(key=hashlib.sha256(f"basic:{user}".encode()).hexdigest()[:32])
    return None


def knows_password(settings: Mapping[str, object], request: Request) -> bool:
    """Whether the request carries user and password (HTTP Basic); takes the same time for every wrong one."""
    user, password = _read_basic(request.headers.get("authorization", ""))
    wanted_user, wanted = str(settings["user"] or ""), str(settings["password"] or "")
    same_user = hmac.compare_digest(_digest(user), _digest(wanted_user))
    same_password = hmac.compare_digest(_digest(password), _digest(wanted))
    return same_user & same_password & bool(wanted) & bool(wanted_user)


class TooManyTries(Exception):
    """An address has given wrong passwords too often; it has to wait."""


def check_tries(ctx: HookContext, address: str) -> None:
    """Raise TooManyTries for an address whose last wrong passwords are too many and too recent."""
    if len(_tries(ctx.files, address, ctx.now)) >= TRIES:
        raise TooManyTries


def note_wrong_try(ctx: HookContext, address: str) -> None:
    """Remember a wrong password."""
    moments = [*_tries(ctx.files, address, ctx.now), ctx.now.isoformat()]
    ctx.files.write(_tries_name(address), json.dumps(moments[-TRIES:]).encode())


def forget_tries(ctx: HookContext, address: str) -> None:
    """After a right password the count begins anew."""
    ctx.files.delete(_tries_name(address))


def _tries(files: Files, address: str, now: datetime) -> list[str]:
    since = (now - TRIES_WITHIN).isoformat()
    try:
        return [moment for moment in json.loads(files.read(_tries_name(address))) if moment >= since]
    except (RecordNotFound, ValueError):
        return []


def _tries_name(address: str) -> str:
    return f"tries/{_digest(address)[:32]}.json"


def _lasts(files: Files, digest: str, now: datetime) -> bool:
    try:
        ends = json.loads(files.read(f"{FOLDER}/{digest}.json"))["ends"]
    except (RecordNotFound, ValueError, KeyError):
        return False
    return datetime.fromisoformat(ends) > now


def _sweep(files: Files, now: datetime) -> None:
    for name in files.names(f"{FOLDER}/"):
        digest = name.removeprefix(f"{FOLDER}/").removesuffix(".json")
        if "/" in digest or _lasts(files, digest, now):
            continue
        for upload in files.names(f"uploads/{digest[:32]}/"):
            files.delete(upload)
        files.delete(name)
    for name in files.names("tries/"):
        try:
            moments = json.loads(files.read(name))
        except (RecordNotFound, ValueError):
            moments = []
        if not moments or moments[-1] < (now - TRIES_WITHIN).isoformat():
            files.delete(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sessid(token: str) -> str:
    return hashlib.sha256(f"sessid:{token}".encode()).hexdigest()[:32] if token else ""


def _read_basic(header: str) -> tuple[str, str]:
    """User and password of an Authorization header, UTF-8 or windows-1251; empty for another."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1251", "replace")
    user, _, password = text.partition(":")
    return user, password
