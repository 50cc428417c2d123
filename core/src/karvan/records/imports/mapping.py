"""Which column fills which field: the rules of docs/import.md, in order, first match wins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from karvan.metadata.catalog import CURRENCY_LABEL, Catalog, FieldType, ObjectType
from karvan.records.imports.folding import fold_header
from karvan_sdk.errors import BadInput, UnknownField

BY_HAND, NAME, OWN_NAME, OBJECT_AND_FIELD, SYNONYM, MADE, IGNORED = range(7)
"""The rules: 0 is `--map`, 1 to 6 are those of docs/import.md."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What became of one column: the field it fills ("" for none) and the rule that said so.

    `read_only` says that the header names a field which can't be written; `taken` names the field that
    another column holds.
    """

    position: int
    header: str
    field: str = ""
    rule: int = IGNORED
    read_only: bool = False
    taken: str = ""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Every wording that names a field of one object, folded, by rule; several fields may share one."""

    by_rule: Mapping[int, Mapping[str, tuple[str, ...]]]
    read_only: frozenset[str]

    def match(self, header: str) -> tuple[int, tuple[str, ...]]:
        """The first rule that knows the header and the fields it may mean; rule 5 where none does."""
        word = fold_header(header)
        for rule, words in self.by_rule.items():
            if word in words:
                return rule, words[word]
        return MADE, ()


def bare_name(name: str) -> str:
    """An API name without its owner's prefix: `c_budget` → `budget`, `crm__score` → `score`."""
    if "__" in name:
        return name.partition("__")[2]
    return name.removeprefix("c_")


def object_words(object_type: ObjectType) -> set[str]:
    """The names and labels of an object in singular and plural, folded."""
    declared = object_type.declaration
    singular = (object_type.name, bare_name(object_type.name), *declared.label.all())
    # objects made on the fly have no label in plural
    words = (*singular, *(f"{w}s" for w in singular if w.isascii()), *declared.label_plural.all())
    return {fold_header(w) for w in words} - {"", "s"}


def field_words(field: FieldType) -> set[str]:
    """The names and labels of a field, folded."""
    words = (field.name, bare_name(field.name), *field.declaration.label.all())
    return {fold_header(w) for w in words} - {""}


def vocabulary(object_type: ObjectType) -> Vocabulary:
    """The vocabulary of an object. Fields that can't be written are known only as such."""
    own = object_words(object_type)
    synonyms = {fold_header(s) for s in object_type.declaration.synonyms} - {""}
    rules: dict[int, dict[str, list[str]]] = {r: {} for r in (NAME, OWN_NAME, OBJECT_AND_FIELD, SYNONYM)}
    read_only: set[str] = set()

    def learn(rule: int, words: Iterable[str], name: str) -> None:
        for word in words:
            known = rules[rule].setdefault(word, [])
            if name not in known:
                known.append(name)

    # fields of the object itself go before the system's: a field called "Owner" is meant by "Owner"
    for field in sorted(object_type.fields.values(), key=lambda f: f.system):
        words = field_words(field)
        if field.declaration.read_only:
            read_only |= words
            continue
        further = {fold_header(s) for s in field.declaration.synonyms} - {""}
        learn(NAME, words, field.name)
        learn(OBJECT_AND_FIELD, (o + w for o in own for w in words), field.name)
        learn(SYNONYM, further, field.name)
        learn(SYNONYM, (o + w for o in own for w in further), field.name)
        learn(SYNONYM, (o + w for o in synonyms for w in words), field.name)
    codes = [f.name for f in object_type.own_fields.values() if f.companion and not f.declaration.read_only]
    if len(codes) == 1:  # "Currency" alone says whose only where there is one
        learn(SYNONYM, (fold_header(word) for word in CURRENCY_LABEL.all()), codes[0])
    if not object_type.fields[object_type.name_field].declaration.read_only:
        learn(OWN_NAME, own, object_type.name_field)
        learn(SYNONYM, synonyms, object_type.name_field)
    return Vocabulary(
        by_rule={rule: {w: tuple(names) for w, names in words.items()} for rule, words in rules.items()},
        read_only=frozenset(read_only),
    )


def map_columns(
    header: Sequence[str], object_type: ObjectType, maps: Mapping[str, str] | None = None
) -> tuple[Column, ...]:
    """The field of every column; those without one have rule 5, or rule 6 where they are to be left out.

    Where two columns claim one field, the stronger rule wins, then the one further left. Raises BadInput
    or UnknownField that names what `maps` got wrong.
    """
    words = vocabulary(object_type)
    given = _given(header, object_type, maps or {})
    taken = {name for name in given.values() if name}
    found: dict[int, Column] = {}
    for position, name in given.items():
        rule = BY_HAND if name else IGNORED
        found[position] = Column(position=position, header=header[position], field=name, rule=rule)
    claims = {p: words.match(h) for p, h in enumerate(header) if p not in given and h}
    for position, (rule, names) in sorted(claims.items(), key=lambda item: (item[1][0], item[0])):
        free = next((n for n in names if n not in taken), "")
        if free:
            taken.add(free)
            found[position] = Column(position=position, header=header[position], field=free, rule=rule)
            continue
        found[position] = Column(
            position=position,
            header=header[position],
            rule=MADE,
            read_only=not names and fold_header(header[position]) in words.read_only,
            taken=names[0] if names else "",
        )
    for position, text in enumerate(header):
        found.setdefault(position, Column(position=position, header=text, rule=IGNORED))
    return tuple(found[p] for p in range(len(header)))


def _given(header: Sequence[str], object_type: ObjectType, maps: Mapping[str, str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for text, name in maps.items():
        position = find_header(header, text)
        if position is None:
            near = difflib.get_close_matches(text, header, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise BadInput(f"The file has no column '{text}'.{hint}", field="map")
        field = find_field(object_type, name) if name else None
        if field is not None and field.declaration.read_only:
            raise BadInput(f"'{field.name}' can't be written, so no column can fill it.", field="map")
        if field is not None and field.name in found.values():
            raise BadInput(f"Two columns are mapped to '{field.name}'.", field="map")
        found[position] = field.name if field is not None else ""
    return found


def find_header(header: Sequence[str], text: str) -> int | None:
    """The position of a header, exactly as written or else folded; None where there is none."""
    if text in header:
        return list(header).index(text)
    word = fold_header(text)
    return next((p for p, h in enumerate(header) if h and fold_header(h) == word), None)


def find_field(object_type: ObjectType, text: str) -> FieldType:
    """The field that a person names: by its API name, or without the prefix where only one is meant.

    Raises UnknownField.
    """
    found = object_type.fields.get(text)
    if found is not None:
        return found
    same = [f for f in object_type.fields.values() if bare_name(f.name) == text]
    if len(same) == 1:
        return same[0]
    raise UnknownField(text, object_type.name)


def find_object_named(catalog: Catalog, name: str) -> ObjectType:
    """The object that a person names: by its API name, or an administrator's without the prefix.

    Raises UnknownObject.
    """
    return catalog.objects.get(name) or catalog.objects.get(f"c_{name}") or catalog.object(name)


def find_object(objects: Iterable[ObjectType], header: str) -> ObjectType | None:
    """The object that a header names, in singular or plural and in any language."""
    word = fold_header(header)
    if not word:
        return None
    found = [o for o in objects if word in object_words(o)]
    return found[0] if len(found) == 1 else None
