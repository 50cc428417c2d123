"""Which wheels an install needs: the newest that satisfy everybody, nothing of the environment moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from karvan.plugins.generations import CodeRefused
from karvan.plugins.index import Index, IndexFile

ROUNDS_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A requirement and who has it, for the message when it can't be met."""

    requirement: Requirement
    by: str

    def allows(self, version: Version) -> bool:
        """Whether a version is within the range; a pre-release only where the range names one."""
        return self.requirement.specifier.contains(version)


class Resolver:
    """Chooses wheels from one index. `there` are distributions that stay as they are, by normalised name:
    what the environment provides, and what the generation holds already."""

    def __init__(self, index: Index, there: Mapping[str, str], folder: Path) -> None:
        self._index = index
        self._there = there
        self._folder = folder
        self._offered: dict[str, list[IndexFile]] = {}
        self._needs: dict[str, tuple[Requirement, ...]] = {}

    def resolve(self, wanted: Sequence[Wanted]) -> list[IndexFile]:
        """The wheels to install, by name. Raises CodeRefused with both sides of a conflict, IndexFailed.

        Each round chooses anew for the first project whose choice does not satisfy everybody. There is no
        backtracking: when the newest fitting version needs what can't be had, that is said.
        """
        chosen: dict[str, IndexFile] = {}
        for _ in range(ROUNDS_MAX):
            asked = self._asked(wanted, chosen)
            for gone in set(chosen) - set(asked):
                del chosen[gone]
            name = next((n for n in asked if not self._settled(n, asked[n], chosen)), None)
            if name is None:
                return [chosen[n] for n in sorted(chosen)]
            chosen[name] = self._choose(name, asked[name])
        raise CodeRefused(reason="The requirements of these plugins lead in a circle; nothing was installed.")

    def _asked(self, wanted: Sequence[Wanted], chosen: Mapping[str, IndexFile]) -> dict[str, list[Wanted]]:
        """Everything that is wanted by now, by normalised name."""
        asked: dict[str, list[Wanted]] = {}
        open_ = list(wanted)
        seen: set[str] = set()
        while open_:
            one = open_.pop(0)
            name = str(canonicalize_name(one.requirement.name))
            asked.setdefault(name, []).append(one)
            if name in chosen and name not in seen:
                seen.add(name)
                file = chosen[name]
                open_ += [
                    Wanted(requirement=r, by=f"{file.project} {file.version}") for r in self._needs_of(file)
                ]
        return asked

    def _settled(self, name: str, asked: Iterable[Wanted], chosen: Mapping[str, IndexFile]) -> bool:
        if name in self._there:
            version = Version(self._there[name])
            for one in asked:
                if not one.requirement.specifier.contains(version, prereleases=True):
                    raise CodeRefused(
                        reason=f"{one.by} needs {one.requirement}, but {name} {version} is here already and "
                        "stays as it is. Choose other versions, or upgrade what is here first."
                    )
            return True
        return name in chosen and all(one.allows(chosen[name].version) for one in asked)

    def _choose(self, name: str, asked: Sequence[Wanted]) -> IndexFile:
        offered = self._offered.get(name)
        if offered is None:
            offered = self._offered[name] = self._index.files(name)
        for file in offered:
            if all(one.allows(file.version) for one in asked):
                return file
        needs = "; ".join(f"{one.by} needs {one.requirement}" for one in asked)
        there = ", ".join(str(f.version) for f in offered) or "none that runs here"
        raise CodeRefused(reason=f"{needs}. {self._index.url} offers: {there}. Nothing was installed.")

    def _needs_of(self, file: IndexFile) -> tuple[Requirement, ...]:
        known = self._needs.get(file.filename)
        if known is None:
            listed = self._index.metadata(file, self._folder).get_all("Requires-Dist") or ()
            known = self._needs[file.filename] = tuple(_read(file.filename, listed))
        return known


def _read(filename: str, listed: Iterable[str]) -> Iterable[Requirement]:
    for text in listed:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as exc:
            raise CodeRefused(reason=f"'{filename}' has a requirement that can't be read: {text}") from exc
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement
