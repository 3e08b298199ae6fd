"""Watch a plugin plan in a process of its own: what it gives, and what it does besides."""

from __future__ import annotations

import json
import os
import pickle
import sys
import sysconfig
from collections.abc import Sequence
from typing import Any, NamedTuple

from haconiwa_core.facts import Fact
from haconiwa_core.feature import Feature
from haconiwa_core.planning.plan import Plan
from haconiwa_core.testing.conformance.subject import python
from haconiwa_core.testing.plans import all_plugins, plan_of
from haconiwa_core.testing.published import Published

_CHANGING = frozenset(
    {
        "os.chdir",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.lockf",
        "os.mkdir",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.symlink",
        "os.truncate",
        "os.utime",
        "os.putenv",
        "os.unsetenv",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "subprocess.Popen",
        "signal.pthread_kill",
        "_thread.start_new_thread",
        "socket.bind",
        "socket.connect",
        "socket.sendmsg",
        "socket.sendto",
    }
)
"""Audit events of what changes something, starts something or talks to somebody (audit events table of Python)."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Observed(NamedTuple):
    """What a plugin has done while it planned.

    Args:
        plans: of the features, as JSON.
        changes: what was changed or started.
        read: files that were read and are no inputs of the plan.
    """

    plans: list[str]
    changes: list[str]
    read: list[str]


def observe(features: Sequence[Feature], facts: Sequence[Fact], folder: str, seed: int) -> Observed:
    """Plan features in another process.

    Args:
        features: planned one after the other.
        facts: what others would publish.
        folder: where relative paths start.
        seed: of the process's hashes.
    """
    program = f"from {__name__} import main; main()"
    return Observed(**json.loads(python(program, input=pickle.dumps((features, facts, folder)), seed=seed)))


def main() -> None:
    """Be the other process."""
    features, facts, folder = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the process that has started this one
    for section in {Published.section, *(feature.section for feature in features)}:
        all_plugins().feature_class(section)
    events: list[tuple[str, tuple[Any, ...]]] = []
    watching = True

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if watching:
            events.append((event, arguments))

    sys.addaudithook(audit)
    plans = [plan_of(feature, facts=facts, folder=folder) for feature in features]
    watching = False
    changes = [f"{event}{arguments}" for event, arguments in events if event in _CHANGING or _writes(event, arguments)]
    opened = [os.fsdecode(arguments[0]) for event, arguments in events if _reads(event, arguments)]
    texts = [json.dumps(plan.to_json()) for plan in plans]
    sys.stdout.write(json.dumps(Observed(texts, changes, _undeclared(opened, plans))._asdict()))


def _writes(event: str, arguments: tuple[Any, ...]) -> bool:
    return event == "open" and _is_path(arguments[0]) and bool(arguments[2] & _WRITING)


def _reads(event: str, arguments: tuple[Any, ...]) -> bool:
    return event in ("open", "os.listdir", "os.scandir") and _is_path(arguments[0])


def _is_path(file: object) -> bool:
    """Whether something is opened by a path: what a descriptor leads to was opened before, or is nameless memory."""
    return isinstance(file, (str, bytes, os.PathLike))


def _undeclared(opened: Sequence[str], plans: Sequence[Plan]) -> list[str]:
    """Return files that are neither inputs of a plan nor part of what is installed."""
    inputs = {item.path for plan in plans for item in plan.inputs}
    code = tuple(os.path.join(folder, "") for folder in (*sys.path, *sysconfig.get_paths().values()) if folder)
    return sorted({path for path in opened if path not in inputs and not f"{path}/".startswith(code)})
