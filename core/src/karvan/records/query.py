"""The only door to rows: every read of records is a text made here, with the actor's predicate inside.

A plan is made once per (catalog version, object, actor's reach, shape) and kept; a request then binds
values and runs it. The guard in the text proves that sign-in and catalog are still in force, so that a
list costs one round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from karvan.access import policy
from karvan.access.actors import Actor
from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.metadata.expressions import compile_sql
from karvan.metadata.fragments import Fragment
from karvan.metadata.kinds import Convert, Dialect, Wrong
from karvan.metadata.scope import CatalogScope
from karvan.records.cursor import Position, decode_cursor, encode_cursor
from karvan.records.rows import Plain, Reference, RowToRecord, make_reader
from karvan.records.shapes import LIMIT_MAX, ListQuery
from karvan_sdk.errors import BadInput, UnknownField
from karvan_sdk.expressions import FILTER, Condition, Environment, compile_condition

COUNT_CAP = 1000


@dataclass(frozen=True, kw_only=True)
class View:
    """Who looks, at what catalog, on which engine, at what moment."""

    actor: Actor
    catalog: Catalog
    dialect: Dialect
    environment: Environment


@dataclass(kw_only=True)
class Source:
    """The FROM of one statement: the object's table as `t` and the joins that its parts asked for."""

    view: View
    object_type: ObjectType
    joins: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    _aliases: dict[tuple[str, ...], tuple[str, ObjectType]] = field(default_factory=dict)

    def resolve(self, path: tuple[str, ...]) -> tuple[str, FieldType]:
        """The alias and field of a path of API names; raises UnknownField."""
        alias, holder = self._table(path[:-1])
        return alias, policy.resolve(self.view.actor, holder, path[-1])

    def column(self, path: tuple[str, ...]) -> str:
        """The SQL of a field."""
        alias, found = self.resolve(path)
        return f'{alias}."{found.column}"'

    def key(self, path: tuple[str, ...]) -> str | None:
        """The SQL of a text field's stored sort key, None where it has none."""
        alias, found = self.resolve(path)
        return f'{alias}."{found.key_column}"' if found.key_column else None

    def user(self, name: str) -> str:
        """The alias of the person in a user field."""
        alias = f"u{len(self.joins)}"
        column = self.column((name,))
        self.joins.append(f" LEFT JOIN k_user {alias} ON {alias}.id = {column}")
        return alias

    def target(self, path: tuple[str, ...]) -> tuple[str, ObjectType]:
        """The alias and object that a lookup path points to, joined within what the actor may read."""
        return self._table(path)

    def _table(self, path: tuple[str, ...]) -> tuple[str, ObjectType]:
        if not path:
            return "t", self.object_type
        known = self._aliases.get(path)
        if known:
            return known
        outer, holder = self._table(path[:-1])
        found = policy.resolve(self.view.actor, holder, path[-1])
        target = self.view.catalog.objects.get(found.declaration.target or "")
        if target is None:
            raise UnknownField(".".join(path), self.object_type.name)
        alias = f"j{len(self.joins)}"
        predicate = policy.record_predicate(self.view, target, "read", alias)
        more = f" AND ({predicate.text})" if predicate else ""
        self.joins.append(
            f' LEFT JOIN "{target.table}" {alias} ON {alias}.id = {outer}."{found.column}"'
            f" AND {alias}.deleted_at IS NULL{more}"
        )
        self.params.extend(predicate.params if predicate else ())
        self._aliases[path] = (alias, target)
        return alias, target


@dataclass(frozen=True, kw_only=True)
class Term:
    """One sort term: its SQL, its direction, whether it can be empty, and how its value travels.

    `read` takes the engine's value to JSON for the cursor, `bind` the JSON of a cursor to the engine's
    value (raises Wrong).
    """

    sql: str
    descending: bool
    nullable: bool
    read: Convert | None
    bind: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class ListPlan:
    """A list as text: `head` up to the WHERE without the place to begin, with its bound values."""

    head: str
    params: tuple[Any, ...]
    terms: tuple[Term, ...]
    order: str
    places: tuple[int, ...]
    read_row: RowToRecord
    count_text: str
    count_params: tuple[Any, ...]
    live: bool

    def statement(self, *, empty: bool, after: Position | None, guard: Fragment, limit: int) -> Fragment:
        """The text of one phase: rows whose first sort value is there, or (`empty`) is not."""
        first = self.terms[0]
        terms = self.terms[1:] if empty else self.terms
        where, params = "", list(self.params)
        if empty:
            where = f" AND {first.sql} IS NULL"
        elif first.nullable:
            where = f" AND {first.sql} IS NOT NULL"
        if after is not None:
            values = [_bound(t, v) for t, v in zip(terms, after.values[-len(terms) :], strict=True)]
            seek, seek_params = _seek(terms, values) if not empty else _behind(terms, values, first=False)
            where += f" AND {seek}"
            params += seek_params
        order = ", ".join(_order(t, first=t is first) for t in terms)
        text = f"{self.head}{where} AND {guard.text} ORDER BY {order} LIMIT {limit}"
        return Fragment(text=text, params=(*params, *guard.params))

    def cursor_of(self, row: Sequence[Any]) -> str:
        """The cursor that begins behind a row."""
        values = tuple(_shown(t, row[p]) for t, p in zip(self.terms, self.places, strict=True))
        return encode_cursor(self.order, Position(empty=values[0] is None, values=values))

    def position(self, text: str) -> Position:
        """Read a cursor of this list; raises BadInput."""
        return decode_cursor(self.order, text, len(self.terms))


def plan_list(
    view: View,
    object_type: ObjectType,
    query: ListQuery,
    *,
    trash: bool = False,
    within: Mapping[str, int] | None = None,
) -> ListPlan:
    """Plan a list. `within` are lookups with the id they must hold (a related list); `trash` lists the trash.

    Raises BadInput, UnknownField or an expression error that names the input.
    """
    if not 1 <= query.limit <= LIMIT_MAX:
        raise BadInput(f"The limit must be from 1 to {LIMIT_MAX}, not {query.limit}.", field="limit")
    source = Source(view=view, object_type=object_type)
    columns, items = _select(source, query, trash=trash)
    where, live = _where(source, query.filter, trash=trash, within=within or {})
    terms = _terms(source, query.sort, trash=trash)
    places = []
    for term in terms:
        if term.sql in columns:
            places.append(columns.index(term.sql))
        else:
            places.append(len(columns))
            columns.append(term.sql)
    body = f'FROM "{object_type.table}" t{"".join(source.joins)} WHERE {where.text}'
    return ListPlan(
        head=f"SELECT {', '.join(columns)} {body}",
        params=(*source.params, *where.params),
        terms=tuple(terms),
        order="/".join((object_type.name, *query.sort, "trash" if trash else "")),
        places=tuple(places),
        read_row=make_reader(items),
        count_text=body,
        count_params=(*source.params, *where.params),
        live=live,
    )


@dataclass(frozen=True, kw_only=True)
class GetPlan:
    """One record by its id; the id is bound first, then `params`, then the guard's."""

    text: str
    join_params: tuple[Any, ...]
    params: tuple[Any, ...]
    read_row: RowToRecord


def plan_get(view: View, object_type: ObjectType, query: ListQuery) -> GetPlan:
    """Plan the reading of one record: the list's own predicate plus the id."""
    source = Source(view=view, object_type=object_type)
    columns, items = _select(source, query, trash=False)
    where, _ = _where(source, "", trash=False, within={})
    return GetPlan(
        text=(
            f'SELECT {", ".join(columns)} FROM "{object_type.table}" t{"".join(source.joins)}'
            f" WHERE t.id = ? AND {where.text}"
        ),
        join_params=tuple(source.params),
        params=where.params,
        read_row=make_reader(items),
    )


def plan_stream(view: View, object_type: ObjectType, query: ListQuery) -> tuple[Fragment, RowToRecord]:
    """All records of a list in one statement, for exports; the limit and the cursor are not looked at."""
    plan = plan_list(view, object_type, query)
    order = ", ".join(f"{t.sql} {'DESC' if t.descending else 'ASC'} NULLS LAST" for t in plan.terms)
    return Fragment(text=f"{plan.head} ORDER BY {order}", params=plan.params), plan.read_row


def count_statement(plan: ListPlan, *, cap: int | None) -> Fragment:
    """Count the records of a list, all of them or up to one more than `cap`."""
    if cap is None:
        return Fragment(text=f"SELECT count(*) {plan.count_text}", params=plan.count_params)
    text = f"SELECT count(*) FROM (SELECT 1 {plan.count_text} LIMIT {cap + 1}) c"
    return Fragment(text=text, params=plan.count_params)


def condition_of(view: View, object_type: ObjectType, text: str) -> Condition:
    """Parse and type a filter as this actor may write it; unknown and forbidden names are one error."""
    scope = CatalogScope(
        catalog=view.catalog,
        object_type=object_type,
        may_see=lambda holder, name: policy.may_see_field(view.actor, holder, name),
    )
    return compile_condition(text, scope, FILTER)


def where_of(
    source: Source, filter_: str, *, trash: bool = False, within: Mapping[str, int] | None = None
) -> tuple[Fragment, bool]:
    """The WHERE of a read: not in the trash, the actor's predicate, the filter; and whether it is live."""
    return _where(source, filter_, trash=trash, within=within or {})


# -- parts ------------------------------------------------------------------------------------------------


def _select(source: Source, query: ListQuery, *, trash: bool) -> tuple[list[str], list[Plain | Reference]]:
    actor, object_type = source.view.actor, source.object_type
    wanted = list(query.fields) if query.fields is not None else policy.visible_fields(actor, object_type)
    if "id" not in wanted:
        wanted.insert(0, "id")
    columns: list[str] = []
    items: list[Plain | Reference] = []

    def add(sql: str) -> int:
        columns.append(sql)
        return len(columns) - 1

    expanded = set(query.expand)
    for name in dict.fromkeys(wanted):
        found = policy.resolve(actor, object_type, name)
        if name in expanded:
            items.append(_expanded(source, found, add))
            expanded.discard(name)
            continue
        items.append(
            Plain(
                name=name,
                place=add(f't."{found.column}"'),
                convert=found.kind.show(found.declaration, source.view.dialect),
            )
        )
    for name in sorted(expanded):
        policy.resolve(actor, object_type, name)
        raise BadInput(f"'{name}' stands in 'expand' but not in 'fields'.", field="expand")
    if trash:
        show = object_type.fields["created_at"].kind.show(
            object_type.fields["created_at"].declaration, source.view.dialect
        )
        items.append(Plain(name="deleted_at", place=add("t.deleted_at"), convert=show))
        items.append(Plain(name="deleted_by", place=add("t.deleted_by")))
    return columns, items


def _expanded(source: Source, found: FieldType, add: Callable[[str], int]) -> Reference:
    if found.kind.name == "user":
        alias = source.user(found.name)
        return Reference(name=found.name, id_place=add(f"{alias}.id"), name_place=add(f"{alias}.name"))
    if found.kind.name != "lookup" or found.declaration.target not in source.view.catalog.objects:
        raise BadInput(f"'{found.name}' is no lookup and can't be expanded.", field="expand")
    alias, target = source.target((found.name,))
    column = target.fields[target.name_field].column
    return Reference(name=found.name, id_place=add(f"{alias}.id"), name_place=add(f'{alias}."{column}"'))


def _where(source: Source, filter_: str, *, trash: bool, within: Mapping[str, int]) -> tuple[Fragment, bool]:
    view = source.view
    texts = [f"t.deleted_at IS {'NOT ' if trash else ''}NULL"]
    params: list[Any] = []
    live = False
    for name, id_ in within.items():
        texts.append(f"{source.column((name,))} = ?")
        params.append(id_)
    if filter_.strip():
        condition = condition_of(view, source.object_type, filter_)
        live = condition.live
        compiled = compile_sql(condition, view.dialect, source, view.environment)
        texts.append(f"({compiled.text})")
        params.extend(compiled.params)
    predicate = policy.record_predicate(view, source.object_type, "read", "t")
    if predicate:
        texts.append(f"({predicate.text})")
        params.extend(predicate.params)
    return Fragment(text=" AND ".join(texts), params=tuple(params)), live


def _terms(source: Source, sort: Sequence[str], *, trash: bool) -> list[Term]:
    terms: list[Term] = []
    for text in sort:
        terms.append(_term(source, text))
    if len({t.sql for t in terms}) != len(terms):
        raise BadInput("A field stands twice in 'sort'.", field="sort")
    if trash and not terms:
        moment = source.object_type.fields["created_at"]
        terms.append(
            _plain_term("t.deleted_at", moment, source.view.dialect, descending=True, nullable=False)
        )
    if any(t.sql == 't."id"' for t in terms):
        return terms[: next(i for i, t in enumerate(terms) if t.sql == 't."id"') + 1]
    # the id runs the same way as the first term, so that one index serves both directions
    descending = terms[0].descending if terms else True
    id_field = source.object_type.fields["id"]
    terms.append(_plain_term('t."id"', id_field, source.view.dialect, descending=descending, nullable=False))
    return terms


def _term(source: Source, text: str) -> Term:
    name, descending = text.removeprefix("-"), text.startswith("-")
    found = policy.resolve(source.view.actor, source.object_type, name)
    if not found.kind.sortable:
        raise BadInput(f"'{name}' can't be sorted by.", field="sort")
    if found.kind.name == "user":
        return _text_term(f"{source.user(name)}.name", descending)
    if found.kind.name == "lookup" and found.declaration.target in source.view.catalog.objects:
        alias, target = source.target((name,))
        key = target.fields[target.name_field]
        return _text_term(f'{alias}."{key.key_column}"', descending)
    if found.key_column:
        return _text_term(f't."{found.key_column}"', descending)
    nullable = not found.system
    return _plain_term(
        f't."{found.column}"', found, source.view.dialect, descending=descending, nullable=nullable
    )


def _text_term(sql: str, descending: bool) -> Term:
    return Term(sql=sql, descending=descending, nullable=True, read=None, bind=_bind_text)


def _bind_text(value: Any) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise Wrong("wrong_type", "A text is needed here.")
    return value


def _plain_term(sql: str, found: FieldType, dialect: Dialect, *, descending: bool, nullable: bool) -> Term:
    kind, declared = found.kind, found.declaration
    store = kind.store(declared, dialect)

    def bind(value: Any) -> Any:
        if kind.name == "select":
            return _bind_text(value)  # an option that has gone since is still a place in the order
        loaded = kind.load(_without_rules(found).declaration, value)
        return store(loaded) if store else loaded

    return Term(
        sql=sql, descending=descending, nullable=nullable, read=kind.show(declared, dialect), bind=bind
    )


def _without_rules(found: FieldType) -> FieldType:
    return replace(
        found,
        declaration=replace(found.declaration, minimum=None, maximum=None, pattern=None, max_length=None),
    )


def _bound(term: Term, value: Any) -> Any:
    if value is None:
        if term.nullable:
            return None
    else:
        try:
            return term.bind(value)
        except Wrong:
            pass
    raise BadInput("The cursor in 'after' is damaged. Start without it.", field="after")


def _shown(term: Term, value: Any) -> Any:
    return value if value is None or term.read is None else term.read(value)


def _order(term: Term, *, first: bool) -> str:
    # the first term's phase holds no empties; later ones put them last on both engines
    suffix = "" if first or not term.nullable else " NULLS LAST"
    return f"{term.sql} {'DESC' if term.descending else 'ASC'}{suffix}"


def _seek(terms: Sequence[Term], values: Sequence[Any]) -> tuple[str, list[Any]]:
    """The rows behind `values` in the order of `terms`; the first term is never empty here."""
    if len(terms) == 2 and terms[0].descending == terms[1].descending:
        sign = "<" if terms[0].descending else ">"
        return f"({terms[0].sql}, {terms[1].sql}) {sign} (?, ?)", list(values)
    return _behind(terms, values, first=True)


def _behind(terms: Sequence[Term], values: Sequence[Any], *, first: bool) -> tuple[str, list[Any]]:
    term, value = terms[0], values[0]
    sign = "<" if term.descending else ">"
    if len(terms) == 1:
        return f"{term.sql} {sign} ?", [value]
    rest, rest_params = _behind(terms[1:], values[1:], first=False)
    if value is None:
        return f"({term.sql} IS NULL AND {rest})", rest_params
    later = f"{term.sql} {sign} ?" + (f" OR {term.sql} IS NULL" if term.nullable and not first else "")
    text = f"({later} OR ({term.sql} = ? AND {rest}))"
    if first:  # a plain bound on the first term, so that its index is used
        return f"({term.sql} {sign}= ? AND {text})", [value, value, value, *rest_params]
    return text, [value, value, *rest_params]
