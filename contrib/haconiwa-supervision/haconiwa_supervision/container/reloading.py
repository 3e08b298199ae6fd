"""Take up another version of a container's definition while it runs, as far as that is possible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from haconiwa_core.container import OWN_KEYS, Container
from haconiwa_core.errors import DefinitionError, HaconiwaError
from haconiwa_core.feature import Feature
from haconiwa_core.hooks.hook import Hook
from haconiwa_core.host import gather
from haconiwa_core.planning.updating import plan_update
from haconiwa_core.plugins.loading import Plugins

if TYPE_CHECKING:
    from haconiwa_supervision.container.supervised import Supervised


class Difference(NamedTuple):
    """What differs between the definition that is in force and another one.

    Attributes:
        what: a key of the container, such as "command", an option, such as "cgroup.memory", or "hook NAME".
        old, new: as JSON has them; None where there is none, or an option has its default.
        at_once: whether it can change while the container runs; else it does with its next start.
    """

    what: str
    old: Any
    new: Any
    at_once: bool


async def reload(container: Supervised, data: Mapping[str, Any], *, apply: bool) -> list[Difference]:
    """Let a container have another definition: what can change does so now, the rest with its next start.

    The hooks of all containers that were started with it run as the file says by now.

    Args:
        container: to change.
        data: the definition as it has travelled.
        apply: change it; else only tell.

    Returns:
        What differs.

    Raises:
        DefinitionError: it cannot be planned; nothing is changed, as with the other errors.
        SetupError: the kernel refuses a change.
        HaconiwaError: it is the definition of something else.
    """
    supervisor = container.supervisor
    definition = await supervisor.work(partial(supervisor.plans.definition, data))
    former = container.definition
    if not former.file or (definition.file, definition.container.name) != (former.file, former.container.name):
        raise HaconiwaError(f"{container.name} can be given another version of its own definition only")
    plan = await supervisor.work(partial(supervisor.plans.plan, definition, container.claim.directory))
    in_force = container.container

    def compared() -> list[Difference]:
        with supervisor.plans.lock:
            sections = _changeable(in_force, plan.container, supervisor.plans.plugins) if container.life.runs else ()
        return list(_differences(in_force, plan.container, container.firing.hooks, plan.hooks, sections))

    found = await supervisor.work(compared)
    if not apply:
        return found
    at_once = {item.what.partition(".")[0] for item in found if item.at_once}
    features = [feature for feature in plan.container.features if feature.section in at_once]
    if features:
        await container.change(lambda old: _with(old, features))
    await container.take(definition, plan.hooks)
    container.emit("reloaded", changes=[item._asdict() for item in found])
    return found


def _with(container: Container, features: Sequence[Feature]) -> Container:
    for feature in features:
        container += feature
    return container


def _changeable(old: Container, new: Container, plugins: Plugins) -> set[str]:
    """Return the sections that differ and can change in a container that runs."""
    found: set[str] = set()
    for feature in new.features:
        if old.feature(feature.section) in (None, feature):
            continue
        try:
            plan_update(old, old + feature, gather(), plugins)
        except DefinitionError:
            continue  # The definition itself is right: it is the change that is refused.
        found.add(feature.section)
    return found


def _differences(
    old: Container, new: Container, former: Sequence[Hook], hooks: Sequence[Hook], changeable: Sequence[str] | set[str]
) -> Iterator[Difference]:
    before, after = old.to_json(), new.to_json()
    for key in (*OWN_KEYS, "folder"):
        yield from _of_tables(key, before[key], after[key], at_once=False)
    sections = sorted(before["features"].keys() | after["features"].keys())
    for section in sections:
        pair = before["features"].get(section), after["features"].get(section)
        yield from _of_tables(section, *pair, at_once=section in changeable)
    by_name = [{hook.name: _described(hook) for hook in each} for each in (former, hooks)]
    for name in sorted(by_name[0].keys() | by_name[1].keys()):
        first, second = (each.get(name) for each in by_name)
        yield from _of_tables(f"hook {name}", first, second, at_once=True)


def _of_tables(what: str, old: Any, new: Any, *, at_once: bool) -> Iterator[Difference]:
    """Yield how two values differ, of tables each key alone."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _of_tables(f"{what}.{key}", old.get(key), new.get(key), at_once=at_once)
    elif old != new:
        yield Difference(what, old, new, at_once)


def _described(hook: Hook) -> dict[str, Any]:
    told = hook.to_json()
    return {"kind": told["kind"], **told["trigger"], "failure": hook.failure, "timeout": hook.timeout}
