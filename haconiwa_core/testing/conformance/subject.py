"""What the checks know of the plugin that they are run on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

import pytest

from haconiwa_core.facts import Fact
from haconiwa_core.feature import Feature
from haconiwa_core.planning.plan import Plan
from haconiwa_core.plugins.discovery import Installed, installed
from haconiwa_core.testing.fake.kernel import FakeKernel
from haconiwa_core.testing.fake.state import host_files_with
from haconiwa_core.testing.plans import all_plugins, plan_of


class Subject:
    """The plugin, as a subclass describes it.

    Attributes:
        section: the plugin's name.
        valid: features that can be planned and, on a suitable host, started; together they publish
            every fact of which the plugin is capable. Relative paths of the host lie in a
            temporary directory.
        facts: what features that the plugin needs beside it would publish.
        kernel: the fake kernel, with the plugin's own calls if it has any.
        needs: marks of a suitable host, such as `needs_landlock(6)`; checks that start containers are skipped
            without it. Other demands are made by overriding the fixture `suitable_host`.
    """

    section: ClassVar[str]
    valid: ClassVar[Sequence[Feature]]
    facts: ClassVar[Sequence[Fact]] = ()
    kernel: ClassVar[type[FakeKernel]] = FakeKernel
    needs: ClassVar[Sequence[pytest.MarkDecorator]] = ()

    def fill(self, folder: Path) -> None:
        """Put what relative paths of `valid` name into their directory; nothing by default."""

    @pytest.fixture
    def suitable_host(self) -> None:
        """The machine on which the valid features are started."""
        self.skip_on_other_hosts()

    def skip_on_other_hosts(self) -> None:
        """Skip the test where the valid features cannot be started."""
        if os.geteuid() != 0:
            pytest.skip("needs root")
        for mark in self.needs:
            if mark.args[0]:
                pytest.skip(mark.kwargs["reason"])

    @property
    def package(self) -> str:
        """The package that the distribution installs."""
        return "haconiwa_" + self.section.replace("-", "_")

    @property
    def installed(self) -> Installed:
        """The plugin as its distribution's metadata describes it."""
        found = [plugin for plugin in installed() if plugin.name == self.section]
        assert len(found) == 1, f"{len(found)} installed plugins are named {self.section}: install exactly one"
        return found[0]

    def plans(self, folder: Path, **fields: Any) -> Iterator[Plan]:
        """Yield the plan of each valid feature; the fields are those of `plan_of`."""
        self.fill(folder)
        for feature in self.valid:
            yield plan_of(feature, facts=self.facts, folder=str(folder), **fields)

    def fake_kernel(self, folder: Path) -> FakeKernel:
        """Return a fake kernel on whose files the folder lies."""
        return self.kernel(host_files_with(folder))


def feature_class(section: str) -> type[Feature]:
    """Return the feature of a plugin."""
    return all_plugins().feature_class(section)


def catalogue() -> dict[str, Any]:
    """Return the core's list of plugins, by name."""
    entries: dict[str, Any] = json.loads(resources.files("haconiwa_core").joinpath("catalogue.json").read_text("utf-8"))
    return entries


def python(program: str, *arguments: str, input: bytes = b"", seed: int = 0) -> bytes:
    """Run a program in an interpreter that has nothing of this one's environment and folder; return what it prints.

    Args:
        program: Python source.
        arguments: for sys.argv.
        input: of the program.
        seed: of hashes, which decides the order of sets of strings (PYTHONHASHSEED); 0 is none.
    """
    # A seed would be ignored by an isolated interpreter.
    flags, environment = (["-P", "-s"], {"PYTHONHASHSEED": str(seed)}) if seed else (["-I"], {})
    command = [sys.executable, *flags, "-B", "-c", program, *arguments]
    done = subprocess.run(command, input=input, env=environment, capture_output=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
