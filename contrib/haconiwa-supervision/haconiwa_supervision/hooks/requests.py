"""What a hook can ask of the supervisor: the requests of `Context`, and how they must look."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from signal import Signals
from typing import Any

from haconiwa_core.options import suggestion

LIMIT = 128 << 10
"""Bytes of whatever the process of a hook says at once, as JSON."""

_MOST_SECONDS = 10**9


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_level(value: object) -> bool:
    return value in ("info", "warning", "error")


def _is_seconds_or_none(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST_SECONDS


def _is_signal(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and any(value == member for member in Signals)


def _is_base64_or_none(value: object) -> bool:
    if not isinstance(value, str):
        return value is None
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_table_of_tables(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_table, value.values()))


def _is_table_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_command(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_of_json(value: object) -> bool:
    return isinstance(value, (bool, int, float, str, list, dict)) or value is None


REQUESTS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "definition": {},
    "status": {"section": _is_text},
    "update": {"sections": _is_table_of_tables},
    "stop": {"timeout": _is_seconds_or_none},
    "restart": {},
    "signal": {"signal": _is_signal},
    "kill": {},
    "exec": {
        "command": _is_command,
        "env": _is_table_of_texts,
        "workdir": _is_text_or_none,
        "input": _is_base64_or_none,
        "timeout": _is_seconds_or_none,
    },
    "log": {"level": _is_level, "message": _is_text, "values": _is_table},
    "store_get": {"key": _is_text},
    "store_set": {"key": _is_text, "value": _is_of_json},
    "store_delete": {"key": _is_text},
    "store_keys": {},
    "cancel": {},
}
"""By the value of "ask", the keys that such a request has besides, and what their values must be."""


def complaint_about(request: Mapping[str, Any]) -> str:
    """Return what is wrong with a request, or ""."""
    ask = request.get("ask")
    if not isinstance(ask, str) or ask not in REQUESTS:
        hint = suggestion(ask, REQUESTS) if isinstance(ask, str) and len(ask) < 100 else ""
        return f"there is no such request; {hint}".removesuffix("; ")
    wanted = REQUESTS[ask]
    if request.keys() - {"ask"} != wanted.keys():
        return f"the request {ask} takes {', '.join(wanted) or 'nothing'}"
    wrong = [key for key, is_right in wanted.items() if not is_right(request[key])]
    return f"the request {ask} has a wrong {' and '.join(wrong)}" if wrong else ""
