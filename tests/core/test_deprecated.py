"""What is deprecated tells who uses it, where, until when, and what to do instead."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pluggy
import pytest

from haconiwa_core import Feature, Stage, Step, option
from haconiwa_core.deprecated import Deprecated
from haconiwa_core.plugins.hookspecs import PROJECT, hookimpl, hookspec
from haconiwa_core.testing import plan_of
from haconiwa_core.testing.fixtures import Chosen

OLD_NAME = Deprecated("linux.set_rlimit", "0.3.0", "call linux.set_limit")
OLD_ARGUMENT = Deprecated("the argument kernel of haconiwa_load", "0.3.0", "read planning.host.kernel")
OLD_OPTION = "limits.hard is deprecated and leaves in haconiwa-limits 0.3.0; give (soft, hard)"


def test_a_name_tells_its_user() -> None:
    def set_rlimit() -> int:
        warnings.warn(OLD_NAME, stacklevel=2)
        return 1

    with pytest.warns(DeprecationWarning, match="leaves in") as caught:
        assert set_rlimit() == 1
    (warning,) = caught
    expected = "linux.set_rlimit is deprecated and leaves in haconiwa-core 0.3.0; call linux.set_limit"
    assert (str(warning.message), warning.filename) == (expected, __file__)


class Specification:
    """A hook that has lost an argument."""

    @hookspec(warn_on_impl_args={"kernel": OLD_ARGUMENT})
    def haconiwa_load(self, feature: object, kernel: str) -> str:
        """Do something."""


class Old:
    """A plugin that has not heard of it."""

    @hookimpl
    def haconiwa_load(self, kernel: str) -> str:
        return kernel


class New:
    """A plugin that has."""

    @hookimpl
    def haconiwa_load(self, feature: object) -> str:
        return str(feature)


def test_an_argument_of_a_hook_tells_the_plugin() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Specification)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manager.register(New())
        assert caught == []
        manager.register(Old())
    (warning,) = caught
    assert warning.message is OLD_ARGUMENT
    _, line = inspect.getsourcelines(Old.haconiwa_load)
    assert (warning.filename, warning.lineno) == (__file__, line)
    # It still works.
    assert manager.hook.haconiwa_load(feature="a", kernel="6.1") == ["6.1", "a"]


@dataclass(frozen=True, kw_only=True)
class Limits(Feature):
    """A feature with an option that will leave."""

    section: ClassVar[str] = "limits"
    stages: ClassVar[tuple[Stage, ...]] = ()

    hard: int | None = option(None, "deprecated; give (soft, hard)")


class LimitsPlugin:
    """Its plugin."""

    @staticmethod
    @hookimpl
    def haconiwa_feature() -> type[Feature]:
        return Limits

    @staticmethod
    @hookimpl
    def haconiwa_steps(feature: Limits) -> Iterator[Step]:
        if feature.hard is not None:
            warnings.warn_explicit(OLD_OPTION, FutureWarning, *feature.place)
        yield from ()


def test_an_option_tells_who_wrote_the_definition(plugins: Chosen) -> None:
    plugins.inline(LimitsPlugin)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        plan_of(Limits(), plugins=plugins)
        assert caught == []
        line = inspect.currentframe().f_lineno + 1
        plan_of(Limits(hard=64), plugins=plugins)
    (warning,) = caught
    assert (str(warning.message), warning.filename, warning.lineno) == (OLD_OPTION, __file__, line)
