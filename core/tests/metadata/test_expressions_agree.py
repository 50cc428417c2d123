# ruff: noqa: E501 - the pools and templates of the generator are read as tables
"""Random typed expressions over hostile rows: closures, SQLite and PostgreSQL give one answer, or all refuse."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karvan.database import Database
from karvan.metadata.expressions import compile_sql, value_sql
from karvan.metadata.expressions.measure import measure
from karvan.metadata.kinds import moment_text
from karvan.metadata.textkeys import sort_key
from karvan.testing import postgresql_database
from karvan_sdk.expressions import (
    Environment,
    ExpressionError,
    FieldInfo,
    compile_condition,
    compile_value,
    load_condition,
    parse,
    show,
)
from karvan_sdk.expressions.form import dump
from karvan_sdk.expressions.time import day_start, local_date, microseconds

EXAMPLES = 200
ROWS = 60
KINDS = {
    "a": "text", "b": "text", "n": "integer", "m": "integer", "p": "percent", "q": "percent",
    "c": "currency", "r": "percent", "f": "decimal", "s": "select", "d": "date", "e": "date", "t": "datetime",
    "u": "datetime", "y": "boolean", "z": "boolean", "o": "user", "l": "lookup",
}  # fmt: skip
SCALES = {"f": 6}
PG = {
    "text": 'text COLLATE "C"', "select": 'text COLLATE "C"', "integer": "bigint", "currency": "numeric(19,2)",
    "percent": "numeric(19,2)", "decimal": "numeric(19,6)", "date": "date", "datetime": "timestamptz",
    "boolean": "boolean", "user": "bigint", "lookup": "bigint",
}  # fmt: skip
TEXTS = [
    None,
    "a",
    "Acme",
    "acme ",
    " b",
    "é",
    "Ёж",
    "شركت",
    "%",
    "?",
    "a_b",
    "\\",
    "'",
    '"',
    "ﬁ",
    "😀x",
    "0",
    "x" * 200,
]
WHOLE = [None, 0, 1, -1, 2, 7, 12, 2**53 - 1, -(2**53 - 1)]
MONEY = [
    None,
    "0",
    "0.01",
    "-0.01",
    "1.50",
    "2.50",
    "-2.50",
    "7",
    "9999999999999999.99",
    "-9999999999999999.99",
]
FINE = [None, "0", "0.000001", "-0.5", "0.5", "1.5", "999999999999.999999", "-999999999999.999999"]
DAYS = [
    None,
    date.min,
    date.max,
    date(2024, 2, 29),
    date(2026, 3, 31),
    date(2026, 1, 31),
    date(9999, 12, 1),
    date(1, 1, 2),
]
MOMENTS = [
    None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 31, 20, 30, tzinfo=UTC), datetime(2026, 3, 30, 20, 29, 59, 999999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC), datetime(2008, 11, 2, 2, 30, 30, tzinfo=UTC),
]  # fmt: skip
ZONES = ["UTC", "Asia/Tehran", "America/New_York", "Pacific/Apia", "America/St_Johns", "America/Sao_Paulo"]
NOW = datetime(2026, 3, 31, 10, tzinfo=UTC)


class Fields:
    """The fields of the test table."""

    def field(self, path: tuple[str, ...]) -> FieldInfo | None:
        kind = KINDS.get(path[0]) if len(path) == 1 else None
        if kind is None:
            return None
        return FieldInfo(path=path, uid=(f"u_{path[0]}",), type=kind, scale=SCALES.get(path[0], 2),
                         options=("new", "won"), target="thing")  # fmt: skip

    def names(self) -> list[str]:
        return list(KINDS)

    def column(self, path: tuple[str, ...]) -> str:
        return f't."{path[0]}"'

    def key(self, path: tuple[str, ...]) -> str | None:
        return f't."{path[0]}__k"' if KINDS[path[0]] == "text" else None


def rows() -> list[dict[str, Any]]:
    dice = random.Random(11)
    pools: dict[str, list[Any]] = {
        "text": TEXTS, "integer": WHOLE, "currency": MONEY, "percent": MONEY, "decimal": FINE, "date": DAYS,
        "datetime": MOMENTS, "boolean": [None, True, False], "select": [None, "new", "won"],
        "user": [None, 7, 8], "lookup": [None, 1, 2],
    }  # fmt: skip
    found = []
    for _ in range(ROWS):
        row = {name: dice.choice(pools[kind]) for name, kind in KINDS.items()}
        found.append(
            {
                k: Decimal(v) if KINDS[k] in ("currency", "percent", "decimal") and v else v
                for k, v in row.items()
            }
        )
    return found


def stored(name: str, value: Any, dialect: str) -> Any:
    if value is None or dialect == "postgresql":
        return value
    if isinstance(value, Decimal):
        return int(value.scaleb(SCALES.get(name, 2)))
    if isinstance(value, datetime):
        return moment_text(value)
    return value.isoformat() if isinstance(value, date) else int(value) if isinstance(value, bool) else value


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    path = Path(tmp_path_factory.mktemp("agree")) / "agree.sqlite3"
    with postgresql_database() as url:
        made = [Database(f"sqlite:///{path}"), Database(url)]
        for database in made:
            fill(database)
        yield made
        for database in made:
            database.close()


def fill(database: Database) -> None:
    pg = database.dialect == "postgresql"
    names = [*KINDS, *(f"{n}__k" for n, k in KINDS.items() if k == "text")]
    types = [f'"{n}" {PG[KINDS.get(n, "text")] if pg else ""}' for n in names]
    with database.write() as t:
        t.execute(f"CREATE TABLE thing (id {'bigint' if pg else 'integer'} PRIMARY KEY, {', '.join(types)})")
        for at, row in enumerate(rows()):
            values = [stored(n, row[n], database.dialect) for n in KINDS]
            values += [None if row[n] is None else sort_key(row[n]) for n, k in KINDS.items() if k == "text"]
            marks = ", ".join("?" * (len(values) + 1))
            t.execute(f"INSERT INTO thing VALUES ({marks})", [at, *values])


class Maker:
    """Random expressions that type."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def pick(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    def condition(self, depth: int) -> str:
        if depth > 0 and self.dice.random() < 0.5:
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return str(self.pick(f"({a} and {b})", f"({a} or {b})", f"not ({a})", f"if({a}, {b}, y)"))
        sign = self.pick("=", "!=", "<", "<=", ">", ">=")
        same = self.pick("=", "!=")
        number, text, day, moment = (getattr(self, k) for k in ("number", "text", "day", "moment"))
        d = depth - 1
        makers = [
            lambda: f"{number(d)} {sign} {number(d)}",
            lambda: f"{number(d)} in {number(0)} .. {number(0)}",
            lambda: f"{number(d)} {self.pick('', 'not ')}in ({number(0)}, {number(0)}, empty)",
            lambda: (
                f"{self.amount(d)} {sign} {self.pick(self.amount(d), self.amount(0), 'n', 'f', '1000', '0.005')}"
            ),
            lambda: f"{text(d)} {sign} {text(d)}",
            lambda: f"{text(d)} in ({text(0)}, {text(0)})",
            lambda: (
                f"{self.pick('a', 'b')} {self.pick('contains', 'starts_with', 'ends_with')} {self.literal()}"
            ),
            lambda: f"{day(d)} {sign} {day(d)}",
            lambda: f"{day(d)} {self.pick('', 'not ')}in {self.period()}",
            lambda: f"{moment(d)} in {self.period()}",
            lambda: f"date({moment(0)}) {sign} {self.fixed_day()}",
            lambda: f"date(t) in {self.fixed_day()} .. {self.fixed_day()}",
            lambda: f"date(t) in ({self.fixed_day()}, {self.fixed_day()})",
            lambda: f"{moment(d)} {sign} {moment(d)}",
            lambda: f"{self.span(d)} {sign} {self.span(d)}",
            lambda: self.pick("y", "z", "not y"),
            lambda: f"y {same} {self.pick('z', 'true', 'false', 'empty')}",
            lambda: (
                f"s {same} {self.pick('s', 'empty') if self.dice.random() < 0.3 else self.pick(chr(34) + 'new' + chr(34), chr(34) + 'won' + chr(34))}"
            ),
            lambda: f"o {same} {self.pick('me()', '8', 'empty')}",
            lambda: f"l {self.pick('in (1, 2)', 'not in (2, 3)', '= 1', '!= 2', 'is empty')}",
            lambda: f"{self.pick(number, text, day, moment)(d)} is {self.pick('', 'not ')}empty",
            lambda: f"{self.pick('y', 'z', 'date(t)', '(y and z)')} is empty",
        ]
        return str(self.dice.choice(makers)())

    def number(self, depth: int) -> str:
        if depth <= 0 or self.dice.random() < 0.3:
            return str(self.pick("n", "m", "p", "q", "r", "f", "0", "1", "-1", "1.5", "0.005", "7", "2.5",
                                 "99999999999999999999", "9999999999999999.99", "-0.000001"))  # fmt: skip
        a, b = self.number(depth - 1), self.number(depth - 1)
        return str(self.pick(
            f"({a} + {b})", f"({a} - {b})", f"n * {self.pick('2', '-3', '0.5', 'length(a)')}", f"-({a})",
            f"abs({a})", f"round({a}, {self.pick(0, 1, 2, 4)})", f"floor({a})", f"ceil({a})", f"min({a}, {b})",
            f"max({a}, {b}, n)", f"mod({a}, {b})", f"if({self.condition(0)}, {a}, {b})", f"({a} ?? {b})",
            f"coalesce({a}, {b}, 1)", f"length({self.text(depth - 1)})", f"{self.pick('year', 'month', 'day', 'weekday', 'quarter')}({self.day(depth - 1)})",
            f"({self.day(0)} - {self.day(0)})", f"({a}) / 100",
        ))  # fmt: skip

    def amount(self, depth: int) -> str:
        if depth <= 0 or self.dice.random() < 0.5:
            return "c"
        a = self.amount(depth - 1)
        return str(
            self.pick(f"({a} + c)", f"({a} - c)", f"-{a}", f"round({a}, 1)", f"({a} ?? 0)", f"({a}) / 100")
        )

    def literal(self) -> str:
        text = self.pick("a", "ac", "É", "е", "ё", "ك", "%", "?", "_", "\\\\", " ", "x", "😀", "")
        return f'"{text}"'

    def text(self, depth: int) -> str:
        if depth <= 0 or self.dice.random() < 0.3:
            return str(self.pick("a", "b", self.literal(), self.literal(), "empty & a"))
        a, b = self.text(depth - 1), self.text(depth - 1)
        return str(self.pick(
            f"({a} & {b})", f"left({a}, {self.pick(0, 1, 3, -1)})", f"right({a}, {self.pick(0, 1, 3, 500)})",
            f"mid({a}, {self.pick(0, 1, 2, -3)}, {self.pick(0, 1, 2)})", f"trim({a})", f'replace({a}, "a", {self.literal()})',
            f"if({self.condition(0)}, {a}, {b})", f"({a} ?? {b})", "text(s)", "text(d)", "text(e - 1 day)",
        ))  # fmt: skip

    def fixed_day(self) -> str:
        return str(self.pick("2026-03-31", "0001-01-01", "9999-12-31", "today()", "(today() - 1 month)", "2008-11-02",
                             "2011-12-30", "date(now())"))  # fmt: skip

    def day(self, depth: int) -> str:
        if depth <= 0 or self.dice.random() < 0.3:
            return str(self.pick("d", "e", self.fixed_day()))
        a = self.day(depth - 1)
        amount = (
            f"{self.pick(0, 1, 13, 400, 120000)} {self.pick('days', 'weeks', 'months', 'quarters', 'years')}"
        )
        return str(self.pick(f"({a} {self.pick('+', '-')} {amount})", f"min({a}, d)", f"max({a}, e)", f"({a} ?? d)",
                             f"if({self.condition(0)}, {a}, e)"))  # fmt: skip

    def moment(self, depth: int) -> str:
        if depth <= 0 or self.dice.random() < 0.4:
            return str(self.pick("t", "u", "now()", "2026-03-31T20:30Z"))
        a = self.moment(depth - 1)
        amount = f"{self.pick(0, 1, 59, 100000, 999999999)} {self.pick('seconds', 'hours', 'days', 'weeks')}"
        return str(
            self.pick(f"({a} {self.pick('+', '-')} {amount})", f"min({a}, t)", f"max({a}, u)", f"({a} ?? u)")
        )

    def span(self, depth: int) -> str:
        if depth <= 0:
            return str(self.pick("1 day", "3 hours", "(t - u)", "(u - now())"))
        return str(
            self.pick("(t - u)", f"({self.span(depth - 1)} {self.pick('+', '-')} {self.span(depth - 1)})")
        )

    def period(self) -> str:
        return str(self.pick("this_month()", "last_quarter()", "this_week()", "next_days(3)", "last_days(2)", "this_year()",
                             "last_day()", "next_year()"))  # fmt: skip


def compiled_or_code(make: Any) -> Any:
    try:
        return make()
    except ExpressionError as exc:
        return exc.code


def sql_or_code(make: Any, compiled: Any, database: Database, env: Environment) -> Any:
    return compiled_or_code(lambda: make(compiled, database.dialect, Fields(), env))


def environment(dice: random.Random) -> Environment:
    return Environment(now=NOW, timezone=dice.choice(ZONES), actor_id=7)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_conditions_choose_the_same_rows_everywhere(engines: list[Database], seed: int) -> None:
    dice = random.Random(seed)
    env, fields = environment(dice), Fields()
    for _ in range(5):
        text = Maker(dice).condition(dice.randrange(5))
        condition = compile_condition(text, fields)
        texts = {text, f"not ({text})"}
        for turned in texts:
            condition = compile_condition(turned, fields)
            assert parse_again(show(condition)) == parse_again(turned)
            stored_form = condition.dump()
            loaded = load_condition(stored_form, lambda uids: tuple(u[2:] for u in uids), fields)
            assert loaded.dump() == stored_form, turned
            made = [sql_or_code(compile_sql, condition, d, env) for d in engines]
            if isinstance(made[0], str) or isinstance(made[1], str):
                assert made[0] == made[1] in ("not_in_sql", "too_big"), (turned, made)
                continue
            expected = {i for i, row in enumerate(rows_()) if condition.test(row, env)}
            for database, fragment in zip(engines, made, strict=True):
                with database.read() as c:
                    got = {
                        r[0]
                        for r in c.fetchall(
                            f"SELECT t.id FROM thing t WHERE {fragment.text}", fragment.params
                        )
                    }
                assert got == expected, (database.dialect, env.timezone, turned, fragment, got ^ expected)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), kind=st.sampled_from(["number", "text", "day", "moment", "span"]))
def test_values_are_the_same_everywhere(engines: list[Database], seed: int, kind: str) -> None:
    dice = random.Random(seed)
    env, fields = environment(dice), Fields()
    text = getattr(Maker(dice), kind)(dice.randrange(4))
    value = compiled_or_code(lambda: compile_value(text, fields))
    made = [sql_or_code(value_sql, value, d, env) for d in engines]
    if isinstance(made[0], str) or isinstance(made[1], str):
        assert made[0] == made[1] in ("not_in_sql", "too_big"), (text, made)
        return
    expected = [value.evaluate(row, env) for row in rows_()]
    for database, fragment in zip(engines, made, strict=True):
        with database.read() as c:
            got = [
                r[0] for r in c.fetchall(f"SELECT {fragment.text} FROM thing t ORDER BY id", fragment.params)
            ]
        for at, (one, two) in enumerate(zip(got, expected, strict=True)):
            assert same(one, two, kind, database.dialect, text, env), (
                database.dialect,
                text,
                fragment,
                at,
                one,
                two,
            )


def same(got: Any, expected: Any, kind: str, dialect: str, text: str, env: Environment) -> bool:
    if got is None or expected is None:
        return got is expected
    if kind == "number":
        if dialect == "postgresql":
            return Decimal(got) == expected
        scale = measure(compile_value(text, Fields()).ast, env)[0]
        return isinstance(got, int) and Decimal(got).scaleb(-scale) == expected
    if kind == "day":
        return bool(str(got) == expected.isoformat())
    if kind == "moment":
        return bool((got if dialect == "postgresql" else datetime.fromisoformat(got)) == expected)
    return bool(got == expected)


def parse_again(text: str) -> Any:
    return dump(parse(text), lambda path: path)


_ROWS = rows()


def rows_() -> list[dict[str, Any]]:
    return _ROWS


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5 + 0.25", Decimal("1.75")), ("1 / 3", Decimal("0.333333333333")), ("2 / 3", Decimal("0.666666666667")),
        ("-2 / 3", Decimal("-0.666666666667")), ("1 / 0", None), ("round(2.5)", 3), ("round(-2.5)", -3),
        ("mod(-7, 3)", 2), ("mod(7, -3)", -2), ("mod(1, 0)", None), ("floor(-1.5)", -2), ("ceil(-1.5)", -1),
        ('mid("abcdef", 2, 3)', "bcd"), ('left("", 1)', None), ("2024-02-29 + 1 year", date(2025, 2, 28)),
        ("2026-01-31 + 1 month", date(2026, 2, 28)), ("9999-12-31 + 1 day", None), ("0001-01-01 - 1 day", None),
        ("2026-03-31 - 2026-03-01", 30), ("empty ?? 3", 3), ('"a" & empty & "b"', "ab"), ("min(empty, 3, 2)", 2),
        ("text(floor(-9007199254740991.5))", "-9007199254740992"), ("weekday(2026-03-31)", 2),
        ("99999999999999999999999999 + 1", None), ("-(99999999999999999999999999)", Decimal("-99999999999999999999999999")),
    ],
)  # fmt: skip
def test_constants_have_exact_values(text: str, value: Any) -> None:
    env = Environment(now=NOW)
    assert compile_value(text, Fields()).evaluate({}, env) == value


@pytest.mark.parametrize("zone", ZONES)
def test_a_moment_lies_within_the_bounds_of_its_day(zone: str) -> None:
    moment = datetime(2006, 1, 1, tzinfo=UTC)
    while moment < datetime(2013, 1, 1, tzinfo=UTC):
        day = local_date(moment, zone)
        start, behind = day_start(day, zone), day_start(day + timedelta(days=1), zone)
        assert start is not None
        assert behind is not None
        assert start <= microseconds(moment) < behind, (moment, day)
        moment += timedelta(minutes=37)
