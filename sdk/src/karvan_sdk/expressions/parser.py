"""Tokens to a tree: recursive descent, one function per level of the grammar; it knows no types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from karvan_sdk.expressions.errors import ExpressionError
from karvan_sdk.expressions.tokens import Token, tokenize
from karvan_sdk.expressions.types import EMPTY, Type

NODES_MAX = 400
DEPTH_MAX = 32
LIST_MAX = 200
KEYWORDS = frozenset({
    "and", "or", "not", "in", "contains", "starts_with", "ends_with", "is", "empty", "null", "true", "false",
    "has", "has_any", "has_all", "has_none", "where",
})  # fmt: skip
UNITS = {
    unit + end: unit
    for unit in ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
    for end in ("", "s")
}
_ORDERS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_SEARCHES = frozenset({"contains", "starts_with", "ends_with"})
_CURRENCY = re.compile("[A-Z]{3}")
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?P<zone>Z|[+-]\d{2}:\d{2})?", re.IGNORECASE
)


class Node:
    """A part of an expression: its kind, value and parts, its place in the text, and later its type.

    `fixed` says that no field is read below; `depth` counts the levels.
    """

    __slots__ = ("args", "depth", "end", "fixed", "kind", "start", "type", "value")

    depth: int
    fixed: bool

    def __init__(self, kind: str, value: Any, args: tuple[Node, ...], start: int, end: int) -> None:
        self.kind = kind
        self.value = value
        self.args = args
        self.start = start
        self.end = end
        self.type: Type = EMPTY
        self.fixed = True
        depth = 1
        for arg in args:
            if arg.depth >= depth:
                depth = arg.depth + 1
        if depth > DEPTH_MAX:
            raise ExpressionError("too_deep", start, end, limit=DEPTH_MAX)
        self.depth = depth

    def walk(self) -> Iterator[Node]:
        """This part and all parts below it."""
        yield self
        for arg in self.args:
            yield from arg.walk()


def parse(text: str) -> Node:
    """The tree of an expression; raises ExpressionError."""
    if not text.strip():
        raise ExpressionError("blank", 0, len(text) and min(len(text), 4000))
    return Parser(tokenize(text)).whole()


class Parser:
    """One pass over the tokens of one expression."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.token = tokens[0]
        self.nodes = 0
        self.nesting = 0
        self.listing = False

    def whole(self) -> Node:
        """The tree, with nothing left over."""
        if self.token.kind == "end":
            raise ExpressionError("blank", 0, self.token.end)
        node = self.either()
        if self.token.kind != "end":
            raise self.unexpected()
        return node

    # -- tools -----------------------------------------------------------------------------------------

    def step(self) -> Token:
        token = self.token
        self.at += 1
        self.token = self.tokens[self.at]
        return token

    def make(self, kind: str, value: Any, args: tuple[Node, ...], start: int, end: int) -> Node:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ExpressionError("too_big", start, end, limit=NODES_MAX)
        return Node(kind, value, args, start, end)

    def is_op(self, value: str) -> bool:
        return self.token.kind == "op" and self.token.value == value

    def word(self) -> str:
        return self.token.value.lower() if self.token.kind == "name" else ""

    def need(self, value: str) -> Token:
        if not self.is_op(value):
            raise ExpressionError(
                "expected", self.token.start, self.token.end, wanted=value, found=self.token.value or "…"
            )
        return self.step()

    def unexpected(self) -> ExpressionError:
        token = self.token
        before = self.tokens[self.at - 1] if self.at else None
        hint = "plus" if before and token.kind == "num" and before.value == ")" else ""
        return ExpressionError("unexpected", token.start, token.end, hint=hint, found=token.value or "…")

    def deeper(self, token: Token) -> None:
        self.nesting += 1
        if self.nesting > DEPTH_MAX:
            raise ExpressionError("too_deep", token.start, token.end, limit=DEPTH_MAX)

    # -- levels ----------------------------------------------------------------------------------------

    def either(self) -> Node:
        return self.chain("or", self.both)

    def both(self) -> Node:
        return self.chain("and", self.negation)

    def chain(self, word: str, below: Any) -> Node:
        first: Node = below()
        if self.word() != word:
            return first
        parts = [first]
        while self.word() == word:
            self.step()
            parts.append(below())
        flat = tuple(p for part in parts for p in (part.args if part.kind == word else (part,)))
        return self.make(word, None, flat, first.start, parts[-1].end)

    def negation(self) -> Node:
        if self.word() != "not":
            return self.comparison()
        token = self.step()
        self.deeper(token)
        node = self.negation()
        self.nesting -= 1
        return self.make("not", None, (node,), token.start, node.end)

    def comparison(self) -> Node:
        left = self.span()
        token = self.token
        if token.kind == "op":
            if token.value not in _ORDERS:
                return left
            self.step()
            right = self.span()
            node = self.make("cmp", token.value, (left, right), left.start, right.end)
        elif token.kind == "name":
            found = self.word_comparison(left)
            if found is None:
                return left
            node = found
        else:
            return left
        if (self.token.kind == "op" and self.token.value in _ORDERS) or self.word() in ("in", "is"):
            raise ExpressionError(
                "chained", self.token.start, self.token.end,
                hint="write", hint_params={"text": "a < b and b < c"},
            )  # fmt: skip
        return node

    def word_comparison(self, left: Node) -> Node | None:
        word = self.word()
        if word in _SEARCHES:
            self.step()
            right = self.span()
            return self.make("search", word, (left, right), left.start, right.end)
        if word == "is":
            self.step()
            turned = self.word() == "not"
            if turned:
                self.step()
            if self.word() not in ("empty", "null"):
                raise ExpressionError(
                    "expected",
                    self.token.start,
                    self.token.end,
                    wanted="empty",
                    found=self.token.value or "…",
                )
            end = self.step().end
            node = self.make("isempty", None, (left,), left.start, end)
            return self.make("not", None, (node,), left.start, end) if turned else node
        if word == "not" and self.tokens[self.at + 1].value.lower() == "in":
            self.step()
            node = self.membership(left)
            return self.make("not", None, (node,), left.start, node.end)
        return self.membership(left) if word == "in" else None

    def membership(self, left: Node) -> Node:
        self.step()
        self.listing = True
        right = self.span()
        self.listing = False
        if right.kind not in ("list", "range") and not (right.kind == "call" and right.value in PERIODS):
            right = self.make("list", None, (right,), right.start, right.end)
        return self.make("in", None, (left, right), left.start, right.end)

    def span(self) -> Node:
        left = self.coalesce()
        if not self.is_op(".."):
            return left
        self.step()
        right = self.coalesce()
        return self.make("range", None, (left, right), left.start, right.end)

    def coalesce(self) -> Node:
        return self.flat("??", "coalesce", self.joined)

    def joined(self) -> Node:
        return self.flat("&", "cat", self.total)

    def flat(self, sign: str, kind: str, below: Any) -> Node:
        first: Node = below()
        if not self.is_op(sign):
            return first
        parts = [first]
        while self.is_op(sign):
            self.step()
            parts.append(below())
        flat = tuple(p for part in parts for p in (part.args if part.kind == kind else (part,)))
        return self.make(kind, None, flat, first.start, parts[-1].end)

    def total(self) -> Node:
        node = self.product()
        while self.token.kind == "op" and self.token.value in ("+", "-"):
            sign = self.step().value
            right = self.product()
            node = self.make("arith", sign, (node, right), node.start, right.end)
        return node

    def product(self) -> Node:
        node = self.unary()
        while self.token.kind == "op" and self.token.value in ("*", "/"):
            sign = self.step().value
            right = self.unary()
            node = self.make("arith", sign, (node, right), node.start, right.end)
        return node

    def unary(self) -> Node:
        if not self.is_op("-"):
            return self.atom()
        token = self.step()
        self.deeper(token)
        node = self.unary()
        self.nesting -= 1
        return self.make("neg", None, (node,), token.start, node.end)

    def atom(self) -> Node:
        listing, self.listing = self.listing, False
        token = self.token
        kind = token.kind
        if kind == "name" or kind == "label":
            return self.name()
        if kind == "num":
            return self.number()
        if kind == "text":
            self.step()
            return self.make("str", token.value, (), token.start, token.end)
        if kind == "date" or kind == "datetime":
            self.step()
            return self.make(kind, read_date(token), (), token.start, token.end)
        if kind == "op" and token.value == "(":
            return self.parentheses(listing)
        raise self.unexpected()

    def parentheses(self, listing: bool) -> Node:
        token = self.step()
        self.deeper(token)
        first = self.either()
        if not self.is_op(","):
            self.need(")")
            self.nesting -= 1
            return first
        if not listing:
            raise ExpressionError("list", token.start, self.token.end, limit=LIST_MAX)
        values = [first]
        while self.is_op(","):
            self.step()
            values.append(self.either())
            if len(values) > LIST_MAX:
                raise ExpressionError("list", token.start, self.token.end, limit=LIST_MAX)
        end = self.need(")").end
        self.nesting -= 1
        return self.make("list", None, tuple(values), token.start, end)

    def name(self) -> Node:
        token = self.step()
        if token.kind == "name":
            word = token.value.lower()
            if self.is_op("("):
                return self.call(token, word)
            if word in ("true", "false"):
                return self.make("bool", word == "true", (), token.start, token.end)
            if word in ("empty", "null"):
                return self.make("empty", None, (), token.start, token.end)
            if word in KEYWORDS:
                self.at -= 1
                self.token = token
                raise self.unexpected()
        path, end = [token.value.strip()], token.end
        while self.is_op("."):
            self.step()
            if self.token.kind not in ("name", "label"):
                raise self.unexpected()
            token_ = self.step()
            path.append(token_.value.strip())
            end = token_.end
        return self.make("field", tuple(path), (), token.start, end)

    def call(self, token: Token, word: str) -> Node:
        self.deeper(self.step())
        args: list[Node] = []
        if not self.is_op(")"):
            args.append(self.either())
            while self.is_op(","):
                self.step()
                args.append(self.either())
        end = self.need(")").end
        self.nesting -= 1
        return self.make("call", word, tuple(args), token.start, end)

    def number(self) -> Node:
        token = self.step()
        value = plain_number(token)
        following = self.token
        if following.kind == "name":
            unit = UNITS.get(following.value.lower())
            if unit:
                self.step()
                if "." in value or len(value) > 9:
                    raise ExpressionError("duration", token.start, following.end)
                return self.make("duration", (int(value), unit), (), token.start, following.end)
            if _CURRENCY.fullmatch(following.value):
                self.step()
                return self.make("money", (value, following.value), (), token.start, following.end)
        return self.make("num", value, (), token.start, token.end)


_SPANS = ("day", "week", "month", "quarter", "year")
PERIODS = frozenset(f"{which}_{unit}" for which in ("this", "last", "next") for unit in _SPANS) | {
    "last_days",
    "next_days",
}


def plain_number(token: Token) -> str:
    """The number without needless zeros; raises ExpressionError where it is too long."""
    whole, _, rest = token.value.partition(".")
    whole, rest = whole.lstrip("0") or "0", rest.rstrip("0")
    if len(whole) > 26 or len(rest) > 12:
        raise ExpressionError("number_size", token.start, token.end)
    return f"{whole}.{rest}" if rest else whole


def read_date(token: Token) -> date:
    """The date, or the moment in UTC."""
    wrong = ExpressionError("bad_date", token.start, token.end, found=token.value)
    try:
        if token.kind == "date":
            return date.fromisoformat(token.value)
        found = _MOMENT.fullmatch(token.value)
        if found is None:
            raise wrong
        if not found["zone"]:
            raise ExpressionError("bad_date", token.start, token.end, hint="zone", found=token.value)
        return datetime.fromisoformat(token.value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
