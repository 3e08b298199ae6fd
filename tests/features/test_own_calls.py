"""A plugin may make system calls that the core has no name for: they are shown, made, and told of like all others."""

from enum import IntEnum

import pytest
from core.support import Sample, plan_of, plugins_of
from haconiwa_seccomp import Rule, Seccomp

from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, SetupError
from haconiwa_core.linux.calls import Call, number
from haconiwa_core.linux.vocabulary import lowers
from haconiwa_core.operation import Operation
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import host, needs_root, run


class OwnCall(IntEnum):
    getsid = number(x86_64=124, aarch64=156)


@lowers
def ask_for_session(of):
    yield Operation(OwnCall.getsid, (of,))


def sample(of, stage=Stage.LIMITS):
    return Sample("leading", steps=[Step(stage, ask_for_session, of)])


def test_it_is_none_of_the_cores():
    assert OwnCall.getsid not in set(Call)


def test_the_plan_shows_its_name():
    (step,) = (step for step in plan_of(sample(0)).to_json()["steps"] if step["plugin"] == "leading")
    assert step["calls"] == [{"call": "getsid", "arguments": [0]}]


@needs_root
def test_it_is_made_and_an_error_tells_its_name():
    right, wrong = sample(0), sample(-1)
    assert run(right.feature(), command=["true"], plugins=plugins_of(right)).exit_status == 0
    with pytest.raises(SetupError, match=r"leading: LIMITS: ask_for_session\(-1\) \[getsid\]: ESRCH"):
        run(wrong.feature(), command=["true"], plugins=plugins_of(wrong))


def test_a_filter_that_denies_it_tells_its_name():
    late = sample(0, Stage.CREDENTIALS)
    features = [late.feature(), Seccomp(rules=[Rule(["getsid"], "errno")])]
    with pytest.raises(DefinitionError, match=r"answer to getsid is errno EPERM, but leading calls it later"):
        plan(Container("web", ["true"], features=features), host(), Plugins([*installed(), late.installed]))
