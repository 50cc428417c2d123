"""Puts every first-party plugin on the path of the test process, as an installer would, from its sources.

The environment itself holds only what a deployment is given by pip (sdk, core, crm); the others live in
generations there, so here they must not be in the environment either.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]


def provide_plugins() -> None:
    """Write the metadata of each plugin that is not installed and put its sources on the path."""
    folder = Path(tempfile.mkdtemp(prefix="karvan-test-plugins-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for file in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        try:
            distribution(project["name"])
        except PackageNotFoundError:
            _write_metadata(folder, project)
            sys.path.append(str(file.parent / "src"))
    sys.path.append(str(folder))


def _write_metadata(folder: Path, project: dict[str, object]) -> None:
    name, version = str(project["name"]), str(project["version"])
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    groups = project["entry-points"]
    assert isinstance(groups, dict)
    lines = [
        line
        for group, entries in groups.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


provide_plugins()
