"""Options that several commands share, those of other distributions among them."""

from __future__ import annotations

import argparse
import os
from argparse import ArgumentParser, HelpFormatter, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence

_COLUMNS = 80
"""Of help that is written elsewhere than to a terminal."""


def help_formatter(prog: str) -> HelpFormatter:
    """Return what lays out the help of a program, as wide as the terminal.

    argparse asks for the width with each argument that is added, and would import shutil for it.
    """
    try:
        columns = os.get_terminal_size().columns
    except OSError:
        columns = _COLUMNS
    return RawDescriptionHelpFormatter(prog, width=columns - 2)


def listed(title: str, rows: Mapping[str, str]) -> str:
    """Return names and what is said of each in two columns, to stand below the help; nothing for none."""
    width = max(map(len, rows), default=0)
    return "\n".join([title, *(f"  {name:{width}}  {text}" for name, text in rows.items())]) if rows else ""


def add_general(parser: ArgumentParser, *, default: bool) -> None:
    """Add what every command takes: `debug` and `log_format`.

    Args:
        parser: of the command line, or of a command.
        default: set what is not given; a command must not, for it may stand before the command.
    """
    parser.add_argument(
        "--debug",
        action="store_true",
        default=False if default else argparse.SUPPRESS,
        help="show the traceback of an error",
    )
    parser.add_argument(
        "--log-format",
        choices=("console", "json"),
        default="console" if default else argparse.SUPPRESS,
        help="how our own messages are written to standard error",
    )


def general() -> ArgumentParser:
    """Return a parent of the parsers of a command's own actions, such as `plugins list`."""
    parser = ArgumentParser(add_help=False)
    add_general(parser, default=False)
    return parser


def add_format(parser: ArgumentParser) -> None:
    """Add `format`: "table", or "json"."""
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how the result is printed")


def add_selection(parser: ArgumentParser, names_help: str) -> None:
    """Add what `selection.selected` needs: a definition, which of its containers, and what is changed in them."""
    parser.add_argument("file", nargs="?", help="definition, .py or .toml")
    parser.add_argument("names", nargs="*", metavar="NAME", help=names_help)
    parser.add_argument("--with", dest="enabled", action="append", default=[], metavar="FEATURE", help="add a feature")
    parser.add_argument("--without", dest="disabled", action="append", default=[], metavar="FEATURE", help="leave out")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="FEATURE.KEY=VALUE", help="set an option"
    )
    add_surroundings(parser)
    add_terminal(parser)
    parser.set_defaults(flags=[])


def add_surroundings(parser: ArgumentParser) -> None:
    """Add what `surroundings.surrounded` needs: variables of the environment, and the working directory."""
    parser.add_argument(
        "-e",
        "--env",
        dest="variables",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a variable of its environment; without a value the caller's",
    )
    parser.add_argument(
        "--env-file", action="append", default=[], metavar="FILE", help="lines of NAME=VALUE, or NAME; # is a comment"
    )
    parser.add_argument("-w", "--workdir", metavar="DIRECTORY", help="where the command starts; absolute, inside")


def add_terminal(parser: ArgumentParser) -> None:
    """Add `interactive` and `tty`."""
    parser.add_argument("-i", "--interactive", action="store_true", help="it reads what the caller's input holds")
    parser.add_argument("-t", "--tty", action="store_true", help="give it a terminal of its own; -it to sit at it")


def add_detach_keys(parser: ArgumentParser) -> None:
    """Add `detach_keys`."""
    parser.add_argument(
        "--detach-keys",
        metavar="KEYS",
        default="ctrl-p,ctrl-q",
        help="what leaves its terminal and lets it run on, such as ctrl-]; ctrl-p,ctrl-q",
    )


def unknown_options(parser: ArgumentParser, words: Sequence[str]) -> list[str]:
    """Return what a command line has of options that a parser lacks, without their dashes.

    Args:
        parser: of a command. If it is one that does not take the flags of plugins, nothing is looked for.
        words: of the command line, after the verb.

    Returns:
        Names, of which some may be values that look like options; "help" if the help is asked for.
    """
    if parser.get_default("flags") is None:
        return []
    return [name for word in words if word.startswith("-") for name in _unknown(word, parser)]


def _unknown(word: str, parser: ArgumentParser) -> Iterator[str]:
    known = parser._option_string_actions  # argparse has no other way to ask.
    option = word.partition("=")[0]
    if option in ("-h", "--help"):
        yield "help"
    elif option.startswith("--"):
        yield from [option[2:]] if option not in known else []
    else:
        # Several letters may stand together; the first that takes a value takes the rest.
        for letter in word[1:]:
            action = known.get(f"-{letter}")
            if action is None:
                yield letter
            if action is None or action.nargs != 0:
                return


def add_launcher(parser: ArgumentParser) -> None:
    """Add `launcher`: a name for `choose_launcher`."""
    parser.add_argument(
        "--launcher", metavar="NAME", help="what starts it: zygote, direct, or an installed one, such as helper"
    )


def add_host(parser: ArgumentParser) -> None:
    """Add `host`: a file with the facts of another host, for `selection.host_facts`."""
    parser.add_argument("--host", metavar="FACTS", help="plan for the host that this file describes")
