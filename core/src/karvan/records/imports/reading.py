"""From bytes to rows of text: encoding, delimiter, header; what can't be read is told, never swallowed."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import charset_normalizer

from karvan_sdk.errors import BadInput, FieldError

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_RECORDS = 200
SAMPLE_BYTES = 256 * 1024
CELL_MAX = 1024 * 1024
NULL = "NULL"
FAILED_HEADER = ("line", "reason")
"""The first two columns of a file of failed rows; they are left out when the file is fed back."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY = ("cp1251", "cp1252", "cp1256", "gb18030", "cp1250", "koi8_r", "cp866", "big5")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the file: the line it begins on, its cells, one per column; empty text is empty."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that could not be taken over, as it stood in the file, and why."""

    line: int
    cells: tuple[str, ...]
    errors: tuple[FieldError, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file as read. `nulls` is the number of cells that held the word NULL and count as empty."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    encoding: str
    delimiter: str
    nulls: int = 0

    def column(self, position: int) -> list[str]:
        """The cells of one column that are not empty, in the order of the rows."""
        return [row.cells[position] for row in self.rows if row.cells[position]]


def read_table(source: Path | BinaryIO, *, delimiter: str = "", encoding: str = "") -> Table:
    """Read a CSV file; `delimiter` and `encoding` are found out where they are not given.

    Raises BadInput when the file as a whole can't be understood.
    """
    try:
        data = source.read_bytes() if isinstance(source, Path) else source.read()
    except OSError as exc:
        raise BadInput(f"The file {source} can't be read: {exc.strerror or exc}.", field="file") from exc
    text, encoding = decode(data, encoding)
    if not text.strip():
        raise BadInput("The file is empty.", field="file")
    if delimiter and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise BadInput("The delimiter must be one character.", field="delimiter")
    delimiter = delimiter or find_delimiter(text)
    return _table(text, delimiter, encoding)


# -- encoding ---------------------------------------------------------------------------------------------


def decode(data: bytes, encoding: str = "") -> tuple[str, str]:
    """The text of a file and the encoding it was read in; raises BadInput where there is none."""
    found = encoding or find_encoding(data)
    try:
        text = data.decode(found)
    except LookupError:
        raise BadInput(f"There is no encoding '{found}'.", field="encoding") from None
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise BadInput(
            f"The file is not in the encoding {found}: line {line} holds bytes that mean nothing in it. "
            "Name the right encoding (cp1251, cp1252, gb18030 …).",
            field="encoding",
        ) from exc
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise BadInput(
            f"Line {line} holds a NUL character, so this is no text file, or one in UTF-16 without its mark. "
            "Save it as CSV in UTF-8, or name the encoding (utf-16-le).",
            field="encoding",
        )
    return text.removeprefix("\ufeff"), found


def find_encoding(data: bytes) -> str:
    """The encoding of a file: by its mark, else UTF-8 if that fits, else the likeliest old code page."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass  # then it is one of the code pages below
    # plain ASCII lines say nothing about the code page and would only thin out the evidence
    telling = [line for line in data.splitlines() if not line.isascii()]
    sample = b"\n".join(telling)[:SAMPLE_BYTES]
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(_LEGACY), threshold=0.6).best()
    if best is None:
        raise BadInput(
            "The encoding of the file can't be found out. Save it as UTF-8 or name its encoding.",
            field="encoding",
        )
    return best.encoding


# -- delimiter --------------------------------------------------------------------------------------------


def find_delimiter(text: str) -> str:
    """The delimiter by which most of the first rows have as many cells as the header, and more than one."""
    found, best = ",", (0.0, 0, 0)
    for candidate in DELIMITERS:
        rows = list(_sample(text, candidate))
        if not rows or len(rows[0]) < 2:
            continue
        width = len(rows[0])
        share = sum(1 for cells in rows if len(cells) == width) / len(rows)
        # "name;amount, EUR" is two cells by either; a blank behind it makes the comma punctuation
        prose = sum(1 for cell in rows[0] if cell.startswith(" "))
        score = (round(share, 1), width, -prose)
        if score > best:
            found, best = candidate, score
    return found


def _sample(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    count = 0
    try:
        for cells in reader:
            if cells:
                yield cells
                count += 1
            if count == SAMPLE_RECORDS:
                return
    except csv.Error:
        return  # what was read until here is evidence enough


# -- rows -------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text, with memory of those that the row at hand was made of."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.number = 0
        self.taken: list[str] = []
        self.ended = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._lines.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        return line


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(line, cells, fault) of every row; a row with a fault has the cells that a lenient reader sees."""
    csv.field_size_limit(CELL_MAX)
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.number + 1
        lines.taken = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            if lines.ended:
                raise BadInput(
                    f"A quote is opened in the row that begins on line {start} and never closed, so the "
                    "rest of the file can't be told apart. Close the quote or double it.",
                    field="file",
                ) from exc
            yield start, "".join(lines.taken).rstrip("\r\n").split(delimiter), str(exc)
            continue
        yield start, cells, ""


def _table(text: str, delimiter: str, encoding: str) -> Table:
    records = _records(text, delimiter)
    header, skip = _header(records)
    rows: list[Row] = []
    bad: list[BadRow] = []
    nulls = 0
    for line, cells, fault in records:
        found = cells[skip:]
        if not any(found):
            continue
        errors = _faults(found, len(header), fault)
        if errors:
            bad.append(BadRow(line=line, cells=tuple(found), errors=errors))
            continue
        if NULL in found:
            nulls += found.count(NULL)
            found = ["" if c == NULL else c for c in found]
        rows.append(Row(line=line, cells=tuple(found)))
    return Table(
        header=header, rows=tuple(rows), bad=tuple(bad), encoding=encoding, delimiter=delimiter, nulls=nulls
    )


def _header(records: Iterator[tuple[int, list[str], str]]) -> tuple[tuple[str, ...], int]:
    for line, cells, fault in records:
        if fault:
            raise BadInput(f"The header in line {line} can't be read: {fault}.", field="file")
        names = [c.strip() for c in cells]
        if not any(names):
            continue
        skip = len(FAILED_HEADER) if tuple(names[:2]) == FAILED_HEADER and len(names) > 2 else 0
        return tuple(names[skip:]), skip
    raise BadInput("The file has no header.", field="file")


def _faults(cells: Sequence[str], wanted: int, fault: str) -> tuple[FieldError, ...]:
    if fault:
        return (
            FieldError(
                field="",
                code="bad_row",
                template="The row can't be read: {fault}.",
                params={"fault": fault},
            ),
        )
    if len(cells) > wanted:
        return (
            FieldError(
                field="",
                code="too_many_cells",
                template="The row has {found} cells, the header {wanted}: a cell with the delimiter in it "
                "must stand in quotes.",
                params={"found": len(cells), "wanted": wanted},
            ),
        )
    if len(cells) < wanted:
        return (
            FieldError(
                field="",
                code="too_few_cells",
                template="The row has {found} cells, the header {wanted}.",
                params={"found": len(cells), "wanted": wanted},
            ),
        )
    return ()
