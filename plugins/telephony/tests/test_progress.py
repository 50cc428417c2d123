"""Events may come late, twice and in any order: the call is the same in the end, and never goes back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_telephony.events import KINDS, CallEvent, read_event
from karvan_telephony.progress import Progress, fold, progress_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SCENARIOS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "scenarios.jsonl").read_text("utf-8").splitlines()
]
RANK = {"ringing": 0, "answered": 1, "missed": 2, "ended": 2}


def stored(progress: Progress) -> Progress:
    """The progress after it was written to a record and read again."""
    return progress_of(progress.values(), otherwise=NOW)


def run(events: Iterable[CallEvent]) -> Progress:
    progress = None
    for event in events:
        progress = stored(fold(progress, event))
    assert progress is not None
    return progress


def tell(kind: Any, seconds: int = 0, duration: int | None = None, url: str | None = None) -> CallEvent:
    at = NOW + timedelta(seconds=seconds)
    return CallEvent(
        kind=kind, call_id="c", caller="1", called="2", at=at, duration=duration, recording_url=url
    )


def events_of(scenario: dict[str, Any]) -> list[CallEvent]:
    return [read_event(e, now=NOW, t=lambda text, **params: text % params) for e in scenario["events"]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["scenario"])
def test_a_call_ends_alike_in_every_order_of_its_events(scenario: dict[str, Any]) -> None:
    events = events_of(scenario)
    found = {
        json.dumps(run([*order, *order[: len(order) // 2]]).values(), sort_keys=True)
        for order in itertools.permutations(events)
    }
    assert len(found) == 1
    values = json.loads(found.pop())
    assert (values["state"], values["duration"]) == (scenario["state"], scenario["duration"])


@given(
    st.lists(
        st.builds(
            tell,
            st.sampled_from(KINDS),
            st.integers(0, 100),
            st.none() | st.integers(0, 100),
            st.none() | st.sampled_from(["https://r.example/a", "https://r.example/b"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_no_order_and_no_repetition_makes_a_difference(events: list[CallEvent], random: Any) -> None:
    shuffled = [*events, *random.choices(events, k=3)]
    random.shuffle(shuffled)
    assert run(shuffled).values() == run(events).values()


@given(st.lists(st.builds(tell, st.sampled_from(KINDS), st.integers(0, 100)), min_size=1, max_size=8))
def test_a_call_never_goes_back(events: list[CallEvent]) -> None:
    ranks = []
    progress = None
    for event in events:
        progress = stored(fold(progress, event))
        ranks.append(RANK[progress.state])
    assert ranks == sorted(ranks)


@pytest.mark.parametrize("last", ["ended", "missed"])
@pytest.mark.parametrize("late", ["ringing", "answered"])
def test_a_late_event_never_reopens_a_call(last: str, late: str) -> None:
    assert run([tell(last, 10), tell(late, 20)]).state in ("ended", "missed")


def test_a_call_that_nobody_answered_was_talked_on_for_no_second() -> None:
    assert run([tell("ringing"), tell("missed", 9)]).duration == 0


def test_clocks_that_run_backwards_give_no_negative_duration() -> None:
    assert run([tell("answered", 50), tell("ended", 40)]).duration == 0


def test_the_providers_count_outweighs_the_clock() -> None:
    ended: Sequence[CallEvent] = [tell("ended", 60, duration=57), tell("answered", 0)]
    assert run(ended).duration == 57


def test_recorded_calls_of_real_telephones_come_out_right(shared_data: Path) -> None:
    """Streams of a real SIP proxy, told as events, in order and backwards."""
    lab = shared_data / "telephony" / "sip-lab"
    kinds: dict[str, Any] = {"call.start": "ringing", "call.ringing": "ringing", "call.answered": "answered",
             "call.end": "ended", "call.failed": "missed", "call.dlgfailed": "missed"}  # fmt: skip
    calls: dict[str, list[CallEvent]] = {}
    for file in sorted(lab.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if entry["source"] == "evapi":
                data = entry["data"]
                told = CallEvent(
                    kind=kinds[data["event"]],
                    call_id=data["call_id"],
                    caller=data.get("from", "?"),
                    called=data.get("to", "?"),
                    at=datetime.fromtimestamp(data["ts"], UTC),
                    duration=data.get("dur"),
                )
                calls.setdefault(told.call_id, []).append(told)
    found = {call: run(events) for call, events in calls.items()}
    assert found == {call: run(reversed(events)) for call, events in calls.items()}
    assert sorted((p.state, p.duration or 0) for p in found.values()) == [
        ("ended", 0), ("ended", 0), ("ended", 0), ("ended", 1), ("ended", 1), ("ended", 2), ("ended", 3),
        ("missed", 0), ("missed", 0),
    ]  # fmt: skip
