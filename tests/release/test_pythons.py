"""All distributions, installed together from an index of wheels alone, work in the lowest and the newest Python."""

import json
import os

import pytest
from architecture.tree import ROOT, features
from release.artefacts import PACKAGES
from release.conftest import run
from release.pythons import LOWEST, NEWEST

CONTAINER = [
    *("run", "--rm", "--with", "ns-pid", "--set", "ns-uts.hostname=inside", "--set", "rlimit.nofile=64", "--"),
    *("sh", "-c", 'echo "process $$ on $(uname -n) may open $(ulimit -n) files"'),
]


@pytest.fixture(scope="module", params=[LOWEST, NEWEST], ids=["lowest", "newest"])
def programs(places, request):
    return places.programs(request.param)


def test_there_is_more_than_one_python():
    if LOWEST == NEWEST:
        pytest.skip(f"there is no Python after {'.'.join(map(str, LOWEST))} here")


def test_requirements_are_met(programs):
    assert run(programs / "pip", "check") == "No broken requirements found.\n"


def test_every_module_is_imported_without_a_warning(programs):
    run(programs / "python", "-I", "-W", "error", ROOT / "scripts" / "import_all.py", *PACKAGES)


def test_every_plugin_is_loaded(programs):
    plugins = json.loads(run(programs / "haconiwa", "plugins", "list", "--load", "--format", "json"))
    assert {plugin["name"]: plugin["state"] for plugin in plugins} == dict.fromkeys(features(), "enabled")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_container_runs(programs, tmp_path):
    shown = run(programs / "haconiwa", *CONTAINER, HACONIWA_STATE=str(tmp_path))
    assert shown == "process 1 on inside may open 64 files\n"
