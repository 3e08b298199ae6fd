"""The host's processes, and being one of its users."""

from __future__ import annotations

import os
import signal

from haconiwa_audit.filters import Asked as Call

from haconiwa_verify.asked import NO_NEW_PRIVILEGES, joined
from haconiwa_verify.attempt import Attempt, completed, told
from haconiwa_verify.prober import Answer
from haconiwa_verify.scene import Scene, has_signal, was_signalled


def _keeping_signals(scene: Scene) -> tuple[str, ...]:
    return joined(scene.asked.own("pid"), scene.asked.closed_scope("signal"))


def _bystander_has_it(_answer: Answer, scene: Scene) -> bool:
    return has_signal(scene.bystander.pid, signal.SIGURG)


def _answers_as_root(answer: Answer, _scene: Scene) -> bool:
    return completed(answer, _scene) and answer.uid == 0


ATTEMPTS = (
    Attempt(
        "see-process",
        "see the command line of a host's process",
        lambda scene: ("read-file", f"/proc/{scene.bystander.pid}/cmdline"),
        told,
        lambda scene: scene.asked.own_processes,
    ),
    Attempt(
        "signal-process",
        "send a signal to a process of the host",
        lambda scene: ("send-signal", scene.bystander.pid, int(signal.SIGURG)),
        _bystander_has_it,
        _keeping_signals,
    ),
    Attempt(
        "signal-supervisor",
        "send a signal to the container's supervisor",
        lambda _: ("send-signal", os.getpid(), int(signal.SIGURG)),
        lambda _answer, _scene: was_signalled(signal.SIGURG),
        _keeping_signals,
    ),
    Attempt(
        "trace-process",
        "read the memory of a host's process (ptrace)",
        lambda scene: ("trace", scene.bystander.pid, scene.address, len(scene.token)),
        told,
        lambda scene: joined(scene.asked.own("pid"), scene.asked.filtered(Call.ptrace)),
    ),
    Attempt(
        "be-root",
        "be taken for root by a process of the host",
        lambda _: ("become-root",),
        _answers_as_root,
        lambda scene: scene.asked.other_user,
    ),
    Attempt(
        "set-user-id",
        "become root by executing a set-user-ID program",
        lambda scene: ("gain-by-set-user-id", scene.path("program")),
        completed,
        lambda scene: [NO_NEW_PRIVILEGES] if scene.asked.view.keeps_privileges else [],
    ),
)
