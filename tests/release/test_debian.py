"""What the README promises holds in a minimal Debian, which is itself a container."""

import os
import re
import shutil
from pathlib import Path

import pytest
from architecture.tree import ROOT
from documentation import pages
from release.debian import Debian, make_base
from release.pythons import LOWEST

README = (ROOT / "README.md").read_text("utf-8")
PIP = "/opt/venv/bin/pip --quiet --disable-pip-version-check install --no-index --find-links /srv/index"

CHECK = 'from pages import Path, check_page; check_page(Path("README.md"), Path("/srv/work"))'

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="needs mmdebstrap"),
]


@pytest.fixture
def debian(places, tmp_path):
    make_base()
    debian = Debian(tmp_path, places.programs(LOWEST) / "haconiwa", places.index.folder)
    assert list(debian.root.rglob("*haconiwa*")) == []
    yield debian
    shutil.rmtree(debian.root)


def succeed(debian, script):
    done = debian.run(f"PATH=$PATH:/opt/venv/bin; {script}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_distributions_are_enough_for_one_feature(debian):
    succeed(debian, f"python3 -m venv /opt/venv; {PIP} haconiwa-core haconiwa-cgroup")
    _, *plugins = succeed(debian, "haconiwa plugins list").splitlines()
    assert [line.split()[0] for line in plugins] == ["cgroup"]
    script = "haconiwa run --rm --name only --set cgroup.pids=16 -- sh -c 'cat /cgroup/*/haconiwa/only/pids.max'"
    assert succeed(debian, script) == "16\n"
    assert succeed(debian, "ls /cgroup/*/haconiwa/only || echo nothing").endswith("nothing\n")
    assert succeed(debian, "haconiwa run --with ns-pid -- true || echo $?").splitlines() == [
        "haconiwa: error: command line: ns-pid: no installed plugin provides this feature; pip install haconiwa-ns-pid",
        "2",
    ]


def test_the_readme_from_its_first_command_to_its_last(debian):
    """With what it says to install, and the two distributions that its example with hooks imports."""
    (requirements,) = re.findall(r"^pip install (haconiwa-core .*)$", README, re.MULTILINE)
    succeed(debian, f"python3 -m venv /opt/venv; {PIP} {requirements} haconiwa-cgroup haconiwa-supervision")
    for file in (ROOT / "README.md", Path(pages.__file__)):
        shutil.copy(file, debian.root / "srv")
    succeed(debian, f"mkdir /srv/work; cd /srv; /opt/venv/bin/python -c '{CHECK}'")


def test_demo(debian):
    debian.copy_tree()
    shown = succeed(debian, "/srv/tree/scripts/demo")
    assert "All checks hold." in shown
    assert "FAILED" not in shown


def test_test(debian):
    """All that it does, but with one environment of tox and few tests: all of them take half an hour."""
    debian.copy_tree()
    shown = succeed(debian, "TOXENV=ns-uts /srv/tree/scripts/test tests/core/test_steps.py plugins/haconiwa-ns-uts")
    assert "ns-uts: OK" in shown
    assert re.search(r"^=+ [0-9]+ passed in", shown.splitlines()[-1])
