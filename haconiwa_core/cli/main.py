"""Parse the command line and hand over to a verb. A verb's module is imported when it is used."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from haconiwa_core.definition.trust import check_search_path
from haconiwa_core.errors import EXIT_SETUP, HaconiwaError
from haconiwa_core.log import Log

_INTERRUPTED = 130
_STANDARD_OUTPUT = 1
_STANDARD_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    _occupy_standard_descriptors()
    given = list(sys.argv[1:] if arguments is None else arguments)
    # What follows "--" belongs to the container and is never parsed.
    cut = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:cut])
    options.command = given[cut + 1 :]
    log = Log(options.log_format)
    try:
        check_search_path(sys.path)
        status: int = import_module(f"haconiwa_core.cli.{options.verb}").main(options, log)
        # Now, not when the interpreter ends; and where there is no standard output, nothing.
        print(end="", flush=True)
    except HaconiwaError as error:
        if options.debug:
            traceback.print_exception(error)
        _report(error, log)
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


def _parser() -> argparse.ArgumentParser:
    # The general options may stand before the verb and after it; only the latter sets no default.
    general = argparse.ArgumentParser(add_help=False)
    _add_general(general, suppress=True)
    parser = argparse.ArgumentParser(
        prog="haconiwa",
        description="Linux containers whose isolation features are chosen one by one.",
    )
    _add_general(parser, suppress=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, help: str) -> argparse.ArgumentParser:
        return verbs.add_parser(name, help=help, description=help, parents=[general])

    run = verb("run", "run containers in the foreground: run FILE [NAME...], or run --with ... -- COMMAND")
    run.add_argument("file", nargs="?", help="definition, .py or .toml")
    run.add_argument("names", nargs="*", metavar="NAME", help="run these containers of the file only")
    run.add_argument("--name", help="claim this name instead of a unique one")
    run.add_argument("--rm", action="store_true", help="forget the container and its log when it has ended")
    _add_overrides(run)

    plan = verb("plan", "show exactly what a start would do; changes nothing, needs no root")
    plan.add_argument("file", nargs="?", help="definition, .py or .toml")
    plan.add_argument("names", nargs="*", metavar="NAME", help="plan these containers of the file only")
    plan.add_argument("--host", metavar="FACTS", help="plan for the host that this file describes")
    plan.add_argument("--show-host", action="store_true", help="print the facts of this host for --host")
    _add_format(plan)
    _add_overrides(plan)

    diff = verb("diff", "show how the plans of two definitions differ; exit status 1 if they do")
    diff.add_argument("first", metavar="A", help="definition, .py or .toml")
    diff.add_argument("second", metavar="B", help="definition, .py or .toml")
    diff.add_argument("--host", metavar="FACTS", help="plan for the host that this file describes")

    plugins = verb("plugins", "list, explain, enable or disable plugins")
    actions = plugins.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list installed plugins", parents=[general])
    listing.add_argument("--load", action="store_true", help="try the imports: tells stages and broken plugins")
    _add_format(listing)
    show = actions.add_parser("show", help="show a plugin's options, stages and errors", parents=[general])
    show.add_argument("plugin", metavar="NAME")
    _add_format(show)
    for action in ("enable", "disable"):
        switch = actions.add_parser(action, help=f"{action} a plugin", parents=[general])
        switch.add_argument("plugin", metavar="NAME")

    verb("gc", "clean up after containers whose supervisor is gone; forget those that have ended")
    verb("version", "print the versions of the core and of the plugin interface")
    return parser


def _add_general(parser: argparse.ArgumentParser, *, suppress: bool) -> None:
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS if suppress else False,
        help="show the traceback of an error",
    )
    parser.add_argument(
        "--log-format",
        choices=("console", "json"),
        default=argparse.SUPPRESS if suppress else "console",
        help="how our own messages are written to standard error",
    )


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how the result is printed")


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--launcher", metavar="NAME", help="what starts it: direct, or an installed one, such as helper"
    )
    parser.add_argument("--with", dest="enabled", action="append", default=[], metavar="FEATURE", help="add a feature")
    parser.add_argument("--without", dest="disabled", action="append", default=[], metavar="FEATURE", help="leave out")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="FEATURE.KEY=VALUE", help="set an option"
    )
