"""An error that has travelled is the same error."""

from __future__ import annotations

import errno
import json

import pytest
from haconiwa_runtime.errors import error_from_json, error_to_json

from haconiwa_core.errors import DefinitionError, HaconiwaError, PluginError, Problem, RecordError, SetupError

FAILED = SetupError(
    plugin="lamp",
    stage="LIMITS",
    attempted="light()",
    number=errno.EPERM,
    reason="it is dark",
    cause="there is no bulb",
    remedy="buy one",
    exit_status=126,
)
FAILED.cleanup = ("the socket is hot",)


@pytest.mark.parametrize(
    "error",
    [
        FAILED,
        SetupError(plugin="core", stage="child", attempted="set up", reason="it has ended"),
        DefinitionError([Problem("is wrong", "lamp", "level", "web.toml", 3, "mend it")]),
        PluginError("there is none"),
        RecordError("the name is in use"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_travelling(error: HaconiwaError) -> None:
    arrived = error_from_json(json.loads(json.dumps(error_to_json(error))))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.exit_status == error.exit_status
    assert vars(arrived) | {"exit_status": 0} == vars(error) | {"exit_status": 0}
