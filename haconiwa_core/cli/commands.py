"""Find a command by its verb: one of the core's own, or one that another distribution has installed.

A command is a module with a line of help, its arguments, and what it does. Others are found by an
entry point of the group `haconiwa.v1.commands`, whose name is the verb.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import Protocol

from haconiwa_core.errors import PluginError
from haconiwa_core.log import Log

GROUP = "haconiwa.v1.commands"
OWN = ("run", "plan", "diff", "plugins", "gc", "version")


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


def find(verb: str) -> Command:
    """Import the command of a verb, and nothing else.

    Raises:
        PluginError: there is none, two distributions claim it, or it is broken.
    """
    if verb in OWN:
        own: Command = import_module(f"haconiwa_core.cli.{verb}")
        return own
    from haconiwa_core.plugins.entrypoints import entry_points

    claims = [item for item in entry_points() if item.group == GROUP and item.name == verb]
    if not claims:
        raise PluginError(_unknown(verb))
    if len(claims) > 1:
        from haconiwa_core.plugins.discovery import provided_by

        raise PluginError(f"the command {verb} is {provided_by(claims)}; uninstall all but one")
    try:
        command: Command = claims[0].load()
        _ = command.HELP, command.configure, command.main
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"the command {verb} of {claims[0].distribution} is broken: {reason}") from error
    return command


def others() -> dict[str, str]:
    """Return the verbs that other distributions have installed, and by which."""
    from haconiwa_core.plugins.entrypoints import entry_points

    found = sorted(item for item in entry_points() if item.group == GROUP and item.name not in OWN)
    return {item.name: item.distribution for item in found}


def _unknown(verb: str) -> str:
    from haconiwa_core.options import suggestion
    from haconiwa_core.plugins.catalogue import command_distributions

    known = command_distributions()
    if verb in known:
        return f"the command {verb} is not installed; pip install {known[verb]}"
    hint = suggestion(verb, [*OWN, *others(), *known])
    return f"there is no command {verb!r}; {hint or 'see `haconiwa --help`'}"
