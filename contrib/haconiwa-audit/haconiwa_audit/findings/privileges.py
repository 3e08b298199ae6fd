"""What the command's user is and may become."""

from __future__ import annotations

from haconiwa_audit.check import Check
from haconiwa_audit.filters import MOUNTING, Asked
from haconiwa_audit.view import View
from haconiwa_core.finding import Finding
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CLONE_NEWUSER, MOUNT_ATTR_NOSUID

_CGROUP_V1 = 1
_MACHINE_WIDE = {
    16: (Asked.init_module, Asked.finit_module),
    17: (Asked.iopl, Asked.ioperm),
    22: (Asked.reboot,),
    25: (Asked.clock_settime, Asked.clock_adjtime),
    34: (Asked.syslog,),
    38: (Asked.perf_event_open,),
    39: (Asked.bpf,),
}
"""CAP_SYS_MODULE, _SYS_RAWIO, _SYS_BOOT, _SYS_TIME, _SYSLOG, _PERFMON and _BPF, and the calls that need them."""


def _root_of_the_host(view: View) -> bool:
    return view.is_root_of_host


def _set_user_id(view: View) -> bool:
    from_files = any(not attributes & MOUNT_ATTR_NOSUID for attributes in view.mounts)
    return view.user != 0 and not view.keeps_privileges and from_files


def _administrator(view: View) -> bool:
    return view.may(CAP_SYS_ADMIN, *MOUNTING)


def _machine_wide(view: View) -> bool:
    return any(view.may(capability, *calls) for capability, calls in _MACHINE_WIDE.items())


def _new_user_namespace(view: View) -> bool:
    # The kernel gives none to a process whose root is not that of its mount namespace. The flags of clone3 lie
    # in memory, where no filter sees them.
    made = view.lets(Asked.unshare, CLONE_NEWUSER) or view.lets(Asked.clone, CLONE_NEWUSER) or view.lets(Asked.clone3)
    return made and not view.is_chrooted


def _version_1_groups(view: View) -> bool:
    there = any(tree.version == _CGROUP_V1 for tree in view.plan.host.cgroups)
    return there and _new_user_namespace(view) and (view.lets(Asked.mount) or view.lets(Asked.fsmount))


CHECKS = (
    Check(
        Finding(
            "ROOT-ON-HOST",
            "the command's user is the host's user 0",
            "what is reached by any way out, or is shared, is reached as root: files of root need no capability",
            "add ns-user with a map of other ids; or give credentials another uid",
            "ns-user",
        ),
        _root_of_the_host,
    ),
    Check(
        Finding(
            "SETUID-NO-NNP",
            "a set-user-ID program of the root or of a mount gives its rights to the command's user",
            "the user becomes root: what credentials has taken away comes back",
            "add no-new-privs; or make root and mounts nosuid",
            "no-new-privs",
        ),
        _set_user_id,
    ),
    Check(
        Finding(
            "ADMIN-NO-SECCOMP",
            "the command has CAP_SYS_ADMIN over the host, and no filter denies mounting",
            "escape: what is masked and read-only is mounted anew, and settings of the host are written",
            "add capabilities without sys_admin; or ns-user; or seccomp that denies mounting",
            "capabilities",
        ),
        _administrator,
    ),
    Check(
        Finding(
            "HOST-CAPABILITIES",
            "the command has capabilities over what no namespace divides: sys_module, sys_rawio, sys_boot, sys_time,"
            " syslog, perfmon or bpf",
            "escape into the kernel, and harm to the machine: its modules, ports, clock and log are in reach",
            "add capabilities without them; or ns-user",
            "capabilities",
        ),
        _machine_wide,
    ),
    Check(
        Finding(
            "NEW-USER-NAMESPACE",
            "no filter denies making a user namespace",
            "whoever makes one has all capabilities in it: code of the kernel is in reach that only root should call",
            "add seccomp, and capabilities without sys_admin",
            "seccomp",
        ),
        _new_user_namespace,
    ),
    Check(
        Finding(
            "CGROUP1-USERNS",
            "control groups of version 1 can be mounted in a user namespace that the container makes",
            "limits of the host's groups can be changed by their owner, and code of the kernel is in reach",
            "add seccomp, and capabilities without sys_admin",
            "seccomp",
        ),
        _version_1_groups,
    ),
)
