"""What this host has for filters of system calls."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.host import HostFacts

_ACTIONS = {
    "errno": "refuse a call",
    "log": "log a call and let it through",
    "kill_process": "end a process for a call",
    "user_notif": "ask a handler about a call",
}


def diagnose(host: HostFacts) -> Iterator[Diagnosis]:
    """Say whether filters can be compiled, and what they may answer."""
    try:
        import_module("haconiwa_seccomp.libseccomp")
    except OSError as error:
        yield Diagnosis("libseccomp", "missing", f"no filter can be compiled: {error}", "apt install libseccomp2")
    else:
        yield Diagnosis("libseccomp", "ok", "filters can be compiled")
    lacking = {action: use for action, use in _ACTIONS.items() if action not in host.seccomp_actions}
    for action, use in lacking.items():
        yield Diagnosis(f"seccomp {action}", "missing", f"filters cannot {use}", "run Linux 5.0 or newer")
    if not lacking:
        yield Diagnosis("seccomp actions", "ok", ", ".join(_ACTIONS))
