"""pytest has the fixtures where it is told so, and they do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from haconiwa_chroot import Chroot
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit

from haconiwa_core import Feature, PluginError, Stage, Step, hookimpl, linux, option
from haconiwa_core.testing import functions, needs_capability, needs_root, plan_of, problems_of, run
from haconiwa_core.testing.fixtures import Chosen


@dataclass(frozen=True, kw_only=True)
class Mask(Feature):
    section: ClassVar[str] = "mask"
    stages: ClassVar[tuple[Stage, ...]] = (Stage.LIMITS,)

    value: int = option(0o007, "file mode mask")


class MaskPlugin:
    @staticmethod
    @hookimpl
    def haconiwa_feature():
        return Mask

    @staticmethod
    @hookimpl
    def haconiwa_steps(feature):
        yield Step(Stage.LIMITS, linux.set_file_mode_mask, feature.value)


def test_nothing_is_discovered(plugins: Chosen) -> None:
    with pytest.raises(PluginError, match="no installed plugin provides this feature"):
        plugins.feature_class("rlimit")
    (problem,) = problems_of(Rlimit(), plugins=plugins)
    assert problem.section == "rlimit"


def test_only(plugins: Chosen) -> None:
    chosen = plugins.only("rlimit")
    assert functions(plan_of(Rlimit(nofile=7), plugins=chosen), "rlimit") == ["set_limit"]
    (problem,) = problems_of(UtsNamespace(), plugins=chosen)
    assert problem.section == "ns-uts"
    with pytest.raises(PluginError, match="no such feature"):
        plugins.only("rlimits")


@needs_root
def test_inline(plugins: Chosen) -> None:
    chosen = plugins.only("rlimit").inline(MaskPlugin)
    outcome = run(Mask(value=0o027), Rlimit(nofile=9), command=["sh", "-c", "umask; ulimit -n"], plugins=chosen)
    assert outcome.stdout.split() == ["0027", "9"]


def test_choices_end_with_their_test(plugins: Chosen) -> None:
    assert [plugin.name for plugin in plugins.all] == ["published"]


def test_inline_is_a_plugin_like_any_other(plugins: Chosen) -> None:
    class Misspelt(MaskPlugin):
        @staticmethod
        @hookimpl
        def haconiwa_stepz(feature):
            yield

    with pytest.raises(PluginError, match="haconiwa_stepz"):
        plugins.inline(Misspelt).feature_class("mask")


def test_root(root: Path) -> None:
    outcome = run(Chroot(str(root)), command=["ls", "/"])
    assert outcome.stdout.split() == ["bin", "dev", "etc", "proc", "sys", "tmp"]


ASKING = """
def test_plugins(plugins):
    plugins.only("rlimit")

def test_root(root):
    pass
"""


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        (["-p", "haconiwa_core.testing"], {}, "2 passed"),
        (["-p", "haconiwa_core.testing"], {"PATH": "/nowhere"}, "1 passed, 1 skipped"),
        ([], {}, "2 errors"),
    ],
    ids=["named", "without busybox", "not named"],
)
@needs_root
def test_pytest_knows_them_where_it_is_told(
    tmp_path: Path, options: list[str], environment: dict[str, str], expected: str
) -> None:
    file = tmp_path / "test_asking.py"
    file.write_text(ASKING)
    command = [sys.executable, "-m", "pytest", "-rs", "-c", os.devnull, "-p", "no:cacheprovider", *options, file]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert f" {expected} in " in done.stdout, done.stdout
    assert ("busybox is not installed" in done.stdout) == bool(environment)


@pytest.mark.parametrize(("name", "has"), [("CAP_SYS_CHROOT", True), ("CAP_SYS_CHROOT", False)])
@needs_root
def test_needs_capability(name: str, has: bool) -> None:
    program = (
        "from haconiwa_core.testing import give_up_capabilities, needs_capability\n"
        f"{has} or give_up_capabilities()\n"
        f"print(needs_capability({name!r}).mark.args[0], needs_capability({name!r}).mark.kwargs['reason'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == f"{not has} needs {name}"


def test_an_unknown_capability_is_no_reason_to_skip() -> None:
    with pytest.raises(AttributeError):
        needs_capability("CAP_UNHEARD_OF")
