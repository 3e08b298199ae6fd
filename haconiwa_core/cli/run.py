"""`haconiwa run`."""

from __future__ import annotations

import gc
from argparse import ArgumentParser, Namespace as Options
from typing import TYPE_CHECKING

from haconiwa_core.cli.arguments import add_detach_keys, add_launcher, add_selection
from haconiwa_core.log import Log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from haconiwa_core.planning.plan import Plan
    from haconiwa_core.runtime.supervisor import Start

HELP = "run containers: run FILE [NAME...], or run --with ... -- COMMAND"


def configure(parser: ArgumentParser) -> None:
    """Add the arguments of `run`."""
    add_selection(parser, "run these containers of the file only")
    add_launcher(parser)
    parser.add_argument("--name", help="claim this name instead of a unique one")
    parser.add_argument("-d", "--detach", action="store_true", help="in the background: print the names and return")
    add_detach_keys(parser)
    parser.add_argument("--rm", action="store_true", help="forget the container and its log when it has ended")


def main(options: Options, log: Log) -> int:
    """Run containers; in the foreground, return the first exit status that is not 0, else 0."""
    # Hardly anything that is made on the way to a start is garbage, and looking for it is a tenth of the way.
    gc.disable()
    from haconiwa_core.cli.selection import selected
    from haconiwa_core.errors import DefinitionError, Problem
    from haconiwa_core.host import gather
    from haconiwa_core.launch.choice import choose_launcher
    from haconiwa_core.planning.planner import plan_all
    from haconiwa_core.plugins.loading import Plugins
    from haconiwa_core.runtime.foreground import run_all
    from haconiwa_core.runtime.store import Store
    from haconiwa_core.runtime.supervisor import Start, resident_for

    plugins = Plugins()
    containers = selected(options, plugins)
    if options.name is not None and len(containers) > 1:
        raise DefinitionError([Problem("--name can name one container only", hint="say which one to run")])
    store = Store()
    wanted = Start(containers, store, plugins, options.name, options.rm, options.launcher, options.file)
    terminal = any(container.terminal for container in containers)
    if options.detach and options.interactive and not terminal:
        raise DefinitionError([Problem("-i with -d needs -t", hint="nothing else keeps an input in the background")])
    plans: Sequence[Plan] = ()
    if any(feature.is_lenient for container in containers for feature in container.features):
        plans = plan_all(containers, gather(), plugins)
        for item in plans:
            for warning in item.warnings:
                log.warning(f"{item.container.name}: {warning}")
    if options.detach:
        return _detached(wanted)
    if terminal:
        return _at_terminal(wanted, options)
    if resident := resident_for(containers, store):
        return resident.run(wanted)
    plans = plans or plan_all(containers, gather(), plugins)
    launcher = choose_launcher(options.launcher)
    gc.freeze()
    gc.enable()
    return run_all(plans, store, launcher, name=options.name, remove=options.rm, log=log)


def _at_terminal(wanted: Start, options: Options) -> int:
    from haconiwa_core.errors import DefinitionError, Problem
    from haconiwa_core.runtime.supervisor import terminal_session

    if len(wanted.containers) > 1:
        text = "one container at a time can have the caller's terminal"
        raise DefinitionError([Problem(text, hint="say which one to run, or add -d")])
    # Who asks for a terminal on the command line says there whether it is for input, too.
    takes_input = options.interactive or not options.tty
    return terminal_session().run(wanted, takes_input=takes_input, detach_keys=options.detach_keys)


def _detached(wanted: Start) -> int:
    from haconiwa_core.cli.output import print_line
    from haconiwa_core.runtime.supervisor import supervisor_for

    containers = [container.detached() for container in wanted.containers]
    for name in supervisor_for(containers, wanted.store).start(wanted._replace(containers=containers)):
        print_line(name)
    return 0
