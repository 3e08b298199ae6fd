"""What happens to containers: the kinds of events, and what each of them tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ALWAYS = {
    "id": "a number greater than that of every event before, also of a former supervisor's",
    "time": "seconds since the epoch",
    "event": "the kind",
    "container": "the instance's name; empty where no single one is concerned",
}
"""What every event tells, by key."""


class Kind(NamedTuple):
    """A kind of event.

    Attributes:
        meaning: when it happens.
        keys: what it tells beyond `ALWAYS`, by key; what does not apply is left out.
    """

    meaning: str
    keys: Mapping[str, str] = {}


KINDS = {
    "planned": Kind(
        "it can be started: its plan is made",
        {"warnings": "what is less than its definition asks for, which says that this is good enough"},
    ),
    "started": Kind(
        "its command has been executed",
        {"pid": "of its first process, on the host", "restarts": "how often it was started again before"},
    ),
    "ready": Kind("it is ready", {"seconds": "since its command was executed"}),
    "not ready": Kind("it has not become ready in time, and is killed", {"reason": "what was waited for"}),
    "failed": Kind("it could not be started, or a hook has vetoed", {"reason": "what was wrong"}),
    "notified": Kind(
        "it has told something by sd_notify(3)", {"message": "its kind, such as STATUS", "text": "what it has told"}
    ),
    "oom": Kind("the kernel has killed one of its processes, for its memory had run out"),
    "pids_limit": Kind("it was refused a process, for it has as many as it may have"),
    "hook": Kind(
        "a hook has run",
        {
            "hook": "its name",
            "trigger": "the event that it was run on, or the kind of its trigger",
            "outcome": "returned, raised, timeout, crashed, killed or lost",
            "seconds": "that it took",
            "reason": "in one line, where it has failed",
            "traceback": "all that is known of why it has failed",
            "output": "the beginning of what it has printed",
        },
    ),
    "log": Kind(
        "a hook has told something",
        {"level": "how serious it is", "hook": "its name", "message": "what it has told", "values": "of its own names"},
    ),
    "attached": Kind("a command was put into it", {"command": "the program and its arguments"}),
    "updated": Kind("options of its features have been changed while it runs"),
    "reloaded": Kind("its definition was read again, and is in force", {"changes": "what is different in it"}),
    "stopping": Kind("it is about to be asked to end", {"reason": "who or what wants that"}),
    "exited": Kind(
        "its first process has ended",
        {
            "exit_status": "the command's own, or 128 + n for a signal n; null where nobody knows",
            "reason": "exited, signaled, oom, pids, seccomp, or unknown",
            "certainty": "of the reason: fact, or likely",
            "why": "what was wanted of it before, if anything",
        },
    ),
    "not cleaned up": Kind("what it has left on the host could not be removed", {"reason": "what was wrong"}),
    "restarting": Kind("it has ended, and is started again", {"seconds": "until that"}),
    "given up": Kind("it has ended, and is not started again", {"reason": "why"}),
    "removed": Kind("it has ended, and is forgotten"),
    "adopted": Kind("a new supervisor goes on with it", {"pid": "of its first process, on the host"}),
    "fault": Kind("something has failed for which nobody has waited", {"reason": "what"}),
    "not kept": Kind(
        "events before this one are not in the supervisor's file",
        {"count": "how many", "reason": "why they could not be written"},
    ),
    "missed": Kind("an observer has not kept up, and does not get some of the events", {"count": "how many"}),
}
"""By name."""
