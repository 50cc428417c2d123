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
from karvan.plugins.wheels import read_metadata

ROUNDS_MAX = 500
SAID_MAX = 3


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A requirement and who has it, for the message when it can't be met."""

    requirement: Requirement
    by: str

    def allows(self, version: Version) -> bool:
        """Whether a version is within the range; a pre-release only where the range names one."""
        wanted = self.requirement.specifier
        return wanted.contains(version, prereleases=bool(wanted.prereleases))


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

        Each round chooses anew for the first project whose choice does not satisfy everybody. A version that
        needs what is here in another version is passed over; beyond that there is no backtracking: when the
        newest fitting version needs what can't be had, that is said.
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
        raise CodeRefused(reason="The requirements of these plugins form a circle; nothing was installed.")

    def _asked(self, wanted: Sequence[Wanted], chosen: Mapping[str, IndexFile]) -> dict[str, list[Wanted]]:
        """Everything that is wanted by now, by normalised name."""
        asked: dict[str, list[Wanted]] = {}
        open_ = list(wanted)
        seen: set[tuple[str, str]] = set()
        while open_:
            one = open_.pop(0)
            name = str(canonicalize_name(one.requirement.name))
            asked.setdefault(name, []).append(one)
            for extra in ("", *sorted(one.requirement.extras)):
                if name in chosen and (name, extra) not in seen:
                    seen.add((name, extra))
                    open_ += self._needs_of(chosen[name], extra)
        return asked

    def _settled(self, name: str, asked: Iterable[Wanted], chosen: Mapping[str, IndexFile]) -> bool:
        if name in self._there:
            against = [one for one in asked if self._is_against(one)]
            if against:
                raise CodeRefused(reason=self._say(against[0]) + " Nothing was installed.")
            return True
        return name in chosen and all(one.allows(chosen[name].version) for one in asked)

    def _is_against(self, wanted: Wanted) -> bool:
        """Whether what is wanted is here in a version that does not do."""
        version = self._there.get(str(canonicalize_name(wanted.requirement.name)))
        return version is not None and not wanted.requirement.specifier.contains(version, prereleases=True)

    def _say(self, wanted: Wanted) -> str:
        name = str(canonicalize_name(wanted.requirement.name))
        return (
            f"{wanted.by} needs {wanted.requirement}, but {name} {self._there[name]} is here already and "
            "stays as it is. Choose other versions, or upgrade what is here first."
        )

    def _choose(self, name: str, asked: Sequence[Wanted]) -> IndexFile:
        offered = self._offered.get(name)
        if offered is None:
            offered = self._offered[name] = self._index.files(name)
        passed_over: list[str] = []
        for file in offered:
            if all(one.allows(file.version) for one in asked):
                against = [need for need in self._needs_of(file) if self._is_against(need)]
                if not against:
                    return file
                passed_over.append(self._say(against[0]))
        if passed_over:
            raise CodeRefused(reason=f"{' '.join(passed_over[:SAID_MAX])} Nothing was installed.")
        needs = "; ".join(f"{one.by} needs {one.requirement}" for one in asked)
        there = ", ".join(str(f.version) for f in offered) or "none that runs here"
        raise CodeRefused(reason=f"{needs}. {self._index.url} offers: {there}. Nothing was installed.")

    def _needs_of(self, file: IndexFile, extra: str = "") -> list[Wanted]:
        """What a wheel needs, or what an extra of it needs besides."""
        known = self._needs.get(file.filename)
        if known is None:
            said = self._index.metadata(file)
            if said is None:
                said = read_metadata(self._index.download(file, self._folder), file)
            listed = said.get_all("Requires-Dist") or ()
            known = self._needs[file.filename] = tuple(_read(file.filename, text) for text in listed)
        by = f"{file.project} {file.version}"
        return [Wanted(requirement=one, by=by) for one in known if _holds(one, extra)]


def _read(filename: str, text: str) -> Requirement:
    try:
        found = Requirement(text)
    except InvalidRequirement as exc:
        raise CodeRefused(
            reason=f"'{filename}' has a requirement that can't be read: '{text}'. Nothing was installed."
        ) from exc
    if found.url:
        raise CodeRefused(
            reason=f"'{filename}' needs '{found.name}' from {found.url}. Only the index is asked for wheels. "
            "Nothing was installed."
        )
    return found


def _holds(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement holds here; with an extra, only whether that is what makes it hold."""
    marker = requirement.marker
    if marker is None:
        return not extra
    plain = marker.evaluate({"extra": ""})
    return not plain and marker.evaluate({"extra": extra}) if extra else plain
