"""Strong ETags of records, and the preconditions made with them (RFC 9110 section 13).

A tag is `"<version>-<catalog version>-<shape>"`. If-Match looks at the record's version only: another
selection of fields, or a field added meanwhile, is no change of the record.
"""

from __future__ import annotations

import re
import zlib

from karvan.api.problems import BadQuery, VersionNeeded
from karvan.records.shapes import ListQuery
from karvan_sdk.errors import FieldError

_OURS = r'"([0-9]{1,18})(?:-[0-9]+-[0-9a-f]+)?"'
IF_MATCH = rf"^\s*(?:\*|(?:W/)?{_OURS}(?:\s*,\s*(?:W/)?{_OURS})*)\s*$"
"""What may stand in If-Match: `*`, or tags of this API."""
_IF_MATCH = re.compile(IF_MATCH)
_STRONG = re.compile(rf"(?<!/){_OURS}")
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\uffff]*")')
NO_VERSION = 0
"""No record has it, so that a weak tag never matches."""


def make_etag(version: int, catalog_version: int, query: ListQuery, body: bytes) -> str:
    """The tag of one record as `query` shows it.

    Expanded names belong to other records and change without this one's version, so the bytes count then.
    """
    if query.expand:
        shape = f"{zlib.crc32(body):x}"
    elif query.fields is not None:
        shape = f"{zlib.crc32(','.join(query.fields).encode()):x}"
    else:
        shape = "0"
    return f'"{version}-{catalog_version}-{shape}"'


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client holds this representation already."""
    if if_none_match is None:
        return False
    if if_none_match == etag or if_none_match.strip() == "*":
        return True
    return etag in _TAG.findall(if_none_match)


def versions_allowed(if_match: str | None) -> tuple[int, ...] | None:
    """The versions that If-Match names; None for `*`. Weak tags match nothing.

    Raises VersionNeeded when there is no such header, BadQuery when it holds something else than our tags.
    """
    if if_match is None or not if_match.strip():
        raise VersionNeeded
    if if_match.strip() == "*":
        return None
    if not _IF_MATCH.match(if_match):
        raise BadQuery(
            [
                FieldError(
                    field="If-Match",
                    code="bad_tag",
                    template="Send the record's ETag as it was given, its version in quotes, or *.",
                )
            ]
        )
    return tuple(int(version) for version in _STRONG.findall(if_match)) or (NO_VERSION,)
