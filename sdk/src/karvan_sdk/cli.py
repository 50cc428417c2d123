"""The command `karvan-sdk`: what an author of plugins needs at hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from karvan_sdk.checks import NoPlugin, Report, check_plugin
from karvan_sdk.schema import FILES, schema_of


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="karvan-sdk", description="Tools for authors of Karvan plugins.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    schema = commands.add_parser("schema", help="print the JSON Schema of a plugin's files")
    schema.add_argument("file", nargs="?", choices=FILES, default="manifest", help="of which file")
    schema.set_defaults(run=print_schema)
    check = commands.add_parser("check", help="find mistakes in a plugin without running it")
    check.add_argument("path", nargs="?", default=Path(), type=Path, help="its source folder or wheel")
    check.add_argument("--since", type=Path, metavar="PATH", help="an older version, to compare with")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=print_check)
    return parser


def say(text: str) -> None:
    """Write a line of output."""
    sys.stdout.write(f"{text}\n")


def print_schema(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema."""
    say(json.dumps(schema_of(arguments.file), ensure_ascii=False, indent=2))
    return 0


def print_check(arguments: argparse.Namespace) -> int:
    """Print what is found in a plugin: 0 without errors, 1 with some, 2 where there is no plugin."""
    try:
        report = check_plugin(arguments.path, before=arguments.since)
    except NoPlugin as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    if arguments.json:
        say(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        for line in _lines_of(report):
            say(line)
    return 1 if report.failed else 0


def _lines_of(report: Report) -> Iterator[str]:
    yield from map(str, report.findings)
    for one in report.allowed:
        found = one.finding
        place = f"{found.path}:{found.line}:{found.column}"
        yield f"{place}: allowed {found.rule}: {found.message} Because {one.reason}"
    errors = sum(finding.severity == "error" for finding in report.findings)
    yield f"{errors} errors, {len(report.findings) - errors} warnings, {len(report.allowed)} allowed."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    given = make_parser().parse_args(arguments)
    code: int = given.run(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
