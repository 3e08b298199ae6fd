"""Each hook is called when its specification says so, with what it says, and what it returns is used."""

import os

import pytest
from core.support import Sample, plan_of, plugins_of

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.facts import NoNewPrivileges
from haconiwa_core.finding import Finding
from haconiwa_core.hooks.hook import Hook, On
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.isolation.matrix import isolation_of
from haconiwa_core.isolation.rows import Row, compared
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.plugins.observers import Observer
from haconiwa_core.runtime.record import Process
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import host, planned_steps

LEVEL = [("level", int, 0o22)]


def test_each_hook_has_a_test():
    hooks = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
    assert hooks == {name.removeprefix("test_") for name in globals() if name.startswith("test_haconiwa_")}


def test_haconiwa_feature():
    lamp = Sample("lamp")
    assert plugins_of(lamp).feature_class("lamp") is lamp.feature


def test_haconiwa_expand():
    inner = Sample("inner", options=LEVEL)

    @hookimpl
    def haconiwa_expand(feature):
        yield inner.feature(level=feature.level)

    outer = Sample("outer", options=LEVEL, hooks={"haconiwa_expand": haconiwa_expand})

    def levels(*features):
        container = Container("sample", ["true"], features=features)
        planned = plan(container, host(), plugins_of(outer, inner))
        return {feature.section: feature.level for feature in planned.container.features}

    assert levels(outer.feature(level=7)) == {"outer": 7, "inner": 7}
    assert levels(outer.feature(level=7), inner.feature(level=5)) == {"outer": 7, "inner": 5}


def test_haconiwa_facts():
    """Of all features before any steps, whatever the order of their names."""
    seen = []

    def facts(feature, planning):
        seen.append(planning.facts.get(NoNewPrivileges))
        yield NoNewPrivileges("zebra")

    def steps(feature, planning):
        seen.append(planning.facts.get(NoNewPrivileges))
        return ()

    plan_of(Sample("aardvark", steps=steps), Sample("zebra", facts=facts))
    assert seen == [None, NoNewPrivileges("zebra")]


@pytest.mark.parametrize("entry", ["start", "attach"])
def test_haconiwa_steps(entry):
    seen = []

    def steps(feature, planning):
        seen.append(planning.entry)
        yield Step(Stage.LIMITS, linux.set_limit, 7, feature.level, feature.level)
        yield Step(Stage.LIMITS, linux.set_limit, 4, 1, 1)

    lamp = Sample("lamp", options=LEVEL, steps=steps)
    container = Container("sample", ["true"], features=[lamp.feature(level=5)])
    planned = plan(container, host(), plugins_of(lamp), entry)
    assert [item.step.arguments for item in planned_steps(planned, "lamp")] == [(7, 5, 5), (4, 1, 1)]
    assert seen == [entry]


def test_haconiwa_check():
    seen = []

    @hookimpl
    def haconiwa_check(feature, plan):
        seen.append(plan)
        yield Problem("is too bright", key="level")

    with pytest.raises(DefinitionError, match=r"lamp\.level: is too bright"):
        plan_of(Sample("lamp", options=LEVEL, hooks={"haconiwa_check": haconiwa_check}))
    (checked,) = seen
    assert isinstance(checked, Plan)
    assert checked.program.processes


def test_haconiwa_update():
    seen = []

    @hookimpl
    def haconiwa_update(old, new, planning):
        seen.append((old.level, new.level, planning.running.feature("lamp").level))
        yield Step(Stage.ADOPT, print, new.level)

    lamp = Sample("lamp", options=LEVEL, hooks={"haconiwa_update": haconiwa_update})
    old, new = (Container("sample", ["true"], features=[lamp.feature(level=level)]) for level in (1, 2))
    (planned,) = plan_update(old, new, host(), plugins_of(lamp))
    assert (planned.plugin, planned.step.arguments) == ("lamp", (2,))
    assert plan_update(old, old, host(), plugins_of(lamp)) == ()
    assert seen == [(1, 2, 1)]


def test_haconiwa_hooks():
    @hookimpl
    def haconiwa_hooks(feature):
        yield Hook("announce", On("after_ready"), f"{__name__}:print")

    lamp = Sample("lamp", hooks={"haconiwa_hooks": haconiwa_hooks}, supervised=True)
    assert [hook.name for hook in plan_of(lamp).hooks] == ["lamp:announce"]


def test_haconiwa_event():
    seen = []

    @hookimpl
    def haconiwa_event(event):
        seen.append(dict(event))

    Observer(Sample("lamp", hooks={"haconiwa_event": haconiwa_event}).installed.entry_point).tell({"event": "started"})
    assert seen == [{"event": "started"}]


def test_haconiwa_findings():
    @hookimpl
    def haconiwa_findings(plan):
        yield Finding("LAMP-DARK", f"{plan.container.name} is dark", "it cannot be seen", "lamp.level")

    lamp = Sample("lamp", hooks={"haconiwa_findings": haconiwa_findings})
    (finding,) = plugins_of(lamp).findings("lamp", plan_of(lamp))
    assert (finding.code, finding.what) == ("LAMP-DARK", "sample is dark")


def test_haconiwa_isolation():
    @hookimpl
    def haconiwa_isolation(feature, plan, confined):
        asked = f"{feature.level:o}" if feature else ""
        yield compared("lamp", "light", asked, confined.status["Umask"].lstrip("0"), plan.container.name, "looked")

    @hookimpl(specname="haconiwa_isolation")
    def denied():
        raise PermissionError(1, "not yours")

    lamp = Sample("lamp", options=LEVEL, hooks={"haconiwa_isolation": haconiwa_isolation})
    sick = Sample("sick", hooks={"denied": denied})
    former = os.umask(0o22)
    try:
        with Confined(Process.of_this()) as confined:
            found = isolation_of(plan_of(lamp, sick, features=[lamp.feature()]), confined, plugins_of(lamp, sick))
            other = isolation_of(plan_of(sick), confined, plugins_of(lamp, sick))
    finally:
        os.umask(former)
    assert found[0] == Row("lamp", "light", "22", "22", "sample", "looked", "holds")
    assert [(row.what, row.asked, row.state) for row in other[:2]] == [
        ("light", "", "unasked"),
        ("sick", "sick", "unknown"),
    ]
    assert "not yours" in other[1].verified
    assert {row.section for row in other[2:]} == {"core"}


def test_haconiwa_diagnose():
    @hookimpl
    def haconiwa_diagnose():
        yield Diagnosis("lamp", "missing", "the kernel has no lamps", "modprobe lamp")

    @hookimpl(specname="haconiwa_diagnose")
    def fails():
        raise ValueError("no light")

    lamp = Sample("lamp", hooks={"haconiwa_diagnose": haconiwa_diagnose})
    assert [found.remedy for found in plugins_of(lamp, Sample("dim")).diagnose("lamp")] == ["modprobe lamp"]
    with pytest.raises(PluginError, match="plugin sick is broken: ValueError: no light"):
        plugins_of(Sample("sick", hooks={"fails": fails})).diagnose("sick")


def test_haconiwa_status():
    @hookimpl
    def haconiwa_status(feature, name):
        return {"level": feature.level, "of": name}

    lamp = Sample("lamp", options=LEVEL, hooks={"haconiwa_status": haconiwa_status})
    assert plugins_of(lamp).status(lamp.feature(level=3), "web-1") == {"level": 3, "of": "web-1"}
    assert plugins_of(Sample("dim")).status(Sample("dim").feature(), "web-1") is None
