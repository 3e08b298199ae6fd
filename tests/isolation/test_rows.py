"""Every row against what the kernel tells a program inside, or by another way."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from haconiwa_capabilities.names import Capability
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_init import Init
from haconiwa_mount import Mount, Tmpfs
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_scheduling import Scheduling
from isolation.looking import before_exec, by_key, looked_at, planned, running, said, states
from system.world import SHIFTED, everything

from haconiwa_core.host import gather
from haconiwa_core.isolation.confined import Confined
from haconiwa_core.linux.constants import WALL
from haconiwa_core.runtime.record import Process

pytestmark = pytest.mark.usefixtures("leaves_nothing")

UNTOLD = {"landlock files"}
"""What is asked for in `everything`, and the kernel tells nobody."""

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")

SCRIPT = """
cat /proc/self/status
for kind in cgroup ipc mnt net pid time user uts; do echo "ns-$kind: $(readlink /proc/self/ns/$kind)"; done
echo "host name: $(hostname)"
echo "domain name: $(cat /proc/sys/kernel/domainname)"
echo "nofile: $(ulimit -n)"
echo "core: $(ulimit -c)"
echo "nice: $(nice)"
echo "port: $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)"
echo "mounts: $(wc -l < /proc/self/mountinfo)"
echo "clocks: $(cat /proc/self/timens_offsets | tr -s '\\n ' ' ')"
echo "users: $(cat /proc/self/uid_map | tr -s ' ')"
echo done: yes
exec sleep 1000
"""


@contextmanager
def telling(features, script=SCRIPT):
    """Run a script that tells what it sees, and then waits; give the matrix and what it has told."""
    sink = os.memfd_create("told")
    try:
        with running(features, ["/bin/sh", "-c", script], {"stdout": sink, "stderr": sink}) as (whole, pid):
            deadline = time.monotonic() + 20
            while "done: yes" not in said(sink):
                assert time.monotonic() < deadline, said(sink)
                time.sleep(0.01)
            told = dict(line.split(":", 1) for line in said(sink).splitlines() if ":" in line)
            yield by_key(looked_at(whole, pid)), {name: value.strip() for name, value in told.items()}
    finally:
        os.close(sink)


def names_of(mask):
    """Return a set of capabilities as rows have it, of the kernel's number and the table of their names."""
    held = {item for item in Capability if int(mask, 16) >> item & 1}
    lacking = {item for item in Capability if item <= gather().last_capability} - held
    names = [", ".join(item.name.removeprefix("CAP_").lower() for item in sorted(some)) for some in (held, lacking)]
    if len(held) <= len(lacking):
        return names[0] or "none"
    return f"all but {names[1]}" if lacking else "all"


@pytest.mark.parametrize("shifted", [False, True])
def test_all_that_is_asked_for_holds(root, shifted):
    rows = before_exec(everything(root, shifted=shifted))
    assert states(rows, "fails", "weak") == set(), rows.fails
    assert states(rows, "unknown") == UNTOLD
    namespaces = {what for what in states(rows, "holds") if what.endswith(" namespace")}
    assert len(namespaces) == len(KINDS) - (not shifted)
    assert rows.holds("pid namespace", "seccomp mode", "no new privileges", "root directory", "cgroup memory")
    assert not rows.holds("pid namespace", "user namespace") or shifted
    assert not rows.holds("no such thing")


@pytest.mark.parametrize("shifted", [False, True])
def test_it_is_what_a_program_inside_is_told(root, shifted):
    with telling(everything(root, shifted=shifted)) as (rows, told):
        assert [row for row in rows.values() if row.state == "fails"] == []
        for kind in KINDS:
            row = rows[{"mnt": "mount namespace", "net": "network namespace"}.get(kind, f"{kind} namespace")]
            assert row.verified.endswith(f" is {told[f'ns-{kind}']}")
            assert row.host == os.readlink(f"/proc/self/ns/{kind}")
            assert row.in_force == ("the host's" if told[f"ns-{kind}"] == row.host else "own")
        for name, field in {"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff"}.items():
            assert rows[f"{name} capabilities"].in_force == names_of(told[field])
        for name, field in {"bounding": "CapBnd", "ambient": "CapAmb"}.items():
            assert rows[f"{name} capabilities"].in_force == names_of(told[field])
        assert (told["Seccomp"], rows["seccomp mode"].in_force) == ("2", "filter")
        assert rows["seccomp filters"].in_force == told["Seccomp_filters"]
        assert (told["NoNewPrivs"], rows["no new privileges"].in_force) == ("1", "yes")
        assert rows["user"].in_force == told["Uid"].split()[0] == "1000"
        assert rows["group"].in_force == told["Gid"].split()[0] == "1001"
        assert rows["groups"].in_force == told["Groups"] == "1002"
        assert rows["umask"].in_force == told["Umask"]
        assert rows["host name"].in_force == told["host name"] == "inside"
        assert rows["domain name"].in_force == told["domain name"] == "example"
        assert rows["rlimit nofile"].in_force == told["nofile"] == "64"
        assert rows["rlimit core"].in_force == told["core"] == "0"
        assert rows["nice value"].in_force == told["nice"] == "5"
        assert rows["sysctl net.ipv4.ip_unprivileged_port_start"].in_force == told["port"] == "80"
        assert rows["mounts"].in_force == told["mounts"]
        assert told["clocks"] == "monotonic 500 0 boottime 1000 0"
        assert rows["clock offsets"].in_force == "boottime +1000 s, monotonic +500 s"
        first = SHIFTED if shifted else 0
        assert rows["user map"].in_force.startswith(f"{told['users'].split()[2]} from 0 are {first}")
        assert bool(rows["user map"].asked) is shifted


def test_limits_are_those_of_the_group_in_which_the_process_really_is(root):
    features = everything(root)
    whole = planned(features, hold=True)
    rows = by_key(before_exec(features))
    asked = {"cgroup memory": str(256 << 20), "cgroup pids": "64"}
    for what, value in asked.items():
        assert rows[what].state == "holds"
        assert rows[what].in_force.endswith(f"={value}")
        assert "looked-at" in rows[what].verified
    assert rows["control groups"].in_force == "own"
    assert whole.container.feature("cgroup") is not None
    with running(features, ["/bin/sleep", "1000"]) as (plan, pid):
        lines = dict(line.split(":")[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
        place = next(path for names, path in lines.items() if "pids" in names.split(",") or not names)
        moved = next(tree for tree in plan.host.cgroups if "pids" in tree.controllers)
        Path(moved.mount, "cgroup.procs").write_text(str(pid))
        after = by_key(looked_at(plan, pid))
        assert (after["cgroup pids"].state, after["control groups"].state) == ("fails", "fails")
        Path(moved.mount + place, "cgroup.procs").write_text(str(pid))
        assert by_key(looked_at(plan, pid))["cgroup pids"].state == "holds"


def test_nothing_is_asked_of_a_container_without_features():
    rows = before_exec([])
    assert states(rows, "holds", "fails", "weak", "unknown") == {"session"}
    found = by_key(rows)
    assert (found["session"].section, found["session"].state) == ("core", "holds")
    assert found["pid namespace"].in_force == "the host's"
    assert found["root directory"].in_force == "the host's"
    assert found["seccomp mode"].in_force == found["seccomp mode"].host


def test_what_no_installed_plugin_stands_for_is_a_row_of_the_core(root, monkeypatch):
    monkeypatch.setenv("HACONIWA_DISABLE_PLUGINS", "ns-uts,seccomp")
    from haconiwa_core.isolation.matrix import isolation_of
    from haconiwa_core.plugins.loading import Plugins

    with running([PidNamespace()], ["/bin/sleep", "1000"]) as (whole, pid), Confined(Process.of(pid)) as confined:
        found = by_key(isolation_of(whole, confined, Plugins()))
    for what in ("uts namespace", "seccomp mode"):
        assert (found[what].section, found[what].state) == ("core", "unasked")
    assert found["uts namespace"].in_force == "the host's"
    assert found["pid namespace"].section == "ns-pid"


def test_a_namespace_that_is_joined(root):
    with running([UtsNamespace(hostname="first")], ["/bin/sleep", "1000"]) as (_, first):
        joining = UtsNamespace(join=first)
        with running([joining], ["/bin/sleep", "1000"]) as (whole, pid):
            found = by_key(looked_at(whole, pid))
            assert found["uts namespace"].state == "holds"
            assert found["uts namespace"].asked == found["uts namespace"].in_force == f"that of {first}"
            assert found["host name"].in_force == "first"
            assert found["host name"].state == "unasked"
        with running([UtsNamespace()], ["/bin/sleep", "1000"]) as (_, pid):
            assert by_key(looked_at(whole, pid))["uts namespace"].state == "fails"


def test_masked_and_read_only_paths_are_looked_at_one_by_one(root):
    own = [MountNamespace(), PidNamespace(), Chroot(str(root), nosuid=False, nodev=False)]
    mount = Mount(proc=True, dev=True, tmpfs=(Tmpfs("/tmp", mode=0o1777),))
    found = by_key(before_exec([*own, mount]))
    assert (found["masked paths"].state, found["read-only paths"].state) == ("holds", "holds")
    bare = Mount(proc=True, dev=True, masked=(), read_only=())
    with running([*own, bare], ["/bin/sleep", "1000"]) as (_, pid):
        found = by_key(looked_at(planned([*own, mount]), pid))
    assert "/proc/keys" in found["masked paths"].in_force
    assert "/proc/sys" in found["read-only paths"].in_force
    assert found["mount /tmp"].in_force == "not mounted"
    assert (found["mount /proc"].state, found["devices"].state) == ("holds", "holds")


def test_a_root_that_is_the_hosts_own(root):
    found = by_key(before_exec([MountNamespace(), Chroot("/")]))
    assert (found["root directory"].state, found["root mount"].state) == ("holds", "holds")
    assert "ro" in found["root mount"].in_force.split(", ")
    found = by_key(before_exec([Chroot(str(root))]))
    assert (found["root directory"].in_force, found["root mount"].state) == (str(root), "unasked")


def test_mounts_that_propagate_are_told():
    with running([IpcNamespace()], ["/bin/sleep", "1000"]) as (_, pid):
        found = by_key(looked_at(planned([MountNamespace()]), pid))
    assert (found["mount namespace"].state, found["mount propagation"].state) == ("fails", "fails")
    assert "shared" in found["mount propagation"].in_force


def test_scheduling():
    asked = Scheduling(policy="batch", nice=7, affinity=[0], ioprio="best-effort", ioprio_level=6, oom_score_adj=300)
    with running([asked], ["/bin/sleep", "1000"]) as (whole, pid):
        found = by_key(looked_at(whole, pid))
        assert found["scheduling policy"].in_force == "batch 0"
        assert found["nice value"].in_force == "7"
        assert found["processors"].in_force == "0"
        assert found["disk priority"].in_force == "best-effort 6"
        assert found["oom score adjustment"].in_force == Path(f"/proc/{pid}/oom_score_adj").read_text().strip()
        assert states(list(found.values()), "fails") == set()
        os.setpriority(os.PRIO_PROCESS, pid, 9)
        assert by_key(looked_at(whole, pid))["nice value"].state == "fails"


def test_the_first_process(root):
    if not os.path.exists(Init().program):
        pytest.skip(f"needs {Init().program} (Debian's tini)")
    features = [PidNamespace(), Init()]
    assert by_key(before_exec(features))["first process"].state == "unknown"
    with running(features, ["/bin/sleep", "1000"]) as (whole, pid):
        assert by_key(looked_at(whole, pid))["first process"].state == "holds"
    with running([PidNamespace()], ["/bin/sleep", "1000"]) as (_, pid):
        assert by_key(looked_at(whole, pid))["first process"].state == "fails"


def test_existing_groups():
    with running([Cgroup(pids=10)], ["/bin/sleep", "1000"]) as (_, first):
        lines = dict(line.split(":")[1:] for line in Path(f"/proc/{first}/cgroup").read_text().splitlines())
        names, path = next((names, path) for names, path in lines.items() if "pids" in names.split(",") or not names)
        text = f"{names}:{path}" if names else path
        with running([Cgroup(assign=[text])], ["/bin/sleep", "1000"]) as (whole, pid):
            assert by_key(looked_at(whole, pid))["control groups"].state == "holds"
        with running([Cgroup(pids=10)], ["/bin/sleep", "1000"]) as (_, other):
            assert by_key(looked_at(whole, other))["control groups"].state == "fails"


def test_a_pid_that_means_another_process_is_refused():
    this = Process.of_this()
    with pytest.raises(ProcessLookupError):
        Confined(Process(this.pid, this.started + 1))
    with running([], ["/bin/sleep", "1000"]) as (whole, pid):
        confined = Confined(Process.of(pid))
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | WALL)
        # It has ended, and is still there.
        with pytest.raises(ProcessLookupError):
            looked_at(whole, pid)
    with confined, pytest.raises(ProcessLookupError):
        confined.check()
