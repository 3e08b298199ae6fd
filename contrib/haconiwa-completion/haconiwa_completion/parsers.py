"""One parser of the whole command line, of which only the verb that stands there is complete."""

from __future__ import annotations

import argparse
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress

from haconiwa_completion.values import completer_of
from haconiwa_core.cli.arguments import add_general, unknown_options
from haconiwa_core.cli.commands import OWN, find, others
from haconiwa_core.cli.flags import GROUP, add_flags
from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.entrypoints import entry_points

_PLUGINS = "plugins"


def whole_parser(words: Sequence[str]) -> ArgumentParser:
    """Return the parser.

    Args:
        words: of the command line, after the program; the first that is a verb gets its arguments.
    """
    parser = ArgumentParser(prog="haconiwa")
    add_general(parser, default=True)
    verbs = parser.add_subparsers(metavar="VERB")
    provided = others()
    typed = next((word for word in words if word in OWN or word in provided), "")
    for verb in (*OWN, *(verb for verb in provided if " " not in verb)):
        own = verbs.add_parser(verb, help=f"of {provided[verb]}" if verb in provided else find(verb).HELP)
        if verb == typed:
            _complete(own, verb, words)
    return parser


def _complete(parser: ArgumentParser, verb: str, words: Sequence[str]) -> None:
    """Give a verb its arguments, and `plugins` the actions of other distributions."""
    add_general(parser, default=False)
    with suppress(PluginError):  # What is broken is told when it is used.
        find(verb).configure(parser)
    given = [word for word in words if word.startswith("-")]
    # Their modules are imported only if one of them is there, or may be what is being typed.
    names = _every_flag() if given and given[-1] == words[-1] else given
    for name in names:
        with suppress(PluginError):
            add_flags(parser, unknown_options(parser, [name]))
    if verb == _PLUGINS:
        (actions,) = (item for item in parser._actions if isinstance(item, argparse._SubParsersAction))
        for other, distribution in others().items():
            if other.startswith(f"{_PLUGINS} "):
                _complete(actions.add_parser(other.partition(" ")[2], help=f"of {distribution}"), other, words)
    _add_values(parser, verb)


def _every_flag() -> list[str]:
    names = {item.name.partition(".")[0] for item in entry_points() if item.group == GROUP}
    return [f"-{name}" if len(name) == 1 else f"--{name}" for name in sorted(names)]


def _add_values(parser: ArgumentParser, verb: str) -> None:
    of_file = any(action.dest == "file" for action in parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _add_values(inner, verb)
        elif not action.choices:
            # argcomplete looks for it there.
            vars(action).setdefault("completer", completer_of(action, verb, of_file=of_file))
