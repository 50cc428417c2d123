"""The client of an index (PEP 691) and of the catalogue beside it: JSON, wheels and their hashes."""

from __future__ import annotations

import email
import hashlib
import platform
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit
from urllib.request import Request, urlopen

import orjson
from packaging.specifiers import SpecifierSet
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from karvan_sdk.errors import KarvanError

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
TIMEOUT_S = 20.0
PAGE_S = 60.0
WHEEL_S = 600.0
"""Times between two bytes, for a page, and for a wheel."""
JSON_MAX = 16 * 1024 * 1024
WHEEL_MAX = 200 * 1024 * 1024
BLOCK = 256 * 1024


class IndexFailed(KarvanError):
    """An index could not be asked, or gave something that can't be trusted; nothing was changed."""

    code = "index_failed"
    template = "{url}: {reason}"
    unreachable = False
    """Whether nobody answered at all."""


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """A wheel that an index offers. `metadata_sha256` is empty where it does not offer the metadata apart."""

    project: str
    version: Version
    filename: str
    url: str
    sha256: str
    size: int | None = None
    requires_python: str = ""
    metadata_sha256: str | None = None


class Index:
    """One index. Every answer is bounded in size and time, and every file is checked against its hash."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise IndexFailed(url=url, reason=f"this is no address: {exc}.") from exc
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise IndexFailed(url=url, reason="this is no address of an index; it begins with http(s)://.")
        self.url = re.sub(r"/simple/?$", "", url.rstrip("/"))
        self._plugins: dict[str, Mapping[str, Any] | None] = {}

    def bundle(self, name: str) -> Mapping[str, Any]:
        """A bundle of the catalogue; raises IndexFailed."""
        return self._catalogue("bundles", name, f"there is no bundle '{name}' in its catalogue.")

    def plugin(self, name: str) -> Mapping[str, Any] | None:
        """A plugin of the catalogue, None where the index has no catalogue or not this plugin."""
        if name not in self._plugins:
            try:
                self._plugins[name] = self._catalogue("plugins", name, "")
            except _Missing:
                self._plugins[name] = None
        return self._plugins[name]

    def files(self, project: str) -> list[IndexFile]:
        """The wheels of a project that run here, newest first, nothing yanked; empty for an unknown one."""
        address = f"{self.url}/simple/{quote(str(canonicalize_name(project)))}/"
        try:
            body, base = self._get(address, JSON_MAX, accept=JSON_TYPE)
        except _Missing:
            return []
        data = _json(address, body)
        listed = data.get("files") if isinstance(data, dict) else None
        if not isinstance(listed, list):
            raise IndexFailed(url=address, reason="it answered something that is no project page (PEP 691).")
        found = [f for entry in listed if (f := _file(project, entry, base)) is not None]
        return sorted(found, key=lambda f: f.version, reverse=True)

    def metadata(self, file: IndexFile) -> Message | None:
        """The METADATA of a wheel from a file of its own (PEP 658), None where the index offers none."""
        if file.metadata_sha256 is None:
            return None
        address = f"{file.url}.metadata"
        body, _ = self._get(address, JSON_MAX)
        _compare(address, file.metadata_sha256, hashlib.sha256(body).hexdigest())
        return email.message_from_bytes(body)

    def download(self, file: IndexFile, folder: Path) -> Path:
        """Fetch a wheel into a folder, its hash checked; one that is there already is not fetched again."""
        path = folder / file.filename
        if path.is_file():
            return path
        draft = folder / f"{file.filename}.part"
        digest = hashlib.sha256()
        try:
            with self._open(file.url) as answer, draft.open("wb") as stream:
                for block in _blocks(answer, file.url, WHEEL_MAX, WHEEL_S):
                    digest.update(block)
                    stream.write(block)
            _compare(file.url, file.sha256, digest.hexdigest())
            draft.rename(path)
        except (OSError, HTTPException) as exc:
            raise IndexFailed(url=file.url, reason=str(exc)) from exc
        finally:
            draft.unlink(missing_ok=True)
        return path

    # -- inside ----------------------------------------------------------------------------------------

    def _catalogue(self, kind: str, name: str, missing: str) -> Mapping[str, Any]:
        address = f"{self.url}/api/v1/{kind}/{quote(name, safe='')}"
        try:
            body, _ = self._get(address, JSON_MAX, accept="application/json")
        except _Missing as exc:
            if missing:
                raise IndexFailed(url=self.url, reason=missing) from exc
            raise
        data = _json(address, body)
        found = data.get("data") if isinstance(data, dict) else None
        if not isinstance(found, dict):
            raise IndexFailed(url=address, reason="it answered something that is no entry of a catalogue.")
        return found

    def _get(self, address: str, limit: int, *, accept: str = "*/*") -> tuple[bytes, str]:
        try:
            with self._open(address, accept) as answer:
                return b"".join(_blocks(answer, address, limit, PAGE_S)), str(answer.url)
        except (OSError, HTTPException) as exc:
            raise IndexFailed(url=address, reason=str(exc)) from exc

    def _open(self, address: str, accept: str = "*/*") -> Any:
        if not address.lower().startswith(("http://", "https://")):
            raise IndexFailed(url=address, reason="only http and https are followed.")
        try:
            return urlopen(Request(address, headers={"Accept": accept}), timeout=TIMEOUT_S)  # noqa: S310
        except HTTPError as exc:
            exc.close()
            if exc.code == 404:
                raise _Missing(url=address, reason="it is not there.") from exc
            raise IndexFailed(url=address, reason=f"it answered {exc.code} {exc.reason}.") from exc
        except URLError as exc:
            raise _Unreachable(url=address, reason=f"it can't be reached: {exc.reason}") from exc
        except ValueError as exc:
            raise IndexFailed(url=address, reason=f"this is no address: {exc}.") from exc


class _Unreachable(IndexFailed):
    """Nobody answers at the address."""

    unreachable = True


class _Missing(IndexFailed):
    """The index knows nothing of that name."""


def _blocks(answer: Any, address: str, limit: int, seconds: float) -> Iterator[bytes]:
    """The body of an answer; raises IndexFailed where it is too long, or comes in too slowly."""
    size, until = 0, time.monotonic() + seconds
    while block := answer.read1(BLOCK):
        size += len(block)
        if size > limit:
            raise IndexFailed(url=address, reason=f"it answered more than {limit} bytes.")
        if time.monotonic() > until:
            raise IndexFailed(url=address, reason=f"its answer took longer than {seconds:.0f} seconds.")
        yield block


def _file(project: str, entry: Any, base: str) -> IndexFile | None:
    """A wheel of a project page that can be used here, else None."""
    if not isinstance(entry, dict) or entry.get("yanked"):
        return None
    filename, hashes = str(entry.get("filename", "")), entry.get("hashes")
    try:
        if "/" in filename or "\\" in filename:  # a build tag may hold anything, and this names a file here
            return None
        name, version, _, tags = parse_wheel_filename(filename)
        python = SpecifierSet(str(entry.get("requires-python") or ""))
        url = urljoin(base, str(entry.get("url", "")))
    except ValueError:  # of another kind, of no kind, or of a kind not yet known: none that can be used here
        return None
    fits = python.contains(Version(_python()), prereleases=True) and not tags.isdisjoint(sys_tags())
    if (
        name != canonicalize_name(project)
        or not fits
        or not isinstance(hashes, dict)
        or "sha256" not in hashes
    ):
        return None
    meta = entry.get("core-metadata", entry.get("dist-info-metadata"))
    return IndexFile(
        project=str(name),
        version=version,
        filename=filename,
        url=url,
        sha256=str(hashes["sha256"]).lower(),
        size=entry.get("size") if isinstance(entry.get("size"), int) else None,
        requires_python=str(python),
        metadata_sha256=str(meta["sha256"]).lower() if isinstance(meta, dict) and "sha256" in meta else None,
    )


def _python() -> str:
    return platform.python_version()


def _json(address: str, body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise IndexFailed(url=address, reason="it answered something that is no JSON.") from exc


def _compare(address: str, expected: str, found: str) -> None:
    if expected != found:
        reason = f"its hash is sha256:{found}, the index promised sha256:{expected}. Nothing was installed."
        raise IndexFailed(url=address, reason=reason)
