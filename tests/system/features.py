"""One configuration and one probe for each feature, which stand for it in every pair."""

from __future__ import annotations

import os
from pathlib import Path

from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Mount, Tmpfs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_time import TimeNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_rlimit import Rlimit

from haconiwa_core.feature import Feature
from haconiwa_core.plugins.discovery import installed

MARK = "mark-of-the-root"
"""A file that only the container's root has."""

NAMES = sorted(plugin.name for plugin in installed())


def feature(name: str, root: Path) -> Feature:
    """Return the configuration that stands for a feature."""
    ids = (IdRange(0, 100_000, 65536),)
    table: dict[str, Feature] = {
        "chroot": Chroot(str(root)),
        "credentials": Credentials(uid=1000, gid=1001, umask=0o027),
        "mount": Mount(tmpfs=(Tmpfs("/mnt", size="64k"),)),
        "ns-cgroup": CgroupNamespace(),
        "ns-ipc": IpcNamespace(),
        "ns-mount": MountNamespace(),
        "ns-net": NetNamespace(),
        "ns-pid": PidNamespace(),
        "ns-time": TimeNamespace(boottime=1_000_000),
        "ns-user": UserNamespace(uid_map=ids, gid_map=ids),
        "ns-uts": UtsNamespace(hostname="probed"),
        "rlimit": Rlimit(nofile=57),
    }
    return table[name]


def probe(name: str) -> str:
    """Return a shell command that succeeds inside only if the feature is in force. /proc is the host's."""
    table = {
        "chroot": f"test -e /{MARK}",
        "credentials": 'test "$(id -u) $(id -g) $(umask)" = "1000 1001 0027"',
        "mount": "grep -q ' /mnt .*size=64k' /proc/self/mountinfo",
        "ns-pid": "test $$ = 1 || grep -qE '^NSpid:.*\t1$' /proc/$$/status",
        "ns-time": "grep -qE 'boottime +1000000 ' /proc/self/timens_offsets",
        "ns-user": "grep -qE '^ +0 +100000 +65536' /proc/self/uid_map",
        "ns-uts": 'test "$(hostname)" = probed',
        "rlimit": "test $(ulimit -n) = 57",
        "ns-net": 'test "$(grep -c : /proc/self/net/dev)" = 1',
    }
    kind = {"ns-mount": "mnt"}.get(name, name.removeprefix("ns-"))
    other = f'test "$(readlink /proc/self/ns/{kind})" != "{host_namespace(kind)}"' if name.startswith("ns-") else "true"
    return f"{table.get(name, other)} && {other}"


def host_namespace(kind: str) -> str:
    """Return this process's own namespace, as /proc shows it; "" for what is no kind."""
    path = f"/proc/self/ns/{kind}"
    return os.readlink(path) if os.path.lexists(path) else ""
