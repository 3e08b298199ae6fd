"""How errors travel from the resident supervisor to its clients: as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError, Problem, RecordError, SetupError


def error_to_json(error: HaconiwaError) -> dict[str, Any]:
    """Return an error as it travels."""
    told: dict[str, Any] = {"kind": type(error).__name__, "text": str(error), "exit_status": error.exit_status}
    if isinstance(error, DefinitionError):
        told["problems"] = [list(problem) for problem in error.problems]
    if isinstance(error, SetupError):
        names = ("plugin", "stage", "attempted", "reason", "cause", "remedy", "errno")
        told |= {"parts": {name: getattr(error, name) for name in names}, "cleanup": list(error.cleanup)}
    return told


def error_from_json(data: Mapping[str, Any]) -> HaconiwaError:
    """Return the error whose `error_to_json` has given the data."""
    kind, text = data["kind"], str(data["text"])
    if kind == DefinitionError.__name__:
        return DefinitionError([Problem(*problem) for problem in data["problems"]])
    if kind == SetupError.__name__:
        return _setup_error(data["parts"], data["cleanup"], data["exit_status"])
    classes = {cls.__name__: cls for cls in (PluginError, RecordError)}
    error = classes.get(kind, HaconiwaError)(text)
    error.exit_status = int(data["exit_status"])
    return error


def _setup_error(parts: Mapping[str, Any], cleanup: Sequence[str], exit_status: int) -> SetupError:
    texts = {name: parts[name] for name in ("plugin", "stage", "attempted", "reason", "cause", "remedy")}
    error = SetupError(**texts, exit_status=exit_status)
    error.errno = parts["errno"]
    error.cleanup = tuple(cleanup)
    return error
