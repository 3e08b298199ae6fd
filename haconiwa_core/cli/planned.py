"""A plan as a table: for each stage where it runs, and what its steps need."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from itertools import groupby

from haconiwa_core.cli.output import print_line, print_table
from haconiwa_core.facts import Namespace
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.planning.plan import CORE, Plan, PlannedStep, describe_call
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage

_PLACES = {Stage.ENTER: "intermediate", Stage.CLONE: "launcher"}
_IN_ITS_OWN = "the child has all capabilities in its user namespace; those that its steps need count there"


def versions_of(item: Plan, plugins: Plugins) -> dict[str, str]:
    """Return the versions of the core and of the plugins that have steps, by name."""
    versions = {CORE: metadata.version("haconiwa-core")}
    versions |= {found.name: found.entry_point.version for found in plugins.all}
    names = dict.fromkeys(planned.plugin for planned in item.steps)
    return {name: versions[name] for name in names if name in versions}


def print_plan(item: Plan, versions: Mapping[str, str], launcher: str) -> None:
    """Print a plan for people.

    Args:
        item: the plan.
        versions: as `versions_of` gives them.
        launcher: the name of what will run it.
    """
    host = item.host
    print_line(f"{item.container.name} on Linux {host.kernel} {host.machine} as user {host.uid}")
    print_line(f"by {', '.join(f'{name} {version}' for name, version in versions.items())}")
    rows: list[tuple[str, ...]] = []
    for stage, steps in groupby(item.steps, key=lambda planned: planned.step.stage):
        below = [_row(planned) for planned in steps]
        needed = dict.fromkeys(word for _, words, *_ in below for word in words.split() if word.startswith("CAP_"))
        rows += [(f"{stage.name}, {_place(stage)}", " ".join(needed) or "-", "", ""), *below]
    # Few plans leave something to undo, and the column stands far to the right.
    columns = 4 if any(row[3] for row in rows) else 3
    print_table(("STAGE, PLUGIN", "PRIVILEGE", "STEP", "UNDO")[:columns], [row[:columns] for row in rows])
    for read in item.inputs:
        print_line(f"input: {read.path} sha256:{read.digest}")
    notes = [_IN_ITS_OWN] if any(each.flag == CLONE_NEWUSER for each in item.facts.all(Namespace)) else []
    for note in (*notes, *item.notes):
        print_line(f"note: {note}")
    print_line(f"launcher: {launcher}")


def _place(stage: Stage) -> str:
    """Return which process a stage runs in."""
    return "host" if stage.on_host else _PLACES.get(stage, "child")


def _row(planned: PlannedStep) -> tuple[str, ...]:
    # In brackets what only some cases need.
    needed = [f"[{name}]" if unless else name for name, unless in planned.privileges]
    undo = describe_call(planned.step.undo) if planned.step.undo else ""
    return f"  {planned.plugin}", " ".join(needed) or "-", planned.describe(), undo
