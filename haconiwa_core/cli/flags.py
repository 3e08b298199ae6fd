"""Flags that people know from docker, each turned into options of a feature by that feature's plugin.

A plugin claims a flag by an entry point of the group `haconiwa.v1.flags`, whose name is the flag's without its dashes
and which leads to a module (`Flags`). A name "FLAG.WORD" claims those values of --FLAG that begin with a word. A module
is imported when one of its flags is on the command line, and not before.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from haconiwa_core.cli.arguments import listed
from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.catalogue import flag_distributions, refused_flags
from haconiwa_core.plugins.entrypoints import EntryPoint, claims, entry_points, load_sole

if TYPE_CHECKING:
    from haconiwa_core.definition.overrides import Flagged

GROUP = "haconiwa.v1.flags"

_WORD = re.compile(r"([a-z-]+)[=:]?(.*)", re.DOTALL)


class Flag(NamedTuple):
    """One flag.

    Args:
        means: the option that it sets, and how, for people: "`memory`".
        metavar: what its value is called in the help; "" for a flag without a value.
        letter: another name of it, which a second entry point claims.
    """

    means: str
    metavar: str = ""
    letter: str = ""


class Flags(Protocol):
    """What the module of a plugin's flags holds."""

    SECTION: str
    """Of the options; the plugin's name."""

    FLAGS: Mapping[str, Flag]
    """By name without dashes."""

    def options(self, given: Mapping[str, Sequence[str]], section: Any) -> Mapping[str, Any] | None:
        """Turn values into options.

        Args:
            given: the values of each flag that is given, in their order; "" for one without a value.
            section: as the definition or a profile has it; None where the container has none.

        Returns:
            Options and their values, as TOML has them, which are checked as all others; what is not there stays. None
            leaves the section out.

        Raises:
            DefinitionError: with all problems, where a value cannot be turned into an option.
        """


class Given(NamedTuple):
    """A flag of the command line: whose it is, its name, and its value."""

    module: Flags
    name: str
    value: str


def add_flags(parser: ArgumentParser, names: Iterable[str]) -> None:
    """Let a parser take the flags that stand on its command line.

    Args:
        parser: of a command that has `add_selection`'s arguments.
        names: of options that the parser does not know; "help" adds a list of all flags to its help.

    Raises:
        PluginError: a flag is of a distribution that is not installed, or cannot mean what it means elsewhere.
    """
    points = [item for item in entry_points() if item.group == GROUP]
    claimed = {item.name for item in points if "." not in item.name}
    every = (*(item.name for item in points), *flag_distributions())
    by_word = {name.partition(".")[0] for name in every if "." in name}
    lacking: list[str] = []
    added: set[str] = set()
    for name in dict.fromkeys(names):
        if name == "help":
            parser.epilog = listed("flags as docker has them:", _described(points))
        elif name in by_word:
            how = partial(_by_word, name)
            parser.add_argument(f"--{name}", dest="flags", action="append", type=how, metavar="WORD[=VALUE]")
        elif name in claimed:
            long, _ = _flag(_module(name), name)
            if long not in added:
                added.add(long)
                _add(parser, _module(name), long)
        elif "." not in name:
            lacking += filter(None, [_lacking(name)])
    if lacking:
        raise PluginError("\n".join(lacking))


def _add(parser: ArgumentParser, module: Flags, name: str) -> None:
    flag = module.FLAGS[name]
    strings = [f"--{name}", *([f"-{flag.letter}"] if flag.letter else [])]
    if flag.metavar:
        given = partial(Given, module, name)
        parser.add_argument(*strings, dest="flags", action="append", type=given, metavar=flag.metavar)
    else:
        parser.add_argument(*strings, dest="flags", action="append_const", const=Given(module, name, ""))


def changes(given: Sequence[Given]) -> list[Flagged]:
    """Return what flags change, those of one module together."""
    from haconiwa_core.definition.overrides import Flagged

    modules = {id(item.module): item.module for item in given}
    found = []
    for module in modules.values():
        values: dict[str, list[str]] = {}
        for item in given:
            if item.module is module:
                values.setdefault(item.name, []).append(item.value)
        names = ", ".join(_typed(name) for name in values)
        found.append(Flagged(module.SECTION, names, partial(module.options, values)))
    return found


def _by_word(flag: str, value: str) -> Given:
    """Return a flag whose value says whose it is."""
    match = _WORD.fullmatch(value)
    name = f"{flag}.{match[1] if match else value}"
    if match is None or not claims(GROUP, name):
        raise PluginError(_lacking(name) or f"{_typed(name)} is none of the flags that are installed")
    return Given(_module(name), name, match[2])


@cache
def _module(name: str) -> Flags:
    """Import the one module that claims a flag."""
    module: Flags = load_sole(GROUP, name, _typed(name), "SECTION", "FLAGS", "options")
    if not any(name in (long, flag.letter) for long, flag in module.FLAGS.items()):
        raise PluginError(f"{_typed(name)} is broken: its module has no such flag")
    return module


def _flag(module: Flags, name: str) -> tuple[str, Flag]:
    """Return the flag that a name means, and its long name."""
    return next((long, flag) for long, flag in module.FLAGS.items() if name in (long, flag.letter))


def _lacking(name: str) -> str:
    """Return why there is no such flag, if that is known."""
    if distribution := flag_distributions().get(name):
        return f"{_typed(name)} is a flag of {distribution}; pip install {distribution}"
    reason = refused_flags().get(name)
    return f"{_typed(name)} is not taken: {reason}" if reason else ""


def _described(points: Sequence[EntryPoint]) -> dict[str, str]:
    """Return all flags that are known, installed or not, and what is said of each."""
    installed = {item.name: f"of {item.distribution}" for item in points}
    rows = {name: f"of {distribution}, not installed" for name, distribution in flag_distributions().items()}
    return {_typed(name): text for name, text in sorted({**rows, **installed}.items())}


def _typed(name: str) -> str:
    """Return what is typed for an entry point."""
    return f"-{name}" if len(name) == 1 else f"--{name.replace('.', ' ')}"
