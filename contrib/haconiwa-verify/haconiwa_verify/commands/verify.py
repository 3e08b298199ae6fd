"""`haconiwa verify`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from haconiwa_core.cli.arguments import add_format, add_launcher, add_selection
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_core.log import Log

if TYPE_CHECKING:
    from haconiwa_verify.interrupting import Interrupting
    from haconiwa_verify.report import Report

HELP = "try from inside what containers are kept from, and show what is in force; exit status 1 if anything fails"

_DEFINITIONS = (".py", ".toml")
_CHANGES = ("enabled", "disabled", "settings", "command", "flags", "variables", "env_file", "workdir")


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_selection(parser, "these containers of the file only; or more containers that run")
    add_launcher(parser)
    parser.add_argument(
        "--exhaust", action="store_true", help="take all memory and processes of a running container, too"
    )
    add_format(parser)
    parser.usage = "%(prog)s [options] FILE [NAME ...] | NAME ... | --with FEATURE ... -- COMMAND"


def main(options: Options, log: Log) -> int:
    """Print what is in force in each container and what was tried; return 0 if all holds that was asked for, else 1."""
    from haconiwa_core.cli.output import print_json, print_line
    from haconiwa_verify.interrupting import Interrupting
    from haconiwa_verify.showing import as_data, show

    reports: list[Report] = []
    with Interrupting() as interrupting:
        for report in _reports(options, interrupting):
            if options.format != "json":
                print_line("") if reports else None
                show(report)
            reports.append(report)
    if options.format == "json":
        print_json([as_data(report) for report in reports])
    for report in reports:
        unanswered = [outcome for outcome in report.outcomes if outcome.result == "unanswered"]
        if unanswered:
            log.error(f"{report.container}: {len(unanswered)} attempts were not answered: {unanswered[0].how}")
    return int(not all(report.holds for report in reports))


def _reports(options: Options, interrupting: Interrupting) -> Iterator[Report]:
    from haconiwa_display import progress

    from haconiwa_core.cli.selection import selected
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_verify.containers import asked_of, running
    from haconiwa_verify.verifying import verify_running, verify_started

    plugins = Plugins()
    shown = interrupting.between(progress)
    launcher = options.launcher
    if options.file and Path(options.file).suffix not in _DEFINITIONS:
        _refuse_changes(options)
        for name in (options.file, *options.names):
            asked = asked_of(running(name, plugins), plugins)
            yield verify_running(name, asked, plugins, exhaust=options.exhaust, progress=shown, launcher=launcher)
    else:
        for asked in [asked_of(container, plugins) for container in selected(options, plugins)]:
            yield verify_started(asked, plugins, progress=shown, launcher=launcher)


def _refuse_changes(options: Options) -> None:
    if any(getattr(options, change) for change in _CHANGES):
        hint = "give a definition's FILE, whose name ends in .py or .toml"
        raise DefinitionError([Problem("what is changed is a definition, not a running container", hint=hint)])
