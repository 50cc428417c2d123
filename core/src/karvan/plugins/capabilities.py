"""What a plugin may do with records of others: exactly what its manifest asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from karvan.metadata.catalog import Catalog
from karvan_sdk.actions import Listed
from karvan_sdk.capabilities import read_fields
from karvan_sdk.errors import NotAllowed
from karvan_sdk.expressions import ExpressionError, Node, parse
from karvan_sdk.manifest import Manifest
from karvan_sdk.protocols import Records, RecordWriter, Row

Names = Sequence[str]


def granted_of(manifest: Manifest, catalog: Catalog) -> tuple[str, ...]:
    """The capabilities that count: what the manifest asks for now and asked for when it was enabled.

    So code that was exchanged meanwhile gets no more than an administrator has seen.
    """
    seen = catalog.manifests.get(manifest.id, {}).get("capabilities", ())
    return tuple(one for one in manifest.capabilities if one in seen)


class Granted:
    """Whether a plugin may read or write an object: its own ones always, others by capability."""

    def __init__(self, plugin: str, capabilities: Sequence[str], catalog: Catalog) -> None:
        self._plugin = plugin
        self._capabilities = frozenset(capabilities)
        self._catalog = catalog

    def check(self, verb: str, object: str) -> None:
        """Raise NotAllowed unless the plugin may `verb` (read, write) the object; UnknownObject first."""
        self.fields(verb, object)

    def check_whole(self, verb: str, object: str) -> None:
        """Raise NotAllowed where the plugin may `verb` some fields of the object only."""
        if self.fields(verb, object) is not None:
            raise self._refused(verb, object)

    def fields(self, verb: str, object: str) -> frozenset[str] | None:
        """The fields that the plugin may `verb`; None for all. Raises NotAllowed, UnknownObject.

        With a list its own fields, `id` and `version` are among them.
        """
        object_type = self._catalog.object(object)
        owner = f"plugin:{self._plugin}"
        if object_type.owner == owner:
            return None
        verbs = (verb, "write") if verb == "read" else (verb,)  # who may change records sees what he changes
        if any({f"records:{v}:{object}", f"records:{v}:*"} & self._capabilities for v in verbs):
            return None
        lists = [
            found
            for capability in self._capabilities
            for v in verbs
            if (found := read_fields(capability, v, object)) is not None
        ]
        if not lists:
            raise self._refused(verb, object)
        own = {name for name, field in object_type.fields.items() if field.owner == owner}
        return frozenset({"id", "version"} | own).union(*lists)

    def check_fields(self, verb: str, object: str, names: Iterable[str]) -> None:
        """Raise NotAllowed where one of the fields is not among those that the plugin may `verb`."""
        allowed = self.fields(verb, object)
        if allowed is None:
            return
        for name in names:
            if name.removesuffix("_currency") not in allowed and name not in allowed:
                raise self._refused(verb, f"{object}({name})")

    def narrow(self, object: str, names: Names | None) -> Names | None:
        """The fields to ask for where the plugin named these, or none: all that it may read."""
        if names is not None:
            self.check_fields("read", object, names)
            return names
        allowed = self.fields("read", object)
        if allowed is None:
            return None
        return tuple(name for name in self._catalog.object(object).fields if name in allowed)

    def shown(self, object: str, row: Mapping[str, Any]) -> Row:
        """What of a record the plugin may see."""
        allowed = self.fields("read", object)
        if allowed is None:
            return dict(row)
        return {n: v for n, v in row.items() if n in allowed or n.removesuffix("_currency") in allowed}

    def check_expand(self, object: str, names: Names) -> None:
        """Raise NotAllowed where an expanded lookup shows a record that the plugin may not read."""
        self.check_fields("read", object, names)
        fields = self._catalog.object(object).fields
        for name in names:
            target = fields[name].declaration.target if name in fields else None
            if target and target in self._catalog.objects:
                self.check_fields("read", target, [self._catalog.object(target).name_field])

    def check_filter(self, object: str, text: str) -> None:
        """Raise NotAllowed where a filter asks for a field or a record that the plugin may not read."""
        if "." not in text and self.fields("read", object) is None:
            return
        try:
            tree = parse(text)
        except ExpressionError:
            return  # whoever asks the records is told what is wrong with it
        for path in _paths(tree):
            self._check_path(object, path)

    def check_sort(self, object: str, names: Names) -> None:
        """Raise NotAllowed where an order tells of fields or of records that it may not read."""
        self.check_expand(object, [name.removeprefix("-") for name in names])

    def check_aggregate(self, object: str, measures: Names, group: Names) -> None:
        """Raise NotAllowed where figures tell of fields or of records that it may not read."""
        self.check_fields("read", object, [m.partition(":")[2] for m in measures if ":" in m])
        self.check_expand(object, [entry.partition(":")[0] for entry in group])

    def _check_path(self, object: str, path: Sequence[str]) -> None:
        holder = object
        for number, name in enumerate(path, 1):
            self.check_fields("read", holder, [name])
            found = self._catalog.object(holder).fields.get(name)
            target = found.declaration.target if found else None
            if number == len(path) or not target or target not in self._catalog.objects:
                return
            self.check("read", target)
            holder = target

    def _refused(self, verb: str, what: str) -> NotAllowed:
        reason = f"plugin '{self._plugin}' did not ask for 'records:{verb}:{what}' in its manifest."
        return NotAllowed(action=verb, object=what, reason=reason)


def _paths(node: Node) -> Iterator[Sequence[str]]:
    if node.kind == "field":
        yield node.value
    for part in node.args:
        yield from _paths(part)


class GrantedRecords:
    """`karvan_sdk.Records` within the capabilities of one plugin."""

    def __init__(self, inner: Records, granted: Granted) -> None:
        self._inner = inner
        self._granted = granted

    def get(self, object: str, id: int, *, fields: Names | None = None, expand: Names = ()) -> Row:
        """One record."""
        self._granted.check("read", object)
        self._granted.check_expand(object, expand)
        fields = self._granted.narrow(object, fields)
        return self._granted.shown(object, self._inner.get(object, id, fields=fields, expand=expand))

    def list(
        self,
        object: str,
        *,
        filter: str = "",
        sort: Names = (),
        fields: Names | None = None,
        expand: Names = (),
        limit: int = 50,
        after: str | None = None,
    ) -> Listed:
        """One page of records."""
        self._granted.check("read", object)
        self._granted.check_expand(object, expand)
        self._granted.check_filter(object, filter)
        self._granted.check_sort(object, sort)
        fields = self._granted.narrow(object, fields)
        return self._inner.list(
            object, filter=filter, sort=sort, fields=fields, expand=expand, limit=limit, after=after
        )

    def aggregate(
        self, object: str, *, measures: Names, group: Names = (), filter: str = ""
    ) -> Sequence[Row]:
        """Figures per group."""
        self._granted.check("read", object)
        self._granted.check_filter(object, filter)
        self._granted.check_aggregate(object, measures, group)
        return self._inner.aggregate(object, measures=measures, group=group, filter=filter)

    def each(
        self, object: str, *, filter: str = "", fields: Names | None = None, sort: Names = ()
    ) -> Iterator[Row]:
        """All records, page by page."""
        self._granted.check("read", object)
        self._granted.check_filter(object, filter)
        self._granted.check_sort(object, sort)
        fields = self._granted.narrow(object, fields)
        yield from self._inner.each(object, filter=filter, fields=fields, sort=sort)

    @contextmanager
    def write(self) -> Iterator[GrantedWriter]:
        """One transaction of changes."""
        with self._inner.write() as writer:
            yield GrantedWriter(writer, self._granted)


class GrantedWriter:
    """`karvan_sdk.RecordWriter` within the capabilities of one plugin."""

    def __init__(self, inner: RecordWriter, granted: Granted) -> None:
        self._inner = inner
        self._granted = granted

    @property
    def records(self) -> GrantedRecords:
        """Reads what this transaction sees."""
        return GrantedRecords(self._inner.records, self._granted)

    def create(self, object: str, values: Mapping[str, Any]) -> Row:
        """Create a record."""
        self._granted.check_fields("write", object, values)
        return self._granted.shown(object, self._inner.create(object, values))

    def update(self, object: str, id: int, values: Mapping[str, Any], version: int | None = None) -> Row:
        """Change a record."""
        self._granted.check_fields("write", object, values)
        return self._granted.shown(object, self._inner.update(object, id, values, version))

    def delete(self, object: str, id: int, version: int | None = None) -> None:
        """Put a record into the trash."""
        self._granted.check_whole("write", object)
        self._inner.delete(object, id, version)

    def create_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Create many records, all or none."""
        self._granted.check_fields("write", object, {name for row in rows for name in row})
        return self._inner.create_many(object, rows)

    def update_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change many records, all or none."""
        self._granted.check_fields("write", object, {name for row in rows for name in row})
        self._inner.update_many(object, rows)
