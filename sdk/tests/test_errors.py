"""The errors: each with a stable code of its own, a message, and the data that its catcher needs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from karvan_sdk import (
    FieldError,
    KarvanError,
    PluginFailed,
    Rejected,
    UnknownObject,
    ValidationFailed,
    VersionMismatch,
)


def classes(base: type[KarvanError] = KarvanError) -> Iterator[type[KarvanError]]:
    for cls in base.__subclasses__():
        if cls.__module__.startswith("karvan_sdk"):
            yield cls
            yield from classes(cls)


def fault(number: int, **more: object) -> FieldError:
    return FieldError(field=f"f{number}", code="bad", template="Wrong: {n}.", params={"n": number})


def test_every_error_has_a_code_of_its_own() -> None:
    codes = Counter(cls.code for cls in classes())
    assert [code for code, uses in codes.items() if uses > 1] == []
    assert KarvanError.code not in codes


@pytest.mark.parametrize("cls", list(classes()), ids=lambda cls: cls.__name__)
def test_a_code_is_snake_case_and_a_class_is_documented(cls: type[KarvanError]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", cls.code)
    assert cls.__doc__


def test_a_message_is_its_template_with_the_gaps_filled() -> None:
    assert VersionMismatch(given=3, current=5).message.startswith("The record was changed by somebody else")
    assert "version 5, yours is 3" in str(VersionMismatch(given=3, current=5))


def test_a_value_with_braces_does_not_spoil_a_message() -> None:
    assert str(Rejected("Say {why} first.")) == "Say {why} first."


def test_validation_lists_all_errors_and_sums_up_the_first() -> None:
    failed = ValidationFailed(fault(n) for n in range(7))
    assert len(failed.errors) == 7
    assert str(failed).startswith("f0: Wrong: 0.; f1: Wrong: 1.")
    assert str(failed).endswith("(and 2 more)")


def test_a_rejection_names_field_and_place_in_the_batch() -> None:
    (error,) = Rejected("Too late.", field="close_date", index=3).errors
    assert error.as_dict() == {
        "field": "close_date",
        "code": "rejected",
        "message": "Too late.",
        "index": 3,
    }


def test_several_rejections_become_one_that_keeps_them_all() -> None:
    merged = Rejected.many([Rejected("A.", index=0), Rejected("B.", index=2)])
    assert [(e.index, e.message) for e in merged.errors] == [(0, "A."), (2, "B.")]
    assert merged.reason == "A.; B."


def test_a_failed_plugin_is_named_with_its_hook() -> None:
    failed = PluginFailed(plugin="crm", hook="prepare_records", reason="Broke 'amount'.")
    assert "Plugin 'crm' failed in prepare_records: Broke 'amount'." in str(failed)


def test_a_hint_follows_the_message_only_when_there_is_one() -> None:
    assert str(UnknownObject("del")) == "There is no object 'del'."
    assert str(UnknownObject("del", hint="Did you mean 'deal'?")).endswith("'del'. Did you mean 'deal'?")


def test_a_field_error_outside_a_batch_has_no_index() -> None:
    assert "index" not in fault(1).as_dict()
