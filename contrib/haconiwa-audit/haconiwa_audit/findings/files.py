"""Ways to the host's files."""

from __future__ import annotations

from haconiwa_audit.check import Check
from haconiwa_audit.filters import MOUNTING, Asked
from haconiwa_audit.view import View
from haconiwa_core.facts import NewRoot
from haconiwa_core.finding import Finding
from haconiwa_core.linux.constants import CAP_SYS_ADMIN, CAP_SYS_CHROOT, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY

_CAP_DAC_READ_SEARCH = 2
_CAP_MKNOD = 27


def _root_of_the_host(view: View) -> bool:
    return not view.has_own_root


def _chroot_can_be_left(view: View) -> bool:
    # In a new mount namespace the root lies over the former one, and nothing is above it.
    return view.is_chrooted and not view.has_new_mounts and view.has(CAP_SYS_CHROOT) and view.lets(Asked.chroot)


def _former_root_can_be_uncovered(view: View) -> bool:
    kept = view.is_chrooted and view.has_new_mounts and view.has(CAP_SYS_ADMIN)
    return kept and view.lets(Asked.umount2) and view.lets(Asked.setns)


def _files_by_handle(view: View) -> bool:
    return view.facts.get(NewRoot) is not None and view.may(_CAP_DAC_READ_SEARCH, Asked.open_by_handle_at)


def _devices(view: View) -> bool:
    if view.limits("devices") or not view.may(_CAP_MKNOD, Asked.mknod, Asked.mknodat):
        return False
    usable = any(not attributes & (MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY) for attributes in view.mounts)
    return usable or view.may(CAP_SYS_ADMIN, *MOUNTING)


CHECKS = (
    Check(
        Finding(
            "HOST-ROOT",
            "the root directory is the host's",
            "every file of the host that the user may read can be read, and programs of the host be executed",
            "add chroot",
            "chroot",
        ),
        _root_of_the_host,
    ),
    Check(
        Finding(
            "CHROOT-ESCAPE",
            "the root is changed by chroot(2) alone, and the command has CAP_SYS_CHROOT",
            "escape to the host's files: a second chroot leaves the first",
            "add ns-mount, with which the root is pivoted; or drop sys_chroot in capabilities",
            "chroot",
        ),
        _chroot_can_be_left,
    ),
    Check(
        Finding(
            "ROOT-OVER-ROOT",
            "the root lies over the host's instead of in its place, and the command has CAP_SYS_ADMIN over its mounts",
            "escape to the host's files: the root is unmounted, in a user namespace too",
            "let chroot pivot; or add capabilities without sys_admin; or seccomp that denies umount2(2)",
            "chroot",
        ),
        _former_root_can_be_uncovered,
    ),
    Check(
        Finding(
            "READ-ANY-FILE",
            "the command has CAP_DAC_READ_SEARCH over the host, and may call open_by_handle_at(2)",
            "escape to the host's files: a handle opens any file of a file system, wherever the root is",
            "add capabilities without dac_read_search; or ns-user; or seccomp that denies the call",
            "capabilities",
        ),
        _files_by_handle,
    ),
    Check(
        Finding(
            "DEVICES",
            "the command has CAP_MKNOD over the host, a place for device files, and no list of devices",
            "escape to the host's disks and memory by a device file that the container makes",
            "give cgroup a list of devices; or add capabilities without mknod; or ns-user",
            "cgroup",
        ),
        _devices,
    ),
)
