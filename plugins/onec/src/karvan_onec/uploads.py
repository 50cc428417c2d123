"""What 1C uploads in one session: chunks joined, zips opened within limits, names made harmless.

A file lies under a name of our own making; what 1C calls it stands in a small file beside it, written last,
so that a file is either whole and known or not there.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

from karvan_onec.commerceml import BrokenFile, holds_catalogue
from karvan_sdk import Files, RecordNotFound

SESSION_BYTES = 512 * 1024 * 1024
ENTRIES = 20_000
RATIO = 200
RATIO_FROM = 1024 * 1024
PIECE = 1024 * 1024
NAME_MAX = 500
XML_STARTS = (b"<?xml", b"\xef\xbb\xbf<?xml", "<КоммерческаяИнформация".encode())
ZIP_START = b"PK\x03\x04"

_DRIVE = re.compile(r"[A-Za-z]:")
_PREFIXES = ("/tmp/", "upload/1c/webdata/", "/upload/1c/webdata/", "webdata/")  # noqa: S108 - taken off, not used


class UploadRefused(Exception):
    """What was sent can't be accepted; `text` with its gaps filled from `params` says why."""

    def __init__(self, text: str, **params: Any) -> None:
        self.text = text
        self.params = params
        super().__init__(text % params)


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One file of a session. `id` differs for each time that it was sent."""

    name: str
    id: str
    kind: str
    session: str
    opened: bool = False
    read: bool = False

    @property
    def stem(self) -> str:
        """Where it lies."""
        return f"uploads/{self.session}/{hashlib.sha256(self.name.encode()).hexdigest()[:32]}"


def clean_name(name: str) -> str:
    """A relative name with `/` between its parts; raises UploadRefused for one that leads elsewhere."""
    bare = name.strip().replace("\\", "/")
    for prefix in _PREFIXES:
        bare = bare.removeprefix(prefix)
    parts = [part for part in bare.split("/") if part not in ("", ".")]
    harmful = any(p == ".." or any(ord(c) < 32 for c in p) for p in parts)
    if not parts or harmful or bare.startswith("/") or _DRIVE.match(bare) or len(bare) > NAME_MAX:
        raise UploadRefused("'%(name)s' can't be the name of a file.", name=name[:80])
    return "/".join(parts)


class Uploads:
    """The files of one session."""

    def __init__(self, files: Files, session: str) -> None:
        self._files = files
        self._session = session

    def clear(self) -> None:
        """Forget all of them."""
        for name in self._files.names(self._folder):
            self._files.delete(name)

    def add_chunk(self, name: str, data: bytes) -> None:
        """Add to a file. It begins anew where it was read already, or where `data` is its beginning again."""
        name = clean_name(name)
        kind = _kind(name)
        if kind == "other":  # pictures: only their names are of use, and those stand in the catalogue
            return
        if self._size() + len(data) > SESSION_BYTES:
            raise UploadRefused("More than %(limit)s MB were sent.", limit=SESSION_BYTES // 1024**2)
        upload = self.find(name)
        if upload is None or upload.read or upload.opened or self._begins_anew(upload, data):
            upload = self._begin(name, kind)
        self._files.append(f"{upload.stem}.data", data)

    def find(self, name: str) -> Upload | None:
        """A file by what 1C calls it; by its last part alone where only one such was sent."""
        name = clean_name(name)
        exact = self._load(Upload(name=name, id="", kind="", session=self._session).stem)
        if exact is not None:
            return exact
        last = name.rpartition("/")[2]
        alike = [u for u in self.all() if u.name.rpartition("/")[2] == last]
        return alike[0] if len(alike) == 1 else None

    def all(self) -> list[Upload]:
        """All files, by name."""
        stems = (n.removesuffix(".json") for n in self._files.names(self._folder) if n.endswith(".json"))
        return sorted((u for u in map(self._load, stems) if u is not None), key=lambda u: u.name)

    def opener(self, upload: Upload) -> Callable[[], AbstractContextManager[BinaryIO]]:
        """What opens a file for reading."""
        return lambda: self._files.open(f"{upload.stem}.data")

    def awaits_catalogue(self, upload: Upload) -> bool:
        """Whether another file of a catalogue was sent and not read yet: `upload` is not all of it."""
        for other in self.all():
            if other.kind != "xml" or other.read or other.id == upload.id:
                continue
            try:
                with self._files.open(f"{other.stem}.data") as stream:
                    if holds_catalogue(stream):
                        return True
            except BrokenFile:  # it may be one
                return True
        return any(other.kind == "zip" and not other.opened for other in self.all())

    def mark_read(self, upload: Upload) -> None:
        """It was imported: its bytes go, that it was there stays known."""
        self._files.delete(f"{upload.stem}.data")
        self._keep(
            Upload(name=upload.name, id=upload.id, kind=upload.kind, session=upload.session, read=True)
        )

    def open_zips(self) -> bool:
        """Unpack every zip that is still closed; whether there was one."""
        closed = [u for u in self.all() if u.kind == "zip" and not u.opened]
        for upload in closed:
            with self._files.open(f"{upload.stem}.data") as stream:
                self._unpack(stream)
            self._files.delete(f"{upload.stem}.data")
            self._keep(
                Upload(name=upload.name, id=upload.id, kind="zip", session=upload.session, opened=True)
            )
        return bool(closed)

    def add_file(self, name: str, stream: BinaryIO) -> None:
        """A whole file at once: an XML file, or a zip with such."""
        upload = self._begin(clean_name(name), _kind(name))
        while data := stream.read(PIECE):
            self._files.append(f"{upload.stem}.data", data)

    def _unpack(self, stream: BinaryIO) -> None:
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = [e for e in archive.infolist() if not e.is_dir()]
                self._check_entries(entries)
                for entry in entries:
                    if _kind(entry.filename) == "xml":
                        self._unpack_entry(archive, entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as exc:
            # RuntimeError: an entry is encrypted, or packed in a way that zipfile does not know
            raise UploadRefused("The zip is damaged or incomplete.") from exc

    def _check_entries(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > ENTRIES:
            raise UploadRefused("The zip holds more than %(limit)s files.", limit=ENTRIES)
        for entry in entries:
            clean_name(entry.filename)
            if entry.flag_bits & 1:
                raise UploadRefused("The zip is encrypted.")
            if entry.file_size > RATIO_FROM and entry.file_size > RATIO * max(entry.compress_size, 1):
                raise UploadRefused("The zip unpacks to far more than it should.")
        if self._size() + sum(e.file_size for e in entries if _kind(e.filename) == "xml") > SESSION_BYTES:
            raise UploadRefused("More than %(limit)s MB were sent.", limit=SESSION_BYTES // 1024**2)

    def _unpack_entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        upload = self._begin(clean_name(entry.filename), "xml", known=False)
        left = entry.file_size  # a zip that says too little is cut off, never followed
        with archive.open(entry) as source:
            while left and (data := source.read(min(PIECE, left))):
                self._files.append(f"{upload.stem}.data", data)
                left -= len(data)
        self._keep(upload)

    def _begin(self, name: str, kind: str, *, known: bool = True) -> Upload:
        upload = Upload(name=name, id=secrets.token_hex(12), kind=kind, session=self._session)
        self._files.write(f"{upload.stem}.data", b"")
        if known:
            self._keep(upload)
        return upload

    def _begins_anew(self, upload: Upload, data: bytes) -> bool:
        """Whether a chunk repeats the file's beginning, as after an answer that was lost."""
        head = data[:64]
        with self._files.open(f"{upload.stem}.data") as stream:
            if upload.kind == "zip":
                return head.startswith(ZIP_START) and stream.read(len(head)) == head
            return head.lstrip().startswith(XML_STARTS) and bool(stream.read(1))

    def _keep(self, upload: Upload) -> None:
        told = {"name": upload.name, "id": upload.id, "kind": upload.kind, "opened": upload.opened,
                "read": upload.read}  # fmt: skip
        self._files.write(f"{upload.stem}.json", json.dumps(told).encode())

    def _load(self, stem: str) -> Upload | None:
        try:
            told = json.loads(self._files.read(f"{stem}.json"))
        except (RecordNotFound, ValueError):
            return None
        return Upload(session=self._session, **told)

    def _size(self) -> int:
        total = 0
        for name in self._files.names(self._folder):
            with self._files.open(name) as stream:
                total += stream.seek(0, 2)
        return total

    @property
    def _folder(self) -> str:
        return f"uploads/{self._session}/"


def _kind(name: str) -> str:
    suffix = name.rpartition(".")[2].casefold()
    return suffix if suffix in ("xml", "zip") else "other"
