"""`haconiwa exec`."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace as Options
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from haconiwa_core.cli.arguments import add_launcher, add_surroundings, add_terminal
from haconiwa_core.cli.surroundings import surrounded
from haconiwa_core.container import Container
from haconiwa_core.definition.overrides import Overrides
from haconiwa_core.definition.stored import read_stored
from haconiwa_core.errors import EXIT_SETUP, DefinitionError, HaconiwaError, Problem
from haconiwa_core.feature import Feature, Source
from haconiwa_core.host import gather
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.log import Log
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.attach import attach
from haconiwa_core.runtime.forwarding import Forwarding
from haconiwa_core.runtime.store import Store
from haconiwa_runtime.client import ask_about
from haconiwa_runtime.recorded import find

if TYPE_CHECKING:
    from haconiwa_core.runtime.processes import Child
    from haconiwa_runtime.terminal.caller import Caller

HELP = "run a command in a running container, confined as its first process is: exec NAME -- COMMAND"

_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
_INHERITED: dict[str, Any] = dict.fromkeys(_STREAMS, "inherit")
_COMMAND_LINE = Source("command line", 0)


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_terminal(parser)
    add_surroundings(parser)
    parser.add_argument(
        "-u", "--user", metavar="USER[:GROUP]", help="instead of the definition's; needs haconiwa-credentials"
    )
    parser.add_argument(
        "--cap-drop", action="append", default=[], metavar="NAME", help="a capability less, or `all` of them"
    )
    parser.add_argument(
        "--cap-add",
        action="append",
        default=[],
        metavar="NAME",
        help="a capability more, after what is dropped; both need haconiwa-capabilities",
    )
    add_launcher(parser)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "arguments", metavar="COMMAND", nargs=REMAINDER, help="and its arguments; `--` may stand before it"
    )


def main(options: Options, log: Log) -> int:
    """Run the command in the foreground; return its exit status, 128 + n for a signal n."""
    store = Store()
    found = find(store, options.name)
    if found.state == "paused":
        raise HaconiwaError(
            f"the container {options.name} is paused, and what enters it would be, too; unpause it first"
        )
    plugins = Plugins()
    running = read_stored(found.record.container, plugins)
    planned = plan(_changed(running, options, plugins), gather(), plugins, "attach", running=running)
    caller = _caller(options) if options.tty else None
    size = (caller and caller.size()) or (0, 0)
    with Forwarding() as forwarding, closing(choose_launcher(options.launcher)) as launcher:
        process = forwarding.start(lambda: attach(planned, options.name, found.child, _STREAMS, launcher, size))
        try:
            ask_about(store, options.name, "attached", command=list(planned.container.command))
        except HaconiwaError as error:
            log.warning(f"its supervisor could not be told, whose hooks wait for that: {error}")
        if caller and (left := _sit(process, caller)):
            return left
        status = process.reap(with_group=False).exit_status
    return EXIT_SETUP if status is None else status


def _caller(options: Options) -> Caller:
    from haconiwa_runtime.terminal.caller import Caller

    return Caller(takes_input=options.interactive)


def _sit(process: Child, caller: Caller) -> int:
    """Sit at the terminal of a command until it ends: return 0, or 128 + n for a signal n that ends this before.

    Then its terminal hangs up, and whether it ends is its own affair.
    """
    from haconiwa_runtime.terminal.caller import LeftError
    from haconiwa_runtime.terminal.keys import DetachKeys
    from haconiwa_runtime.terminal.remote import Owned
    from haconiwa_runtime.terminal.session import SIGNALED, converse

    assert process.terminal is not None
    try:
        with caller, Owned(process.terminal, process.pidfd) as terminal:
            converse(terminal, caller, DetachKeys(b""))
    except LeftError as left:
        return SIGNALED + left.number
    return 0


def _changed(container: Container, options: Options, plugins: Plugins) -> Container:
    command = (*options.arguments, *options.command)
    if not command:
        raise DefinitionError([Problem("nothing to run", hint="give a command after --")])
    container = replace(
        container,
        command=command,
        terminal=options.tty,
        **_INHERITED,
    )
    container = surrounded(container, options)
    if options.cap_add or options.cap_drop:
        container += _capabilities(container, options, plugins).at(_COMMAND_LINE)
    if options.user is None:
        return container
    user, colon, group = options.user.partition(":")
    if not user or (colon and not group):
        raise DefinitionError([Problem(f"--user {options.user!r}: must be USER or USER:GROUP")])
    settings = [f"credentials.uid={user}", *([f"credentials.gid={group}"] if group else [])]
    return Overrides(settings=settings).apply(container, plugins)


def _capabilities(container: Container, options: Options, plugins: Plugins) -> Feature:
    section: Any = container.feature("capabilities")
    if section is None:
        # Without the section the container's processes have all that the caller has.
        every: Any = plugins.feature_class("capabilities")
        section = every(all=True)
    changed: Feature = section.changed(add=options.cap_add, drop=options.cap_drop)
    return changed
