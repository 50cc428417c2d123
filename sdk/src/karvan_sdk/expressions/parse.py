"""From tokens to a typed tree."""

from __future__ import annotations

import difflib
from typing import Any, NoReturn

from karvan_sdk.expressions.language import (
    _PERIODS,
    _UNITS,
    DEPTH_MAX,
    LIST_MAX,
    NODES_MAX,
    PATH_MAX,
    ExpressionError,
    FieldInfo,
    Node,
    Scope,
    Token,
    tokenize,
)  # fmt: skip

COMPARE = ("=", "!=", "<=", ">=", "<", ">")
LIVE = {"today", "now", "me"} | _PERIODS


class Parser:
    """One pass: precedence climbing, typed on the way."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.tokens, self.scope, self.at = tokenize(text), scope, 0
        self.nodes = self.depth = 0
        self.paths: dict[tuple[str, ...], FieldInfo] = {}
        self.live = False

    def condition(self) -> Node:
        if self.peek.kind == "end":
            raise ExpressionError("blank", "An expression is needed here.", 0, 0)
        node = self.either()
        if self.peek.kind != "end":
            self.fail("unexpected", f"'{self.peek.text}' is not expected here.", self.peek)
        return self.need_bool(node)

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def word(self, *words: str) -> bool:
        return self.peek.kind == "name" and self.peek.text.lower() in words

    def fault(self, code: str, message: str, where: Token | Node) -> ExpressionError:
        return ExpressionError(code, message, where.position, where.end)

    def fail(self, code: str, message: str, where: Token | Node) -> NoReturn:
        raise self.fault(code, message, where)

    def make(self, kind: str, type_: str, args: tuple[Any, ...], start: int) -> Node:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ExpressionError("too_big", f"At most {NODES_MAX} parts fit.", start, start)
        return Node(kind, type_, args, start, self.tokens[self.at - 1].end)

    def need_bool(self, node: Node) -> Node:
        if node.type == "bool":
            return node
        raise self.fault("not_condition", "A condition (yes or no) is needed here.", node)

    def either(self) -> Node:
        left = self.both()
        while self.word("or"):
            self.take()
            right = self.both()
            left = self.make("or", "bool", (self.need_bool(left), self.need_bool(right)), left.position)
        return left

    def both(self) -> Node:
        left = self.negation()
        while self.word("and"):
            self.take()
            right = self.negation()
            left = self.make("and", "bool", (self.need_bool(left), self.need_bool(right)), left.position)
        return left

    def negation(self) -> Node:
        if not self.word("not"):
            return self.comparison()
        start = self.take().position
        self.deeper(start)
        inner = self.need_bool(self.negation())
        self.depth -= 1
        return self.make("not", "bool", (inner,), start)

    def deeper(self, start: int) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise ExpressionError("too_deep", f"At most {DEPTH_MAX} levels fit.", start, start)

    def comparison(self) -> Node:
        left = self.sum()
        if self.peek.kind == "op" and self.peek.text in COMPARE:
            sign = self.take()
            right = self.sum()
            node = self.make("cmp", "bool", (sign.text, *self.match(left, right, sign)), left.position)
            if self.peek.kind == "op" and self.peek.text in COMPARE:
                self.fail("chained", "Comparisons cannot be chained (write a < b and b < c).", self.peek)
            return node
        if self.word("is"):
            self.take()
            negative = self.word("not") and bool(self.take())
            if not self.word("empty"):
                self.fail("expected", "'empty' is expected here.", self.peek)
            self.take()
            node = self.make("empty", "bool", (left,), left.position)
            return self.make("not", "bool", (node,), left.position) if negative else node
        negative = False
        if self.word("not") and self.tokens[self.at + 1].text.lower() == "in":
            self.take()
            negative = True
        if self.word("in"):
            self.take()
            node = self.inside(left)
            return self.make("not", "bool", (node,), left.position) if negative else node
        if self.word("contains", "starts_with", "ends_with"):
            how = self.take()
            right = self.sum()
            if left.type != "text" or right.type != "text":
                self.fail("type", f"'{how.text}' works on texts.", how)
            return self.make("part", "bool", (how.text.lower(), left, right), left.position)
        return left

    def inside(self, left: Node) -> Node:
        if self.peek.text == "(":
            self.take()
            items = [self.sum()]
            while self.peek.text == ",":
                self.take()
                items.append(self.sum())
            self.close()
            if len(items) > LIST_MAX:
                self.fail("list", f"At most {LIST_MAX} values fit in a list.", left)
            pairs = [self.match(left, i, i)[1] for i in items]
            return self.make("in", "bool", (left, tuple(pairs)), left.position)
        low = self.sum(periods=True)
        if low.kind == "period":
            if left.type not in ("date", "datetime"):
                self.fail("type", "Only a date can be in a period.", left)
            return self.make("during", "bool", (left, low), left.position)
        if self.peek.text != "..":
            self.fail("expected", "A list, a range or a period is expected after 'in'.", self.peek)
        self.take()
        high = self.sum()
        first, last = self.match(left, low, low)[1], self.match(left, high, high)[1]
        lower = self.make("cmp", "bool", (">=", left, first), left.position)
        return self.make(
            "and", "bool", (lower, self.make("cmp", "bool", ("<=", left, last), left.position)), left.position
        )

    def close(self) -> None:
        if self.peek.text != ")":
            self.fail("expected", "A closing bracket is expected here.", self.peek)
        self.take()

    def match(self, left: Node, right: Node, where: Token | Node) -> tuple[Node, Node]:
        """Both sides with one type; a text becomes a choice, a number an id."""
        if left.type == right.type or "empty" in (left.type, right.type):
            return left, right
        for one, other, flip in ((left, right, False), (right, left, True)):
            if one.type == "choice" and other.kind == "const" and other.type == "text":
                info: FieldInfo = one.args[0]
                if other.args[0] not in info.options:
                    near = difflib.get_close_matches(other.args[0], info.options, n=1)
                    hint = f" (did you mean {near[0]}?)" if near else ""
                    self.fail("unknown_option", f"'{other.args[0]}' is not one of the choices{hint}.", other)
                made = Node("const", "choice", other.args, other.position, other.end)
                return (made, one) if flip else (one, made)
            if one.type in ("record", "user") and other.kind == "const" and other.type == "number":
                if other.args[0] != int(other.args[0]):
                    self.fail("type", "An id is a whole number.", other)
                made = Node("const", one.type, (int(other.args[0]),), other.position, other.end)
                return (made, one) if flip else (one, made)
        raise self.fault("mismatch", f"A {left.type} and a {right.type} cannot be compared.", where)

    def sum(self, *, periods: bool = False) -> Node:
        left = self.atom(periods=periods)
        while self.peek.kind == "op" and self.peek.text in ("+", "-"):
            sign = self.take()
            right = self.atom()
            if left.type not in ("date", "datetime") or right.kind != "unit":
                self.fail("type", "Add a duration to a date (write today() + 7 days).", sign)
            if left.type == "datetime" and right.args[1] in ("month", "quarter", "year"):
                self.fail("duration", "A moment takes days, not months (use date(…) + 1 month).", right)
            if left.kind == "field":
                self.fail("type", "Move the duration to the other side of the comparison.", sign)
            amount = right.args[0] if sign.text == "+" else -right.args[0]
            left = self.make("shift", left.type, (left, amount, right.args[1]), left.position)
        return left

    def atom(self, *, periods: bool = False) -> Node:
        token = self.take()
        start = token.position
        if token.text == "(":
            self.deeper(start)
            node = self.either()
            self.close()
            self.depth -= 1
            return node
        if token.text == "-" and self.peek.kind == "number":
            return self.make("const", "number", (-self.take().value,), start)
        if token.kind == "number":
            if self.peek.kind == "name" and self.peek.text.lower().rstrip("s") in _UNITS:
                if token.value != int(token.value):
                    self.fail("duration", "A duration is a whole number.", token)
                return self.make(
                    "unit", "duration", (int(token.value), self.take().text.lower().rstrip("s")), start
                )
            return self.make("const", "number", (token.value,), start)
        if token.kind in ("text", "date", "datetime"):
            return self.make("const", token.kind, (token.value,), start)
        if token.kind == "name":
            return self.name(token, periods=periods)
        raise self.fault("expected", "A value is expected here.", token)

    def name(self, token: Token, *, periods: bool) -> Node:
        word = token.text.lower()
        if word in ("true", "false"):
            return self.make("const", "bool", (word == "true",), token.position)
        if word in ("empty", "null"):
            return self.make("const", "empty", (None,), token.position)
        if self.peek.text == "(":
            return self.call(token, word, periods=periods)
        path = [token.text]
        while self.peek.text == "." and len(path) < PATH_MAX + 1:
            self.take()
            path.append(self.take().text)
        key = tuple(path)
        info = self.scope.field(key) if len(path) <= PATH_MAX else None
        if info is None:
            near = difflib.get_close_matches(path[0], list(self.scope.names()), n=1) if len(path) == 1 else []
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.fail("unknown_field", f"There is no field '{'.'.join(path)}'{hint}.", token)
        if info.type == "fixed":
            self.fail("type", f"'{'.'.join(path)}' can't be used in an expression.", token)
        self.paths[key] = info
        return self.make("field", info.type, (info,), token.position)

    def call(self, token: Token, word: str, *, periods: bool) -> Node:
        self.take()
        args: list[Node] = []
        while self.peek.text != ")":
            args.append(self.sum())
            if self.peek.text == ",":
                self.take()
            elif self.peek.text != ")":
                self.fail("expected", "A closing bracket is expected here.", self.peek)
        self.close()
        start = token.position
        self.live = self.live or word in LIVE
        if word in ("today", "now", "me") and not args:
            return self.make(word, {"today": "date", "now": "datetime", "me": "user"}[word], (), start)
        if word in _PERIODS:
            if not periods:
                self.fail("unexpected", f"'{word}' stands after 'in' only.", token)
            count = (
                int(args[0].args[0]) if args and args[0].kind == "const" and args[0].type == "number" else 0
            )
            if word.endswith("_days") != bool(args) or (args and not 0 < count < 40_000):
                self.fail(
                    "arguments",
                    f"'{word}' takes {'a number of days' if word.endswith('_days') else 'nothing'}.",
                    token,
                )
            return self.make("period", "period", (word, count), start)
        if word == "date" and len(args) == 1 and args[0].type == "datetime":
            return self.make("date_of", "date", (args[0],), start)
        raise self.fault("unknown_function", f"There is no such function '{token.text}' here.", token)
