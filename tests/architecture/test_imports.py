"""What may import what: the contracts of import-linter hold, and would notice when they do not."""

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from architecture.tree import PROJECTS, ROOT

CHILD = ("haconiwa_core.launch.serve", "haconiwa_core.launch.direct", "haconiwa_core.linux.vocabulary")
LIGHT = {
    *("__future__", "_socket", "collections", "contextlib", "ctypes", "dataclasses", "enum", "errno", "fcntl", "gc"),
    *("os", "itertools", "pathlib", "signal", "socket", "struct", "sys", "typing"),
}
"""What the process that runs a program may have loaded: no third party, and nothing that starts threads."""


def lint(folder):
    program = Path(sys.executable).with_name("lint-imports")
    command = [program, "--no-cache", "--config", "pyproject.toml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_contracts_hold():
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


VIOLATIONS = [
    ("haconiwa_core/stages.py", "import haconiwa_rlimit", "the core imports no plugin"),
    ("plugins/haconiwa-rlimit/haconiwa_rlimit/plugin.py", "import haconiwa_chroot", "no plugin imports another"),
    ("haconiwa_core/steps.py", "import haconiwa_core.planning", "layers of the core"),
    ("haconiwa_core/planning.py", "import pluggy", "pluggy stays behind the facade"),
    ("plugins/haconiwa-rlimit/haconiwa_rlimit/plugin.py", "import pluggy", "pluggy stays behind the facade"),
    ("haconiwa_core/plugins/loading.py", "import stevedore", "only the survey sees stevedore"),
    ("haconiwa_core/cli/main.py", "import structlog", "only the log sees structlog"),
]


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_a_violation_is_noticed(tmp_path, file, line, contract):
    for name in ("pyproject.toml", "haconiwa_core", "plugins"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        else:
            shutil.copy(source, tmp_path)
    with (tmp_path / file).open("a") as target:
        target.write(f"\n{line}\n")
    folders = [str(tmp_path), *(str(tmp_path / folder.relative_to(ROOT)) for folder in PROJECTS)]
    program = f"import sys; sys.path[:0] = {folders}; from importlinter.cli import lint_imports_command as main; main()"
    command = [sys.executable, "-c", program, "--no-cache", "--config", "pyproject.toml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stderr
    assert f"{contract} BROKEN" in result.stdout


def test_child_code_is_light():
    graph = grimp.build_graph("haconiwa_core", include_external_packages=True, exclude_type_checking_imports=True)
    loaded = {*CHILD, *(found for module in CHILD for found in graph.find_upstream_modules(module))}
    external = {module for module in loaded if not module.startswith("haconiwa_core")}
    assert external <= LIGHT
    own = {module.removeprefix("haconiwa_core.").partition(".")[0] for module in loaded - external}
    assert own <= {"errors", "launch", "linux", "operation", "program"}
