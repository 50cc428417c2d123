"""Points make a score, a score makes a grade: arithmetic alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karvan_lead_scoring.scoring import GRADE, REASONS, SCORE, Rule, Scale, differs, judge

SCALE = Scale(minimum=0, maximum=100, grade_a=75, grade_b=50, grade_c=25)


def rule(points: int, id: int = 1, name: str = "r") -> Rule:
    return Rule(id=id, name=name, condition="true", points=points, position=id)


@pytest.mark.parametrize(
    ("points", "score", "grade"),
    [
        ([], 0, "D"),
        ([24], 24, "D"),
        ([25], 25, "C"),
        ([20, 29], 49, "C"),
        ([25, 25], 50, "B"),
        ([74], 74, "B"),
        ([75], 75, "A"),
        ([60, 60], 100, "A"),
        ([60, 60, -30], 90, "A"),
        ([10, -100], 0, "D"),
    ],
)
def test_a_score_is_the_clamped_sum_and_has_the_best_grade_it_reaches(
    points: list[int], score: int, grade: str
) -> None:
    found = judge([rule(p, n) for n, p in enumerate(points)], SCALE)
    assert (found[SCORE], found[GRADE]) == (score, grade)
    assert [r["points"] for r in found[REASONS]] == points


@given(st.lists(st.integers(-100, 100), max_size=40), st.integers(-500, 500), st.integers(-500, 500))
def test_no_score_leaves_its_bounds_whichever_way_round_they_stand(
    points: list[int], one: int, other: int
) -> None:
    scale = Scale.of({"minimum": one, "maximum": other, "grade_a": 75, "grade_b": 50, "grade_c": 25})
    score = judge([rule(p, n) for n, p in enumerate(points)], scale)[SCORE]
    assert min(one, other) <= score <= max(one, other)
    assert 0 <= scale.share(score) <= 100
    if min(one, other) < sum(points) < max(one, other):
        assert score == sum(points)


@pytest.mark.parametrize(("score", "share"), [(-50, 0), (0, 50), (50, 100), (25, 75)])
def test_the_share_is_the_place_between_the_bounds(score: int, share: int) -> None:
    scale = Scale(minimum=-50, maximum=50, grade_a=3, grade_b=2, grade_c=1)
    assert scale.share(score) == share


def test_a_scale_of_one_score_is_full() -> None:
    assert Scale(minimum=5, maximum=5, grade_a=3, grade_b=2, grade_c=1).share(5) == 100


def test_rules_score_alike_if_only_their_problem_differs() -> None:
    assert rule(5).scores_like(Rule(id=1, name="r", condition="true", points=5, position=1, problem="gone"))
    assert not rule(5).scores_like(rule(6))
    assert not rule(5).scores_like(rule(5, name="other"))


def test_a_record_differs_by_any_of_its_values() -> None:
    row = {SCORE: 5, GRADE: "D", REASONS: [{"rule": 1, "name": "r", "points": 5}]}
    assert not differs(row, judge([rule(5)], SCALE))
    assert differs(row, judge([rule(5, name="other")], SCALE))
    assert differs({**row, GRADE: None}, judge([rule(5)], SCALE))
