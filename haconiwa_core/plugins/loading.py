"""Load plugins that a definition names, and call their hooks one plugin at a time.

pluggy registers, validates and calls. Nothing outside this package sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

from haconiwa_core.errors import PluginError, Problem
from haconiwa_core.feature import Feature
from haconiwa_core.plugins import hookspecs
from haconiwa_core.plugins.discovery import Installed, required_and_installed, usable

if TYPE_CHECKING:
    from haconiwa_core.diagnosis import Diagnosis
    from haconiwa_core.facts import Fact
    from haconiwa_core.finding import Finding
    from haconiwa_core.hooks.hook import Hook
    from haconiwa_core.isolation.confined import Confined
    from haconiwa_core.isolation.rows import Row
    from haconiwa_core.planning.context import Planning
    from haconiwa_core.planning.plan import Plan
    from haconiwa_core.steps import Step


class Plugins:
    """Installed plugins, loaded when they are first asked for.

    One object may serve many plannings; it is not changed by them.

    Args:
        available: those that there are; by default what is installed.

    Raises:
        PluginError: the policy requires what is not there.
    """

    def __init__(self, available: Iterable[Installed] | None = None) -> None:
        self._installed = list(required_and_installed() if available is None else available)
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    @property
    def all(self) -> list[Installed]:
        """Every installed plugin, in whatever state."""
        return self._installed

    def feature_class(self, name: str) -> type[Feature]:
        """Load a plugin and return its feature.

        Raises:
            PluginError: it is absent, disabled, incompatible, ambiguous or broken.
        """
        self._load(name)
        feature: type[Feature] | None = _unless_broken(name, self._hook(name, "haconiwa_feature"))
        if feature is None:
            raise _broken(name, "it does not implement haconiwa_feature")
        if feature.section != name:
            raise _broken(name, f'its feature {feature.__name__} has the section "{feature.section}"')
        return feature

    def expand(self, feature: Feature) -> list[Feature]:
        """Return the features that a feature stands for."""
        return self._collect("haconiwa_expand", feature.section, feature=feature)

    def facts(self, feature: Feature, planning: Planning) -> list[Fact]:
        """Return the facts that a feature's plugin publishes."""
        return self._collect("haconiwa_facts", feature.section, feature=feature, planning=planning)

    def steps(self, feature: Feature, planning: Planning) -> list[Step]:
        """Return the steps that a feature's plugin makes of it."""
        return self._collect("haconiwa_steps", feature.section, feature=feature, planning=planning)

    def check(self, feature: Feature, plan: Plan) -> list[Problem]:
        """Return what a feature's plugin finds impossible in a finished plan."""
        return self._collect("haconiwa_check", feature.section, feature=feature, plan=plan)

    def update(self, old: Feature, new: Feature, planning: Planning) -> list[Step] | None:
        """Return the steps of a live update; None where the plugin cannot do any."""
        name = new.section
        self._load(name)
        if not any(impl.plugin_name == name for impl in self._manager.hook.haconiwa_update.get_hookimpls()):
            return None
        return self._collect("haconiwa_update", name, old=old, new=new, planning=planning)

    def hooks(self, feature: Feature) -> list[Hook]:
        """Return the hooks that a feature's plugin gives to its container."""
        return self._collect("haconiwa_hooks", feature.section, feature=feature)

    def findings(self, name: str, plan: Plan) -> list[Finding]:
        """Return what a plugin finds weak in a plan."""
        return self._collect("haconiwa_findings", name, plan=plan)

    def isolation(self, name: str, feature: Feature | None, plan: Plan, confined: Confined) -> list[Row]:
        """Return the rows of the isolation matrix that a plugin has of a live process."""
        return self._collect("haconiwa_isolation", name, feature=feature, plan=plan, confined=confined)

    def diagnose(self, name: str) -> list[Diagnosis]:
        """Return what a plugin finds on this host of what its feature needs.

        Raises:
            PluginError: it cannot be loaded, or fails at that.
        """
        found: list[Diagnosis] = _unless_broken(name, lambda: self._collect("haconiwa_diagnose", name))
        return found

    def status(self, feature: Feature, instance: str) -> Mapping[str, object] | None:
        """Return what a feature's plugin reads back of a running container."""
        self._load(feature.section)
        status: Mapping[str, object] | None = self._hook(feature.section, "haconiwa_status")(
            feature=feature, name=instance
        )
        return status

    def _collect(self, hook: str, name: str, **arguments: Any) -> list[Any]:
        self._load(name)
        results = self._hook(name, hook)(**arguments)
        return [item for result in results for item in result]

    def _hook(self, name: str, hook: str) -> Any:
        """Return a hook's caller for one plugin alone: pluggy's results do not say whose they are."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name]
        return self._manager.subset_hook_caller(hook, others)

    def _load(self, name: str) -> None:
        if self._manager.has_plugin(name):
            return
        plugin = _unless_broken(name, usable(name, self._installed).entry_point.load)
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            self._refuse_own_order(plugin)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise _broken(name, str(error)) from error

    def _refuse_own_order(self, plugin: Any) -> None:
        """Order comes from stages alone; pluggy's is not promised between plugins."""
        for caller in self._manager.get_hookcallers(plugin) or ():
            for marks in caller.get_hookimpls():
                if marks.plugin is plugin and (marks.tryfirst or marks.trylast or marks.wrapper or marks.hookwrapper):
                    raise ValueError(f"{caller.name} asks for an order of its own; stages decide the order")


def _unless_broken(name: str, action: Callable[[], Any]) -> Any:
    """Return what a plugin's own code gives; whatever it raises makes the plugin broken."""
    try:
        return action()
    except PluginError as error:
        raise PluginError(f"plugin {name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise _broken(name, f"{type(error).__name__}: {error}") from error


def _broken(name: str, reason: str) -> PluginError:
    return PluginError(f"plugin {name} is broken: {reason}; see `haconiwa plugins show {name}`")
