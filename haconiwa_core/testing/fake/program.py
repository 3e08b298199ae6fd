"""Run the program of a plan on the fake kernel, with the host's part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from haconiwa_core import linux
from haconiwa_core.facts import IdMap
from haconiwa_core.launch.interpreter import Memory, run
from haconiwa_core.launch.local import Values, run_host_step
from haconiwa_core.linux.constants import CloneFlag
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Slot
from haconiwa_core.planning.plan import Plan, PlannedStep
from haconiwa_core.stages import Stage
from haconiwa_core.testing.fake.kernel import KINDS, FakeKernel
from haconiwa_core.testing.fake.mounts import Exec, Executed
from haconiwa_core.testing.fake.state import HOST


@dataclass(frozen=True)
class Failed:
    """Where a program has ended before its command.

    Args:
        planned: the step.
        code: errno, or one of the interpreter's own codes.
    """

    planned: PlannedStep
    code: int


def run_program(plan: Plan, kernel: FakeKernel) -> Executed | Failed:
    """Run all processes of a plan's program one after the other, as their parent would clone them.

    Args:
        plan: for any host.
        kernel: keeps the state that the command would find.

    Raises:
        OSError: a host step is refused.
    """
    values: Values = {"target": 1, "channel": kernel.open("channel")}
    joined = dict(_joined(plan))
    for planned in plan.host_steps(Stage.PREPARE):
        _run_on_host(planned, values, kernel, joined)
    gates = iter(plan.gates)
    gate = kernel.gate

    def pass_gate() -> bool:
        stage = next(gates).host_stage
        for planned in plan.host_steps(stage) if stage is not None else ():
            match planned.step.function.__name__:
                case "write_id_maps":
                    kernel.map_ids(deny_setgroups=bool(planned.step.arguments[-1]))
                case "write_id_maps_by_helpers":
                    mapping = plan.facts.get(IdMap)
                    kernel.map_ids(deny_setgroups=not (mapping and mapping.may_set_groups))
        return gate()

    kernel.gate = pass_gate
    memory = Memory(plan.program.data)
    slots = [value if isinstance(value := values.get(name, -1), int) else -1 for name in plan.program.slots]
    first = 0
    try:
        for process in plan.program.processes:
            failure = run(process, memory, slots, kernel)
            if failure:
                instruction, code = failure
                return Failed(plan.owners[first + instruction], code)
            first += len(process)
    except Exec as error:
        return error.executed
    finally:
        kernel.gate = gate
    raise AssertionError("a program ends in execve, which does not return")


def _joined(plan: Plan) -> Iterator[tuple[Slot, str]]:
    """Yield the slot and the kind of each namespace that is joined."""
    for planned in plan.steps:
        if planned.step.function is linux.join_namespace:
            handle, flag = planned.step.arguments
            assert isinstance(handle, Slot)
            assert isinstance(flag, CloneFlag)
            yield handle, KINDS[flag]


def _run_on_host(planned: PlannedStep, values: Values, kernel: FakeKernel, joined: dict[Slot, str]) -> None:
    step = planned.step
    if is_lowering(step.function):
        run_host_step(planned, values, kernel)
    elif step.into:
        # What acts when it is called would act on the real kernel: it opens a stream or a namespace.
        owner = "joined" if "user" in joined.values() else HOST
        kind = f"namespace {joined[step.into]}" if step.into in joined else "file"
        if step.function is linux.open_user_namespace:
            kind = "namespace user"
        values[step.into.name] = kernel.open(kind, owner=owner)
