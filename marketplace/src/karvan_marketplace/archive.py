"""Opens a wheel's zip within limits: nothing is unpacked to disk, nothing is imported, no bomb goes off."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from karvan_marketplace.errors import WheelRefused

MIB = 1024 * 1024
WHEEL_MAX = 256 * MIB
ENTRIES_MAX = 10_000
DIRECTORY_MAX = 4 * MIB
UNPACKED_MAX = 1024 * MIB
TEXT_MAX = MIB
READ_MAX = 16 * MIB
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What every installer reads. Python unpacks the others (bzip2, LZMA) without a bound on memory."""

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_COMMENT_MAX = 0xFFFF


class Archive:
    """The entries of one wheel that is open for reading. All reading together is bounded by `READ_MAX`."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self._entries = {entry.filename: entry for entry in zipped.infolist()}
        self._left = READ_MAX
        _check_entries(zipped.infolist())

    @property
    def names(self) -> tuple[str, ...]:
        """The entries in the order of the zip."""
        return tuple(self._entries)

    def read(self, name: str, limit: int = TEXT_MAX) -> bytes:
        """The bytes of an entry. Raises FileNotFoundError, or WheelRefused where a limit is broken."""
        entry = self._entries.get(name)
        if entry is None:
            raise FileNotFoundError(f"There is no file '{name}' in the wheel.")
        if entry.file_size > limit:
            raise WheelRefused(f"'{name}' says it holds {entry.file_size:,} bytes; {limit:,} are allowed.")
        if entry.file_size > self._left:
            raise WheelRefused(f"Its manifest and what it names hold more than {READ_MAX:,} bytes.")
        try:
            with self._zip.open(entry) as stream:
                data = stream.read()  # at most the size that the zip's directory states
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as exc:
            # RuntimeError: the entry is encrypted, or packed in a way that zipfile does not know
            raise WheelRefused(f"'{name}' can't be unpacked: {exc}") from exc
        self._left -= len(data)
        return data

    def text(self, name: str, limit: int = TEXT_MAX) -> str:
        """The text of an entry, which must be UTF-8."""
        try:
            return self.read(name, limit).decode("utf-8")
        except UnicodeDecodeError as exc:
            raise WheelRefused(f"'{name}' is not UTF-8: {exc.reason} at byte {exc.start}.") from exc


@contextmanager
def opened(stream: BinaryIO) -> Iterator[Archive]:
    """The archive in a seekable stream. Raises WheelRefused for whatever is no sane zip."""
    _check_size(stream)
    try:
        zipped = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as exc:
        # NotImplementedError: the zip wants a version of the format that zipfile does not know
        raise WheelRefused(f"It is no zip file: {exc}") from exc
    with zipped:
        yield Archive(zipped)


def _check_size(stream: BinaryIO) -> None:
    """Refuse by the zip's own closing record, before its directory is read into memory.

    ZIP64 (APPNOTE 4.3.14) is refused whole: a wheel within the limits never needs it.
    """
    size = stream.seek(0, 2)
    if size > WHEEL_MAX:
        raise WheelRefused(f"It has {size:,} bytes; {WHEEL_MAX:,} are allowed.")
    start = max(0, size - _END.size - _COMMENT_MAX - _LOCATOR_SIZE)
    stream.seek(start)
    tail = stream.read(size - start)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise WheelRefused("It is no zip file: its closing record is missing; it may be cut off.")
    _, _, _, _, entries, directory, _, _ = _END.unpack_from(tail, at)
    if tail[max(0, at - _LOCATOR_SIZE) : at].startswith(_LOCATOR_SIGNATURE):
        raise WheelRefused("It is a ZIP64 file, which no wheel of an allowed size needs.")
    if entries > ENTRIES_MAX or directory > DIRECTORY_MAX:
        raise WheelRefused(
            f"Its directory says {entries:,} entries in {directory:,} bytes; "
            f"{ENTRIES_MAX:,} in {DIRECTORY_MAX:,} are allowed."
        )


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > ENTRIES_MAX:  # the closing record was a lie
        raise WheelRefused(f"It has {len(entries):,} entries; {ENTRIES_MAX:,} are allowed.")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > UNPACKED_MAX:
        raise WheelRefused(f"Unpacked it would have {unpacked:,} bytes; {UNPACKED_MAX:,} are allowed.")
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename  # `filename` is already made tame
        if not is_inside(name.removesuffix("/")):
            raise WheelRefused(f"Its entry '{name}' leads out of the folder it would be unpacked into.")
        if entry.compress_type not in COMPRESSIONS:
            raise WheelRefused(f"Its entry '{name}' is packed by another method than deflate.")
        if name in seen:
            raise WheelRefused(f"Its entry '{name}' stands twice.")
        seen.add(name)


def is_inside(name: str) -> bool:
    """Whether a path in a zip stays below where it is unpacked, on every system."""
    return not (
        any(part in ("", ".", "..") for part in name.split("/"))
        or "\\" in name
        or ":" in name
        or "\0" in name
    )
