"""The policy holds for every kind of plugin that there is, and at every door that starts containers."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
from core.support import in_own_places
from core.test_policy import FILE, plugins

from haconiwa_core.testing import haconiwa_command

TREE = Path(__file__).parents[2]
SOURCES = [
    file
    for pattern in ("haconiwa_core", "plugins/*/haconiwa_*", "contrib/*/haconiwa_*")
    for folder in TREE.glob(pattern)
    for file in folder.rglob("*.py")
    if "template" not in file.parts
]

FIND = {
    "commands": "from haconiwa_core.cli.commands import find; find('planted')",
    "controllers": "from haconiwa_cgroup.controller import find; find('planted')",
    "explainers": (
        "from haconiwa_core.runtime import cause; print(cause.explained_path('/', 0), file=sys.stderr);"
        " [print(item.blocked) for item in cause.entry_points() if item.name == 'planted']"
    ),
    "features": "from haconiwa_core.plugins.loading import Plugins; Plugins().feature_class('planted')",
    "flags": "from haconiwa_core.cli import flags; flags._module('planted')",
    "launchers": "from haconiwa_core.launch.choice import choose_launcher; choose_launcher('planted')",
    "observers": (
        "from haconiwa_core.plugins import observers; found = observers.installed_observers();"
        " [observers.Observer(item) for item in found if item.name == 'planted'];"
        " [print(item.blocked) for item in observers.entry_points() if item.name == 'planted']"
    ),
    "states": "from haconiwa_fastcontainer.state import state_of; state_of('planted:')",
    "strategies": "from haconiwa_rootfs.strategy import find; find('planted')",
    "supervisors": "from haconiwa_core.runtime import supervisor; supervisor._installed('planted')",
}
"""For each group of entry points, a program that loads the one that is named "planted"."""


def groups():
    """Return the groups that the sources and the projects of the tree name."""
    text = [file.read_text() for file in [*SOURCES, *TREE.glob("*/*/pyproject.toml"), TREE / "pyproject.toml"]]
    return {name for each in text for name in re.findall(r"haconiwa\.(?:v1|\{API\})\.(\w+)", each)}


def test_no_group_is_forgotten():
    assert groups() == set(FIND)


@pytest.mark.parametrize("group", FIND)
def test_what_is_blocked_is_not_imported(tmp_path, group):
    marker = tmp_path / "marker"
    (tmp_path / "planted.py").write_text(f"open({str(marker)!r}, 'w')\nraise ImportError('planted')\n")
    metadata = tmp_path / "stranger-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[haconiwa.v1.{group}]\nplanted = planted\n")
    program = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {FIND[group]}"]
    assert "planted" in in_own_places(program, tmp_path).stderr
    assert marker.exists()
    marker.unlink()
    for policy, reason in ((plugins(deny=["stranger"]), "denied"), (plugins(allow=["haconiwa-*"]), "not allowed")):
        done = in_own_places(program, tmp_path, policy=policy)
        assert f"{reason} by {FILE}" in done.stdout + done.stderr
        assert not marker.exists()


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


OTHER_WAYS = {"importlib.metadata.entry_points", "importlib.metadata.EntryPoint", "pkg_resources"}


def test_nobody_finds_entry_points_by_other_means():
    """stevedore's own search has a contract of import-linter's."""
    found = {file: set(imports(file)) & OTHER_WAYS for file in SOURCES}
    assert {file: names for file, names in found.items() if names} == {}


def test_other_means_would_be_noticed(tmp_path):
    file = tmp_path / "module.py"
    file.write_text("def f():\n    from importlib.metadata import entry_points\n    import pkg_resources\n")
    assert set(imports(file)) <= OTHER_WAYS
    assert len(set(imports(file))) == 2


DOORS = {
    "run": [*haconiwa_command(), "run", "--rm", "--", "true"],
    "run -d": [*haconiwa_command(), "run", "-d", "--", "true"],
    "plan": [*haconiwa_command(), "plan", "--", "true"],
    "supervise": [*haconiwa_command(), "supervise", "--until-idle"],
    "Runtime": [
        *(sys.executable, "-I", "-c"),
        "from haconiwa_core import Container; from haconiwa_runtime import Runtime\n"
        "with Runtime() as runtime: runtime.run(Container('c', ['true']))",
    ],
}


@pytest.mark.parametrize("door", DOORS)
def test_nothing_starts_without_what_is_required(tmp_path, door):
    command = ["timeout", "60", *DOORS[door]]
    met = in_own_places(command, tmp_path, policy=plugins(required=["haconiwa-rlimit"]))
    assert met.returncode == 0, met.stderr
    lacking = in_own_places(command, tmp_path, policy=plugins(required=["haconiwa-absent"]))
    assert lacking.returncode != 0
    assert f"{FILE} requires haconiwa-absent" in lacking.stderr


HOOKED = """
from haconiwa_core import Container
web = Container("web", command=["sleep", "600"])

@web.on_call("who")
def who(c):
    return "{who}"
"""

SWAPPED = """
haconiwa() {{ {command} "$@"; }}
haconiwa run -d --name web {link} >&2
trap 'haconiwa rm --force web >&2' EXIT
haconiwa call web who
ln -sf {other} {link}
haconiwa call web who
{kill_workers}
haconiwa call web who && exit 3
haconiwa reload web && exit 4
haconiwa run --rm {link} && exit 5
echo refused
"""

KILL_WORKERS = """
import os, pathlib, signal, sys
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        command = (folder / "cmdline").read_bytes()
    except OSError:
        continue
    if b"haconiwa_supervision.hooks.worker" in command and sys.argv[1].encode() in command:
        os.kill(int(folder.name), signal.SIGKILL)
        print("killed")
"""


def test_a_link_that_leads_elsewhere_by_now_is_not_followed(tmp_path):
    """Hooks are read again by each worker."""
    allowed, other, link = tmp_path / "allowed" / "web.py", tmp_path / "other" / "web.py", tmp_path / "web.py"
    for file in (allowed, other):
        file.parent.mkdir()
        file.write_text(HOOKED.format(who=file.parent.name))
    link.symlink_to(allowed)
    program = tmp_path / "kill_workers.py"
    program.write_text(KILL_WORKERS)
    script = SWAPPED.format(
        command=shlex.join(haconiwa_command()),
        link=link,
        other=other,
        kill_workers=shlex.join([sys.executable, str(program), str(link)]),
    )
    policy = f'[definitions]\nroot = ["{allowed.parent}/*"]\n'
    done = in_own_places(["sh", "-c", script], tmp_path, policy=policy)
    assert done.stdout.splitlines() == ["allowed", "allowed", "killed", "refused"], done.stderr
    assert done.stderr.count(f"{FILE} does not let root run {other}") == 3
