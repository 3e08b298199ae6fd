"""docker's flags `--restart`, `--stop-signal` and `--stop-timeout`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.cli.flags import Flag
from haconiwa_core.errors import DefinitionError, Problem
from haconiwa_supervision import Supervision

SECTION = Supervision.section
FLAGS = {
    "restart": Flag("`restart`, and `restart_limit`: none without COUNT", "no|on-failure[:COUNT]|always"),
    "stop-signal": Flag("`stop_signal`", "SIGNAL"),
    "stop-timeout": Flag("`stop_timeout`", "SECONDS"),
}


def options(given: Mapping[str, Sequence[str]], section: Supervision | None) -> dict[str, Any]:
    """Turn each flag's last value into options."""
    del section
    last = {name: values[-1] for name, values in given.items()}
    changed: dict[str, Any] = {}
    if "restart" in last:
        changed = _restart(last["restart"])
    if "stop-signal" in last:
        signal = last["stop-signal"].upper()
        changed["stop_signal"] = signal if signal.startswith("SIG") else f"SIG{signal}"
    if "stop-timeout" in last:
        seconds = last["stop-timeout"]
        changed["stop_timeout"] = int(seconds) if seconds.isascii() and seconds.isdigit() else seconds
    return changed


def _restart(text: str) -> dict[str, Any]:
    policy, colon, count = text.partition(":")
    if policy == "unless-stopped":
        hint = "`always` is: who stops a container does not want it again"
        raise DefinitionError([Problem("--restart unless-stopped: there is none", hint=hint)])
    if colon and not (policy == "on-failure" and count.isascii() and count.isdigit()):
        raise DefinitionError([Problem(f"--restart {text}: not understood", hint="write on-failure:COUNT")])
    return {"restart": policy, "restart_limit": int(count) if count else 0}
