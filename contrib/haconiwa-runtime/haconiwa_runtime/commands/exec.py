"""`haconiwa exec`."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, ArgumentTypeError, Namespace as Options
from contextlib import closing
from dataclasses import replace
from typing import Any

from haconiwa_core.cli.arguments import add_launcher
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

HELP = "run a command in a running container, confined as its first process is: exec NAME -- COMMAND"

_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
_INHERITED: dict[str, Any] = dict.fromkeys(_STREAMS, "inherit")
_COMMAND_LINE = Source("command line", 0)


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("-e", "--env", action="append", default=[], type=_variable, metavar="NAME=VALUE")
    parser.add_argument("-w", "--workdir", metavar="DIRECTORY", help="absolute path inside; that of the definition")
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
    with Forwarding() as forwarding, closing(choose_launcher(options.launcher)) as launcher:
        process = forwarding.start(lambda: attach(planned, options.name, found.child, _STREAMS, launcher))
        try:
            ask_about(store, options.name, "attached", command=list(planned.container.command))
        except HaconiwaError as error:
            log.warning(f"its supervisor could not be told, whose hooks wait for that: {error}")
        status = process.reap(with_group=False).exit_status
    return EXIT_SETUP if status is None else status


def _changed(container: Container, options: Options, plugins: Plugins) -> Container:
    command = (*options.arguments, *options.command)
    if not command:
        raise DefinitionError([Problem("nothing to run", hint="give a command after --")])
    container = replace(
        container,
        command=command,
        env={**container.env, **dict(options.env)},
        workdir=options.workdir or container.workdir,
        **_INHERITED,
    )
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


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} must be NAME=VALUE")
    return name, value
