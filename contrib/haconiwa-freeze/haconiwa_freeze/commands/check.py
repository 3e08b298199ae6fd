"""`haconiwa plugins check`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "compare what is installed with what `haconiwa plugins freeze` has noted; exit status 1 if it differs"


def configure(parser: ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument("file", metavar="FILE", help="the lock")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="FOLDER",
        help="look at what is installed there, instead of around this program; again for several folders",
    )


def main(options: Options, log: Log) -> int:
    """Print all differences; return 1 if there are any, else 0."""
    import sys
    from pathlib import Path

    from haconiwa_core.cli.output import print_line
    from haconiwa_core.errors import HaconiwaError
    from haconiwa_freeze.differences import differences
    from haconiwa_freeze.lock import freeze, from_file, interpreter, own_interpreter

    lock = from_file(Path(options.file))
    try:
        noted = lock["interpreter"]
        # That of another installation does not run, and cannot say its version.
        there = interpreter(noted["path"], noted["version"], noted["prefix"]) if options.path else own_interpreter()
        found = freeze(options.path or sys.path, there)
        told = [*found.findings, *differences(lock, found.lock)]
    except OSError as error:
        raise HaconiwaError(f"{error.filename}: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise HaconiwaError(f"{options.file}: no lock can be read: {error!r}") from error
    for line in told:
        print_line(line)
    return int(bool(told))
