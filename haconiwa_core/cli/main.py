"""Where the command line begins: find the verb, parse what is its own, and hand over to its command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from haconiwa_core.cli.arguments import add_general, help_formatter, listed, unknown_options
from haconiwa_core.cli.commands import OWN, Command, find, others, split
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.log import Log
from haconiwa_core.trust import check_search_path, close_search_path

_INTERRUPTED = 130
_STANDARD_OUTPUT = 1
_STANDARD_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return the exit status.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _occupy_standard_descriptors()
    # What follows "--" belongs to the container and is never parsed.
    cut = given.index("--") if "--" in given else len(given)
    parser = general_parser()
    options = parser.parse_args(given[:cut])
    options.command = given[cut + 1 :]
    try:
        if arguments is None:
            close_search_path()
        check_search_path(sys.path)
        if options.help:
            return _help(parser)
        if not options.words:
            parser.error("which command? see `haconiwa --help`")
        verb, words = split(options.words)
        command = find(verb)
        ours = command_parser(verb, command)
        if unknown := unknown_options(ours, words):
            from haconiwa_core.cli.flags import add_flags

            add_flags(ours, unknown)
        options = ours.parse_args(words, options)
        status = command.main(options, Log(options.log_format))
        # Now, not when the interpreter ends; and where there is no standard output, nothing.
        print(end="", flush=True)
    except HaconiwaError as error:
        if options.debug:
            import traceback

            traceback.print_exception(error)
        _report(error, Log(options.log_format))
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output has gone; what is left of it is written where nothing fails.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STANDARD_OUTPUT)
        return EXIT_SETUP
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _occupy_standard_descriptors() -> None:
    """Open the null device where the caller has closed 0, 1 or 2, lest another file take its place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _report(error: HaconiwaError, log: Log) -> None:
    for line in str(error).splitlines():
        log.error(line)
    for failure in getattr(error, "cleanup", ()):
        log.error(f"could not be cleaned up: {failure}; remove the cause and run `haconiwa gc`")


def general_parser() -> argparse.ArgumentParser:
    """Return the parser of what stands before the verb; the verb and all that follows is left as it is."""
    parser = argparse.ArgumentParser(
        prog="haconiwa",
        usage="%(prog)s [-h] [--debug] [--log-format {console,json}] VERB ...",
        description="Linux containers whose isolation features are chosen one by one.",
        formatter_class=help_formatter,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this message")
    add_general(parser, default=True)
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def command_parser(verb: str, command: Command) -> argparse.ArgumentParser:
    """Return the parser of what follows a verb."""
    parser = argparse.ArgumentParser(prog=f"haconiwa {verb}", description=command.HELP, formatter_class=help_formatter)
    # The general options may stand after the verb, too.
    add_general(parser, default=False)
    command.configure(parser)
    return parser


def _help(parser: argparse.ArgumentParser) -> int:
    rows = {verb: find(verb).HELP for verb in OWN}
    rows |= {verb: f"of {distribution}" for verb, distribution in others().items() if " " not in verb}
    parser.epilog = listed("verbs:", rows)
    parser.print_help()
    return 0
