"""Breakers: what of a plugin keeps failing is not called for a while, and at the third time not at all.

There is one per plugin and hook, for one edition (version and settings) of the plugin. A hook that never
failed has none, so that asking about it is one look into a dictionary.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from karvan.plugins.loading import say_error, say_trace
from karvan_sdk.hookspecs import POLICIES, HookKind

IN_A_ROW = 5
WINDOW = 20
WINDOW_S = 300.0
OPEN_S = (60.0, 300.0, 1800.0)
"""How long the first, second and third opening lasts."""
PROBE_S = 120.0
"""After this time a probe that never came back is given up, and another call may try."""
RESTS_ONLY = (
    "route:", "authenticate", "job:",
    *(name for name, policy in POLICIES.items() if policy.kind is HookKind.OBSERVE),
)  # fmt: skip
"""What takes nothing down with it: strangers can make a route fail, and one event or job that nobody can do
is laid aside by its own attempts."""
Clock = Callable[[], float]


class BreakerOpen(Exception):
    """The hook is not called now: it failed again and again. `seconds` is how long that lasts."""

    def __init__(self, error: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"it is not called for {max(1, round(seconds))} s, for it keeps failing: {error}")


@dataclass(frozen=True, kw_only=True)
class Trip:
    """Why a plugin is to be suspended: the hook that opened for the third time, its last error."""

    plugin: str
    hook: str
    why: str
    trace: str


class _Circuit:
    """One hook that failed lately. Only touched under the lock of its breakers."""

    def __init__(self) -> None:
        self.last: deque[tuple[float, bool]] = deque(maxlen=WINDOW)
        self.row = 0
        self.openings = 0
        self.until: float | None = None
        self.probe: float | None = None
        self.error = ""

    def is_too_bad(self, now: float) -> bool:
        failures = sum(not well for at, well in self.last if now - at <= WINDOW_S)
        return self.row >= IN_A_ROW or failures > WINDOW // 2

    def open(self, now: float) -> None:
        self.until = now + OPEN_S[min(self.openings, len(OPEN_S) - 1)]
        self.openings += 1
        self.probe = None
        self.row = 0
        self.last.clear()


class Breakers:
    """The breakers of one process. `suspend` is told of each trip, at once and maybe inside a transaction."""

    def __init__(self, suspend: Callable[[Trip], None], clock: Clock = time.monotonic) -> None:
        self._suspend = suspend
        self._clock = clock
        self._circuits: dict[tuple[str, str], _Circuit] = {}
        self._editions: Mapping[str, str] = {}
        self._lock = threading.Lock()

    def pass_or_raise(self, plugin: str, hook: str) -> None:
        """Before a call: raise BreakerOpen unless it may be made. Half open, one call at a time may."""
        circuit = self._circuits.get((plugin, hook))
        if circuit is None:
            return
        with self._lock:
            if circuit.until is None:
                return
            now = self._clock()
            if now < circuit.until:
                raise BreakerOpen(circuit.error, circuit.until - now)
            if circuit.probe is not None and now - circuit.probe < PROBE_S:
                raise BreakerOpen(circuit.error, 1.0)
            circuit.probe = now

    def went_well(self, plugin: str, hook: str) -> None:
        """After a call that did what it should: a good probe closes the breaker and forgets."""
        key = (plugin, hook)
        circuit = self._circuits.get(key)
        if circuit is None:
            return
        with self._lock:
            circuit.row = 0
            circuit.last.append((self._clock(), True))
            healed = all(well for _, well in circuit.last) and len(circuit.last) == WINDOW
            if circuit.probe is not None or (circuit.until is None and healed):
                self._circuits.pop(key, None)

    def failed(self, plugin: str, hook: str, error: BaseException) -> None:
        """After a call that failed: the fifth in a row, or more than half of the last twenty, opens."""
        why = say_error(error)
        with self._lock:
            circuit = self._circuits.setdefault((plugin, hook), _Circuit())
            now = self._clock()
            circuit.error = why
            circuit.row += 1
            circuit.last.append((now, False))
            is_probe = circuit.until is not None and circuit.probe is not None
            if not is_probe and (circuit.until is not None or not circuit.is_too_bad(now)):
                return
            circuit.open(now)
            trips = circuit.openings >= len(OPEN_S) and not hook.startswith(RESTS_ONLY)
        if trips:
            self._suspend(Trip(plugin=plugin, hook=hook, why=why, trace=say_trace(error)))

    def spare(self, plugin: str, hook: str) -> None:
        """After a call that told nothing of the plugin, as when the database was away: free a probe."""
        circuit = self._circuits.get((plugin, hook))
        if circuit is not None:
            with self._lock:
                circuit.probe = None

    def keep(self, editions: Mapping[str, str]) -> None:
        """Forget the breakers of plugins that are not among these, or are of another edition by now."""
        with self._lock:
            gone = [key for key in self._circuits if editions.get(key[0]) != self._editions.get(key[0])]
            for key in gone:
                del self._circuits[key]
            self._editions = dict(editions)

    def forget(self, plugin: str) -> None:
        """Begin anew with a plugin."""
        with self._lock:
            for key in [key for key in self._circuits if key[0] == plugin]:
                del self._circuits[key]
