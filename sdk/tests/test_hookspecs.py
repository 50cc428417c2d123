"""Each hook has a kind, a budget, typed arguments and a docstring that says what None means."""

from __future__ import annotations

import inspect

import pluggy
import pytest

from karvan_sdk import Change, HookKind, HookPolicy, Hookspecs, describe_hooks, hookimpl

HOOKS = describe_hooks()


def test_every_function_of_the_hookspecs_is_a_hook_with_a_policy() -> None:
    functions = {name for name, value in vars(Hookspecs).items() if inspect.isfunction(value)}
    assert functions == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_says_what_it_does_and_how_long_it_may_take(name: str) -> None:
    policy, function = HOOKS[name]
    assert isinstance(policy, HookPolicy)
    assert isinstance(policy.kind, HookKind)
    assert policy.budget_ms > 0
    assert function.__doc__
    if "None" in str(inspect.signature(function).return_annotation).split("|")[1:]:
        assert "None" in function.__doc__


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_given_the_moment_first_and_names_all_its_types(name: str) -> None:
    signature = inspect.signature(HOOKS[name][1])
    assert list(signature.parameters)[:2] == ["self", "ctx"]
    typed = [p for p in signature.parameters.values() if p.name != "self"]
    assert all(p.annotation is not inspect.Parameter.empty for p in typed)
    assert signature.return_annotation is not inspect.Signature.empty


def test_pluggy_accepts_the_hooks_and_an_implementation_that_takes_fewer_arguments() -> None:
    class Plugin:
        @hookimpl
        def check_records(self, changes: list[Change]) -> None: ...

    manager = pluggy.PluginManager("karvan")
    manager.add_hookspecs(Hookspecs)
    manager.register(Plugin())
    manager.check_pending()
    assert len(manager.hook.check_records.get_hookimpls()) == 1


def test_an_implementation_with_an_unknown_argument_is_refused() -> None:
    class Plugin:
        @hookimpl
        def check_records(self, surprise: int) -> None: ...

    manager = pluggy.PluginManager("karvan")
    manager.add_hookspecs(Hookspecs)
    with pytest.raises(pluggy.PluginValidationError, match="surprise"):
        manager.register(Plugin())


def test_a_change_tells_the_value_as_it_will_stand() -> None:
    change = Change(id=1, before={"a": 1, "b": 2}, values={"b": 3})
    assert (change.get("a"), change.get("b"), change.get("c")) == (1, 3, None)
    assert (change.changed("a"), change.changed("b")) == (False, True)
    assert change.with_values(c=4).values == {"b": 3, "c": 4}
    assert change.values == {"b": 3}
