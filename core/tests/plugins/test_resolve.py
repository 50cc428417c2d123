"""Which wheels an install needs: the newest that satisfy everybody, and what is said when none do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from karvan.plugins.generations import CodeRefused
from karvan.plugins.index import Index
from karvan.plugins.resolve import Resolver, Wanted

from .shelf import Shelf, make_wheel, offered


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with offered(tmp_path / "shelf") as made:
        yield made


def resolve(shelf: Shelf, *wanted: str, there: dict[str, str] | None = None) -> list[str]:
    folder = shelf.folder.parent / "downloads"
    folder.mkdir(exist_ok=True)
    found = Resolver(Index(shelf.url), there or {}, folder).resolve(
        [Wanted(requirement=Requirement(one), by="this install") for one in wanted]
    )
    return [f"{file.project} {file.version}" for file in found]


def test_the_newest_version_in_the_range_is_taken(shelf: Shelf) -> None:
    for version in ("1.0", "1.5", "2.0"):
        make_wheel(shelf.folder, "zoo", version)
    assert resolve(shelf, "zoo<2") == ["zoo 1.5"]


def test_the_whole_closure_is_taken_and_narrowed_by_everybody(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "zoo", requires=("gnu>=1", "yak"))
    make_wheel(shelf.folder, "yak", requires=("gnu<2",))
    for version in ("0.9", "1.4", "2.1"):
        make_wheel(shelf.folder, "gnu", version)
    assert resolve(shelf, "zoo") == ["gnu 1.4", "yak 1.0", "zoo 1.0"]


def test_what_only_a_dropped_choice_needed_is_dropped_with_it(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "gnu", "2.0", requires=("ape",))
    make_wheel(shelf.folder, "gnu", "1.0")
    make_wheel(shelf.folder, "ape")
    make_wheel(shelf.folder, "yak", requires=("gnu<2",))
    assert resolve(shelf, "gnu", "yak") == ["gnu 1.0", "yak 1.0"]


@pytest.mark.parametrize("version", ["2.0a1", "2.0rc1", "2.0.dev3"])
def test_a_preview_is_taken_only_where_its_range_names_one(shelf: Shelf, version: str) -> None:
    make_wheel(shelf.folder, "zoo", "1.0")
    make_wheel(shelf.folder, "zoo", version)
    assert resolve(shelf, "zoo") == ["zoo 1.0"]
    assert resolve(shelf, "zoo>=1") == ["zoo 1.0"]
    assert resolve(shelf, f"zoo>={version}") == [f"zoo {version}"]


def test_markers_and_extras_decide_what_is_needed(shelf: Shelf) -> None:
    make_wheel(
        shelf.folder,
        "zoo",
        requires=(
            "gnu[fast]",
            'ape; python_version < "3"',
            'yak; extra == "more"',
            'bee; python_version > "3"',
        ),
    )
    make_wheel(shelf.folder, "gnu", requires=('cow; extra == "fast"', 'ape; extra == "slow"', "emu"))
    for name in ("cow", "emu", "bee", "yak", "ape"):
        make_wheel(shelf.folder, name)
    assert resolve(shelf, "zoo") == ["bee 1.0", "cow 1.0", "emu 1.0", "gnu 1.0", "zoo 1.0"]
    assert resolve(shelf, "gnu") == ["emu 1.0", "gnu 1.0"]


def test_what_is_here_is_not_fetched_and_never_moved(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "zoo", requires=("gnu>=1",))
    make_wheel(shelf.folder, "gnu", "9.0")
    assert resolve(shelf, "zoo", there={"gnu": "1.1"}) == ["zoo 1.0"]
    assert "/simple/gnu/" not in shelf.asked


def test_a_version_that_needs_more_than_is_here_is_passed_over(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "zoo", "1.0", requires=("gnu>=1",))
    make_wheel(shelf.folder, "zoo", "2.0", requires=("gnu>=2",))
    assert resolve(shelf, "zoo", there={"gnu": "1.1"}) == ["zoo 1.0"]


@pytest.mark.parametrize(
    ("needs", "there", "said"),
    [
        pytest.param(
            ("gnu>=2",),
            {"gnu": "1.1"},
            "zoo 1.0 needs gnu>=2, but gnu 1.1 is here already and stays as it is",
            id="here",
        ),
        pytest.param(("gnu>=3",), {}, "zoo 1.0 needs gnu>=3. {url} offers: 2.0, 1.0", id="not offered"),
        pytest.param(
            ("gnu>=2", "yak"),
            {},
            "zoo 1.0 needs gnu>=2; yak 1.0 needs gnu<2. {url} offers: 2.0, 1.0",
            id="both sides",
        ),
        pytest.param(("ant",), {}, "zoo 1.0 needs ant. {url} offers: none that runs here", id="unknown"),
        pytest.param(
            ("gnu @ https://example.com/gnu-1.0-py3-none-any.whl",),
            {},
            "needs 'gnu' from https://example.com/gnu-1.0-py3-none-any.whl. Only the index is asked",
            id="address",
        ),
        pytest.param(("gnu>>1",), {}, "has a requirement that can't be read: 'gnu>>1'", id="unreadable"),
    ],
)
def test_what_cannot_be_had_together_is_said_with_both_sides(
    shelf: Shelf, needs: tuple[str, ...], there: dict[str, str], said: str
) -> None:
    make_wheel(shelf.folder, "zoo", requires=needs)
    make_wheel(shelf.folder, "yak", requires=("gnu<2",))
    make_wheel(shelf.folder, "gnu", "1.0")
    make_wheel(shelf.folder, "gnu", "2.0")
    with pytest.raises(CodeRefused) as caught:
        resolve(shelf, "zoo", there=there)
    assert said.format(url=shelf.url) in caught.value.message
    assert "Nothing was installed" in caught.value.message


def test_distributions_that_need_each_other_are_resolved(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "zoo", requires=("gnu",))
    make_wheel(shelf.folder, "gnu", requires=("zoo>=1",))
    assert resolve(shelf, "zoo") == ["gnu 1.0", "zoo 1.0"]


def test_a_version_that_its_own_needs_exclude_gives_way_to_an_older_one(shelf: Shelf) -> None:
    make_wheel(shelf.folder, "zoo", "1.0")
    make_wheel(shelf.folder, "zoo", "2.0", requires=("gnu",))
    make_wheel(shelf.folder, "gnu", requires=("zoo<2",))
    assert resolve(shelf, "zoo") == ["zoo 1.0"]
