"""The events of a container's life, in the order in which they happen."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """A point in a container's life at which hooks run, on the host. Those up to `before_exec` may veto the start.

    Each comment says when, and what exists then.
    """

    FILE_SETUP = "file_setup"
    """Once for all containers that are started together, before anything is done for any of them."""

    BEFORE_PLAN = "before_plan"
    """The definition is about to be planned; nothing exists but the instance's name."""

    BEFORE_START = "before_start"
    """The plan is made, and about to be run; before a restart, too."""

    AFTER_PREPARE = "after_prepare"
    """Control group, network and files exist; there is no child yet."""

    AFTER_CLONE = "after_clone"
    """The child exists in its new namespaces, and waits."""

    AFTER_FORK = "after_fork"
    """The child waits before its first own step, mapped and recorded, with the host's root and mounts."""

    BEFORE_ROOT = "before_root"
    """The child waits; everything is mounted below the new root, and the old root is still its root."""

    AFTER_ROOT = "after_root"
    """The child waits in its new root, still privileged."""

    BEFORE_EXEC = "before_exec"
    """The child waits, confined as its command will be: the last moment before that is executed."""

    AFTER_START = "after_start"
    """The command has been executed; timers run from here."""

    AFTER_READY = "after_ready"
    """The container is ready, as its section `supervision` says; at once where that says nothing."""

    AFTER_UPDATE = "after_update"
    """Limits were changed while it runs."""

    AFTER_ATTACH = "after_attach"
    """A process was put into the container."""

    OOM = "oom"
    """Its control group's memory ran out, and the kernel has killed a process of it."""

    PIDS_LIMIT = "pids_limit"
    """Its control group's limit on processes has refused one."""

    BEFORE_STOP = "before_stop"
    """It is about to be asked to end."""

    AFTER_EXIT = "after_exit"
    """Its first process has ended and is reaped; control group and network are still there."""

    AFTER_FAILURE = "after_failure"
    """Right after that, where it has not ended with status 0; and where its start has failed or was vetoed."""

    TEARDOWN = "teardown"
    """All that it left on the host is removed."""

    FILE_FAILURE = "file_failure"
    """Once for all containers that were started together: one of them could not be started, or has failed."""

    FILE_TEARDOWN = "file_teardown"
    """Once for all containers that were started together, when all have ended."""

    @property
    def may_veto(self) -> bool:
        """Whether a hook's failure can make the start fail."""
        return self in _OF_A_START


_OF_A_START = (
    *(Event.FILE_SETUP, Event.BEFORE_PLAN, Event.BEFORE_START, Event.AFTER_PREPARE, Event.AFTER_CLONE),
    *(Event.AFTER_FORK, Event.BEFORE_ROOT, Event.AFTER_ROOT, Event.BEFORE_EXEC),
)
