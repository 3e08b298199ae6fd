"""`haconiwa completion`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace as Options

from argcomplete.shell_integration import shellcode

from haconiwa_core.log import Log

HELP = 'print a script that lets a shell complete command lines: eval "$(haconiwa completion bash)"'

PROGRAM = "haconiwa-complete"
"""What the shells ask."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="that is to read the script")


def main(options: Options, log: Log) -> int:
    """Print the script; return 0."""
    sys.stdout.write(shellcode(["haconiwa"], shell=options.shell, argcomplete_script=PROGRAM) + "\n")
    return 0
