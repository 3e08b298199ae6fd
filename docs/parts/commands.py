"""Every verb of the command line, from the parsers themselves: the same text whatever the terminal and the Python."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from haconiwa_core.cli.commands import OWN, find, others
from haconiwa_core.cli.main import command_parser, general_parser
from haconiwa_core.plugins.catalogue import command_distributions
from parts import table

GENERAL = {"--debug", "--log-format"}
"""What every verb takes, and the page says once."""


def commands() -> str:
    """Return a heading for each verb, its usage, and its arguments."""
    distributions = command_distributions()
    verbs = dict.fromkeys(OWN, "haconiwa-core") | {
        verb: given for verb, given in others().items() if verb.replace(" ", ".") in distributions
    }
    parts = [_general()]
    for verb in sorted(verbs):
        command = find(verb)
        text = f"{command.HELP[0].upper()}{command.HELP[1:]}."
        parser = command_parser(verb, command)
        parts.append(f"## haconiwa {verb}\n\n{text} Of `{verbs[verb]}`.\n\n{_described(parser)}")
        for name, action, help in _actions(parser):
            parts.append(f"### haconiwa {verb} {name}\n\n{help[0].upper()}{help[1:]}.\n\n{_described(action)}")
    return "\n\n".join(parts)


def _general() -> str:
    rows = (_row(action) for action in general_parser()._actions if action.help != argparse.SUPPRESS)
    return "Before or after the verb:\n\n" + table(("argument", "meaning"), rows)


def _described(parser: argparse.ArgumentParser) -> str:
    own = [action for action in parser._actions if not _is_general(action)]
    words = [_usage(action) for action in own if not action.option_strings]
    optional = any(action.option_strings for action in own)
    usage = f"```text\n{' '.join([parser.prog, *(['[options]'] if optional else []), *words])}\n```"
    rows = [_row(action) for action in own if not isinstance(action, argparse._SubParsersAction)]
    return f"{usage}\n\n{table(('argument', 'meaning'), rows)}" if rows else usage


def _is_general(action: argparse.Action) -> bool:
    return bool(GENERAL.intersection(action.option_strings)) or isinstance(action, argparse._HelpAction)


def _row(action: argparse.Action) -> tuple[str, str]:
    if action.option_strings:
        value = f" {_value(action)}" if action.nargs != 0 else ""
        shown = ", ".join(f"`{option}{value}`" for option in action.option_strings)
    else:
        shown = f"`{_usage(action)}`"
    default = action.default if action.default not in (None, False, [], argparse.SUPPRESS) else None
    text = (action.help or "").replace("%%", "%").replace("|", r"\|")
    return shown.replace("|", r"\|"), text if default is None or not action.option_strings else f"{text} ({default})"


def _value(action: argparse.Action) -> str:
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _usage(action: argparse.Action) -> str:
    """Return how an argument without dashes stands in a usage."""
    name = str(action.metavar or action.dest.upper())
    shapes = {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}
    return shapes.get(str(action.nargs), name)


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield name, inner, helps[name]
