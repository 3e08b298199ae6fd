"""What confines processes besides: security modules, filters of system calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import gather
from haconiwa_doctor import kernel
from haconiwa_doctor.children import tried

_SELINUX = Path("/sys/fs/selinux/enforce")


def modules() -> Iterator[Diagnosis]:
    """The security modules that are active, in their order."""
    active = gather().lsms
    if active:
        yield Diagnosis("security modules", "ok", ", ".join(active))
    else:
        meaning = "not known, for securityfs is not mounted: apparmor cannot be used"
        yield Diagnosis("security modules", "degraded", meaning, "mount -t securityfs none /sys/kernel/security")


def selinux() -> Iterator[Diagnosis]:
    """SELinux, where it is active: a policy of the host's that containers come under."""
    if not _SELINUX.exists():
        yield Diagnosis("selinux", "ok", "not active: no policy of the host's is about containers")
    elif _SELINUX.read_text().strip() == "0":
        yield Diagnosis("selinux", "ok", "permissive: it forbids nothing")
    else:
        meaning = "enforcing: the policy decides about mounts and namespaces too, and no plugin of ours sets a label"
        yield Diagnosis("selinux", "degraded", meaning, "`ausearch -m avc` tells what it has denied; audit2allow(1)")


def filters() -> Iterator[Diagnosis]:
    """Whether a filter of system calls can be loaded at all."""
    refusal = tried([("seccomp", kernel.load_filter)])
    if refusal is None:
        yield Diagnosis("seccomp", "ok", "a filter of system calls can be loaded")
    else:
        yield Diagnosis("seccomp", "missing", f"{refusal}; no filters", "run a kernel with CONFIG_SECCOMP_FILTER=y")


CHECKS = (modules, selinux, filters)
