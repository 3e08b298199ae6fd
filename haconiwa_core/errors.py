"""Every error that Haconiwa raises, and the exit statuses that the command line gives them."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import NamedTuple

EXIT_DEFINITION = 2
EXIT_SETUP = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


class HaconiwaError(Exception):
    """Base of all errors that a user of Haconiwa can meet; `exit_status` is the command line's."""

    exit_status = EXIT_SETUP


class Problem(NamedTuple):
    """One thing that is wrong with a definition.

    Args:
        text: what is wrong, without a final period.
        section: the feature's name, or "" for the container's own keys.
        key: the option within the section, or "".
        file: the definition's file, or "" where there is none.
        line: 1-based line in `file`; 0 where it is not known.
        hint: what to do about it, or "".
    """

    text: str
    section: str = ""
    key: str = ""
    file: str = ""
    line: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.file and self.line else "")
        where = ".".join(part for part in (self.section, self.key) if part)
        text = ": ".join(part for part in (place, where, self.text) if part)
        return f"{text}; {self.hint}" if self.hint else text


class DefinitionError(HaconiwaError):
    """A definition cannot be planned. Holds all of its problems; nothing has been started."""

    exit_status = EXIT_DEFINITION

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class PluginError(HaconiwaError):
    """A plugin is absent, disabled, broken, incompatible or ambiguous."""

    exit_status = EXIT_DEFINITION


class RecordError(HaconiwaError):
    """A container's record cannot be claimed, read or written."""


class SetupError(HaconiwaError):
    """A container could not be set up; everything done for it has been undone.

    Attributes:
        plugin: the plugin whose step failed, or "core".
        stage: the name of the stage, as `haconiwa plan` prints it.
        attempted: the failed function with its arguments.
        errno: the kernel's error number, or 0 where no system call failed.
        reason: its name and meaning, or what happened instead.
        cause: why, as it was found when it was looked for, or "".
        remedy: what to do about it, or "".
        cleanup: failures of the undo that followed, empty in the ordinary case.
    """

    def __init__(
        self,
        *,
        plugin: str,
        stage: str,
        attempted: str,
        number: int = 0,
        reason: str = "",
        cause: str = "",
        remedy: str = "",
        exit_status: int = EXIT_SETUP,
    ) -> None:
        self.plugin = plugin
        self.stage = stage
        self.attempted = attempted
        self.errno = number
        self.reason = describe_errno(number, reason) if number else reason
        self.cause = cause
        self.remedy = remedy
        self.cleanup: tuple[str, ...] = ()
        self.exit_status = exit_status
        told = ": ".join(filter(None, (plugin, stage, attempted, self.reason, cause)))
        super().__init__(f"{told}; {remedy}" if remedy else told)


class StepError(OSError):
    """A step on the host failed, and knows what to do about it.

    Attributes:
        remedy: what to do.
    """

    def __init__(self, number: int, text: str, remedy: str) -> None:
        super().__init__(number, text)
        self.remedy = remedy


def describe_errno(number: int, meaning: str = "") -> str:
    """Return an error number's name and meaning, such as "EPERM (Operation not permitted)"."""
    return f"{errno.errorcode.get(number, f'errno {number}')} ({meaning or os.strerror(number)})"
