"""Controllers of other distributions: found by their entry point, given their options, named when they are wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup
from haconiwa_cgroup.controller import GROUP, find
from haconiwa_cgroup.layout import OPTIONS

from haconiwa_core.errors import PluginError
from haconiwa_core.plugins.entrypoints import entry_points
from haconiwa_core.testing import haconiwa_command, needs_root, problems_of

DEPTH = """
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_cgroup.controller import Setting
from haconiwa_cgroup.files import number, write_exactly

class Depth:
    names = {2: ""}
    options = {"most": "max"}

    def settings(self, options, version):
        if options["most"] == 7:
            raise DefinitionError([Problem("is no good number", key="most")])
        yield Setting("cgroup.max.depth", str(options["most"]), write_exactly)

    def usage(self, group, version):
        return {"most": number(group, "cgroup.max.depth")}

CONTROLLER = Depth()
"""

DEFINITION = """
command = ["sh", "-c", "cat /sys/fs/cgroup/*/{parent}/*/cgroup.max.depth /sys/fs/cgroup/{parent}/*/cgroup.max.depth"]
[cgroup]
parent = "/{parent}"
[cgroup.controllers.depth]
{options}
"""


class Site:
    """A folder with a distribution as an installer leaves it, and the command line that sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, source: str, target: str = "CONTROLLER") -> None:
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(source)
        information = self.folder / f"{module}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[{GROUP}]\ndepth = {module}:{target}\n")

    def haconiwa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*haconiwa_command(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def plan(self, options: str) -> tuple[int, str]:
        file = self.folder / "deep.toml"
        file.write_text(DEFINITION.format(parent="haconiwa-plan", options=options))
        done = self.haconiwa("plan", str(file))
        return done.returncode, done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@needs_root
def test_one_of_another_distribution_limits(site: Site, place) -> None:
    place.tree("unified")
    site.install("deep-cgroup", DEPTH)
    file = site.folder / "deep.toml"
    file.write_text(DEFINITION.format(parent=place.parent.strip("/"), options="most = 5"))
    done = site.haconiwa("run", "--rm", "--name", f"deep-{os.getpid()}", str(file))
    assert done.stdout == "5\n"


def test_its_options_are_checked(site: Site) -> None:
    site.install("deep-cgroup", DEPTH)
    status, told = site.plan("mist = 5")
    assert status == 2
    assert 'cgroup.controllers.depth.mist: unknown key "mist"; did you mean "most"?' in told
    status, told = site.plan("most = 7")
    assert status == 2
    assert "cgroup.controllers.depth.most: is no good number" in told
    assert len(told.splitlines()) == 1


def test_without_it(site: Site) -> None:
    status, told = site.plan("most = 5")
    assert status == 2
    assert "cgroup.controllers.depth.most: no installed distribution provides the controller depth" in told


@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("import none_such", "CONTROLLER", "ModuleNotFoundError"),
        ("CONTROLLER = None", "CONTROLLER", "AttributeError"),
        (DEPTH, "MISSING", "AttributeError"),
        ("raise SystemExit(0)", "CONTROLLER", "SystemExit"),
    ],
)
def test_a_broken_one(site: Site, source: str, target: str, text: str) -> None:
    site.install("deep-cgroup", source, target)
    status, told = site.plan("most = 5")
    assert status == 2
    assert f"the controller depth of deep-cgroup is broken: {text}" in told


def test_two_of_one_name(site: Site) -> None:
    site.install("deep-cgroup", DEPTH)
    site.install("deeper-cgroup", DEPTH)
    assert "provided by deep-cgroup and deeper-cgroup; uninstall all but one" in site.plan("most = 5")[1]


def test_one_that_is_not_named_is_not_imported(site: Site) -> None:
    site.install("deep-cgroup", "raise SystemExit('imported')")
    done = site.haconiwa("plan", "--set", "cgroup.pids=5", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sorted(set(OPTIONS.values())))
def test_ours_are_no_others(name: str) -> None:
    assert set(find(name).options) == {option for option, owner in OPTIONS.items() if owner == name}
    (problem,) = problems_of(Cgroup(controllers={name: {"x": 1}}))
    assert problem.text == f"the controller {name} has options of its own"
    assert problem.hint.startswith("use ")


def test_ours_are_registered_like_any_other() -> None:
    found = {item.name for item in entry_points() if item.group == GROUP and item.distribution == "haconiwa-cgroup"}
    assert found == set(OPTIONS.values())
    with pytest.raises(PluginError, match='did you mean "memory"'):
        find("memry")
