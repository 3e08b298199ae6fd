"""The helper does what every resident launcher does, and is out of every container's reach."""

import os
import subprocess
from contextlib import closing

import pytest
from haconiwa_launcher.client import HelperLauncher

from haconiwa_core.errors import PluginError
from haconiwa_core.launch.choice import choose_launcher
from haconiwa_core.testing import ResidentConformance, needs_root, started


class TestHelper(ResidentConformance):
    launcher_class = HelperLauncher


def test_it_is_used_where_it_is_installed():
    with closing(choose_launcher()) as found:
        assert found.name == "helper"


@pytest.mark.parametrize("name", ["zygote", "direct"])
def test_others_are_used_by_name(name):
    with closing(choose_launcher(name)) as found:
        assert found.name == name


def test_a_launcher_that_nobody_provides():
    with pytest.raises(PluginError, match="one launcher other is wanted; there are: direct, helper, zygote"):
        choose_launcher("other")


@needs_root
def test_nothing_of_it_can_be_reached_from_inside():
    with closing(HelperLauncher()) as launcher, started(launcher=launcher):
        program = f"/proc/{launcher._pid}/exe"
        assert os.readlink(program) == "/memfd:haconiwa-launcher (deleted)"
        with pytest.raises(OSError, match=r"Text file busy|not permitted|Permission"):
            os.open(program, os.O_WRONLY)
        look = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", "head", "-c1", program]
        found = subprocess.run(look, capture_output=True, text=True, check=False)
        assert "Permission denied" in found.stderr
