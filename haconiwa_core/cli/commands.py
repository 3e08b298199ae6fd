"""Find a command by its verb: one of the core's own, or one that another distribution has installed.

A command is a module with a line of help, its arguments, and what it does. Others are found by an
entry point of the group `haconiwa.v1.commands`, whose name is the verb; "plugins.NAME" is the action
`haconiwa plugins NAME`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.log import Log

GROUP = "haconiwa.v1.commands"
OWN = ("run", "plan", "diff", "plugins", "gc", "version")
OWN_ACTIONS = ("plugins list", "plugins show", "plugins enable", "plugins disable")


class Command(Protocol):
    """What the module of a command holds; it imports what `main` needs when that is called."""

    HELP: str
    """One line."""

    def configure(self, parser: ArgumentParser) -> None:
        """Add the command's own arguments; `command`, `words`, `help`, `debug` and `log_format` are taken."""

    def main(self, options: Namespace, log: Log) -> int:
        """Do it.

        Args:
            options: what was parsed; `command` holds the words after "--".
            log: for messages; results are printed.

        Returns:
            The exit status.

        Raises:
            HaconiwaError: printed as an error, with its own exit status.
        """


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the verb of a command line, and the words that are for its command.

    An action of `plugins` that is none of the core's is a verb of two words.
    """
    verb, *rest = words
    if verb == "plugins" and rest and not rest[0].startswith("-") and f"plugins {rest[0]}" not in OWN_ACTIONS:
        return f"plugins {rest[0]}", rest[1:]
    return verb, rest


def find(verb: str) -> Command:
    """Import the command of a verb, and nothing else.

    Args:
        verb: as `split` gives it.

    Raises:
        PluginError: there is none, two distributions claim it, or it is broken.
    """
    if verb in OWN:
        own: Command = import_module(f"haconiwa_core.cli.{verb}")
        return own
    from haconiwa_core.plugins.entrypoints import load_sole

    command: Command | None = None
    # A dot separates words in the name of an entry point, and is nothing that is typed.
    if "." not in verb:
        command = load_sole(GROUP, verb.replace(" ", "."), f"the command {verb}", "HELP", "configure", "main")
    if command is None:
        raise PluginError(_unknown(verb))
    return command


def others() -> dict[str, str]:
    """Return the verbs that other distributions have installed, and by which; "plugins NAME" is an action."""
    from haconiwa_core.plugins.entrypoints import entry_points

    found = {_typed(item.name): item.distribution for item in sorted(entry_points()) if item.group == GROUP}
    return {verb: distribution for verb, distribution in found.items() if verb not in (*OWN, *OWN_ACTIONS)}


def _typed(name: str) -> str:
    """Return what is typed for an entry point."""
    return name.replace(".", " ")


def _unknown(verb: str) -> str:
    from haconiwa_core.options import suggestion
    from haconiwa_core.plugins.catalogue import command_distributions

    known = {_typed(name): distribution for name, distribution in command_distributions().items()}
    if verb in known:
        return f"the command {verb} is not installed; pip install {known[verb]}"
    path, _, word = verb.rpartition(" ")
    every = (each.rpartition(" ") for each in (*OWN, *OWN_ACTIONS, *others(), *known))
    hint = suggestion(word, [last for first, _, last in every if first == path])
    help_of = f"haconiwa {path}".rstrip()
    return f"there is no command {verb!r}; {hint or f'see `{help_of} --help`'}"
