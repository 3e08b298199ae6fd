"""Hardened: the features that it stands for."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_core.feature import Feature
from haconiwa_core.plugins.hookspecs import hookimpl
from haconiwa_hardened import IDS, Hardened


@hookimpl
def haconiwa_feature() -> type[Feature]:
    """Give the section's type."""
    return Hardened


@hookimpl
def haconiwa_expand(feature: Hardened) -> Iterator[Feature]:
    """Give what isolates."""
    yield from _namespaces(feature)
    yield from _files(feature)
    yield from _rights()
    yield from _limits(feature)


def _namespaces(feature: Hardened) -> Iterator[Feature]:
    from haconiwa_ns_cgroup import CgroupNamespace
    from haconiwa_ns_ipc import IpcNamespace
    from haconiwa_ns_mount import MountNamespace
    from haconiwa_ns_net import NetNamespace
    from haconiwa_ns_pid import PidNamespace
    from haconiwa_ns_time import TimeNamespace
    from haconiwa_ns_user import IdRange, UserNamespace
    from haconiwa_ns_uts import UtsNamespace

    yield CgroupNamespace()
    yield IpcNamespace()
    yield MountNamespace()
    yield PidNamespace()
    yield TimeNamespace()
    yield UtsNamespace()
    if feature.network == "own":
        yield NetNamespace()
    if feature.ids != "host":
        ids = (IdRange(0, feature.ids, IDS),)
        yield UserNamespace(uid_map=ids, gid_map=ids)


def _files(feature: Hardened) -> Iterator[Feature]:
    from haconiwa_chroot import Chroot
    from haconiwa_mount import Mount, Tmpfs

    yield Chroot(feature.root, pivot=True, read_only=True, nosuid=True, nodev=True)
    # What is masked and read-only is the default of whoever mounts proc.
    temporary = Tmpfs("/tmp", size="64M", mode=0o1777, noexec=True)  # noqa: S108 - inside
    yield Mount(proc=True, dev=True, devpts=True, shm=True, tmpfs=(temporary,))


def _rights() -> Iterator[Feature]:
    from haconiwa_capabilities import Capabilities
    from haconiwa_no_new_privs import NoNewPrivs
    from haconiwa_seccomp import Seccomp

    # What these add to the default set is in reach of devices, of raw packets, and of the host's audit log.
    yield Capabilities(drop=("audit_write", "mknod", "net_raw"))
    yield NoNewPrivs()
    yield Seccomp()


def _limits(feature: Hardened) -> Iterator[Feature]:
    from haconiwa_cgroup import Cgroup
    from haconiwa_rlimit import Rlimit

    # A limit that is not asked for needs no controller.
    limits = {name: getattr(feature, name) for name in ("cpu", "memory", "pids")}
    yield Cgroup(**{name: limit for name, limit in limits.items() if limit != "max"})
    yield Rlimit(core=0, nofile=1024)
