"""Checks of the hooks: that the core calls them, with what they expect, and gets what it expects."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import Problem
from haconiwa_core.facts import Fact
from haconiwa_core.feature import Feature
from haconiwa_core.finding import Finding
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins import hookspecs
from haconiwa_core.steps import Step
from haconiwa_core.testing.conformance.subject import Subject, feature_class

_KINDS = (Confined, Diagnosis, Feature, Finding, Hook, Plan, Planning, Problem, Row, Step)
_NAMES = {kind.__name__: kind for kind in _KINDS} | {"Fact": Fact}
"""What annotations of hooks name, and modules may import for type checkers only."""

_RETURN = "return"


class HookChecks(Subject):
    """The hooks of the plugin's module."""

    def test_each_hook_is_marked(self) -> None:
        """Every function of the plugin's module that has a hook's name is called as that hook.

        If it fails: put `@hookimpl` above it.
        """
        unmarked = [name for name, function in self._hooks() if not hasattr(function, f"{hookspecs.PROJECT}_impl")]
        assert unmarked == [], "these are never called: they lack @hookimpl"

    def test_its_hooks_have_the_signatures_of_the_specs(self) -> None:
        """A hook takes the types that the core gives, and gives the type that the core takes.

        If it fails: annotate parameters as `haconiwa_core/plugins/hookspecs.py` does, with your own class for Feature,
            and the result with the same type or a narrower one, such as Iterator for Iterable; give no parameter a
            default, for then the core passes nothing, and leave out those that you do not need.
        """
        own = feature_class(self.section)
        for name, function in self._hooks():
            wanted = get_type_hints(getattr(hookspecs, name), _NAMES | vars(hookspecs))
            given = get_type_hints(function, _NAMES | function.__globals__)
            parameters = inspect.signature(function).parameters
            for parameter in parameters.values():
                assert parameter.name in wanted, f"{name}: the spec has no {parameter}"
                assert parameter.default is parameter.empty, f"{name}: nothing is ever passed as {parameter}"
            for item in (*parameters, _RETURN):
                assert item in given, f"{name}: annotate {item}"
                fits = _gives if item == _RETURN else _takes
                message = f"{name}: {item} is {given[item]}, but {wanted[item]} in the spec"
                assert fits(given[item], wanted[item], own), message

    def _hooks(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        plugin = self.installed.entry_point.load()
        for name, function in inspect.getmembers(plugin, callable):
            if hasattr(getattr(hookspecs, name, None), f"{hookspecs.PROJECT}_spec"):
                yield name, function


def _takes(given: Any, wanted: Any, own: type[Feature]) -> bool:
    """Whether a parameter of one type takes what the core gives: of a feature, only one of the plugin's own."""
    if wanted == Feature | None:
        return type(None) in get_args(given) and _takes(_without_none(given), Feature, own)
    if wanted is Feature:
        return isinstance(given, type) and issubclass(given, Feature) and issubclass(own, given)
    return bool(given == wanted)


def _without_none(given: Any) -> Any:
    left = [part for part in get_args(given) if part is not type(None)]
    return left[0] if len(left) == 1 else given


def _gives(given: Any, wanted: Any, own: type[Feature]) -> bool:
    """Whether each value of one type is a value of the other."""
    if given == wanted or wanted is object:
        return True
    if get_origin(given) in (Union, types.UnionType):
        return all(_gives(part, wanted, own) for part in get_args(given))
    if get_origin(wanted) in (Union, types.UnionType):
        return any(_gives(given, part, own) for part in get_args(wanted))
    general, special = get_origin(wanted) or wanted, get_origin(given) or given
    if not (isinstance(special, type) and isinstance(general, type) and issubclass(special, general)):
        return False
    inner = get_args(given)
    return len(inner) >= len(get_args(wanted)) and all(
        _gives(one, other, own) for one, other in zip(inner, get_args(wanted), strict=False)
    )
