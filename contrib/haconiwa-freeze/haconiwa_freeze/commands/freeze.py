"""`haconiwa plugins freeze`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace as Options

from haconiwa_core.log import Log

HELP = "note which code confines containers here: interpreter, distributions, a hash of each file"


def configure(parser: ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="write the lock there, instead of printing it")


def main(options: Options, log: Log) -> int:
    """Write the lock and return 0; or 1 without one, where what is installed is not what was installed."""
    import sys
    from pathlib import Path

    from haconiwa_core.errors import HaconiwaError
    from haconiwa_freeze.lock import freeze, own_interpreter, to_text

    try:
        frozen = freeze(sys.path, own_interpreter())
        for finding in frozen.findings:
            log.error(finding)
        if frozen.findings:
            return 1
        if options.file is None:
            sys.stdout.write(to_text(frozen.lock))
        else:
            Path(options.file).write_text(to_text(frozen.lock), "utf-8")
    except OSError as error:
        raise HaconiwaError(f"{error.filename}: {error.strerror}") from error
    return 0
