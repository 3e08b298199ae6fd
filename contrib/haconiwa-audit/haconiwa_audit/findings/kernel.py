"""What the host's kernel shows and takes."""

from __future__ import annotations

from collections.abc import Iterator

from haconiwa_audit.check import Check
from haconiwa_audit.filters import Asked
from haconiwa_audit.view import View
from haconiwa_core import linux
from haconiwa_core.facts import FreshFilesystem
from haconiwa_core.finding import Finding
from haconiwa_core.linux.constants import CAP_SYS_ADMIN

_TELLING = ("kcore", "keys", "timer_list")
_TIOCSTI = 0x5412


def _procs(view: View) -> Iterator[str]:
    """Yield where the container finds a proc."""
    places = {fresh.target for fresh in view.facts.all(FreshFilesystem) if fresh.kind == "proc"}
    yield from places if view.has_own_root else places | {"/proc"}


def _settings_can_be_written(view: View) -> bool:
    protected = linux.make_path_read_only
    return view.is_root_of_host and any(not view.does(protected, f"{place}/sys") for place in _procs(view))


def _host_is_shown(view: View) -> bool:
    telling = [f"{place}/{name}" for place in _procs(view) for name in _TELLING]
    return view.is_root_of_host and any(not view.does(linux.mask, path) for path in telling)


def _terminal_takes_input(view: View) -> bool:
    container = view.plan.container
    inherited = not container.terminal and "inherit" in (container.stdin, container.stdout, container.stderr)
    return inherited and view.may(CAP_SYS_ADMIN, Asked.ioctl) and view.lets(Asked.ioctl, 0, _TIOCSTI)


CHECKS = (
    Check(
        Finding(
            "PROC-WRITABLE",
            "/proc/sys can be written by root of the host",
            "escape: core_pattern and others name programs that the kernel runs as root of the host",
            "add mount with proc and its read-only paths; or ns-user with a map of other ids",
            "mount",
        ),
        _settings_can_be_written,
    ),
    Check(
        Finding(
            "PROC-UNMASKED",
            "/proc/kcore, /proc/keys or /proc/timer_list can be read by root of the host",
            "memory, keys and timers of the host are told",
            "add mount with proc and its masked paths; or ns-user with a map of other ids",
            "mount",
        ),
        _host_is_shown,
    ),
    Check(
        Finding(
            "TERMINAL-INPUT",
            "a stream may be the caller's terminal, and the command has CAP_SYS_ADMIN over the host",
            "escape: what the container types into the terminal (TIOCSTI), the caller's shell reads and obeys",
            "add seccomp; or capabilities without sys_admin; or ns-user; or let no stream be inherited",
            "seccomp",
        ),
        _terminal_takes_input,
    ),
)
