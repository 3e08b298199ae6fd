"""Control groups together with namespaces, with `exec`, `update` and `inspect`, and for an ordinary user."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from haconiwa_cgroup import Cgroup, Limits
from haconiwa_cgroup.layout import label_of
from haconiwa_credentials import Credentials
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from system.world import SHIFTED

from haconiwa_core.cli.main import main
from haconiwa_core.host import gather
from haconiwa_core.linux import remove_cgroup
from haconiwa_core.runtime.store import Store
from haconiwa_core.testing import become, forked, needs_root, run, started
from haconiwa_core.testing.running import INSTANCE, run_attached

pytestmark = needs_root

NOBODY = 65534
PARENT = f"/haconiwa-system-{os.getpid()}"
IDS = (IdRange(0, SHIFTED, 65536),)
LIMITED = Cgroup(parent=PARENT, memory="64M", pids=20, cpu=0.5, devices=["default"], exec=Limits(pids=10))
CONTROLLERS = {"memory", "pids", "cpu", "devices"}
OWN = {label_of(tree) for tree in gather().cgroups if tree.version == 2 or CONTROLLERS & {*tree.controllers}}


@pytest.fixture(autouse=True)
def _no_group_is_left():
    tops = [Path(tree.mount + PARENT) for tree in gather().cgroups]
    yield
    left = [folder for top in tops for folder, _, _ in os.walk(top, topdown=False) if folder != str(top)]
    for top in tops:
        # Who was in it may not have ended quite yet.
        remove_cgroup(str(top.parent), top.name)
    assert left == []


def inside(text):
    rows = [line.split(":", 2) for line in text.splitlines()]
    return {names or "unified": path for _, names, path in rows if (names or "unified") in OWN}


NAMESPACES = {
    "none": (),
    "pid": (PidNamespace(),),
    "user": (UserNamespace(uid_map=IDS, gid_map=IDS),),
    "all": (
        UserNamespace(uid_map=IDS, gid_map=IDS),
        PidNamespace(),
        MountNamespace(),
        Credentials(uid=5, gid=5),
    ),
}


@pytest.mark.parametrize("features", NAMESPACES.values(), ids=NAMESPACES)
def test_first_and_attached_processes_lie_in_their_leaves(features):
    with started(LIMITED, *features) as running:
        own = inside(Path(f"/proc/{running.pid}/cgroup").read_text())
        assert own == dict.fromkeys(own, f"{PARENT}/{INSTANCE}/first")
        assert set(own) == OWN
        attached = run_attached(running, LIMITED, *features, command=["cat", "/proc/self/cgroup"])
        assert inside(attached.stdout) == dict.fromkeys(own, f"{PARENT}/{INSTANCE}/attached")


@pytest.mark.parametrize("features", NAMESPACES.values(), ids=NAMESPACES)
def test_a_cgroup_namespace_shows_the_containers_groups_as_roots(features):
    features = (LIMITED, CgroupNamespace(), *features)
    shown = run(*features, command=["cat", "/proc/self/cgroup"]).stdout
    assert inside(shown) == dict.fromkeys(OWN, "/")
    with started(*features) as running:
        attached = run_attached(running, *features, command=["cat", "/proc/self/cgroup"])
        assert inside(attached.stdout) == dict.fromkeys(OWN, "/../attached")


@pytest.fixture
def name():
    return f"limited-{os.getpid()}"


def in_force(capsys, name):
    capsys.readouterr()
    assert main(["inspect", "--format", "json", name]) == 0
    return json.loads(capsys.readouterr().out)["in_force"]["cgroup"]


def test_update_and_inspect(name, capsys):
    with started(LIMITED, store=Store(), instance=name):
        assert in_force(capsys, name)["memory"]["max"] == 64 << 20
        assert main(["update", name, "--set", "cgroup.memory=128M", "--set", "cgroup.exec={ pids = 9 }"]) == 0
        assert [path.read_text() for path in Path("/sys/fs/cgroup").glob(f"*{PARENT}/{name}/attached/pids.max")] == [
            "9\n"
        ]
        found = in_force(capsys, name)
        assert (found["memory"]["max"], found["pids"]["max"], found["pids"]["current"]) == (128 << 20, 20, 1)
        assert main(["update", name, "--set", "cgroup.memory=4k", "--set", "cgroup.pids=7"]) == 2
        assert main(["update", name, "--set", "cgroup.memory=4K", "--set", "cgroup.pids=7"]) == 125
        told = capsys.readouterr().err
        assert "are in use, more than 4096" in told
        found = in_force(capsys, name)
        assert (found["memory"]["max"], found["pids"]["max"]) == (128 << 20, 20)
        assert main(["update", name, "--set", "cgroup.name=other"]) == 2
        assert "cgroup.name: cannot be changed while the container runs" in capsys.readouterr().err


def test_a_failed_update_takes_back_what_it_has_done(name, capsys):
    """Memory comes before pids, of which more are in use than would be allowed."""
    with started(LIMITED, command=["sh", "-c", "sleep 600 & sleep 600 & wait"], store=Store(), instance=name):
        while in_force(capsys, name)["pids"]["current"] < 3:
            pass
        assert main(["update", name, "--set", "cgroup.memory=128M", "--set", "cgroup.pids=2"]) == 125
        assert "3 are in use, more than 2" in capsys.readouterr().err
        found = in_force(capsys, name)
        assert (found["memory"]["max"], found["pids"]["max"]) == (64 << 20, 20)
        assert Store().read(name).container["features"]["cgroup"]["memory"] == "64M"


def test_kill_and_pause_by_name(name, capsys):
    with started(LIMITED, command=["sh", "-c", "setsid sleep 600 & wait"], store=Store(), instance=name) as running:
        while in_force(capsys, name)["pids"]["current"] < 2:
            pass
        assert main(["pause", name]) == 0
        assert in_force(capsys, name)["frozen"] is True
        assert main(["ps", "--format", "json"]) == 0
        assert {row["name"]: row["state"] for row in json.loads(capsys.readouterr().out)}[name] == "paused"
        assert main(["exec", name, "--", "true"]) == 125
        assert "unpause it first" in capsys.readouterr().err
        assert main(["kill", name]) == 0
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT | 0x40000000)


def test_an_ordinary_users_container_with_a_user_namespace():
    """Below a group of version 2 that is the user's, without any right on the host."""
    tree = next((tree for tree in gather().cgroups if tree.version == 2), None)
    if tree is None:
        pytest.skip("version 2 is not mounted")
    own = Path(tree.mount + PARENT)
    own.mkdir()
    for file in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(own / file, NOBODY, NOBODY)
    features = (Cgroup(), UserNamespace(), PidNamespace(), CgroupNamespace())
    # All that the user runs is imported before: the files of a checkout may be root's alone.
    with started(Cgroup(parent=PARENT), *features[1:]) as running:
        run_attached(running, Cgroup(parent=PARENT), *features[1:], command=["true"])
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chown(folder, NOBODY, NOBODY)

    def act():
        (own / "cgroup.procs").write_text("0")
        become(NOBODY)
        tempfile.tempdir = folder
        facts = gather()
        facts = facts._replace(cgroups=tuple(tree for tree in facts.cgroups if tree.version == 2))
        with started(*features, host=facts) as running:
            assert Path(f"/proc/{running.pid}/cgroup").read_text().endswith(f"{PARENT}/haconiwa/{INSTANCE}/first\n")
            shown = run_attached(running, *features, command=["cat", "/proc/self/cgroup"], host=facts)
            assert shown.stdout.endswith("0::/../attached\n"), shown
        assert not (own / "haconiwa" / INSTANCE).exists()
        (own / "haconiwa").rmdir()

    status = forked(act)
    shutil.rmtree(folder)
    assert status == 0
