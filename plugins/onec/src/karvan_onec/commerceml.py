"""Reads CommerceML 2 as a stream of elements, each with the place where reading may go on after it.

No DTD and no entity is accepted, nothing is validated against a schema (real files seldom are valid), names
match without their namespace. Written after https://v8.1c.ru/edi/ (schemas 2.03 to 2.10, and 3.1).
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.parsers import expat

CHUNK = 64 * 1024
ELEMENT_CHARACTERS = 4_000_000
ELEMENT_NODES = 300_000
TOKEN_BYTES = 8 * 1024 * 1024
DEPTH = 64

ROOT = "КоммерческаяИнформация"
VERSION = "ВерсияСхемы"
SECTIONS = frozenset(
    ("Классификатор", "Каталог", "ПакетПредложений", "ИзмененияПакетаПредложений", "Документ", "Контейнер")
)
PLACES: Mapping[str, str] = {
    "Товар": "Товары",
    "Предложение": "Предложения",
    "Группа": "Группы",
    "ТипЦены": "ТипыЦен",
    "ЕдиницаИзмерения": "ЕдиницыИзмерения",
}
"""The elements that are read whole, with what they stand in."""

_DECLARED = re.compile(rb"^<\?xml[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


class BrokenFile(Exception):
    """The file can't be read; `text` with its gaps filled from `params` says why."""

    def __init__(self, text: str, **params: Any) -> None:
        self.text = text
        self.params = params
        super().__init__(text % params)


class Node:
    """One element: its name without namespace, attributes, own text, children."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def child(self, name: str) -> Node | None:
        """The first child of this name, or None."""
        return next((c for c in self.children if c.name == name), None)

    def all(self, *path: str) -> list[Node]:
        """All descendants on a path of names."""
        found = [self]
        for name in path:
            found = [c for node in found for c in node.children if c.name == name]
        return found

    def value(self, name: str) -> str | None:
        """The text of a child without blanks around it; empty for an empty one, None for none at all."""
        node = self.child(name)
        return None if node is None else node.text.strip()


@dataclass(frozen=True, kw_only=True)
class Position:
    """A place between two elements: bytes from the beginning, the line, and the elements open there."""

    offset: int = 0
    line: int = 1
    path: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """A JSON value that `of` reads."""
        return {"offset": self.offset, "line": self.line, "path": list(self.path)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Position:
        """The position of a JSON value made by `as_json`."""
        return cls(offset=data["offset"], line=data["line"], path=tuple(data["path"]))


START = Position()


@dataclass(frozen=True, kw_only=True)
class Element:
    """A part of the file: a whole element of `PLACES`, or a section, of which only the opening is told.

    `line` is where it begins, `after` where reading may go on.
    """

    node: Node
    line: int
    after: Position

    @property
    def is_section(self) -> bool:
        """Whether this is the opening of a section."""
        return self.node.name in SECTIONS


def read_elements(stream: BinaryIO, position: Position = START) -> Iterator[Element]:
    """The elements from a position on, in the order of the file; raises BrokenFile."""
    reader = _Reader(stream, position)
    while True:
        more = reader.read_chunk()
        while reader.ready:
            yield reader.ready.popleft()
        if not more:
            return


def holds_catalogue(stream: BinaryIO) -> bool:
    """Whether the file brings a catalogue; raises BrokenFile where it is damaged before that can be told."""
    sections = (element.node.name for element in read_elements(stream) if element.is_section)
    return next((name for name in sections if name != "Классификатор"), "") == "Каталог"


def find_encoding(head: bytes) -> str:
    """The encoding of a file by its first bytes; raises BrokenFile for one that can't be read."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if b"\x00" in head[:64] or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BrokenFile("The file is in UTF-16; UTF-8 or windows-1251 is needed.")
    declared = _DECLARED.match(head.lstrip())
    name = declared.group(1).decode("ascii").lower() if declared else "utf-8"
    try:
        single = len(bytes(range(256)).decode(name, "replace")) == 256
    except (LookupError, ValueError):
        single = False
    if name not in ("utf-8", "utf8", "us-ascii", "ascii") and not single:
        raise BrokenFile(
            "The encoding '%(name)s' can't be read; UTF-8 or windows-1251 is needed.", name=name[:40]
        )
    return "utf-8" if name == "utf8" else name


class _Reader:
    """Feeds expat; its handlers build elements. Reading on begins with the open elements fed anew."""

    def __init__(self, stream: BinaryIO, position: Position) -> None:
        stream.seek(0)
        encoding = find_encoding(stream.read(512))
        stream.seek(position.offset)
        self.ready: deque[Element] = deque()
        self._stream = stream
        self._parser = expat.ParserCreate(encoding)
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.EntityDeclHandler = self._refuse_doctype
        self._path: list[str] = []
        self._open: list[Node] = []
        self._raw: list[str] = []
        self._counts = [0, 0]
        self._waiting: tuple[Node, int] | None = None
        self._line_of_open = 0
        self._fed = 0
        opening = "".join(f"<{name}>" for name in position.path).encode(encoding)
        self._shift = position.offset - len(opening)
        self._line_shift = position.line - 1
        for raw in position.path:
            self._raw.append(raw)
            self._path.append(_local(raw))
        if opening:
            self._feed(opening)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read_chunk(self) -> bool:
        data = self._stream.read(CHUNK)
        self._feed(data, final=not data)
        if self._fed - self._parser.CurrentByteIndex > TOKEN_BYTES:
            raise BrokenFile("Line %(line)s: one piece of text is too long.", line=self._line())
        return bool(data)

    def _feed(self, data: bytes, *, final: bool = False) -> None:
        self._fed += len(data)
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as exc:
            raise BrokenFile(
                "Line %(line)s: the file is damaged or incomplete (%(why)s).",
                line=exc.lineno + self._line_shift,
                why=expat.ErrorString(exc.code),
            ) from exc

    def _line(self) -> int:
        return self._parser.CurrentLineNumber + self._line_shift

    def _release(self) -> None:
        """Hand out the element that ended before this event: only now its end in bytes is known."""
        if self._waiting is None:
            return
        node, line = self._waiting
        self._waiting = None
        after = Position(
            offset=self._parser.CurrentByteIndex + self._shift, line=self._line(), path=tuple(self._raw)
        )
        self.ready.append(Element(node=node, line=line, after=after))

    def _start(self, raw: str, attributes: dict[str, str]) -> None:
        self._release()
        name = _local(raw)
        if self._open:
            self._count(1, sum(map(len, attributes.values())))
            node = Node(name, attributes)
            self._open[-1].children.append(node)
            self._open.append(node)
        elif not self._path:
            _check_root(name, attributes)
        elif PLACES.get(name) == self._path[-1] and "Документ" not in self._path:
            self._counts = [0, 0]
            self._line_of_open = self._line()
            self._open.append(Node(name, attributes))
        elif len(self._path) == 1 and name in SECTIONS:
            self._waiting = (Node(name, attributes), self._line())
        self._path.append(name)
        self._raw.append(raw)
        if len(self._path) > DEPTH:
            raise BrokenFile("Line %(line)s: elements are nested too deeply.", line=self._line())

    def _end(self, raw: str) -> None:
        self._release()
        self._path.pop()
        self._raw.pop()
        if self._open:
            node = self._open.pop()
            if not self._open:
                self._waiting = (node, self._line_of_open)

    def _characters(self, text: str) -> None:
        if self._open:
            self._count(0, len(text))
            self._open[-1].text += text

    def _count(self, nodes: int, characters: int) -> None:
        self._counts[0] += nodes
        self._counts[1] += characters
        if self._counts[0] > ELEMENT_NODES or self._counts[1] > ELEMENT_CHARACTERS:
            raise BrokenFile("Line %(line)s: one element is too large.", line=self._line_of_open)

    def _refuse_doctype(self, *_: object) -> None:
        raise BrokenFile("The file declares a document type or entities, which are not accepted.")


def _local(raw: str) -> str:
    return raw.rpartition(":")[2]


def _check_root(name: str, attributes: Mapping[str, str]) -> None:
    if name != ROOT:
        raise BrokenFile("The file is no CommerceML: it begins with '%(name)s'.", name=name[:60])
    version = attributes.get(VERSION, "").strip()
    if not version or version.startswith("1."):
        raise BrokenFile("The file is CommerceML 1 (1C 7.7); version 2.03 or later is needed.")


def walk(nodes: Sequence[Node]) -> Iterator[tuple[Node, Node | None]]:
    """Groups with all groups in them, each with the one it stands in."""
    waiting: list[tuple[Node, Node | None]] = [(node, None) for node in reversed(nodes)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting += [(below, node) for below in reversed(node.all("Группы", "Группа"))]
