"""Who a live process is (proc_pid_status(5)), in the numbers of its own user namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from haconiwa_core import linux
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.rows import Row, compared, lines_of
from haconiwa_credentials import Credentials

if TYPE_CHECKING:
    from haconiwa_core.planning.plan import Plan

_STATUS = "in /proc/PID/status"
_SET: dict[object, str] = {linux.set_uid: "user", linux.set_gid: "group", linux.set_groups: "groups"}


def rows(feature: Credentials | None, plan: Plan, confined: Confined) -> Iterator[Row]:
    """Yield user, group, supplementary groups and umask."""
    asked = {} if feature is None else _asked(feature, plan)
    for what, field, ids in (("user", "Uid", "uid_map"), ("group", "Gid", "gid_map"), ("groups", "Groups", "gid_map")):
        in_force, host = (_ids(each, field, ids) for each in (confined, confined.host))
        verified = f"{field} {_STATUS}, /proc/PID/{ids}"
        yield compared(Credentials.section, what, asked.get(what, ""), in_force, host, verified)
    in_force, host = (each.status["Umask"] for each in (confined, confined.host))
    yield compared(Credentials.section, "umask", asked.get("umask", ""), in_force, host, f"Umask {_STATUS}")


def _asked(feature: Credentials, plan: Plan) -> dict[str, str]:
    """Return what a plan gives its command, as texts."""
    steps = [planned.step for planned in plan.steps]
    is_root = any(step.function is linux.become_root for step in steps)
    found = {
        "user": "0" if is_root else str(plan.host.uid),
        "group": "0" if is_root else str(plan.host.gid),
        "umask": f"{feature.umask:04o}",
    }
    for step in steps:
        what = _SET.get(step.function)
        if what:
            (ids,) = step.arguments
            numbers = ids if isinstance(ids, tuple) else (ids,)
            found[what] = _text(number for number in numbers if isinstance(number, int))
    return found


def _ids(confined: Confined, field: str, ids: str) -> str:
    """Return ids of a process; of real, effective, saved and file-system ids one, where they are the same."""
    ranges = [tuple(map(int, line.split())) for line in confined.read(ids).splitlines()]
    return _text(_inside(int(number), ranges) for number in confined.status[field].split())


def _text(numbers: Iterable[int]) -> str:
    return lines_of(sorted(set(numbers)))


def _inside(number: int, ranges: list[tuple[int, ...]]) -> int:
    for inside, outside, count in ranges:
        if outside <= number < outside + count:
            return inside + number - outside
    return number
