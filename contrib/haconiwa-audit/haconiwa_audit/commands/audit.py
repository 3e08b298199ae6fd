"""`haconiwa audit`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_audit.report import Report, audit
from haconiwa_core.cli.arguments import add_format, add_host, add_selection
from haconiwa_core.cli.output import print_json, print_line
from haconiwa_core.cli.selection import host_facts, selected
from haconiwa_core.log import Log
from haconiwa_core.planning.planner import plan_all
from haconiwa_core.plugins.loading import Plugins

HELP = "show what is weak in the isolation of containers, from their plans alone; exit status 1 if something is"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_selection(parser, "audit these containers of the file only")
    add_host(parser)
    parser.add_argument("--accept", action="append", default=[], metavar="CODE", help="do not tell this finding")
    add_format(parser)


def main(options: Options, log: Log) -> int:
    """Print what is found in the selected containers; return 1 if something is that is not accepted, else 0."""
    plugins = Plugins()
    plans = plan_all(selected(options, plugins), host_facts(options.host), plugins)
    reports = [audit(plan, plugins, options.accept) for plan in plans]
    if options.format == "json":
        print_json([_as_data(report) for report in reports])
    else:
        for report in reports:
            _print(report)
    for report in reports:
        for code in report.stale:
            log.warning(f"{report.container}: accepts {code}, but there is no such finding")
    accepted = {finding.code for report in reports for finding in report.accepted}
    for code in dict.fromkeys(options.accept):
        if code not in accepted:
            log.warning(f"--accept {code}: there is no such finding")
    return int(any(report.findings for report in reports))


def _as_data(report: Report) -> dict[str, object]:
    return {
        "container": report.container,
        "findings": [finding._asdict() for finding in report.findings],
        "accepted": [finding.code for finding in report.accepted],
        "stale": list(report.stale),
    }


def _print(report: Report) -> None:
    count = len(report.findings)
    accepted = f", {len(report.accepted)} accepted" if report.accepted else ""
    print_line(f"{report.container}: {count or 'no'} finding{'' if count == 1 else 's'}{accepted}")
    for finding in report.findings:
        section = f" [{finding.section}]" if finding.section else ""
        print_line(f"  {finding.code}{section}: {finding.what}")
        print_line(f"    why: {finding.why}")
        print_line(f"    remedy: {finding.remedy}")
