"""A message counts only with a fresh signature of our secret over all of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from karvan_telephony.signature import is_signed, key_of

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
NOW = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
BODY = b'{"event": "call.ringing", "from": "+4930123456"}'


def signature(key: bytes = KEY, body: bytes = BODY, message: str = "msg_1", at: datetime = NOW) -> str:
    """Written apart from the code under test, after the text of Standard Webhooks."""
    content = f"{message}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def headers(signed: str | None = None, message: str = "msg_1", at: datetime = NOW) -> dict[str, str]:
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature() if signed is None else signed,
    }


def test_the_example_of_the_standard_is_accepted() -> None:
    # the test vector in the specification's reference libraries
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    given = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    now = datetime.fromtimestamp(1614265330, UTC)
    assert is_signed(secret, given, b'{"test": 2432232314}', now)


def test_a_signed_message_is_accepted() -> None:
    assert is_signed(SECRET, headers(), BODY, NOW)


def test_one_good_signature_among_several_is_enough() -> None:
    both = f"v1,AAAA v1a,xyz {signature(b'an older key')} {signature()}"
    assert is_signed(SECRET, headers(both), BODY, NOW)


def test_a_secret_may_be_a_plain_text() -> None:
    assert is_signed("a long secret", headers(signature(b"a long secret")), BODY, NOW)


@pytest.mark.parametrize("place", range(len(BODY)))
def test_one_changed_byte_of_the_body_is_refused(place: int) -> None:
    changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
    assert not is_signed(SECRET, headers(), changed, NOW)


@pytest.mark.parametrize("place", range(len(signature())))
def test_one_changed_letter_of_the_signature_is_refused(place: int) -> None:
    good = signature()
    other = "A" if good[place] != "A" else "B"
    assert not is_signed(SECRET, headers(good[:place] + other + good[place + 1 :]), BODY, NOW)


def test_the_id_and_the_moment_are_signed_too() -> None:
    assert not is_signed(SECRET, headers(message="msg_2"), BODY, NOW)
    assert not is_signed(SECRET, headers(at=NOW + timedelta(seconds=1)), BODY, NOW)


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_message_is_fresh_for_five_minutes(seconds: int, good: bool) -> None:
    at = NOW + timedelta(seconds=seconds)
    assert is_signed(SECRET, headers(signature(at=at), at=at), BODY, NOW) is good


@pytest.mark.parametrize("lacking", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(lacking: str) -> None:
    given = headers()
    del given[lacking]
    assert not is_signed(SECRET, given, BODY, NOW)


@pytest.mark.parametrize("seconds", ["", "x", "1.5", "-1", "۱۷", "9" * 400, "NaN"])
def test_a_moment_that_is_no_number_is_refused(seconds: str) -> None:
    assert not is_signed(SECRET, {**headers(), "webhook-timestamp": seconds}, BODY, NOW)


@pytest.mark.parametrize("secret", [None, "", "  ", "whsec_", "whsec_!!!", "whsec_ключ"])
def test_without_a_readable_secret_everything_is_refused(secret: str | None) -> None:
    assert key_of(secret) is None
    assert not is_signed(secret, headers(signature(b"")), BODY, NOW)


@pytest.mark.parametrize("signed", ["", " ", "v1,", "v1", "ключ", "v1,\ud800"])
def test_a_signature_that_is_none_is_refused(signed: str) -> None:
    assert not is_signed(SECRET, headers(signed), BODY, NOW)
