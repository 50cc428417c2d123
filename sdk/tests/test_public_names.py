"""The sdk's public names are a golden list: a name added or gone is seen in review."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import FunctionType

import karvan_sdk

GOLDEN = Path(__file__).with_name("public_names.txt")


def test_the_public_names_are_those_of_the_golden_list() -> None:
    golden = GOLDEN.read_text(encoding="utf-8").split()
    assert golden == sorted(golden)
    assert sorted(karvan_sdk.__all__) == golden


def own_doc(thing: type | FunctionType) -> str:
    """The docstring of the thing itself, not one that it inherits."""
    return vars(thing).get("__doc__") or "" if isinstance(thing, type) else thing.__doc__ or ""


def test_every_public_class_and_function_says_what_it_is_for() -> None:
    named = {name: getattr(karvan_sdk, name) for name in karvan_sdk.__all__}
    code = {n: v for n, v in named.items() if inspect.isclass(v) or inspect.isfunction(v)}
    bare = [name for name, value in code.items() if not own_doc(value) or f"{name}(" in own_doc(value)]
    assert not bare


def test_every_public_method_says_what_it_is_for() -> None:
    bare = [
        f"{name}.{key}"
        for name in karvan_sdk.__all__
        if inspect.isclass(cls := getattr(karvan_sdk, name)) and cls.__module__.startswith("karvan_sdk")
        for key, value in vars(cls).items()
        if inspect.isfunction(value) and not key.startswith("_") and not value.__doc__
    ]
    assert not bare
