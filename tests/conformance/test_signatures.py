"""Which signatures of hooks the kit takes, and which it does not."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

import pytest
from haconiwa_ns_pid import PidNamespace
from haconiwa_rlimit import Rlimit

from haconiwa_core import Feature, Step
from haconiwa_core.facts import Fact, NewRoot, Wrapper
from haconiwa_core.planning.context import Planning
from haconiwa_core.testing.conformance.hooks import _gives, _takes

STEPS = Iterable[Step]
STATUS = Mapping[str, object] | None


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (STEPS, STEPS),
        (Iterator[Step], STEPS),
        (Generator[Step, None, None], STEPS),
        (list[Step], STEPS),
        (tuple[Step, ...], STEPS),
        (Iterator[Fact], Iterable[Fact]),
        (Iterator[NewRoot], Iterable[Fact]),
        (Iterator[NewRoot | Wrapper], Iterable[Fact]),
        (dict[str, object], STATUS),
        (dict[str, int] | None, STATUS),
        (type[Rlimit], type[Feature]),
    ],
)
def test_a_result_that_the_core_takes(given: Any, wanted: Any) -> None:
    assert _gives(given, wanted, Rlimit)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (Step, STEPS),
        (Iterator[Fact], STEPS),
        (Iterable, STEPS),
        (Iterator[Step] | None, STEPS),
        (Iterator[Step | Fact], STEPS),
        (Iterator[str], Iterable[Fact]),
        (dict[int, object], STATUS),
        (type[Step], type[Feature]),
        (Any, STEPS),
        (None, STEPS),
    ],
)
def test_a_result_that_is_of_no_use(given: Any, wanted: Any) -> None:
    assert not _gives(given, wanted, Rlimit)


@pytest.mark.parametrize(
    ("given", "wanted", "taken"),
    [
        (Rlimit, Feature, True),
        (Feature, Feature, True),
        (PidNamespace, Feature, False),
        (object, Feature, False),
        (Planning, Planning, True),
        (object, Planning, False),
    ],
)
def test_a_parameter(given: Any, wanted: Any, taken: bool) -> None:
    assert _takes(given, wanted, Rlimit) is taken
