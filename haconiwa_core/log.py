"""Our own messages: for people on a terminal, or one JSON object a line. Silent on success."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import MutableMapping

Format = Literal["console", "json"]

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\n\t"}


class Log:
    """Writes messages to standard error through structlog, which is imported with the first one."""

    def __init__(self, format: Format = "console") -> None:
        self._format = format
        self._logger: Any = None

    def error(self, message: str, **context: object) -> None:
        """Write an error."""
        self._write("error", message, context)

    def warning(self, message: str, **context: object) -> None:
        """Write a warning."""
        self._write("warning", message, context)

    def _write(self, level: str, message: str, context: dict[str, object]) -> None:
        if self._logger is None:
            self._logger = _make_logger(self._format)
        getattr(self._logger, level)(message, **context)


def escape(text: str) -> str:
    """Return a text that any terminal prints and none obeys; line ends and tabs stay.

    Control characters, and bytes of names that are no UTF-8, become visible.
    """
    return text.translate(_CONTROL).encode("utf-8", "backslashreplace").decode("utf-8")


def _make_logger(format: Format) -> Any:
    import structlog

    if format == "json":
        processors: list[Any] = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ]
    else:
        processors = [_render_for_people]
    return structlog.wrap_logger(structlog.PrintLogger(sys.stderr), processors=processors)


def _render_for_people(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
    message = escape(str(event.pop("event")))
    context = "".join(f" {key}={escape(str(value))}" for key, value in sorted(event.items()))
    lines = (message + context).splitlines() or [""]
    return "\n".join(f"haconiwa: {level}: {line}" for line in lines)
