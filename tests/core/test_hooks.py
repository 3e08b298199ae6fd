"""What plugins may do beside facts and steps: stand for others, object, change, find, read back."""

import pytest
from core.support import Sample, plan_of, plugins_of, problems_of

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.errors import DefinitionError, PluginError, Problem
from haconiwa_core.finding import Finding
from haconiwa_core.hooks.hook import Hook, On
from haconiwa_core.linux.constants import Mode
from haconiwa_core.planning.planner import plan
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing import host


def masking(name):
    """A sample that sets the file mode mask to its option."""

    def steps(feature, _planning):
        yield Step(Stage.LIMITS, linux.set_file_mode_mask, Mode(feature.mask))

    return Sample(name, options=[("mask", int, 0o77)], steps=steps)


def profile_of(*parts):
    """A sample that stands for features."""

    @hookimpl
    def haconiwa_expand():
        return parts

    return Sample("profile", hooks={"haconiwa_expand": haconiwa_expand})


def steps_of(planned):
    return [item.describe() for item in planned.steps if item.plugin != "core"]


def test_a_feature_may_stand_for_others():
    part = masking("part")
    planned = plan_of(profile_of(part.feature()), part, features=[profile_of().feature()])
    assert steps_of(planned) == ["set_file_mode_mask(0o077)"]
    assert {feature.section for feature in planned.container.features} == {"profile", "part"}


def test_what_the_definition_has_itself_is_left():
    part = masking("part")
    profile = profile_of(part.feature())
    planned = plan_of(profile, part, features=[profile.feature(), part.feature(mask=0o27)])
    assert steps_of(planned) == ["set_file_mode_mask(0o027)"]


def test_what_a_feature_stands_for_is_expanded_too():
    part = masking("part")
    inner = profile_of(part.feature())
    outer = Sample("outer", hooks={"haconiwa_expand": hookimpl(lambda: [inner.feature()])})
    assert steps_of(plan_of(outer, inner, part, features=[outer.feature()])) == ["set_file_mode_mask(0o077)"]


def test_two_that_stand_for_each_other_end():
    first, second = Sample("first"), Sample("second")
    for one, other in ((first, second), (second, first)):
        one.__init__(one.name, hooks={"haconiwa_expand": hookimpl(lambda other=other: [other.feature()])})
    planned = plan_of(first, second, features=[first.feature()])
    assert {feature.section for feature in planned.container.features} == {"first", "second"}


def test_what_is_missing_of_a_profile_stops_the_plan():
    absent = masking("absent")
    profile = profile_of(absent.feature())
    (problem,) = problems_of(plan_of, profile, features=[profile.feature()])
    assert "absent" in problem


def test_a_wrong_option_of_a_part_is_found():
    part = masking("part")
    profile = profile_of(part.feature(mask="all"))
    (problem,) = problems_of(plan_of, profile, part, features=[profile.feature()])
    assert "part.mask: must be an integer, not 'all'" in problem


def test_a_finished_plan_may_be_refused():
    seen = []

    @hookimpl
    def haconiwa_check(feature, plan):
        seen.append([item.step.function.__name__ for item in plan.steps][-1])
        yield Problem(f"no {feature.section} today", key="x", hint="wait")

    sample = Sample("sample", hooks={"haconiwa_check": haconiwa_check})
    (problem,) = problems_of(plan_of, sample)
    assert "sample.x: no sample today; wait" in problem
    assert seen == ["execute"]


def test_findings_are_asked_of_one_plugin():
    @hookimpl
    def haconiwa_findings(plan):
        yield Finding("SAMPLE-1", plan.container.name, "why", "remedy")

    sample, other = Sample("sample", hooks={"haconiwa_findings": haconiwa_findings}), Sample("other")
    plugins = plugins_of(sample, other)
    planned = plan(Container("web", ["true"]), host(), plugins)
    assert [finding.what for finding in plugins.findings("sample", planned)] == ["web"]
    assert plugins.findings("other", planned) == []


def test_status_is_read_by_the_feature_s_own_plugin():
    @hookimpl
    def haconiwa_status(feature, name):
        return {"of": name, "section": feature.section}

    sample, other = Sample("sample", hooks={"haconiwa_status": haconiwa_status}), Sample("other")
    plugins = plugins_of(sample, other)
    assert plugins.status(sample.feature(), "web-1") == {"of": "web-1", "section": "sample"}
    assert plugins.status(other.feature(), "web-1") is None


def changing(stage=Stage.ADOPT):
    """A sample with a level that can be changed to anything but 13."""

    @hookimpl
    def haconiwa_update(old, new):
        if new.level == 13:
            raise DefinitionError([Problem("unlucky", key="level")])
        yield Step(stage, linux.remove_handle, f"{old.level} to {new.level}")

    return Sample("lamp", options=[("level", int, 1)], hooks={"haconiwa_update": haconiwa_update})


def updated(samples, before, after):
    first, second = (Container("web", ["true"], features) for features in (before, after))
    return plan_update(first, second, host(), plugins_of(*samples))


def test_an_update_has_the_steps_of_what_changes():
    lamp, fixed = changing(), Sample("fixed")
    same = fixed.feature()
    (step,) = updated([lamp, fixed], [lamp.feature(level=1), same], [lamp.feature(level=2), same])
    assert (step.plugin, step.step.arguments) == ("lamp", ("1 to 2",))
    assert updated([lamp, fixed], [lamp.feature(), same], [lamp.feature(), same]) == ()


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"lamp": {}}, {"lamp": {"level": 13}}, "lamp.level: unlucky"),
        ({"lamp": {}}, {"lamp": {"level": "high"}}, "lamp.level: must be an integer"),
        ({"lamp": {}}, {}, "lamp: cannot be added to a running container or taken from it"),
        ({}, {"lamp": {}}, "lamp: cannot be added to a running container or taken from it"),
        ({"fixed": {}}, {"fixed": {"size": 2}}, "fixed: cannot change while the container runs; stop"),
    ],
)
def test_what_cannot_be_updated(before, after, text):
    samples = {"lamp": changing(), "fixed": Sample("fixed", options=[("size", int, 1)])}
    features = [[samples[name].feature(**values) for name, values in side.items()] for side in (before, after)]
    (problem,) = problems_of(updated, samples.values(), *features)
    assert text in problem


def test_an_update_happens_on_the_host_alone():
    lamp = changing(Stage.LIMITS)
    with pytest.raises(PluginError, match="plugin lamp is broken: it updates in the stage LIMITS"):
        updated([lamp], [lamp.feature(level=1)], [lamp.feature(level=2)])


def announcing(*, supervised):
    @hookimpl
    def haconiwa_hooks():
        return [Hook("announce", On("after_ready"), "announcing:announce")]

    return Sample("announcer", hooks={"haconiwa_hooks": haconiwa_hooks}, supervised=supervised)


def test_hooks_of_a_plugin_run_before_those_of_the_definition():
    announcer = announcing(supervised=True)
    container = Container("web", ["true"], [announcer.feature()])
    container.on("after_ready")(print)
    assert container.needs_supervisor
    planned = plan(container, host(), plugins_of(announcer))
    assert [hook.name for hook in planned.hooks] == ["announcer:announce", "print"]


def test_hooks_that_nobody_would_run_are_refused():
    with pytest.raises(PluginError, match="plugin announcer is broken: it gives hooks"):
        plan_of(announcing(supervised=False))
