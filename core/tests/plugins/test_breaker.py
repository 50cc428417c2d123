"""When a hook that keeps failing is left alone, and for how long; no database and no waiting."""

from __future__ import annotations

import pytest

from karvan.plugins.breaker import OPEN_S, PROBE_S, BreakerOpen, Breakers, Trip

ERROR = ValueError("no")


class Clockwork:
    """A clock that goes when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
def trips() -> list[Trip]:
    return []


@pytest.fixture
def breakers(clock: Clockwork, trips: list[Trip]) -> Breakers:
    return Breakers(trips.append, clock)


def call(breakers: Breakers, well: bool, hook: str = "check_records") -> bool:
    """One call; False where it was not made."""
    try:
        breakers.pass_or_raise("zoo", hook)
    except BreakerOpen:
        return False
    if well:
        breakers.went_well("zoo", hook)
    else:
        breakers.failed("zoo", hook, ERROR)
    return True


def fail(breakers: Breakers, times: int, hook: str = "check_records") -> None:
    for _ in range(times):
        assert call(breakers, False, hook)


def test_five_errors_in_a_row_open_it_for_that_hook_alone(breakers: Breakers) -> None:
    fail(breakers, 4)
    assert call(breakers, True)
    fail(breakers, 5)
    assert not call(breakers, True)
    assert call(breakers, True, "find_by_phone")
    breakers.pass_or_raise("other", "check_records")


def test_more_than_half_of_twenty_calls_open_it(breakers: Breakers) -> None:
    for _ in range(10):
        assert call(breakers, False)
        assert call(breakers, True)
    fail(breakers, 2)
    assert not call(breakers, True)


def test_errors_of_long_ago_do_not_count_among_the_twenty(breakers: Breakers, clock: Clockwork) -> None:
    for _ in range(10):
        assert call(breakers, False)
        assert call(breakers, True)
    clock.now += 301
    fail(breakers, 2)
    assert call(breakers, True)


def test_half_open_lets_one_probe_through_and_a_good_one_forgets(
    breakers: Breakers, clock: Clockwork, trips: list[Trip]
) -> None:
    fail(breakers, 5)
    clock.now += OPEN_S[0] - 1
    assert not call(breakers, True)
    clock.now += 1
    breakers.pass_or_raise("zoo", "check_records")
    assert not call(breakers, True)
    breakers.went_well("zoo", "check_records")
    fail(breakers, 5)
    clock.now += OPEN_S[0]
    assert call(breakers, True)
    assert trips == []


def test_a_probe_that_never_comes_back_makes_room_for_another(breakers: Breakers, clock: Clockwork) -> None:
    fail(breakers, 5)
    clock.now += OPEN_S[0]
    breakers.pass_or_raise("zoo", "check_records")
    clock.now += PROBE_S
    assert call(breakers, True)


def test_the_third_opening_suspends_with_the_last_error(
    breakers: Breakers, clock: Clockwork, trips: list[Trip]
) -> None:
    fail(breakers, 5)
    clock.now += OPEN_S[0]
    fail(breakers, 1)
    clock.now += OPEN_S[0]
    assert not call(breakers, False)
    clock.now += OPEN_S[1] - OPEN_S[0]
    assert trips == []
    fail(breakers, 1)
    (trip,) = trips
    assert (trip.plugin, trip.hook, trip.why) == ("zoo", "check_records", "ValueError: no")
    assert "ValueError: no" in trip.trace
    clock.now += OPEN_S[2] - 1
    assert not call(breakers, True)


@pytest.mark.parametrize("hook", ["route:/hook", "authenticate", "job:remind", "records_changed"])
def test_what_strangers_or_one_event_can_fail_rests_but_takes_nothing_down_with_it(
    breakers: Breakers, clock: Clockwork, trips: list[Trip], hook: str
) -> None:
    fail(breakers, 5, hook)
    for seconds in (*OPEN_S, OPEN_S[2]):
        assert not call(breakers, True, hook)
        clock.now += seconds
        fail(breakers, 1, hook)
    assert trips == []


def test_a_call_that_told_nothing_frees_the_probe(breakers: Breakers, clock: Clockwork) -> None:
    fail(breakers, 5)
    clock.now += OPEN_S[0]
    breakers.pass_or_raise("zoo", "check_records")
    breakers.spare("zoo", "check_records")
    assert call(breakers, True)


def test_another_version_or_other_settings_begin_anew(breakers: Breakers) -> None:
    breakers.keep({"zoo": "first", "other": "first"})
    fail(breakers, 5)
    breakers.keep({"zoo": "first", "other": "second"})
    assert not call(breakers, True)
    breakers.keep({"zoo": "second", "other": "second"})
    assert call(breakers, True)


def test_a_hook_that_never_failed_costs_one_look_and_no_lock(breakers: Breakers) -> None:
    with breakers._lock:  # whoever needed it would wait for ever
        for _ in range(3):
            breakers.pass_or_raise("zoo", "check_records")
            breakers.went_well("zoo", "check_records")
