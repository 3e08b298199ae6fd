"""Which capability the caller lacks of those that a step needs (capabilities(7))."""

from __future__ import annotations

import errno
import os

from haconiwa_core.facts import Namespace
from haconiwa_core.linux import constants
from haconiwa_core.linux.privileges import privileges_of
from haconiwa_core.runtime.cause import Cause, Failure

_BY_EACCES = ("open_namespace", "open_root", "set_oom_score_adj", "setpriority")
"""What the kernel refuses with EACCES for want of a capability; all else is EPERM."""


def missing(failure: Failure) -> Cause | None:
    """Return the capabilities that the caller lacks, if the step needs any of them."""
    step = failure.planned.step
    inside = any(item.flag == constants.CLONE_NEWUSER for item in failure.plan.facts.all(Namespace))
    # In its own user namespace the container's process has all that there are.
    if inside and not step.stage.on_host:
        return None
    # Of a step that has several calls, only what the refused one needs counts.
    refused = [operation for operation in failure.planned.operations() if operation.call.name == failure.call]
    what = failure.call or step.function.__name__
    if failure.code == errno.EACCES and what not in _BY_EACCES:
        return None
    has = failure.plan.host.has_capability
    needed = [privilege.capability for privilege in privileges_of(step.function, refused)]
    lacking = [name for name in needed if not has(getattr(constants, name))]
    if not lacking:
        return None
    named = " and ".join(lacking)
    remedy = f"leave {named} to who starts it: CapabilityBoundingSet= of a systemd unit, --cap-add of another runtime"
    if os.geteuid() != 0:
        remedy = "run as root" if inside else "run as root, or add ns-user"
    return Cause(f"{what} needs {named}, which the caller does not have", remedy)
