"""The command `karvan-sdk`: what an author of plugins needs at hand."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from karvan_sdk.schema import FILES, schema_of


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="karvan-sdk", description="Tools for authors of Karvan plugins.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    schema = commands.add_parser("schema", help="print the JSON Schema of a plugin's files")
    schema.add_argument("file", nargs="?", choices=FILES, default="manifest", help="of which file")
    schema.set_defaults(run=print_schema)
    return parser


def say(text: str) -> None:
    """Write a line of output."""
    sys.stdout.write(f"{text}\n")


def print_schema(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema."""
    say(json.dumps(schema_of(arguments.file), ensure_ascii=False, indent=2))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    given = make_parser().parse_args(arguments)
    code: int = given.run(given)
    return code


if __name__ == "__main__":
    sys.exit(main())
