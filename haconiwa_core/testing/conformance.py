"""Checks that every plugin's tests run: subclass `Conformance`, name the section and valid features."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, replace
from importlib import resources
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

from haconiwa_core import linux
from haconiwa_core.container import Container
from haconiwa_core.definition.reading import read
from haconiwa_core.errors import SetupError
from haconiwa_core.facts import Fact, key_of
from haconiwa_core.feature import Feature
from haconiwa_core.linux.vocabulary import is_lowering
from haconiwa_core.operation import Slot
from haconiwa_core.planning.context import Planning
from haconiwa_core.planning.plan import Plan
from haconiwa_core.planning.planner import plan
from haconiwa_core.plugins.catalogue import distribution_for
from haconiwa_core.plugins.discovery import GROUP, installed
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.runtime.store import Store
from haconiwa_core.stages import Stage
from haconiwa_core.steps import Step
from haconiwa_core.testing.fake.kernel import FakeKernel
from haconiwa_core.testing.fake.mounts import Executed
from haconiwa_core.testing.fake.program import run_program
from haconiwa_core.testing.fake.state import host_files_with
from haconiwa_core.testing.needs import needs_root
from haconiwa_core.testing.plans import container_of, host, plan_of, planned_steps, plugins
from haconiwa_core.testing.published import INSTALLED
from haconiwa_core.testing.running import run

_LOADS_ALONE = """
import sys
from haconiwa_core.plugins.discovery import installed
from haconiwa_core.plugins.loading import Plugins
Plugins().feature_class(sys.argv[1])
own = {entry.name: entry.entry_point.module.partition(".")[0] for entry in installed()}
print(*sorted(name for name, package in own.items() if package in sys.modules))
"""

_LISTING = """
import sys
from haconiwa_core.cli.main import main
status = main(["plugins", "list", "--format", "json"])
print(*(name for name in sys.modules if name.startswith(sys.argv[1])), file=sys.stderr)
sys.exit(status)
"""


class Conformance:
    """What any plugin promises.

    A subclass is a test class; its name begins with `Test`.

    Attributes:
        section: the plugin's name.
        valid: features that can be planned and, on a suitable host, started; together they publish
            every fact of which the plugin is capable. Relative paths of the host lie in a
            temporary directory.
        facts: what features that the plugin needs beside it would publish.
    """

    section: ClassVar[str]
    valid: ClassVar[Sequence[Feature]]
    facts: ClassVar[Sequence[Fact]] = ()

    def fill(self, folder: Path) -> None:
        """Put what relative paths of `valid` name into their directory; nothing by default."""

    def plans(self, folder: Path) -> Iterator[Plan]:
        """Yield the plan of each valid feature."""
        self.fill(folder)
        for feature in self.valid:
            yield plan_of(feature, facts=self.facts, folder=str(folder))

    def test_one_name_everywhere(self) -> None:
        """Entry point, section, catalogue and distribution carry one name."""
        found = [plugin for plugin in installed() if plugin.name == self.section]
        package = "haconiwa_" + self.section.replace("-", "_")
        assert [plugin.entry_point.distribution for plugin in found] == [f"haconiwa-{self.section}"]
        assert found[0].entry_point.group == GROUP
        assert found[0].entry_point.module.partition(".")[0] == package
        assert distribution_for(self.section) == f"haconiwa-{self.section}"
        feature = plugins().feature_class(self.section)
        assert feature.section == self.section
        assert feature.__module__.partition(".")[0] == package
        assert all(type(example) is feature for example in self.valid)

    def test_it_loads_alone(self) -> None:
        """Loading the plugin imports no other one."""
        assert _python(_LOADS_ALONE, self.section).stdout.split() == [self.section]

    def test_listing_does_not_import_it(self) -> None:
        """`haconiwa plugins list` knows it from metadata."""
        listed = _python(_LISTING, "haconiwa_" + self.section.replace("-", "_"))
        assert self.section in [row["name"] for row in json.loads(listed.stdout)]
        assert listed.stderr.split() == []

    def test_its_options_are_documented(self) -> None:
        """Each option has a line of help, and the README has the table of them all."""
        feature = plugins().feature_class(self.section)
        assert all(item.metadata["help"] for item in fields(feature))
        assert options_table(feature) in readme_of(f"haconiwa-{self.section}")

    def test_unknown_keys_are_refused_with_a_suggestion(self, tmp_path: Path) -> None:
        """A typing error in a definition is never passed over."""
        file = tmp_path / "typo.toml"
        for item in fields(plugins().feature_class(self.section)):
            typo = item.name + item.name[-1]
            file.write_text(f'command = ["true"]\n[{self.section}]\n{typo} = 1\n')
            (container,) = read(str(file), plugins())
            problem = next(problem for problem in container.problems() if problem.key == typo)
            assert (problem.section, problem.line) == (self.section, 3)
            assert str(problem).endswith(f'unknown key "{typo}"; did you mean "{item.name}"?')

    def test_the_same_plan_in_any_order(self, tmp_path: Path) -> None:
        """Neither the order of features nor of loading matters."""
        available = [*installed(), INSTALLED]
        for feature, expected in zip(self.valid, self.plans(tmp_path), strict=True):
            container = container_of(feature, facts=self.facts, folder=str(tmp_path))
            backwards = replace(container, features=tuple(reversed(container.features)))
            for order in (available, available[::-1]):
                others = Plugins(order)
                for plugin in order:
                    others.feature_class(plugin.name)
                assert plan(backwards, host(), others).to_json() == expected.to_json()

    def test_steps_are_in_declared_stages(self, tmp_path: Path) -> None:
        """What `haconiwa plugins show` says of stages is true."""
        declared = plugins().feature_class(self.section).stages
        for item in self.plans(tmp_path):
            assert {planned.step.stage for planned in planned_steps(item, self.section)} <= set(declared)

    def test_child_steps_are_operations_only(self, tmp_path: Path) -> None:
        """Between clone and exec no code of a plugin runs."""
        for item in self.plans(tmp_path):
            for planned in planned_steps(item, self.section):
                function = planned.step.function
                if not planned.step.stage.on_host:
                    assert is_lowering(function)
                    package = f"haconiwa_{self.section.replace('-', '_')}"
                    known = getattr(linux, function.__name__, None) is function
                    assert known or function.__module__.partition(".")[0] == package

    def test_what_is_attached_is_confined_too(self, tmp_path: Path) -> None:
        """A process that is put into the container gets every step that confines the first one, and no others."""
        for feature, started in zip(self.valid, self.plans(tmp_path), strict=True):
            attached = plan_of(feature, facts=self.facts, folder=str(tmp_path), entry="attach")
            steps = planned_steps(started, self.section)
            used = {slot for item in steps if _confines(item.step) for slot in item.step.arguments if slot is not None}
            wanted = [item.describe() for item in steps if _confines(item.step) or item.step.into in used]
            assert [item.describe() for item in planned_steps(attached, self.section)] == wanted

    def test_its_programs_run_on_the_fake_kernel(self, tmp_path: Path) -> None:
        """Nothing in the plan is refused where everything that it needs is there."""
        for item in self.plans(tmp_path):
            outcome = run_program(item, FakeKernel(host_files_with(tmp_path)))
            assert isinstance(outcome, Executed), outcome

    def test_its_facts_are_in_the_catalogue(self, tmp_path: Path) -> None:
        """Advice on which plugin to add comes from the catalogue, which must be neither short nor stale."""
        provides = set(_catalogue()[self.section]["provides"])
        published = set()
        for feature in self.valid:
            planning = Planning(Container("test", folder=str(tmp_path)), host())
            for fact in plugins().facts(feature, planning):
                kind = type(fact).__name__
                published.add(kind if kind in provides else f"{kind} {key_of(fact)}")
        assert published == provides

    @needs_root
    def test_undo_is_complete_and_idempotent(self, tmp_path: Path) -> None:
        """A start that fails at its very end leaves nothing, and undoing again does no harm."""
        self.fill(tmp_path)
        store = Store(tmp_path / "state")
        for feature in self.valid:
            before = _traces(tmp_path)
            with pytest.raises(SetupError) as caught:
                run(
                    feature,
                    command=["/no/such/program"],
                    store=store,
                    facts=self.facts,
                    folder=str(tmp_path),
                )
            assert caught.value.stage == "EXEC", caught.value
            assert caught.value.cleanup == ()
            assert _traces(tmp_path) == before
            assert store.names() == []
            for planned in plan_of(feature, facts=self.facts, folder=str(tmp_path)).undo_steps():
                undo = planned.step.undo
                assert undo is not None
                # Of the instance nothing is left by now, not even its directory.
                gone = [str(tmp_path / "gone") if isinstance(item, Slot) else item for item in undo.arguments]
                undo.function(*gone)
                undo.function(*gone)
            assert _traces(tmp_path) == before


def _confines(step: Step) -> bool:
    """Whether a step is about a process; what stands before SESSION is about the container's surroundings.

    Only the score is a process's own though the host has to set it.
    """
    return step.function is linux.set_oom_score_adj or (step.stage >= Stage.SESSION and not step.stage.once)


def options_table(feature: type[Feature]) -> str:
    """Return the table of options that a plugin's README contains."""
    rows = [f"| `{item.name}` | {_shown(item.default)} | {item.metadata['help']} |" for item in fields(feature)]
    return "\n".join(["| Option | Default | Meaning |", "|---|---|---|", *rows])


def readme_of(name: str) -> str:
    """Return the README of an installed distribution: of its source if it is editable, else of its metadata."""
    found = distribution(name)
    source = _source_of(found)
    if source:
        return (source / "README.md").read_text("utf-8")
    # importlib.metadata gives the text after the headers under the name of the header that it replaces.
    return str(found.metadata.json["description"])


def _catalogue() -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(resources.files("haconiwa_core").joinpath("catalogue.json").read_text("utf-8"))
    return entries


def _source_of(found: Distribution) -> Path | None:
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _shown(default: object) -> str:
    if default is MISSING:
        return "required"
    if default is None or default == ():
        return ""
    shown = repr(default) if isinstance(default, int) and not isinstance(default, bool) else json.dumps(default)
    return f"`{shown}`"


def _python(program: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own that ignores the caller's environment and folder."""
    return subprocess.run(
        [sys.executable, "-I", "-c", program, argument], check=True, capture_output=True, text=True, cwd="/"
    )


def _traces(folder: Path) -> tuple[object, ...]:
    """Return what a container could leave behind: mounts, files of the folder, descriptors."""
    mounts = re.sub(r"^\d+ \d+ ", "", Path("/proc/self/mountinfo").read_text(), flags=re.MULTILINE).splitlines()
    # Other tests may run at the same time, each with mounts in a directory of its own.
    concerning = [line for line in mounts if str(folder) in line or "/pytest-" not in line]
    files = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    return concerning, [path for path in files if path.parts[0] != "state"], sorted(os.listdir("/proc/self/fd"))
