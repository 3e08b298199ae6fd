"""What is installed: the command, plugins, launcher, programs; the policy, and the place of records."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

from haconiwa_core.diagnosis import Diagnosis
from haconiwa_core.errors import HaconiwaError, PluginError
from haconiwa_core.launch.choice import GROUP as LAUNCHERS
from haconiwa_core.plugins.discovery import Installed, State, installed
from haconiwa_core.plugins.entrypoints import distributions, entry_points, identity
from haconiwa_core.plugins.loading import Plugins
from haconiwa_core.plugins.policy import POLICY_FILE, policy as read_policy
from haconiwa_core.plugins.survey import survey
from haconiwa_core.runtime.store import state_directory

_STRANGER = "haconiwa"
"""A distribution of another project's, whose command has our command's name."""

_OURS = b"haconiwa_core"
_MIB = 1 << 20
_LITTLE = 16


def command() -> Iterator[Diagnosis]:
    """Which program the word haconiwa means."""
    folders = [folder for folder in os.environ.get("PATH", "").split(":") if folder]
    found = list(dict.fromkeys(path for folder in folders if (path := shutil.which("haconiwa", path=folder))))
    own = os.path.join(os.path.dirname(sys.executable), "haconiwa")
    if not found:
        yield Diagnosis("command", "degraded", "no haconiwa on PATH", f"PATH={os.path.dirname(own)}:$PATH")
    elif not _is_ours(found[0]):
        meaning = f"{found[0]} comes first on PATH, and is another project's program of the same name"
        yield Diagnosis("command", "degraded", meaning, f"call {own}, or uninstall the other: pip uninstall haconiwa")
    elif not os.path.samefile(found[0], own) if os.path.exists(own) else False:
        meaning = f"{found[0]} comes first on PATH, and belongs to another installation than this, {own}"
        yield Diagnosis("command", "degraded", meaning, f"PATH={os.path.dirname(own)}:$PATH")
    else:
        yield Diagnosis("command", "ok", found[0])
    if any(identity(metadata)[0].lower() == _STRANGER for metadata in distributions()):
        meaning = "the distribution haconiwa is another project's, and its command replaces ours"
        remedy = "pip uninstall haconiwa; pip install --force-reinstall --no-deps haconiwa-core"
        yield Diagnosis("distribution haconiwa", "degraded", meaning, remedy)


def _is_ours(program: str) -> bool:
    with open(program, "rb") as file:
        return _OURS in file.read(4096)


def plugins() -> Iterator[Diagnosis]:
    """Each plugin that cannot be used, and why: its import fails, others can write its files, two claim its name."""
    try:
        found = installed()
        loaded = survey(Plugins(found))
    except PluginError as error:
        yield Diagnosis("plugins", "missing", str(error), "see `haconiwa plugins list`", essential=True)
        return
    broken = {name: str(why) for name, why in loaded.items() if isinstance(why, PluginError)}
    usable = [plugin for plugin in found if plugin.state is State.ENABLED and plugin.name not in broken]
    yield Diagnosis("plugins", "ok", f"{len(usable)} can be used")
    for plugin in found:
        if plugin not in usable:
            why = broken.get(plugin.name) or f"{plugin.state}: {plugin.reason}"
            yield Diagnosis(f"plugin {plugin.name}", "degraded", why, _remedy_for(plugin))


def _remedy_for(plugin: Installed) -> str:
    distribution = plugin.entry_point.distribution
    return {
        State.DISABLED: f"haconiwa plugins enable {plugin.name}",
        State.BLOCKED: f"let {POLICY_FILE} allow it",
        State.AMBIGUOUS: f"pip uninstall {distribution}, or the other",
        State.INCOMPATIBLE: f"pip install --upgrade {distribution}",
    }.get(plugin.state, f"pip install --force-reinstall {distribution}, or pip uninstall it")


def launcher() -> Iterator[Diagnosis]:
    """What starts containers."""
    names = [item.name for item in entry_points() if item.group == LAUNCHERS and not item.blocked]
    if names:
        yield Diagnosis("launcher", "ok", f"{', '.join(names)}: starts at the kernel's own speed")
    else:
        meaning = "zygote, a Python process: a start takes about twice as long"
        yield Diagnosis("launcher", "degraded", meaning, "pip install haconiwa-launcher")


def policy() -> Iterator[Diagnosis]:
    """What the administrator lets this host use."""
    try:
        found = read_policy()
    except PluginError as error:
        meaning = f"{error}; until that is mended nothing is loaded"
        yield Diagnosis(
            "policy", "missing", meaning, f"chown root {POLICY_FILE}; chmod 644 {POLICY_FILE}", essential=True
        )
        return
    yield Diagnosis("policy", "ok", f"{POLICY_FILE} is in force" if found else f"none: there is no {POLICY_FILE}")


def state() -> Iterator[Diagnosis]:
    """Where records of containers are kept."""
    try:
        place = state_directory()
    except HaconiwaError as error:
        remedy = "export XDG_RUNTIME_DIR=/run/user/$(id -u)"
        yield Diagnosis("state directory", "missing", str(error), remedy, essential=True)
        return
    there = place
    while not there.exists():
        there = there.parent
    status, space = there.lstat(), os.statvfs(there)
    free = space.f_bavail * space.f_frsize // _MIB
    private = there != place or (status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077)
    if not private or not stat.S_ISDIR(status.st_mode):
        meaning = f"{place} must be a directory that only user {os.geteuid()} can enter"
        remedy = f"chown {os.geteuid()} {place}; chmod 700 {place}"
        yield Diagnosis("state directory", "missing", meaning, remedy, essential=True)
    elif not os.access(there, os.W_OK | os.X_OK):
        meaning = f"{place} cannot be made: user {os.geteuid()} may not write to {there}"
        remedy = "make it, or name another: export HACONIWA_STATE=DIR"
        yield Diagnosis("state directory", "missing", meaning, remedy, essential=True)
    elif free < _LITTLE:
        meaning = f"{place} has {free} MiB left, for records and logs of containers"
        yield Diagnosis("state directory", "degraded", meaning, f"make room: df {there}; haconiwa gc", essential=True)
    else:
        yield Diagnosis("state directory", "ok", f"{place}, {free} MiB free", essential=True)


class _Program(NamedTuple):
    """A program of the host's.

    Args:
        name: on PATH.
        use: what for.
        package: of Debian's.
    """

    name: str
    use: str
    package: str


_PROGRAMS = (
    _Program("gcc", "to build haconiwa-launcher and haconiwa-verify from source; their wheels need none", "gcc"),
    _Program("apparmor_parser", "to load profiles for haconiwa-apparmor", "apparmor"),
    _Program("busybox", "to make small roots, as the pages do and as tests need them", "busybox-static"),
    _Program("mmdebstrap", "to make roots of Debian", "mmdebstrap"),
    _Program("systemd-run", "where it is, `haconiwa scope` starts in a control group that is delegated", "systemd"),
)
_SYSTEM = "/usr/local/sbin:/usr/sbin:/sbin"
"""Folders that an ordinary user's PATH may lack."""


def programs() -> Iterator[Diagnosis]:
    """Programs of others: no container needs any, but what is done around them may."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM}"
    for program in _PROGRAMS:
        found = shutil.which(program.name, path=path)
        if found:
            yield Diagnosis(program.name, "ok", f"{found}: {program.use}")
        else:
            yield Diagnosis(program.name, "degraded", f"not installed: {program.use}", f"apt install {program.package}")


CHECKS = (command, plugins, launcher, policy, state, programs)
