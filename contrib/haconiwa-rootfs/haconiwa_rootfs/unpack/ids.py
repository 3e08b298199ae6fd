"""The user namespace in which an ordinary user's layers are: with his own ids as 0, and those that the host gives."""

from __future__ import annotations

import os
import pwd
import sys
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import NamedTuple

from haconiwa_core.errors import HaconiwaError, StepError
from haconiwa_core.linux.calls import Call
from haconiwa_core.linux.constants import CLONE_NEWUSER
from haconiwa_core.linux.host import system_call, write_id_maps
from haconiwa_core.linux.id_maps import subordinate_ranges, write_id_maps_by_helpers

_READY = b"user namespace"


class Maps(NamedTuple):
    """Lines of "inside outside count" (user_namespaces(7)).

    Args:
        users: of users.
        groups: of groups.
    """

    users: str
    groups: str


def own_maps() -> Maps | None:
    """Return the maps, or None where /etc/subuid or /etc/subgid gives the caller nothing (subuid(5))."""
    names = {str(os.geteuid())}
    with suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    users = _lines("/etc/subuid", names, os.geteuid())
    groups = _lines("/etc/subgid", names, os.getegid())
    return Maps(users, groups) if users and groups else None


def _lines(path: str, names: set[str], own: int) -> str:
    try:
        text = Path(path).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    lines, inside = [f"0 {own} 1"], 1
    for first, count in subordinate_ranges(text, names):
        lines.append(f"{inside} {first} {count}")
        inside += count
    return "\n".join(lines) if len(lines) > 1 else ""


def become_root_of_new_user_namespace(channel: int) -> None:
    """Make a user namespace, and become its user 0 once the parent has mapped ids.

    Args:
        channel: descriptor of a socket, whose other end `map_ids` has.
    """
    system_call(Call.unshare, CLONE_NEWUSER)
    os.write(channel, _READY)
    if os.read(channel, len(_READY)) != _READY:
        sys.exit("the ids of the user namespace were not mapped")
    os.close(channel)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def map_ids(pid: int, channel: socket) -> None:
    """Map the ids of a child's new user namespace, when it has one.

    Raises:
        HaconiwaError: it gets none, or its ids cannot be mapped.
    """
    if channel.recv(len(_READY)) != _READY:
        raise HaconiwaError("a user namespace could not be made; the host may forbid it to ordinary users")
    maps = own_maps()
    try:
        if maps is None:
            write_id_maps(pid, f"0 {os.geteuid()} 1", f"0 {os.getegid()} 1", deny_setgroups=True)
        else:
            write_id_maps_by_helpers(pid, maps.users, maps.groups)
    except OSError as error:
        remedy = f"; {error.remedy}" if isinstance(error, StepError) and error.remedy else ""
        raise HaconiwaError(f"the ids of a user namespace cannot be mapped: {error.strerror}{remedy}") from error
    channel.sendall(_READY)
