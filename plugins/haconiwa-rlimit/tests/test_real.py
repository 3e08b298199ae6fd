import resource
import sys

import pytest
from haconiwa_rlimit import Rlimit

from haconiwa_core.errors import SetupError
from haconiwa_core.host import gather
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.testing import needs_root, run

pytestmark = needs_root

ROWS = {
    "cpu": "Max cpu time",
    "fsize": "Max file size",
    "data": "Max data size",
    "stack": "Max stack size",
    "core": "Max core file size",
    "rss": "Max resident set",
    "nproc": "Max processes",
    "nofile": "Max open files",
    "memlock": "Max locked memory",
    "as_": "Max address space",
    "locks": "Max file locks",
    "sigpending": "Max pending signals",
    "msgqueue": "Max msgqueue size",
    "nice": "Max nice priority",
    "rtprio": "Max realtime priority",
    "rttime": "Max realtime timeout",
}


def limits_inside(feature: Rlimit) -> dict[str, list[str]]:
    lines = run(feature, command=["cat", "/proc/self/limits"]).stdout.splitlines()
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def number(name: str) -> int:
    """Return the kernel's number of an option."""
    found: int = getattr(resource, f"RLIMIT_{name.rstrip('_').upper()}")
    return found


def below(name: str) -> int:
    """Return a value that needs no privilege: not above the caller's own hard limit."""
    if name == "locks":
        return 100
    hard = resource.getrlimit(number(name))[1]
    wanted = 1 << 30 if name in ("as_", "data", "fsize", "stack") else 50
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


@pytest.mark.parametrize("name", ROWS)
def test_the_command_starts_with_the_limit(name: str) -> None:
    value = below(name)
    assert limits_inside(Rlimit(**{name: value}))[ROWS[name]] == [str(value), str(value)]


def test_soft_and_hard() -> None:
    assert limits_inside(Rlimit(nofile=(16, 64)))[ROWS["nofile"]] == ["16", "64"]


def test_unlimited() -> None:
    unlimited = [
        name for name in ROWS if name != "locks" and resource.getrlimit(number(name))[1] == resource.RLIM_INFINITY
    ]
    if not unlimited:
        pytest.skip("the caller's hard limits are all finite")
    found = limits_inside(Rlimit(**{name: (below(name), "unlimited") for name in unlimited}))
    assert {found[ROWS[name]][1] for name in unlimited} == {"unlimited"}


def test_what_is_not_given_stays() -> None:
    hard = resource.getrlimit(resource.RLIMIT_STACK)
    assert limits_inside(Rlimit(nofile=64))[ROWS["stack"]] == [
        "unlimited" if value == resource.RLIM_INFINITY else str(value) for value in hard
    ]


@pytest.mark.parametrize(("limit", "status"), [(30, 1), (31, 0)])
def test_the_limit_is_in_force(limit: int, status: int) -> None:
    command = [sys.executable, "-I", "-c", "import os; os.dup2(0, 30)"]
    assert run(Rlimit(nofile=limit), command=command).exit_status == status


def test_a_limit_that_may_not_be_raised() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if gather().has_capability(CAP_SYS_RESOURCE):
        pytest.skip("the caller has CAP_SYS_RESOURCE and may raise every limit")
    with pytest.raises(SetupError) as caught:
        run(Rlimit(nofile=hard + 1), command=["true"])
    assert (caught.value.plugin, caught.value.stage) == ("rlimit", "LIMITS")
    assert "CAP_SYS_RESOURCE" in caught.value.remedy
