"""fastcontainer: hooks that end the container when it is idle or old; all else is its front's."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.errors import Problem
from haconiwa_core.feature import Feature
from haconiwa_core.hooks.hook import After, Every, Hook
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_core.steps import Step
from haconiwa_fastcontainer import FastContainer
from haconiwa_fastcontainer.hooks import LOOKS

_SHORTEST = 0.05
_MARGIN = 10.0


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return FastContainer


@hookimpl
def haconiwa_steps() -> Iterator[Step]:
    """Do nothing to the container itself."""
    yield from ()


@hookimpl
def haconiwa_hooks(feature: FastContainer) -> Iterator[Hook]:
    """End it when it is idle, and when it is old."""
    if feature.idle:
        seconds = max(feature.idle / LOOKS, _SHORTEST)
        yield Hook("idle", Every(seconds, after_ready=True), "haconiwa_fastcontainer.hooks:idle")
    if feature.life:
        timeout = feature.start_timeout + feature.drain + _MARGIN
        yield Hook("life", After(feature.life), "haconiwa_fastcontainer.hooks:life", timeout=timeout)


@hookimpl
def haconiwa_check(feature: FastContainer, plan: Plan) -> Iterator[Problem]:
    """Refuse what contradicts itself."""
    if feature.protocol == "tcp" and not feature.listen:
        yield Problem("tcp needs addresses to listen on", key="listen")
    if feature.protocol == "tcp" and feature.hosts:
        yield Problem("only http has host names", key="hosts")
    if feature.protocol == "http" and feature.listen:
        yield Problem("only tcp has addresses of its own", key="listen")
    if feature.least > feature.most:
        yield Problem(f"must be at most `most`, which is {feature.most}, not {feature.least}", key="least")
    if feature.rules.calm >= feature.rules.load:
        yield Problem(f"must be below `load`, which is {feature.rules.load}", key="scaling.calm")
    if feature.warm and plan.container.feature("cgroup") is None:
        yield Problem("warm instances are frozen, which needs the section cgroup", key="warm")
    if (feature.rules.memory_most or feature.rules.cpu_most) and plan.container.feature("cgroup") is None:
        yield Problem("limits that grow are those of the section cgroup, which is missing", key="scaling")
    supervision = plan.container.feature("supervision")
    if supervision and getattr(supervision, "restart", "no") != "no":
        yield Problem("its front starts it again, and not its supervisor: leave out `restart` of supervision")


@hookimpl
def haconiwa_update() -> Iterator[Step]:
    """All of it can change: whoever needs it looks at the definition that is in force."""
    yield from ()
