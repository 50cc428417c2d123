"""How a call comes about from its events: a pure fold that ends alike in whatever order and however often
events arrive.

Three facts are kept and none is ever taken back: the call was answered, it was missed, it is over. The
state follows from them, so a late `ringing` never reopens a call, and a call that one phone answered is
not missed because another was told so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from karvan_telephony.events import CallEvent, Kind


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is known of a call's course. `reported` is the provider's own count of seconds."""

    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    missed: bool = False
    reported: int | None = None
    recording_url: str | None = None

    @property
    def state(self) -> Kind:
        """The state that follows from the facts."""
        if self.ended_at is None:
            return "ringing" if self.answered_at is None else "answered"
        return "missed" if self.missed and self.answered_at is None else "ended"

    @property
    def duration(self) -> int | None:
        """Seconds of talk: the provider's count, else from the answer to the end; None while unknown."""
        if self.reported is not None:
            return self.reported
        if self.ended_at is None:
            return None
        if self.answered_at is None:
            return 0 if self.missed else None
        return max(0, round((self.ended_at - self.answered_at).total_seconds()))

    def values(self) -> dict[str, Any]:
        """The values of a call record, in JSON form."""
        return {
            "state": self.state,
            "started_at": _text(self.started_at),
            "answered_at": _text(self.answered_at),
            "ended_at": _text(self.ended_at),
            "duration": self.duration,
            "duration_reported": self.reported,
            "recording_url": self.recording_url,
        }


def fold(before: Progress | None, event: CallEvent) -> Progress:
    """The progress after one more event."""
    known = before or Progress(started_at=event.at)
    return replace(
        known,
        started_at=min(known.started_at, event.at),
        answered_at=_pick(min, known.answered_at, event.at if event.kind == "answered" else None),
        ended_at=_pick(max, known.ended_at, event.at if event.kind in ("missed", "ended") else None),
        missed=known.missed or event.kind == "missed",
        reported=_pick(max, known.reported, event.duration),
        # two addresses for one call contradict each other; whichever it is, it must not depend on the order
        recording_url=_pick(max, known.recording_url, event.recording_url),
    )


def progress_of(row: Mapping[str, Any], *, otherwise: datetime) -> Progress:
    """The progress that a call record (JSON form) holds; `otherwise` is its beginning if it has none."""
    return Progress(
        started_at=_moment(row["started_at"]) or otherwise,
        answered_at=_moment(row["answered_at"]),
        ended_at=_moment(row["ended_at"]),
        missed=row["state"] == "missed",
        reported=row["duration_reported"],
        recording_url=row["recording_url"],
    )


def _pick(choose: Any, *values: Any) -> Any:
    given = [v for v in values if v is not None]
    return choose(given) if given else None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
