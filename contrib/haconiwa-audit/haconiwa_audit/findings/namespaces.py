"""What is shared with the host because no namespace divides it."""

from __future__ import annotations

from haconiwa_audit.check import Check
from haconiwa_audit.filters import MOUNTING, Asked
from haconiwa_audit.view import View
from haconiwa_core.finding import Finding
from haconiwa_core.linux.constants import CAP_SYS_ADMIN

_CAP_SYS_PTRACE = 19


def _host_pids(view: View) -> bool:
    return not view.has_own("pid")


def _host_memory(view: View) -> bool:
    return _host_pids(view) and view.may(_CAP_SYS_PTRACE, Asked.ptrace, Asked.process_vm_readv)


def _host_network(view: View) -> bool:
    return not view.has_own("net")


def _host_ipc(view: View) -> bool:
    return not view.has_own("ipc")


def _host_names(view: View) -> bool:
    return not view.has_own("uts") and view.may(CAP_SYS_ADMIN, Asked.sethostname, Asked.setdomainname)


def _host_mounts(view: View) -> bool:
    return not view.has_own("mnt") and view.may(CAP_SYS_ADMIN, *MOUNTING)


def _host_keys(view: View) -> bool:
    return not view.has_own("user") and view.lets(Asked.keyctl)


CHECKS = (
    Check(
        Finding(
            "HOST-PID",
            "processes are not in a pid namespace of their own",
            "harm to others: processes of the host that belong to the same user can be stopped and killed",
            "add ns-pid",
            "ns-pid",
        ),
        _host_pids,
    ),
    Check(
        Finding(
            "HOST-PID-PTRACE",
            "the host's processes are in reach, and the command has CAP_SYS_PTRACE over them",
            "escape into any process of the host: its memory can be read and written",
            "add ns-pid; or capabilities without sys_ptrace; or ns-user",
            "ns-pid",
        ),
        _host_memory,
    ),
    Check(
        Finding(
            "HOST-NETWORK",
            "the network is the host's",
            "services of the host that trust its loopback, and its abstract sockets, can be connected to",
            "add ns-net",
            "ns-net",
        ),
        _host_network,
    ),
    Check(
        Finding(
            "HOST-IPC",
            "shared memory, semaphores and message queues are the host's",
            "data of the host's processes can be read and changed in shared memory",
            "add ns-ipc",
            "ns-ipc",
        ),
        _host_ipc,
    ),
    Check(
        Finding(
            "HOST-UTS",
            "the host name is the host's, and the command has CAP_SYS_ADMIN over it",
            "harm to others: the host can be given another name",
            "add ns-uts; or capabilities without sys_admin; or ns-user",
            "ns-uts",
        ),
        _host_names,
    ),
    Check(
        Finding(
            "HOST-MOUNTS",
            "mounts are the host's, and the command has CAP_SYS_ADMIN over them",
            "escape: what is mounted over a file of the host is what the host's programs use from then on",
            "add ns-mount; or capabilities without sys_admin; or ns-user",
            "ns-mount",
        ),
        _host_mounts,
    ),
    Check(
        Finding(
            "HOST-KEYS",
            "keyrings are those of the host's user, and keyctl(2) may be called",
            "keys of the user's processes on the host, such as those of file systems and logins, can be read",
            "add seccomp; or ns-user",
            "seccomp",
        ),
        _host_keys,
    ),
)
