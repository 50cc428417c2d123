"""The fields that an expression may name, as a catalog and the right to see them say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan_sdk.expressions import FieldInfo

MaySee = Callable[[ObjectType, str], bool]


def _all(holder: ObjectType, name: str) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class CatalogScope:
    """Implements `karvan_sdk.expressions.Scope` for one object; `may_see` hides fields from the asker."""

    catalog: Catalog
    object_type: ObjectType
    may_see: MaySee = _all

    def field(self, path: tuple[str, ...]) -> FieldInfo | None:
        """The field at the end of a path of lookups, or None."""
        holder: ObjectType | None = self.object_type
        uids: list[str] = []
        found: FieldType | None = None
        for name in path:
            if holder is None:
                return None
            found = holder.fields.get(name)
            if found is None or not self.may_see(holder, name):
                return None
            uids.append(found.uid)
            holder = self.catalog.objects.get(found.declaration.target or "")
        if found is None:
            return None
        return FieldInfo(
            path=path,
            uid=tuple(uids),
            # ids run in the order of creation, and whoever copies records asks for those behind a number
            type="integer" if found.kind.name == "id" else found.kind.name,
            scale=found.scale,
            options=tuple(o.value for o in found.declaration.options),
            target=found.declaration.target or "",
        )

    def names(self) -> Iterable[str]:
        """The names of the object's own fields that may be seen, for hints."""
        return [n for n in self.object_type.fields if self.may_see(self.object_type, n)]
