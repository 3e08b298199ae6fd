"""Checks of what is installed: names, and when the plugin is imported."""

from __future__ import annotations

import json
from importlib import resources

from haconiwa_core.plugins.catalogue import distribution_for
from haconiwa_core.plugins.discovery import GROUP
from haconiwa_core.testing.conformance.subject import Subject, feature_class, python

_LOADS = """
import sys
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
Plugins().feature_class(sys.argv[1])
own = {entry.name: entry.entry_point.module.partition(".")[0] for entry in installed()}
print(*sorted(name for name, package in own.items() if package in sys.modules))
"""

_STARTS_UP = """
import json, sys
from contextlib import redirect_stdout
from io import StringIO
from haconiwa_core.cli.main import main
listed = StringIO()
with redirect_stdout(listed):
    statuses = main(["plugins", "list", "--format", "json"]), main(["plan", "--", "true"])
imported = [name for name in sys.modules if name.partition(".")[0] == sys.argv[1]]
print(json.dumps([statuses, listed.getvalue(), imported]))
"""


class NameChecks(Subject):
    """Names, and when the plugin is imported."""

    def test_one_name_everywhere(self) -> None:
        """The entry point, the section, the package and the distribution carry one name.

        If it fails: the plugin `x-y` is the entry point `x-y`, the section "x-y", the package `haconiwa_x_y` and
            the distribution `haconiwa-x-y`.
        """
        point = self.installed.entry_point
        feature = feature_class(self.section)
        assert point.group == GROUP, f"the entry point must be in the group {GROUP}"
        assert point.distribution == f"haconiwa-{self.section}", "the distribution must be called after its plugin"
        assert distribution_for(self.section) in ("", point.distribution), "the name is that of another distribution"
        assert point.module.partition(".")[0] == self.package, f"the entry point must lead into {self.package}"
        assert feature.__module__.partition(".")[0] == self.package, f"the feature must be a class of {self.package}"
        assert all(type(example) is feature for example in self.valid), "`valid` must hold features of the plugin"

    def test_it_loads_alone(self) -> None:
        """Loading the plugin imports no other one.

        If it fails: what the plugin must know of others is a fact, which it reads with `planning.facts`.
        """
        loaded = python(_LOADS, self.section).decode().split()
        assert loaded == [self.section], f"loading {self.section} imports the plugins {loaded}"

    def test_what_does_not_name_it_does_not_import_it(self) -> None:
        """`haconiwa plugins list` knows the plugin from metadata, and a container without it costs nothing.

        If it fails: nothing but the plugin's entry points may lead to its package, no .pth file and no other package.
        """
        statuses, output, imported = json.loads(python(_STARTS_UP, self.package))
        assert statuses == [0, 0], output
        listed = json.JSONDecoder().raw_decode(output)[0]
        assert self.section in [row["name"] for row in listed], "the list lacks the plugin"
        assert imported == [], "somebody imports the plugin whom nobody has asked to"

    def test_it_is_typed(self) -> None:
        """Type checkers see the feature's types (PEP 561).

        If it fails: put an empty file `py.typed` into the package.
        """
        marker = resources.files(self.package).joinpath("py.typed")
        assert marker.is_file(), f"{self.package} has no file py.typed"
