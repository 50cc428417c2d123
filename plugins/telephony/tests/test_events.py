"""An event is read whole, or every key that is wrong is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from karvan_sdk import ValidationFailed
from karvan_telephony.events import CallEvent, read_event

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "event": "call.ended",
    "call_id": "c-1",
    "from": "+49 30 123456",
    "to": "100",
    "at": "2026-03-02T10:00:00+01:00",
}


def say(text: str, **params: Any) -> str:
    return text % params if params else text


def read(**changes: Any) -> CallEvent:
    given = {k: v for k, v in {**GOOD, **changes}.items() if v != "lacking"}
    return read_event(given, now=NOW, t=say)


def wrong(data: Any) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as refused:
        read_event(data, now=NOW, t=say)
    return {e.field: e.code for e in refused.value.errors}


def test_a_good_event_is_read() -> None:
    event = read(duration_s=12, recording_url="https://r.example/1.wav")
    assert event == CallEvent(
        kind="ended",
        call_id="c-1",
        caller="+49 30 123456",
        called="100",
        at=NOW,
        duration=12,
        recording_url="https://r.example/1.wav",
    )


def test_the_other_side_depends_on_the_direction() -> None:
    incoming, outgoing = read(), read(direction="out")
    assert (incoming.phone, incoming.line) == ("+49 30 123456", "100")
    assert (outgoing.phone, outgoing.line) == ("100", "+49 30 123456")


def test_empty_options_count_as_left_out() -> None:
    event = read(direction=None, duration_s=None, recording_url=None)
    assert (event.direction, event.duration, event.recording_url) == ("in", None, None)


def test_every_missing_key_is_named_at_once() -> None:
    assert wrong({}) == dict.fromkeys(("event", "call_id", "from", "to", "at"), "required")


def test_every_wrong_key_is_named_at_once() -> None:
    found = wrong(
        {
            "event": "call.begun",
            "call_id": 7,
            "from": " ",
            "to": "1" * 101,
            "at": "yesterday",
            "direction": "up",
            "duration_s": "12",
            "recording_url": "javascript:alert(1)",
            "recording_ulr": "https://r.example/1.wav",
        }
    )
    assert found == {
        "event": "unknown_value",
        "call_id": "wrong_type",
        "from": "wrong_type",
        "to": "too_long",
        "at": "bad_date",
        "direction": "unknown_value",
        "duration_s": "wrong_type",
        "recording_url": "url",
        "recording_ulr": "unknown_key",
    }


@pytest.mark.parametrize("data", [None, [], "x", 3, [GOOD]])
def test_a_body_that_is_no_object_is_refused(data: Any) -> None:
    assert wrong(data) == {"body": "wrong_type"}


@pytest.mark.parametrize("at", [
    "2026-03-02", "2026-03-02T09:00:00", "2026-13-02T09:00:00Z", "2026-03-02T25:00:00Z", 1767225600, "",
    "0001-01-01T00:00:00+14:00", "2026-03-02T09:00:00+0100",
])  # fmt: skip
def test_a_moment_needs_its_offset_and_must_exist(at: Any) -> None:
    assert wrong({**GOOD, "at": at}) == {"at": "bad_date"}


@pytest.mark.parametrize(
    "at", ["2026-03-02T09:00:00z", "2026-03-02 09:00:00Z", "2026-03-02T10:00:00.000+01:00"]
)
def test_every_form_of_the_standard_is_read(at: str) -> None:
    assert read(at=at).at == NOW


def test_a_moment_far_in_the_future_is_refused() -> None:
    assert read(at="2026-03-03T08:00:00Z").at > NOW
    assert wrong({**GOOD, "at": "2026-03-04T09:00:00Z"}) == {"at": "in_future"}


@pytest.mark.parametrize("seconds", [-1, 604_801, 1.5, True, "1"])
def test_a_duration_is_a_sensible_number_of_seconds(seconds: Any) -> None:
    assert wrong({**GOOD, "duration_s": seconds}) == {"duration_s": "wrong_type"}


@pytest.mark.parametrize(
    "address", ["ftp://x.example/1", "https://", "http://a b", "//x", "https://[", 3, "x" * 3000]
)
def test_a_recording_is_a_web_address(address: Any) -> None:
    assert wrong({**GOOD, "recording_url": address}) == {"recording_url": "url"}


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\ud800"])
def test_what_no_database_keeps_is_refused(text: str) -> None:
    assert wrong({**GOOD, "from": text}) == {"from": "bad_character"}


def test_all_of_a_message_is_said_in_words() -> None:
    with pytest.raises(ValidationFailed, match=r"event: Choose one of: call\.ringing") as refused:
        read_event({**GOOD, "event": "x"}, now=NOW, t=say)
    assert all(e.message for e in refused.value.errors)
