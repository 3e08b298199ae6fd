"""A feature: the typed section of a definition that one plugin turns into steps."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple

from haconiwa_core.stages import Stage

_NO_SOURCE = ("<string>", dataclasses.__file__)


class Source(NamedTuple):
    """Where in a file something was written; line 0 where it is not known."""

    file: str
    line: int


class Rootless(NamedTuple):
    """What a feature can do for an ordinary user, who has nothing but a user namespace.

    Args:
        able: all of it, part of it, or none.
        how: one line: by what means, what is missing and why, and what to use instead; "" where all just works.
    """

    able: Literal["yes", "partly", "no"]
    how: str = ""


def written_at() -> Source:
    """Return the place in the source that is constructing a dataclass, called from __post_init__."""
    frame = sys._getframe(2)
    # The generated __init__ has no file of its own; dataclasses.replace stands between, too.
    while frame.f_back and frame.f_code.co_filename in _NO_SOURCE:
        frame = frame.f_back
    return Source(frame.f_code.co_filename, frame.f_lineno)


@dataclass(frozen=True)
class Feature:
    """Base of every feature: a frozen, keyword-only dataclass whose fields are its options.

    Each field is made with `option`, so that `haconiwa plugins show` can explain it. Values are
    checked while planning, all together; creating a feature never fails.
    """

    section: ClassVar[str]
    """The plugin's name: also the entry point's, the section's, and the distribution's suffix."""

    stages: ClassVar[tuple[Stage, ...]]
    """The stages in which the plugin's steps run."""

    rootless: ClassVar[Rootless]
    """What it can do without root."""

    supervised: ClassVar[bool] = False
    """Whether the section is for the resident supervisor, which must then start the container."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", written_at())
        for item in fields(self):
            value = getattr(self, item.name)
            # A list would be shared by all copies, and could change under them.
            if isinstance(value, list):
                object.__setattr__(self, item.name, tuple(value))

    @property
    def is_lenient(self) -> bool:
        """Whether less than is asked for is good enough where the host cannot do it; see `Planning.warn`."""
        return False

    @property
    def place(self) -> Source:
        """Where the feature was written."""
        place: Source = self.__dict__["source"]
        return place

    def at(self, source: Source) -> Feature:
        """Tell where the feature was written, for problems that are found in it; return it."""
        object.__setattr__(self, "source", source)
        return self


def option(default: Any, help: str, **more: Any) -> Any:
    """Declare an option of a feature: a dataclass field with a default and one line of help.

    Args:
        default: the value when the option is not given.
        help: one line, with unit and range.
        more: further arguments of `dataclasses.field`.
    """
    return field(default=default, metadata={"help": help}, **more)


def option_help(feature: type[Feature]) -> dict[str, str]:
    """Return the help of each option by its name."""
    return {item.name: item.metadata.get("help", "") for item in fields(feature)}
