"""Each finding with a container that has it, the harm that it stands for, and what closes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit import harms
from audit.harms import Harm, simple
from haconiwa_capabilities import Capabilities
from haconiwa_cgroup import Cgroup
from haconiwa_chroot import Chroot
from haconiwa_credentials import Credentials
from haconiwa_mount import Mount
from haconiwa_no_new_privs import NoNewPrivs
from haconiwa_ns_cgroup import CgroupNamespace
from haconiwa_ns_ipc import IpcNamespace
from haconiwa_ns_mount import MountNamespace
from haconiwa_ns_net import NetNamespace
from haconiwa_ns_pid import PidNamespace
from haconiwa_ns_user import IdRange, UserNamespace
from haconiwa_ns_uts import UtsNamespace
from haconiwa_seccomp import Rule, Seccomp

from haconiwa_core.feature import Feature

ROOT = "root-of-the-test"
"""Stands for the test's root directory, which is not there yet."""

IDS = (IdRange(0, 100_000, 65536),)
MAPPED = UserNamespace(uid_map=IDS, gid_map=IDS)
PIVOTED = (MountNamespace(), Chroot(ROOT))
WRITABLE = (MountNamespace(), Chroot(ROOT, read_only=False))
POWERLESS = Capabilities(reset=True)
LIMITED = Capabilities()
MOUNTING = ("mount", "mount_setattr", "move_mount", "umount2", "fsmount", "open_tree")
SHOWING = (PidNamespace(), *PIVOTED)


STRONG = (
    *(CgroupNamespace(), IpcNamespace(), MountNamespace(), NetNamespace(), PidNamespace(), UtsNamespace()),
    *(MAPPED, Chroot(ROOT), Mount(proc=True, dev=True), POWERLESS, NoNewPrivs(), Seccomp()),
    Credentials(uid=1000),
    Cgroup(pids=64, memory="64M", devices=("default",)),
)
"""All that closes anything."""


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes:
        code: of the finding.
        weak: the features of a container that has it.
        harm: that such a container can do.
        remedies: each closes it, added to the container or in the place of what it has.
    """

    code: str
    weak: Sequence[Feature]
    harm: Harm
    remedies: Sequence[Sequence[Feature]]


def denying(*calls: str) -> Seccomp:
    """Return a filter that denies these calls only."""
    return Seccomp(profile="none", default="allow", rules=(Rule(calls, "errno"),))


ROWS = (
    Row("HOST-ROOT", (), harms.file_of_host, ((Chroot(ROOT),), PIVOTED)),
    Row(
        "CHROOT-ESCAPE",
        (Chroot(ROOT),),
        harms.file_above_chroot,
        ((MountNamespace(),), (Capabilities(drop=("sys_chroot",)),), (denying("chroot"),)),
    ),
    Row(
        "ROOT-OVER-ROOT",
        (MAPPED, *SHOWING, Chroot(ROOT, pivot=False), Mount(proc=True)),
        harms.file_below_root,
        ((Chroot(ROOT),), (LIMITED,), (denying("umount2"),)),
    ),
    Row("READ-ANY-FILE", PIVOTED, harms.file_by_handle, ((LIMITED,), (MAPPED,), (denying("open_by_handle_at"),))),
    Row(
        "DEVICES",
        (MountNamespace(), Chroot(ROOT, read_only=False, nodev=False)),
        harms.device_file,
        (
            (Cgroup(devices=()),),
            (Capabilities(drop=("mknod",)),),
            (LIMITED, Chroot(ROOT, read_only=False)),
            (MAPPED,),
            (denying("mknod", "mknodat"),),
        ),
    ),
    Row("HOST-PID", (Chroot(ROOT),), harms.process_of_host, ((PidNamespace(),),)),
    Row(
        "HOST-PID-PTRACE",
        PIVOTED,
        harms.memory_of_host,
        ((PidNamespace(),), (LIMITED,), (MAPPED,), (denying("ptrace", "process_vm_readv"),)),
    ),
    Row("HOST-NETWORK", PIVOTED, harms.service_of_host, ((NetNamespace(),),)),
    Row("HOST-IPC", PIVOTED, harms.shared_memory_of_host, ((IpcNamespace(),),)),
    Row(
        "HOST-UTS",
        PIVOTED,
        harms.name_of_host,
        ((UtsNamespace(),), (LIMITED,), (MAPPED,), (denying("sethostname", "setdomainname"),)),
    ),
    Row(
        "HOST-MOUNTS",
        (Chroot(ROOT),),
        harms.mount_of_host,
        ((MountNamespace(),), (LIMITED,), (MAPPED,), (denying(*MOUNTING),)),
    ),
    Row("HOST-KEYS", PIVOTED, harms.key_of_host, ((Seccomp(),), (MAPPED,), (denying("keyctl"),))),
    Row(
        "ROOT-ON-HOST",
        (*PIVOTED, POWERLESS),
        harms.file_of_root_inside,
        ((MAPPED,), (Credentials(uid=1000),)),
    ),
    Row(
        "ROOT-ON-HOST",
        (*PIVOTED, POWERLESS, UserNamespace()),
        harms.file_of_root_inside,
        ((MAPPED,),),
    ),
    Row(
        "SETUID-NO-NNP",
        (MountNamespace(), Chroot(ROOT, nosuid=False), Credentials(uid=1000)),
        harms.set_user_id_file,
        ((NoNewPrivs(),), PIVOTED),
    ),
    Row(
        "ADMIN-NO-SECCOMP",
        (*SHOWING, Mount(proc=True)),
        simple("uncover"),
        ((LIMITED,), (MAPPED,), (denying(*MOUNTING),)),
    ),
    Row("HOST-CAPABILITIES", PIVOTED, simple("set-clock"), ((LIMITED,), (MAPPED,))),
    Row("HOST-CAPABILITIES", PIVOTED, simple("kernel-log"), ((LIMITED,), (MAPPED,))),
    Row(
        "NEW-USER-NAMESPACE",
        (*PIVOTED, POWERLESS),
        simple("mount-in-user-namespace"),
        ((Seccomp(),), (denying("unshare", "clone", "clone3"),)),
    ),
    Row(
        "CGROUP1-USERNS",
        (*PIVOTED, POWERLESS),
        simple("mount-groups", "pids"),
        ((Seccomp(),), (denying("mount", "fsmount"),)),
    ),
    Row(
        "PROC-WRITABLE",
        (*SHOWING, LIMITED, Mount(proc=True, read_only=())),
        simple("write-setting"),
        ((Mount(proc=True),), (MAPPED,), (Credentials(uid=1000),)),
    ),
    Row(
        "PROC-WRITABLE",
        (PidNamespace(), MountNamespace(), LIMITED),
        simple("write-setting"),
        ((Mount(proc=True),), PIVOTED, (Mount(read_only=("/proc/sys",)),)),
    ),
    Row(
        "PROC-UNMASKED",
        (*SHOWING, LIMITED, Mount(proc=True, masked=())),
        harms.keys_of_host,
        ((Mount(proc=True),), (MAPPED,), (Credentials(uid=1000),)),
    ),
    Row("TERMINAL-INPUT", PIVOTED, harms.terminal_of_host, ((LIMITED,), (Seccomp(),), (MAPPED,))),
    Row("NO-PIDS-LIMIT", PIVOTED, simple("fork-many", "200"), ((Cgroup(pids=64),),)),
    Row("NO-MEMORY-LIMIT", PIVOTED, simple("use-memory", str(128 << 20)), ((Cgroup(memory="64M"),),)),
    Row("SECCOMP-MISSING", PIVOTED, simple("queue-calls"), ((Seccomp(),),)),
    Row("SECCOMP-LOG", (*PIVOTED, Seccomp(log=True)), simple("queue-calls"), ((Seccomp(),),)),
)


def at(root: Path, features: Sequence[Feature]) -> list[Feature]:
    """Return features with the test's root in the place of ROOT; the last of a section is the one that counts."""
    by_section = {feature.section: feature for feature in features}
    return [
        replace(feature, root=str(root)) if isinstance(feature, Chroot) else feature for feature in by_section.values()
    ]
