"""What the one who imports may decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from karvan.records.imports.values import DateOrder

OnMissing = Literal["create", "blank", "fail"]


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """How a file is imported.

    `match` are headers or fields that tell whether a record is there already (empty: every row is a new
    record); `maps` says by hand which header fills which field ("" leaves the column out). `create_fields`
    makes fields for columns that have none, and options for unknown choices; `create_object` makes the
    object itself if it is not there (and its fields). `on_missing` says what a lookup does that finds
    nothing. `delimiter`, `encoding`, `decimal` and `date_order` are found out where they are empty.
    `dry_run` checks everything and writes nothing. `failed_file` is where the rows go that were refused
    (None: beside the file).
    """

    match: tuple[str, ...] = ()
    maps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    create_fields: bool = False
    create_object: bool = False
    on_missing: OnMissing = "blank"
    delimiter: str = ""
    encoding: str = ""
    decimal: str = ""
    date_order: DateOrder | None = None
    dry_run: bool = False
    failed_file: Path | None = None
