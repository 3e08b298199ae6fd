"""The capability sets of a live process (proc_pid_status(5), capabilities(7))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from haconiwa_capabilities import Capabilities
from haconiwa_capabilities.names import Mask, in_order, listed, mask_of
from haconiwa_capabilities.sets import available_to, wanted
from haconiwa_core import linux
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, unknown
from haconiwa_core.planning.context import Planning

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_FIELDS = {
    "inheritable": "CapInh",
    "permitted": "CapPrm",
    "effective": "CapEff",
    "bounding": "CapBnd",
    "ambient": "CapAmb",
}


def rows(feature: Capabilities | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield the five sets, and the secure bits, which only the process itself is told."""
    every = (1 << plan.host.last_capability + 1) - 1
    asked = _asked(feature, plan) if feature else {}
    for name, field in _FIELDS.items():
        in_force, host = (_text(int(each.status[field], 16), every) for each in (confined, confined.host))
        wanted = _text(asked[name], every) if feature else ""
        verified = f"{field} in /proc/PID/status"
        yield compared(Capabilities.section, f"{name} capabilities", wanted, in_force, host, verified)
    bits = ", ".join(feature.securebits) if feature else ""
    yield unknown(Capabilities.section, "secure bits", bits, "the kernel tells them to the process alone")


def _asked(feature: Capabilities, plan: Plan) -> dict[str, Mask]:
    """Return the sets that the command is to have, as masks."""
    planning = Planning(plan.container, plan.host)
    planning.facts = plan.facts
    sets = wanted(feature, plan.host, available_to(planning))
    held = mask_of(sets.ambient if _is_ordinary(plan) else sets.permitted)
    return {
        "inheritable": mask_of(sets.inheritable),
        "permitted": held,
        "effective": held,
        "bounding": mask_of(sets.kept),
        "ambient": mask_of(sets.ambient),
    }


def _is_ordinary(plan: Plan) -> bool:
    """Return whether the command runs as another user than 0, seen from inside."""
    users = (step.arguments[0] for planned in plan.steps if (step := planned.step).function is linux.set_uid)
    return any(users)


def _text(mask: int, every: int) -> str:
    """Return a set in a few words: one that has most of them is told by what it lacks."""
    lacking = every & ~mask
    if mask.bit_count() <= lacking.bit_count():
        return _listed(mask) or "none"
    return f"all but {_listed(lacking)}" if lacking else "all"


def _listed(mask: int) -> str:
    numbers = in_order(number for number in range(mask.bit_length()) if mask >> number & 1)
    return listed(numbers).replace("CAP_", "").lower()
