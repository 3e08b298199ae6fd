"""Run a host step in the supervising process."""

from __future__ import annotations

import os
from typing import Any

from haconiwa_core.launch.interpreter import Kernel, Memory, run
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import PlannedStep

Values = dict[str, int | str]
"""What the slots hold during one start."""


def run_host_step(planned: PlannedStep, values: Values, kernel: Kernel) -> None:
    """Run one step here and now; what it opens is added to the values.

    Raises:
        OSError: the kernel refuses.
    """
    step = planned.step
    if not is_lowering(step.function):
        result = step.function(*(resolve(argument, values) for argument in step.arguments))
        if step.into:
            values[step.into.name] = result
        return
    program = planned.program
    slots = [int(values.get(name, -1)) for name in program.slots]
    failure = run(program.processes[0], Memory(program.data), slots, kernel)
    # A later call may fail after an earlier one has opened it: it has to be closed then, too.
    if step.into:
        values[step.into.name] = slots[program.slots.index(step.into.name)]
    if failure:
        _, code = failure
        text = os.strerror(code) if code > 0 else "it reads back differently"
        raise OSError(max(code, 0), text)


def resolve(argument: Any, values: Values) -> Any:
    """Return an argument with its slots replaced by what they hold."""
    if isinstance(argument, tuple):
        return tuple(resolve(part, values) for part in argument)
    return values[argument.name] if isinstance(argument, Slot) else argument
