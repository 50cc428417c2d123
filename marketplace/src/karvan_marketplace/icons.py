"""The signs of the pages as inline SVG, from `icons.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from markupsafe import Markup


def icon(name: str, classes: str = "") -> Markup:
    """The sign as inline SVG, without words for a screen reader."""
    return Markup('<svg class="m-icon {}" viewBox="0 0 24 24" aria-hidden="true">{}</svg>').format(
        classes,
        Markup(_drawn()[name]),  # noqa: S704  a file of our own
    )


@cache
def _drawn() -> Mapping[str, str]:
    return tomllib.loads((files("karvan_marketplace") / "icons.toml").read_text(encoding="utf-8"))
