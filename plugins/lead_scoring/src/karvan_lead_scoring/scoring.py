"""Points to score: pure arithmetic over what the rules gave, with no record and no database in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCORE, GRADE, REASONS = "lead_scoring__score", "lead_scoring__grade", "lead_scoring__reasons"
"""The plugin's fields on what it scores, by their API names."""

LOWEST_GRADE = "D"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An active rule. `problem` is what was last wrong with it, "" if nothing."""

    id: int
    name: str
    condition: str
    points: int
    position: int
    problem: str = ""

    def scores_like(self, other: Rule) -> bool:
        """Whether both give the same records the same points, under one name and at one place."""
        return self._meaning == other._meaning

    @property
    def _meaning(self) -> tuple[Any, ...]:
        return (self.id, self.name, self.condition, self.points, self.position)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Between which bounds a score stays and where the grades begin."""

    minimum: int
    maximum: int
    grade_a: int
    grade_b: int
    grade_c: int

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Scale:
        """The scale of the plugin's settings; bounds that stand the wrong way round are turned."""
        low, high = sorted((settings["minimum"], settings["maximum"]))
        return cls(
            minimum=low,
            maximum=high,
            grade_a=settings["grade_a"],
            grade_b=settings["grade_b"],
            grade_c=settings["grade_c"],
        )

    def clamp(self, points: int) -> int:
        """The nearest score to a sum of points."""
        return max(self.minimum, min(self.maximum, points))

    def grade(self, score: int) -> str:
        """The best grade that a score reaches."""
        steps = (("A", self.grade_a), ("B", self.grade_b), ("C", self.grade_c))
        return next((grade for grade, least in steps if score >= least), LOWEST_GRADE)

    def share(self, score: int) -> int:
        """Where a score stands between the bounds, in percent."""
        span = self.maximum - self.minimum
        return round(100 * (self.clamp(score) - self.minimum) / span) if span else 100


NO_SCORE: Mapping[str, Any] = {SCORE: None, GRADE: None, REASONS: None}
"""What stands on a record where no rule scores its object: nothing, which is not the same as zero."""


def judge(met: Sequence[Rule], scale: Scale) -> Mapping[str, Any]:
    """The values of the plugin's fields for a record that meets these rules."""
    score = scale.clamp(sum(rule.points for rule in met))
    return {
        SCORE: score,
        GRADE: scale.grade(score),
        REASONS: [{"rule": r.id, "name": r.name, "points": r.points} for r in met],
    }


def differs(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a record holds other values than it should."""
    return any(row.get(name) != value for name, value in wanted.items())
