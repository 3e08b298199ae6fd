"""Named steps that change a root, each run in a container on top of what there is so far."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from haconiwa_core.errors import Problem
from haconiwa_core.options import Pattern

StepName = Annotated[
    str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "1 to 64 letters, digits, _, - and dots, no dot first")
]


@dataclass(frozen=True)
class Provision:
    """A step that changes the root.

    Args:
        name: of the step; it stands before each line of its output.
        shell: a script for /bin/sh of the root, which ends at the first command that fails.
        python: a program for python3 of the root, instead.
        network: it may use the host's network.
    """

    name: StepName
    shell: str | None = None
    python: str | None = None
    network: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """What is run in the container."""
        return ("/bin/sh", "-ec", self.shell) if self.shell is not None else ("python3", "-c", self.python or "")


def python_source(function: Callable[[], object]) -> str:
    """Return a program that calls a function, for the `python` of a step of a definition in Python.

    The text of the function is what is run, in the container and by its python3: it imports what it needs itself, and
    knows nothing of the file that it stands in.

    Args:
        function: made by `def` in a file, without arguments and decorators.
    """
    import inspect
    import textwrap

    return f"{textwrap.dedent(inspect.getsource(function))}\n{function.__name__}()\n"


def key_after(key: str, step: Provision) -> str:
    """Return the key of what a step makes of the root that has a key; the step's name is no part of it."""
    canonical = json.dumps([key, *step.command, step.network], separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def keys_after(key: str, steps: Sequence[Provision]) -> Iterator[str]:
    """Yield the key of what each step makes, in order."""
    for step in steps:
        key = key_after(key, step)
        yield key


def problems_of(steps: Sequence[Provision]) -> Iterator[Problem]:
    """Yield what is wrong with steps that their types do not tell."""
    names: set[str] = set()
    for index, step in enumerate(steps):
        if (step.shell is None) == (step.python is None):
            yield Problem("needs shell or python, and not both", key=f"provision[{index}]")
        if step.name in names:
            yield Problem(f"there is another step {step.name}", key=f"provision[{index}].name")
        names.add(step.name)
