"""Each check of the conformance kit fails for a plugin that breaks what it is about, and for no other."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sysconfig
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conformance.broken import BROKEN, TESTS, Change

from haconiwa_core.plugins.discovery import GROUP
from haconiwa_core.testing import Conformance, needs_root

GOOD = Path(__file__).with_name("lamp")
VERSION = "1.0"
METADATA = f"Metadata-Version: 2.1\nName: haconiwa-lamp\nVersion: {VERSION}\n"
CHECKS = [name for name, _ in inspect.getmembers(Conformance, inspect.isfunction) if name.startswith("test_")]

pytestmark = needs_root


def changed(folder: Path, changes: tuple[Change, ...]) -> None:
    for file, old, new in changes:
        path = folder / file
        if not (old or new):
            path.unlink()
            continue
        text = path.read_text() if old else new
        assert not old or text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new) if old else new)


def installed(source: Path, environment: Path) -> Path:
    """Make an environment in which the distribution is installed beside all that is here; return its interpreter."""
    venv.create(environment, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    (site / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    metadata = (source / "METADATA").read_text()
    name = metadata.split("Name: ")[1].split("\n")[0].replace("-", "_")
    information = site / f"{name}-{VERSION}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"{metadata}\n{(source / 'README.md').read_text()}")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\nlamp = haconiwa_lamp.plugin\n")
    for item in source.iterdir():
        if item.name not in ("METADATA", "README.md", TESTS):
            (shutil.copytree if item.is_dir() else shutil.copy)(item, site / item.name)
    return environment / "bin" / "python"


def failures(folder: Path, changes: tuple[Change, ...]) -> dict[str, str]:
    """Run the kit on the good plugin with these changes; return the checks that fail, with their messages."""
    source = folder / "lamp"
    shutil.copytree(GOOD, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "METADATA").write_text(METADATA)
    changed(source, changes)
    interpreter = installed(source, folder / "environment")
    shutil.copy(source / TESTS, folder / "test_lamp.py")
    report = folder / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", folder, f"--basetemp={folder}/tmp"]
    command = [interpreter, "-B", "-m", "pytest", *options, f"--junitxml={report}", folder / "test_lamp.py"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    cases = ElementTree.parse(report).iter("testcase")
    results = {
        case.get("name", ""): next((kind for kind in case if kind.tag in ("failure", "error")), None) for case in cases
    }
    skipped = list(ElementTree.parse(report).iter("skipped"))
    assert (sorted(results), skipped) == (sorted(CHECKS), []), done.stdout
    return {name: failure.get("message", "") for name, failure in results.items() if failure is not None}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What fails for each plugin, by the check that should; "" is the good one."""
    plugins = {"": (), **BROKEN}
    folders = [tmp_path_factory.mktemp("plugin") for _ in plugins]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(plugins, pool.map(failures, folders, plugins.values()), strict=True))


def test_the_good_plugin_passes(found: dict[str, dict[str, str]]) -> None:
    assert found[""] == {}


@pytest.mark.parametrize("check", BROKEN)
def test_it_fails_its_check_and_no_other(check: str, found: dict[str, dict[str, str]]) -> None:
    assert list(found[check]) == [check]
    assert found[check][check].strip() not in ("", "AssertionError")


def test_each_check_has_a_plugin_that_fails_it() -> None:
    assert sorted(BROKEN) == sorted(CHECKS)
