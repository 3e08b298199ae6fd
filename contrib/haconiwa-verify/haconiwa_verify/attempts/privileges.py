"""What belongs to the whole machine, and its caller's terminal."""

from __future__ import annotations

import os
from termios import TIOCSTI

from haconiwa_audit.filters import Asked as Call

from haconiwa_core.linux.constants import CAP_SYS_ADMIN
from haconiwa_verify.asked import TERMINAL, joined
from haconiwa_verify.attempt import Attempt, Words, completed, permitted
from haconiwa_verify.prober import Answer
from haconiwa_verify.scene import Scene

_CAP_SYS_MODULE, _CAP_SYS_RESOURCE, _CAP_SYS_TIME, _CAP_MKNOD = 16, 24, 25, 27
_DEVICE, _MAJOR, _MINOR = "/dev/kmsg", 1, 11
"""A device that no list of ordinary ones has, and that is not written to (null(4), kmsg)."""


def _names_host(answer: Answer, scene: Scene) -> bool:
    return answer.found == scene.host_name


def _renames_host(answer: Answer, scene: Scene) -> bool:
    return completed(answer, scene) and _names_host(answer, scene)


def _keeping_devices(scene: Scene) -> tuple[str, ...]:
    asked = scene.asked
    return joined(asked.without(_CAP_MKNOD, Call.mknodat), asked.unlisted_device(_DEVICE, _MAJOR, _MINOR))


def _unless_same_name(scene: Scene, word: str) -> Words | str:
    same = scene.asked.has_host_name(os.fsdecode(scene.host_name))
    return "the container is to have the same name" if same else (word,)


def _keeping_terminal(scene: Scene) -> tuple[str, ...]:
    asked = scene.asked
    # Who may administer the host need not have the terminal.
    own = [] if asked.view.may(CAP_SYS_ADMIN, Call.ioctl) else [TERMINAL]
    return joined(own, asked.filtered(Call.ioctl, arguments=(0, TIOCSTI)))


ATTEMPTS = (
    Attempt(
        "device",
        "make a device file and open it",
        lambda _: ("make-device", _MAJOR, _MINOR),
        completed,
        _keeping_devices,
    ),
    Attempt(
        "raise-limit",
        "raise a resource limit",
        lambda _: ("raise-limit",),
        completed,
        lambda scene: scene.asked.without(_CAP_SYS_RESOURCE, Call.prlimit64),
    ),
    Attempt(
        "know-host-name",
        "know the host's name",
        lambda scene: _unless_same_name(scene, "tell-host-name"),
        _names_host,
        lambda scene: scene.asked.own("uts"),
    ),
    Attempt(
        "set-host-name",
        "set the host's name",
        lambda scene: _unless_same_name(scene, "set-host-name"),
        _renames_host,
        lambda scene: joined(scene.asked.own("uts"), scene.asked.without(CAP_SYS_ADMIN, Call.sethostname)),
    ),
    Attempt(
        "clock",
        "set the clock",
        lambda _: ("set-clock",),
        completed,
        lambda scene: scene.asked.without(_CAP_SYS_TIME, Call.settimeofday),
    ),
    Attempt(
        "module",
        "load a kernel module",
        lambda _: ("load-module",),
        permitted,
        lambda scene: scene.asked.without(_CAP_SYS_MODULE, Call.init_module),
    ),
    Attempt(
        "type-ahead",
        "type into the caller's terminal",
        lambda _: ("type-ahead", "x"),
        lambda _, scene: scene.was_typed(),
        _keeping_terminal,
    ),
)
