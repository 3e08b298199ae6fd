"""`haconiwa kill`."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, ArgumentTypeError, Namespace as Options

from haconiwa_core.log import Log
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.commands.arguments import add_names, chosen, each_name
from haconiwa_runtime.recorded import send_signal

HELP = "send a signal to containers: SIGKILL to all of one, any other to its first process"


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_names(parser, all=True)
    parser.add_argument("-s", "--signal", type=_signal, default=signal.SIGKILL, help="by name or number; KILL")


def main(options: Options, log: Log) -> int:
    """Signal containers; return 0 if all were running."""
    store = Store()
    return each_name(chosen(options, store), log, lambda name: send_signal(store, name, options.signal))


def _signal(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) in signal.valid_signals():
        return int(text)
    name = text.upper()
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise ArgumentTypeError(f"{text!r} is no signal; TERM, SIGUSR1 and 9 are") from None
