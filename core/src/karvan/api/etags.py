"""Strong ETags of records, and the preconditions made with them (RFC 9110 section 13).

A tag is `"<version>-<catalog version>-<shape>"`. If-Match looks at the record's version only: another
selection of fields, or a field added meanwhile, is no change of the record.
"""

from __future__ import annotations

import re
import zlib

from karvan.api.problems import VersionNeeded
from karvan.records.shapes import ListQuery

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\uffff]*)"')
_VERSION = re.compile(r"([0-9]{1,18})(?:-.*)?")
NO_VERSION = 0
"""No record has it, so that a tag of something else never matches."""


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
    return any(f'"{tag}"' == etag for _, tag in _TAG.findall(if_none_match))


def versions_allowed(if_match: str | None) -> tuple[int, ...] | None:
    """The versions that If-Match names; None for `*`. Raises VersionNeeded when there is no such header.

    Weak tags and tags of something else match nothing.
    """
    if if_match is None or not if_match.strip():
        raise VersionNeeded
    if if_match.strip() == "*":
        return None
    found = []
    for weak, tag in _TAG.findall(if_match):
        version = _VERSION.fullmatch(tag)
        if version and not weak:
            found.append(int(version[1]))
    return tuple(found) or (NO_VERSION,)
