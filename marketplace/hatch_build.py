"""The build hook: compiles the translations, for wheels and editable installs; git keeps nothing it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TRANSLATIONS = "src/karvan_marketplace/translations"


class TranslationsHook(BuildHookInterface[Any]):
    """Puts the compiled translations into the package before it is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel, and before an editable install."""
        compile_translations(Path(self.root) / TRANSLATIONS)
        build_data["artifacts"].append(f"/{TRANSLATIONS}/**/*.mo")


def compile_translations(folder: Path) -> None:
    """Compile each `.po` that is newer than its `.mo`."""
    from babel.messages.mofile import write_mo  # only there while building
    from babel.messages.pofile import read_po

    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as stream:
            catalog = read_po(stream, locale=source.parts[-3])
        with target.open("wb") as stream:
            write_mo(stream, catalog)
