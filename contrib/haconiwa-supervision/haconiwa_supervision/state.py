"""What a supervisor that comes later needs to go on with a container: beside its record, written by the supervisor."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haconiwa_core.errors import RecordError

FILE_NAME = "supervision.json"
VERSION = 1


@dataclass
class HookState:
    """What is known of one hook of a container.

    Attributes:
        runs, failures: how often it has run, and has failed.
        fired: how often its timer has gone off since the container was started.
        since: from when its timer counts (CLOCK_MONOTONIC, seconds); None where it has not begun.
        due: when it goes off next; None where it does not any more, or has not begun.
        cancelled: it does not run any more for this container.
        last: how its last run has ended, with the first line of what was wrong.
    """

    runs: int = 0
    failures: int = 0
    fired: int = 0
    since: float | None = None
    due: float | None = None
    cancelled: bool = False
    last: str = ""


@dataclass
class State:
    """What is known of one container beyond its record.

    Attributes:
        definition: as it has travelled; see `transport`.
        group: of the containers that were started together.
        remove: it is forgotten when it has ended.
        launcher: by name.
        caller: pid and start time of the process that the container ends with; None where it outlives its caller.
        complete: whether the start of all of its group was complete; else it is undone by who comes later.
        retired: whether it is to end, or may end, without being started again.
        stopping: seconds that it was given to end, when it was asked to; None where it was not.
        ended: whether it has ended for good.
        started: when its command was executed last (CLOCK_MONOTONIC, seconds).
        ready: when it has become ready; None while it is not.
        restarts: how often it was started again.
        in_a_row: how often of these it had run for less than `restart_reset`.
        waits_until: when it is started again (CLOCK_MONOTONIC, seconds); None where it does not wait for that.
        seen: what was counted in its control group's files when they were looked at last.
        hooks: by name.
        store: the values that its hooks keep.
    """

    definition: Mapping[str, Any]
    group: str
    remove: bool = False
    launcher: str | None = None
    caller: tuple[int, int] | None = None
    complete: bool = False
    retired: bool = False
    stopping: float | None = None
    ended: bool = False
    started: float = 0.0
    ready: float | None = None
    restarts: int = 0
    in_a_row: int = 0
    waits_until: float | None = None
    seen: dict[str, int] = field(default_factory=dict)
    hooks: dict[str, HookState] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)

    def hook(self, name: str) -> HookState:
        """Return what is known of a hook."""
        return self.hooks.setdefault(name, HookState())

    def encoded(self) -> bytes:
        """Return it as the file beside the record holds it, which `read_state` reads."""
        hooks = {name: vars(known) for name, known in self.hooks.items()}
        # In one piece: json.dump() takes ten times as long.
        return json.dumps({"version": VERSION, **vars(self), "hooks": hooks}, separators=(",", ":")).encode()


def read_state(directory: Path) -> State | None:
    """Return what was written into an instance's directory; None where it has left nothing.

    Raises:
        RecordError: it cannot be read, or is of another version.
    """
    path = directory / FILE_NAME
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), encoding="utf-8") as file:
            data = json.load(file)
        if data.pop("version") != VERSION:
            raise ValueError(f"it is not of version {VERSION}")
        hooks = {name: HookState(**known) for name, known in data.pop("hooks").items()}
        return State(**data, hooks=hooks)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"cannot read {path}: {error}") from error
