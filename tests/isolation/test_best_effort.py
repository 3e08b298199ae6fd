"""Less than was asked for must be asked for, is decided while planning, and is said everywhere."""

import json
import resource

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_rlimit import Rlimit
from isolation.looking import before_exec, by_key
from system.world import PLUGINS, haconiwa

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError
from haconiwa_core.host import HostFacts, gather
from haconiwa_core.linux.constants import CAP_SYS_RESOURCE
from haconiwa_core.planning.planner import plan
from haconiwa_core.testing import host

HARD = 4096

LIMITED = host(capabilities=0, limits=tuple((HARD, HARD) for _ in range(16)))
"""A host whose starter may raise nothing."""


def planned(*features, on=LIMITED):
    return plan(Container("web", ["true"], features), on, PLUGINS)


def limits_of(made):
    return [item.step.arguments for item in made.steps if item.step.function.__name__ == "set_limit"]


@pytest.fixture
def low_limit():
    """This process's hard limit on open files is low, as it stays in all that it starts; a soft limit comes back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if gather().has_capability(CAP_SYS_RESOURCE):
        pytest.skip("the caller has CAP_SYS_RESOURCE and may raise every limit")
    yield resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert resource.getrlimit(resource.RLIMIT_CORE) == (soft, hard)


def test_what_the_caller_may_not_raise_is_lowered_while_planning():
    made = planned(Rlimit(nofile=HARD + 1, core=(5, 10), stack=(1, "unlimited"), require="best-effort"))
    assert sorted(limits_of(made)) == [(3, 1, HARD), (4, 5, 10), (7, HARD, HARD)]
    assert made.warnings == (
        f"rlimit.stack: best effort: 1:{HARD} of 1:unlimited, which the caller may not raise",
        f"rlimit.nofile: best effort: {HARD} of {HARD + 1}, which the caller may not raise",
    )
    assert made.notes[:2] == made.warnings
    assert json.loads(json.dumps(made.to_json()))["notes"][0] == made.warnings[0]


def test_nothing_is_lowered_that_is_not_asked_to_be():
    made = planned(Rlimit(nofile=HARD + 1))
    assert limits_of(made) == [(7, HARD + 1, HARD + 1)]
    assert made.warnings == ()


def test_who_may_raise_everything_lowers_nothing():
    lenient = Rlimit(nofile=HARD + 1, require="best-effort")
    made = planned(lenient, on=LIMITED._replace(capabilities=1 << CAP_SYS_RESOURCE))
    assert limits_of(made) == [(7, HARD + 1, HARD + 1)]
    # Where nobody has said what the caller's limits are, the kernel says it.
    assert limits_of(planned(lenient, on=LIMITED._replace(limits=()))) == [(7, HARD + 1, HARD + 1)]


def test_a_controller_that_is_not_there_is_left_out():
    trees = tuple(tree._replace(controllers=("pids",)) for tree in host().cgroups)
    bare = host(cgroups=trees)
    asked = {"memory": "64M", "swap": 0, "pids": 10, "raw": {"memory.oom.group": "1"}}
    with pytest.raises(DefinitionError, match="no controller memory"):
        planned(Cgroup(**asked), on=bare)
    made = planned(Cgroup(**asked, require="best-effort"), on=bare)
    assert [text.partition(":")[0] for text in made.warnings] == [
        "cgroup.memory",
        "cgroup.swap",
        "cgroup.raw.memory.oom.group",
    ]
    assert all(text.endswith("left out, this host has no controller memory") for text in made.warnings)
    written = [item.step.arguments[0][-1] for item in made.steps if item.step.function.__name__.startswith("write_")]
    assert written == ["pids.max"]


def test_the_callers_limits_are_facts_of_the_host():
    facts = gather()
    assert facts.limits[resource.RLIMIT_NOFILE] == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert [len(pair) for pair in facts.limits] == [2] * 16
    text = json.dumps(facts.to_json())
    assert HostFacts.from_json(text, "facts") == facts
    older = {key: value for key, value in facts.to_json().items() if key != "limits"}
    assert HostFacts.from_json(json.dumps(older), "facts").limits == ()


def test_it_is_said_when_it_is_started_and_afterwards(low_limit, leaves_nothing):
    asked = ("--set", f"rlimit.nofile={low_limit + 1}", "--set", "rlimit.require=best-effort")
    refused = haconiwa("run", "--rm", *asked[:2], "--", "sh", "-c", "ulimit -Hn")
    assert refused.returncode == 125
    warning = f"rlimit.nofile: best effort: {low_limit} of {low_limit + 1}, which the caller may not raise"
    assert f"note: {warning}" in haconiwa("plan", *asked, "--", "true").stdout
    done = haconiwa("run", "--rm", *asked, "--", "sh", "-c", "ulimit -Hn")
    assert done.stdout == f"{low_limit}\n"
    assert warning in done.stderr
    assert "warning" in done.stderr
    detached = haconiwa("run", "-d", "--name", "web", *asked, "--", "sleep", "1000")
    assert warning in detached.stderr
    rows = {row["what"]: row for row in json.loads(haconiwa("inspect", "--isolation", "web", "--format=json").stdout)}
    assert rows["rlimit nofile"]["state"] == "weak"
    assert (rows["rlimit nofile"]["asked"], rows["rlimit nofile"]["in_force"]) == (
        f"{low_limit + 1}, best effort",
        str(low_limit),
    )
    assert warning in haconiwa("inspect", "web").stdout
    assert haconiwa("rm", "--force", "web").returncode == 0


def test_rows_of_what_is_weaker(low_limit):
    found = by_key(before_exec([Rlimit(nofile=low_limit + 1, core=0, require="best-effort")]))
    assert (found["rlimit nofile"].state, found["rlimit core"].state) == ("weak", "holds")
    facts = gather()
    trees = (tree._replace(controllers=tuple({*tree.controllers} - {"memory"})) for tree in facts.cgroups)
    bare = facts._replace(cgroups=tuple(tree for tree in trees if tree.controllers or tree.version == 2))
    found = by_key(before_exec([Cgroup(pids=10, memory="64M", require="best-effort")], on=bare))
    assert (found["cgroup memory"].state, found["cgroup memory"].in_force) == ("weak", "left out")
    assert found["cgroup pids"].state == "holds"
