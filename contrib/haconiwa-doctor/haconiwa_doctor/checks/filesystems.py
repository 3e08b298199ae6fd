"""File systems that containers are made of: what can be mounted, by whom, and what the host's /proc hides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.linux.constants import CloneFlag
from haconiwa_doctor import kernel
from haconiwa_doctor.checks.namespaces import as_ordinary_user
from haconiwa_doctor.children import Refusal, in_another_child, tried

_ADD_USER = "run as root, or add ns-user to the container"


def mounting() -> Iterator[Diagnosis]:
    """The mount API of descriptors, which all mounts of containers are made with."""
    refusal = _in_mount_namespace("mounting tmpfs", lambda: kernel.attach(kernel.new_mount("tmpfs")))
    name, meaning = "mount API", "file systems are made and attached by descriptors (fsopen(2), move_mount(2))"
    if refusal is None:
        yield Diagnosis(name, "ok", meaning)
    elif os.geteuid() != 0 and as_ordinary_user() is None:
        yield Diagnosis(name, "ok", f"{meaning}; within a user namespace")
    else:
        yield Diagnosis(name, "missing", f"{refusal}; mounts and pivoted roots do not work", refusal.remedy(_ADD_USER))


def overlay() -> Iterator[Diagnosis]:
    """Writable layers over a root that stays as it is."""
    name, meaning = "overlay", "several containers share a root, each with changes of its own"
    if os.geteuid() == 0:
        refusal = _in_mount_namespace("mounting overlay", kernel.mount_overlay)
        if refusal is None:
            yield Diagnosis(name, "ok", meaning)
        else:
            yield Diagnosis(name, "missing", f"{refusal}; not: {meaning}", refusal.remedy("modprobe overlay"))
    refusal = as_ordinary_user(more=[("mounting overlay", kernel.mount_overlay)])
    name = "overlay in a user namespace"
    if refusal is None:
        yield Diagnosis(name, "ok", meaning)
    else:
        remedy = "run Linux 5.11 or newer, with user namespaces for ordinary users, and modprobe overlay"
        yield Diagnosis(name, "degraded", f"{refusal}; as root only: {meaning}", refusal.remedy(remedy))


def proc() -> Iterator[Diagnosis]:
    """A /proc of the container's own: the kernel gives none where the caller's is covered in part."""

    def mount() -> None:
        in_another_child(lambda: os.close(kernel.new_mount("proc")))

    refusal = as_ordinary_user(CloneFlag.CLONE_NEWPID, [("mounting proc", mount)])
    name, meaning = "proc in a user namespace", "tools such as ps work in containers of ordinary users"
    if refusal is None:
        yield Diagnosis(name, "ok", meaning)
    else:
        remedy = "within another runtime's container start that with an uncovered /proc: --security-opt unmask=ALL"
        yield Diagnosis(name, "degraded", f"{refusal}; mount.proc does not work with ns-user", refusal.remedy(remedy))


def idmapped_mounts() -> Iterator[Diagnosis]:
    """Mounts whose owners are shown as others."""
    name, meaning = "idmapped mounts", "files of the host have other owners in the container (mount_setattr(2))"
    if os.geteuid() != 0:
        yield Diagnosis(name, "ok", "not tried: only root may make them")
        return
    refusal = _in_mount_namespace("mapping a mount", _map_mount)
    if refusal is None:
        yield Diagnosis(name, "ok", meaning)
    else:
        yield Diagnosis(
            name,
            "degraded",
            f"{refusal}; no plugin of ours needs them",
            "run Linux 6.3 or newer, and no user namespace around",
        )


def _map_mount() -> None:
    """Make a user namespace in a child that waits, and map a mount by it."""
    reader, writer = os.pipe()
    ready, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        kernel.unshare(CloneFlag.CLONE_NEWUSER)
        os.write(told, b"1")
        os.read(reader, 1)
        os._exit(0)
    os.close(told)
    try:
        os.read(ready, 1)
        for file in ("uid_map", "gid_map"):
            Path(f"/proc/{pid}/{file}").write_text("0 100000 65536")
        kernel.map_mount(os.open(f"/proc/{pid}/ns/user", os.O_RDONLY))
    finally:
        os.close(writer)
        os.waitpid(pid, 0)


def hidden_processes() -> Iterator[Diagnosis]:
    """Whether the host's /proc hides processes of others (hidepid in proc(5))."""
    options = ""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split(" ")[4] == "/proc":
            options = ",".join((before.split(" ")[5], after.split(" ")[2]))
    hidden = next((text for text in options.split(",") if text.startswith("hidepid=")), "")
    if hidden.partition("=")[2] in ("", "0", "off"):
        yield Diagnosis("hidepid", "ok", "/proc shows all processes")
    else:
        meaning = f"/proc is mounted with {hidden}: other users' processes, those of containers, are not seen"
        yield Diagnosis("hidepid", "degraded", meaning, "mount -o remount,hidepid=0 /proc")


def _in_mount_namespace(what: str, action: Callable[[], object]) -> Refusal | None:
    return tried(
        [
            ("unshare", lambda: kernel.unshare(CloneFlag.CLONE_NEWNS)),
            ("making mounts private", kernel.make_mounts_private),
            (what, action),
        ]
    )


CHECKS = (mounting, overlay, proc, idmapped_mounts, hidden_processes)
