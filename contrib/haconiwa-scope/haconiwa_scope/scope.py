"""Move this process into a scope: ask a service manager for one over D-Bus, and wait until it is there."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jeepney import DBusAddress, MatchRule, MessageType, message_bus, new_method_call  # type: ignore[import-untyped]  # it has no annotations
from jeepney.io.blocking import DBusConnection, Proxy, open_dbus_connection  # type: ignore[import-untyped]  # it has no annotations

from haconiwa_core.errors import HaconiwaError

_BUS = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", bus_name=_BUS, interface=f"{_BUS}.Manager")
_UNREACHABLE = {
    "user": "a login session has it: log in by ssh or on a console, or as root `loginctl enable-linger USER`",
    "system": "is systemd the init of this host, and does dbus run?",
}

Manager = Literal["user", "system"]


class ScopeError(HaconiwaError):
    """No scope can be had; the process is where it was."""


def enter(name: str = "", *, manager: Manager | None = None, timeout: float = 30.0) -> str:
    """Move this process, with all of its threads, into a new scope with delegated control groups.

    What is gathered of the host afterwards sees a control group that is the caller's to divide. The scope ends when no
    process is left in it. A process that is alone in its scope can enter another one.

    Args:
        name: of the scope, without ".scope"; by default one that no other process has.
        manager: whom to ask: by default the system's as root, else the user's own.
        timeout: seconds for each answer.

    Returns:
        The unit's name.

    Raises:
        ScopeError: the manager cannot be reached, refuses, or gives a scope that is not delegated.
    """
    asked = manager or ("system" if os.geteuid() == 0 else "user")
    unit = f"{name or f'haconiwa-{os.getpid()}-{time.monotonic_ns():x}'}.scope"
    try:
        connection = open_dbus_connection(_address(asked), auth_timeout=timeout)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        text = f"the {asked}'s service manager cannot be reached over D-Bus: {error}"
        raise ScopeError(f"{text}; {_UNREACHABLE[asked]}") from error
    try:
        _start(connection, unit, timeout)
    except TimeoutError as error:
        raise ScopeError(f"{unit}: no answer within {timeout:g} s") from error
    except (OSError, EOFError) as error:
        raise ScopeError(f"{unit}: the connection to the bus broke: {error}") from error
    finally:
        connection.close()
    _check(unit)
    return unit


def _address(manager: Manager) -> str:
    """Return where the bus of a manager is: a user's own lies in its runtime directory."""
    if manager == "system":
        return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket")
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={os.environ['XDG_RUNTIME_DIR']}/bus"


def _start(connection: DBusConnection, unit: str, timeout: float) -> None:
    finished = MatchRule(type="signal", interface=_MANAGER.interface, member="JobRemoved", path=_MANAGER.object_path)
    bus = Proxy(message_bus, connection, timeout=timeout)
    bus.AddMatch(finished)
    # Without it the manager tells nobody.
    _call(connection, "Subscribe", "", (), timeout)
    with connection.filter(finished, bufsize=1024) as signals:
        properties = [
            ("Description", ("s", "Containers of haconiwa")),
            ("PIDs", ("au", [os.getpid()])),
            ("Delegate", ("b", True)),
            ("CollectMode", ("s", "inactive-or-failed")),
        ]
        (job,) = _call(connection, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []), timeout)
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), 0)
            _, ended, _, result = connection.recv_until_filtered(signals, timeout=left).body
            if ended == job:
                break
    if result != "done":
        raise ScopeError(f"{unit}: the service manager says: {result}; see `systemctl status {unit}`")


def _call(
    connection: DBusConnection, method: str, signature: str, arguments: Sequence[Any], timeout: float
) -> tuple[Any, ...]:
    message = new_method_call(_MANAGER, method, signature, tuple(arguments))
    reply = connection.send_and_get_reply(message, timeout=timeout)
    if reply.header.message_type is MessageType.error:
        text = reply.body[0] if reply.body else "no reason is given"
        raise ScopeError(f"the service manager refuses {method}: {text}")
    answer: tuple[Any, ...] = reply.body
    return answer


def _check(unit: str) -> None:
    groups = Path("/proc/self/cgroup").read_text().splitlines()
    if not any(line.endswith(f"/{unit}") for line in groups):
        raise ScopeError(f"{unit} was made, but this process is not in it: {', '.join(groups)}")
