"""The stages of a container's start, in order. Plugins choose a stage; the core owns the order."""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    """A named point in a start. A member's value is its place in the order.

    Each comment says what holds before, what holds after, and why the stage stands here.
    """

    PREPARE = 0
    """Host, no child yet. Afterwards every file and tree that the child needs is open, because a
    mapped root cannot walk the host's private directories."""

    ENTER = 1
    """Intermediate process, only in plans that need one. Afterwards what must hold before the
    clone does: the pid namespace joined, time offsets written, and all joins of a start whose
    user namespace is new or joined, since its child may not join the host's namespaces."""

    CLONE = 2
    """One clone3 with every new kind except cgroup and time. Afterwards the child exists."""

    ADOPT = 3
    """Host; the child exists and waits. Afterwards its ids are mapped: only a process outside
    may map more than one."""

    SETTLE = 4
    """Child, mapped. Afterwards it is in all of its namespaces, is user and group 0 of its user
    namespace, and its mount tree is private: before uid 0 is taken, mkdir on tmpfs is EOVERFLOW."""

    MOUNTS = 5
    """Child, private mount tree, the host's files still visible. Afterwards everything is mounted,
    masked and read-only below the new root."""

    ROOT = 6
    """Child. Afterwards the new root is the root and the old one is detached."""

    KEEP = 7
    """Host, only in plans with kept handles; the child waits in all of its namespaces. Afterwards
    the handles are on their paths."""

    SESSION = 8
    """Child, new root. Afterwards it leads a session, with its own keyring and standard streams."""

    IDENTITY = 9
    """Child, new root. Afterwards host name, domain name and sysctls are set."""

    LIMITS = 10
    """Child. Afterwards resource limits, scheduling and umask are set; raising a limit needs
    CAP_SYS_RESOURCE, which is dropped later."""

    BOUNDING = 11
    """Child, still privileged. Afterwards the bounding set is final: dropping needs CAP_SETPCAP."""

    FILTER = 12
    """Child, only without no_new_privs. Afterwards a seccomp filter is loaded that lets the
    stages after it through; later it would be EACCES."""

    CREDENTIALS = 13
    """Child. Afterwards working directory, groups, gid and uid are the container's."""

    CAPABILITIES = 14
    """Child, the container's user. Afterwards the permitted, effective, inheritable and ambient
    sets are final."""

    CONFINE = 15
    """Child. Afterwards label, no_new_privs, Landlock and seccomp are in force; nothing privileged
    can follow."""

    EXEC = 16
    """Child. Signals reset, every descriptor above 2 close-on-exec, then the command."""

    @property
    def on_host(self) -> bool:
        """Whether the stage runs in the supervising process instead of the container's."""
        return self in _HOST

    @property
    def once(self) -> bool:
        """Whether the stage makes the container, and has nothing to do for a process that is attached later."""
        return self in _ONCE


_HOST = (Stage.PREPARE, Stage.ADOPT, Stage.KEEP)
_ONCE = (Stage.ENTER, Stage.CLONE, Stage.MOUNTS, Stage.ROOT, Stage.KEEP, Stage.IDENTITY)
