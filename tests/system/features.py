"""One configuration and one probe for each feature, which stand for it in every pair."""

from __future__ import annotations

import os
from pathlib import Path

from haconiwa_apparmor import AppArmor
from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_hardened import Hardened
from haconiwa_init import Init
from haconiwa_landlock import Landlock
from haconiwa_mount import Mount, Tmpfs
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit
from haconiwa_scheduling import Scheduling
from haconiwa_seccomp import Seccomp
from haconiwa_sysctl import Sysctl

from haconiwa_core.feature import Feature
from haconiwa_core.host import gather
from haconiwa_core.plugins.catalogue import known_names

MARK = "mark-of-the-root"
"""A file that only the container's root has."""

PROFILE = "haconiwa-probe"
"""An AppArmor profile that allows everything, where it is loaded."""

WITHOUT_STEPS = {"audit", "fastcontainer", "supervision"}
"""Features that do nothing to a container by themselves."""

NEED_MORE = {
    "lxcfs": "a mount of lxcfs: tests/features/test_lxcfs.py",
    "network": "a host's side, and links: tests/network",
    "rootfs": "a root that is stored: tests/rootfs",
    "user-network": "a helper's process: tests/rootless/test_user_network.py",
}
"""Features that need more of the host than each pair can have, and where they are tried with others."""

NAMES = sorted({*known_names()} - WITHOUT_STEPS - NEED_MORE.keys())


def unavailable() -> dict[str, str]:
    """Return why a feature cannot be tried on this host, by its name."""
    reasons = {}
    profiles = Path("/sys/kernel/security/apparmor/profiles")
    if not profiles.exists() or f"{PROFILE} (enforce)" not in profiles.read_text().splitlines():
        reasons["apparmor"] = f"AppArmor is not active here, or its profile {PROFILE} is not loaded"
    if not gather().landlock:
        reasons["landlock"] = "the kernel has no Landlock"
    return reasons


def feature(name: str, root: Path) -> Feature:
    """Return the configuration that stands for a feature."""
    ids = (IdRange(0, 100_000, 65536),)
    table: dict[str, Feature] = {
        "apparmor": AppArmor(PROFILE),
        "capabilities": Capabilities(drop=["mknod"]),
        "cgroup": Cgroup(pids=8),
        "chroot": Chroot(str(root)),
        "credentials": Credentials(uid=1000, gid=1001, umask=0o027),
        "hardened": Hardened(root=str(root)),
        "init": Init(),
        # What an older kernel cannot deny is not what tells the feature.
        "landlock": Landlock(read=["/"], execute=["/"], unrestricted=["truncate", "ioctl_dev"]),
        "mount": Mount(tmpfs=(Tmpfs("/mnt", size="64k"),)),
        "no-new-privs": NoNewPrivs(),
        "ns-cgroup": CgroupNamespace(),
        "ns-ipc": IpcNamespace(),
        "ns-mount": MountNamespace(),
        "ns-net": NetNamespace(),
        "ns-pid": PidNamespace(),
        "ns-time": TimeNamespace(boottime=1_000_000),
        "ns-user": UserNamespace(uid_map=ids, gid_map=ids),
        "ns-uts": UtsNamespace(hostname="probed"),
        "rlimit": Rlimit(nofile=57),
        "seccomp": Seccomp(),
        "scheduling": Scheduling(nice=7),
        "sysctl": Sysctl({"net.ipv4.ip_default_ttl": 77}),
    }
    return table[name]


def probe(name: str) -> str:
    """Return a shell command that succeeds inside only if the feature is in force. /proc is the host's."""
    table = {
        "apparmor": f"grep -q '^{PROFILE} (enforce)$' /proc/self/attr/apparmor/current",
        "capabilities": "grep -q '^CapBnd:.00000000a00425fb$' /proc/self/status",
        "cgroup": "! sh -c 'for n in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done' 2>&-",
        "chroot": f"test -e /{MARK}",
        "credentials": 'test "$(id -u) $(id -g) $(umask)" = "1000 1001 0027"',
        "hardened": f"test -e /{MARK} && grep -q '^NoNewPrivs:.1$' /proc/self/status",
        "init": "test $PPID = 1 || grep -q tini /proc/$PPID/comm",
        "landlock": "! (: > /dev/null) 2>&-",
        "mount": "grep -q ' /mnt .*size=64k' /proc/self/mountinfo",
        "no-new-privs": "grep -q '^NoNewPrivs:.1$' /proc/self/status",
        "ns-pid": "test $$ = 1 || test $PPID = 1 || grep -qE '^NSpid:.*\t1$' /proc/$$/status",
        "ns-time": "grep -qE 'boottime +1000000 ' /proc/self/timens_offsets",
        "ns-user": "grep -qE '^ +0 +100000 +65536' /proc/self/uid_map",
        "ns-uts": 'test "$(hostname)" = probed',
        "rlimit": "test $(ulimit -n) = 57",
        "seccomp": "grep -q '^Seccomp:.2$' /proc/self/status",
        "scheduling": "test $(cut -d' ' -f19 /proc/self/stat) = 7",
        "sysctl": "test $(cat /proc/sys/net/ipv4/ip_default_ttl) = 77",
        "ns-net": 'test "$(grep -c : /proc/self/net/dev)" = 1',
    }
    kind = {"ns-mount": "mnt"}.get(name, name.removeprefix("ns-"))
    other = f'test "$(readlink /proc/self/ns/{kind})" != "{host_namespace(kind)}"' if name.startswith("ns-") else "true"
    return f"{table.get(name, other)} && {other}"


def host_namespace(kind: str) -> str:
    """Return this process's own namespace, as /proc shows it; "" for what is no kind."""
    path = f"/proc/self/ns/{kind}"
    return os.readlink(path) if os.path.lexists(path) else ""
